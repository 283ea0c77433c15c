// SPDX-License-Identifier: MIT
// See host.h.
#include "media-worker/host.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/url.h"
#include "media-worker/children.h"

#define SPARE_RETRY_MS 1000
#define REPORT_RETRY_MS 1000

typedef struct {
    Service *service;
    char *address;
    Candidates *candidates;
    guint capacity, spare_timer;
    GPtrArray *rooms; // of Child
    Child *spare;
    GPtrArray *reports; // of Report: what the registry has not confirmed
    guint move_timer;   // runs while it drains
} Host;

// The end of a room process, or the wish that it be moved elsewhere: told until it is confirmed.
typedef struct {
    Host *host;
    Json *body;
    guint64 request; // open; 0: waits for the timer
    guint timer;
} Report;

static char **room_arguments;

void host_set_arguments(int argc, char **argv)
{
    g_autoptr(GStrvBuilder) all = g_strv_builder_new();
    for (int i = 0; i < argc; i++)
        g_strv_builder_add(all, argv[i]);
    g_strv_builder_add(all, "--room");
    g_strfreev(room_arguments);
    room_arguments = g_strv_builder_end(all);
}

// ----------------------------------------------------------------------- telling the registry

static void report_free(gpointer data)
{
    Report *report = data;
    if (report->request != 0)
        bus_cancel(service_bus(report->host->service), report->request);
    if (report->timer != 0)
        g_source_remove(report->timer);
    json_unref(report->body);
    g_free(report);
}

static gboolean send_report(gpointer user);

// Nobody there, or nobody in time: the registry is away, and is told when it is back.
static void on_reported(const Envelope *answer, gpointer user)
{
    Report *report = user;
    gint code = envelope_code(answer);
    report->request = 0;
    if (code == 404 || code == 503 || code == 504)
        report->timer = g_timeout_add(REPORT_RETRY_MS, send_report, report);
    else
        g_ptr_array_remove(report->host->reports, report);
}

static gboolean send_report(gpointer user)
{
    Report *report = user;
    Host *host = report->host;
    g_autofree char *to = g_strdup_printf("hyperty://%s/conference", service_domain(host->service));
    Envelope *envelope = envelope_new(MSG__ENVELOPE__TYPE__EXECUTE, host->address, to);
    report->timer = 0;
    envelope_set_body(envelope, report->body);
    report->request = bus_request(service_bus(host->service), envelope, LIMIT_DEADLINE_SERVICE_MS,
                                  on_reported, report);
    return G_SOURCE_REMOVE;
}

// reason: of an end; NULL: none.
static void report(Host *host, const Child *child, const char *method, const char *reason)
{
    g_autoptr(Json) ended = json_new_object();
    g_autoptr(Json) params = json_new_array();
    Report *told = g_new0(Report, 1);
    json_set_text(ended, "roomId", child->room);
    json_set_text(ended, "url", child->url);
    json_set_number(ended, "epoch", (gint64)child->epoch);
    json_set_text(ended, "media", child->media);
    json_set_text(ended, "reason", reason);
    json_append(params, ended);
    told->host = host;
    told->body = json_new_object();
    json_set_text(told->body, "method", method);
    json_set(told->body, "params", params);
    g_ptr_array_add(host->reports, told);
    send_report(told);
}

// --------------------------------------------------------------------------------- room processes

static void answer_placement(const Host *host, const Child *child, BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    g_autoptr(Json) placement = json_new_object();
    json_set_number(placement, "epoch", (gint64)child->epoch);
    json_set_text(placement, "media", child->media);
    json_set_text(placement, "worker", host->address);
    json_set_number(body, "code", 200);
    json_set(body, "value", placement);
    bus_answer(request, body);
}

static void on_started(Child *child, gpointer user)
{
    const Host *host = user;
    for (guint i = 0; i < child->waiting->len; i++) {
        BusRequest *request = g_ptr_array_index(child->waiting, i);
        log_set_trace(bus_request_message(request)->trace);
        answer_placement(host, child, request);
    }
    log_set_trace(NULL);
    g_ptr_array_set_size(child->waiting, 0);
}

static gboolean keep_spare(gpointer user);

static void stop_if_done(const Host *host)
{
    if (service_is_draining(host->service) && host->rooms->len == 0)
        service_stop(host->service, 0);
}

static void on_ended(Child *child, const char *reason, gpointer user)
{
    Host *host = user;
    for (guint i = 0; i < child->waiting->len; i++)
        bus_refuse(g_ptr_array_index(child->waiting, i), MSG__REFUSAL__REASON__no_capacity,
                   "the room process ended");
    if (child == host->spare) {
        host->spare = NULL;
        if (host->spare_timer == 0 && !service_is_draining(host->service))
            host->spare_timer = g_timeout_add(SPARE_RETRY_MS, keep_spare, host);
        return;
    }
    g_ptr_array_remove(host->rooms, child);
    if (child->started && strcmp(reason, "closed") != 0)
        report(host, child, "roomEnded", reason);
    stop_if_done(host);
}

static Child *start_child(Host *host)
{
    static const ChildCalls calls = {.on_started = on_started, .on_ended = on_ended};
    g_autoptr(GError) error = NULL;
    Child *child = child_start((const char *const *)room_arguments, &calls, host, &error);
    if (child == NULL)
        log_event(LOG_ERROR, "room.cannot_spawn", "reason=%s", log_quote(error->message));
    return child;
}

static gboolean keep_spare(gpointer user)
{
    Host *host = user;
    host->spare_timer = 0;
    if (host->spare == NULL && !service_is_draining(host->service))
        host->spare = start_child(host);
    return G_SOURCE_REMOVE;
}

static Child *take_child(Host *host)
{
    Child *child = g_steal_pointer(&host->spare);
    if (host->spare_timer == 0)
        host->spare_timer = g_idle_add(keep_spare, host);
    return child != NULL ? child : start_child(host);
}

// ---------------------------------------------------------------------------------- starting one

// The last room of this object that was started here; NULL if there is none.
static Child *find_room(const Host *host, const char *url)
{
    Child *newest = NULL;
    for (guint i = 0; i < host->rooms->len; i++) {
        Child *child = g_ptr_array_index(host->rooms, i);
        if (strcmp(child->url, url) == 0 && (newest == NULL || child->epoch > newest->epoch))
            newest = child;
    }
    return newest;
}

static char *parameters_of(const Host *host, const Msg__StartRoom *start,
                           const CandidatesSockets *sockets)
{
    static const char *const defaults[] = {"opus", "VP8"};
    g_autoptr(Json) json = json_new_object();
    g_autoptr(Json) addresses = json_new_array();
    g_autoptr(Json) codecs = json_new_array();
    g_auto(GStrv) all = candidates_addresses(host->candidates);
    for (guint i = 0; all[i] != NULL; i++) {
        g_autoptr(Json) address = json_new_text(all[i]);
        json_append(addresses, address);
    }
    for (guint i = 0; i < G_N_ELEMENTS(defaults); i++) {
        gboolean wanted = start->n_codecs == 0;
        for (gsize k = 0; k < start->n_codecs; k++)
            wanted |= g_ascii_strcasecmp(start->codecs[k], defaults[i]) == 0;
        g_autoptr(Json) codec = wanted ? json_new_text(defaults[i]) : NULL;
        if (wanted)
            json_append(codecs, codec);
    }
    json_set_text(json, "roomId", start->roomid);
    json_set_text(json, "url", start->url);
    json_set_number(json, "epoch", (gint64)start->epoch);
    json_set(json, "codecs", codecs);
    json_set(json, "addresses", addresses);
    json_set_number(json, "port", sockets->port);
    json_set_number(json, "receiveBytes", sockets->receive_bytes);
    json_set_bool(json, "ipv4", sockets->socket4 >= 0);
    json_set_text(json, "trace", log_trace());
    return json_print(json, NULL);
}

static void close_sockets(const CandidatesSockets *sockets)
{
    if (sockets->socket4 >= 0)
        close(sockets->socket4);
    if (sockets->socket6 >= 0)
        close(sockets->socket6);
}

// NULL with a reason in words.
static Child *start_room(Host *host, const Msg__StartRoom *start, GError **error)
{
    CandidatesSockets sockets;
    if (!candidates_bind(host->candidates, &sockets, error))
        return NULL;
    g_autofree char *parameters = parameters_of(host, start, &sockets);
    Child *child = take_child(host);
    gboolean handed = child != NULL && child_hand_over(child, parameters, &sockets);
    close_sockets(&sockets);
    if (!handed) {
        g_set_error_literal(error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED, "no room process");
        if (child != NULL)
            kill(child->pid, SIGTERM);
        return NULL;
    }
    child->room = g_strdup(start->roomid);
    child->url = g_strdup(start->url);
    child->epoch = start->epoch;
    g_ptr_array_add(host->rooms, child);
    return child;
}

static Refusal may_start(const Host *host, const Msg__StartRoom *start, const Child *known)
{
    if (start == NULL || start->roomid == NULL || !url_is_key(start->roomid) ||
        start->url == NULL || !url_is_valid(start->url) || start->epoch == 0)
        return MSG__REFUSAL__REASON__malformed;
    if (known != NULL && known->epoch > start->epoch)
        return MSG__REFUSAL__REASON__stale_epoch;
    if (known != NULL && known->epoch == start->epoch)
        return MSG__REFUSAL__REASON__none;
    if (service_is_draining(host->service))
        return MSG__REFUSAL__REASON__draining;
    return host->rooms->len < host->capacity ? MSG__REFUSAL__REASON__none
                                             : MSG__REFUSAL__REASON__no_capacity;
}

static void start_or_refuse(Host *host, const Msg__StartRoom *start, BusRequest *request)
{
    g_autoptr(GError) error = NULL;
    Child *child = start != NULL && start->url != NULL ? find_room(host, start->url) : NULL;
    Refusal refusal = may_start(host, start, child);
    if (refusal != MSG__REFUSAL__REASON__none) {
        bus_refuse(request, refusal, NULL);
        return;
    }
    if (child == NULL || child->epoch != start->epoch)
        child = start_room(host, start, &error);
    if (child == NULL) {
        log_event(LOG_ERROR, "room.no_capacity", "room=%s reason=%s", start->roomid,
                  log_quote(error->message));
        bus_refuse(request, MSG__REFUSAL__REASON__no_capacity, error->message);
    } else if (child->started) {
        answer_placement(host, child, request);
    } else {
        g_ptr_array_add(child->waiting, bus_request_ref(request));
    }
}

void host_on_execute(Service *service, const Envelope *message, BusRequest *request)
{
    Host *host = service_state(service);
    const Msg__Body *body = message->body;
    if (request == NULL)
        return;
    if (body == NULL || g_strcmp0(body->method, "startRoom") != 0) {
        bus_refuse(request, MSG__REFUSAL__REASON__unsupported, NULL);
        return;
    }
    g_autoptr(Json) params = body->has_params ? codec_json(&body->params) : NULL;
    const Json *first = json_at(params, 0);
    Msg__StartRoom *start =
        first != NULL ? CODEC_FROM_JSON(Msg__StartRoom, msg__start_room__descriptor, first, NULL)
                      : NULL;
    start_or_refuse(host, start, request);
    codec_free(start);
}

// ------------------------------------------------------------------------------------- lifetime

static void print_candidates(const Host *host)
{
    g_auto(GStrv) all = candidates_addresses(host->candidates);
    for (guint i = 0; all[i] != NULL; i++)
        log_event(LOG_INFO, "media.candidates", "address=%s ports=%u-%u", all[i],
                  host->candidates->first_port, host->candidates->last_port);
}

// Taken by other workers of this machine, or by a stranger.
static gboolean check_ports(const Host *host, GError **error)
{
    const Candidates *candidates = host->candidates;
    guint taken = 0, all = candidates->last_port - candidates->first_port + 1;
    if (!candidates_check(candidates, &taken, error))
        return FALSE;
    if (taken > 0)
        log_event(taken == all ? LOG_ERROR : LOG_INFO, "media.ports_taken",
                  "ports=%u-%u taken=%u of=%u", candidates->first_port, candidates->last_port,
                  taken, all);
    return TRUE;
}

gboolean host_start(Service *service, GError **error)
{
    gint64 capacity = 0;
    Host *host = g_new0(Host, 1);
    service_set_state(service, host);
    host->service = service;
    host->address =
        g_strdup_printf("hyperty://%s/worker/%s", service_domain(service), service_id(service));
    host->rooms = g_ptr_array_new();
    host->reports = g_ptr_array_new_with_free_func(report_free);
    host->candidates = candidates_new(service_config(service), error);
    if (host->candidates == NULL || !config_number(service_config(service), CONFIG_MEDIA_CAPACITY,
                                                   0, LIMIT_ROOMS, &capacity, error))
        return FALSE;
    host->capacity = (guint)capacity;
    print_candidates(host);
    if (!check_ports(host, error))
        return FALSE;
    keep_spare(host);
    return TRUE;
}

void host_presence(Service *service, Msg__Presence *presence)
{
    const Host *host = service_state(service);
    presence->address = g_strdup(host->address);
    presence->has_capacity = presence->has_load = TRUE;
    presence->capacity = host->capacity;
    presence->load = host->rooms->len;
}

// What has not ended by now is to go on elsewhere.
static gboolean on_move_due(gpointer user)
{
    Host *host = user;
    host->move_timer = 0;
    log_event(LOG_INFO, "worker.moves_rooms", "rooms=%u", host->rooms->len);
    for (guint i = 0; i < host->rooms->len; i++)
        report(host, g_ptr_array_index(host->rooms, i), "moveRoom", NULL);
    return G_SOURCE_REMOVE;
}

void host_drain(Service *service)
{
    Host *host = service_state(service);
    if (host->spare != NULL)
        kill(host->spare->pid, SIGTERM);
    stop_if_done(host);
    guint drain_ms = service_drain_ms(service);
    guint move_after_ms = drain_ms > LIMIT_MOVE_MS ? drain_ms - LIMIT_MOVE_MS : 0;
    host->move_timer = g_timeout_add(move_after_ms, on_move_due, host);
}

// Rooms go on; the spare sees its channel closed.
void host_stop(Service *service)
{
    Host *host = service_state(service);
    if (host->spare_timer != 0)
        g_source_remove(host->spare_timer);
    if (host->move_timer != 0)
        g_source_remove(host->move_timer);
    child_free(host->spare);
    for (guint i = 0; i < host->rooms->len; i++)
        child_free(g_ptr_array_index(host->rooms, i));
    g_ptr_array_unref(host->rooms);
    g_ptr_array_unref(host->reports);
    candidates_free(host->candidates);
    g_free(host->address);
    g_free(host);
    g_strfreev(room_arguments);
    room_arguments = NULL;
}
