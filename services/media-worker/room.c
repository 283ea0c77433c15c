// SPDX-License-Identifier: MIT
// See room.h. The process starts as a spare: it is on the bus and warm, and becomes a room when the
// host hands it a room's parameters and sockets through the channel.
#include "media-worker/room.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/url.h"
#include "media-worker/attendance.h"
#include "media-worker/candidates.h"
#include "media-worker/connection.h"
#include "media-worker/spawn.h"

#define TICK_MS 1000
#define CONNECTION_TICKS 5                // between looks for clients' objects
#define UNLISTED_US (10 * G_USEC_PER_SEC) // admitted, but never in the Communication
#define IDLE_US (60 * G_USEC_PER_SEC)     // no client has sent anything
#define SILENT_US (LIMIT_MEDIA_SILENT_MS * 1000LL)
#define PASS_MS_LARGE 20 // between two passes over the slots of a room of more than
#define LARGE 50         // so many

typedef struct {
    Service *service;
    DtlsContext *dtls;
    ConnectionHome home;
    guint channel, tick, pass;
    guint ticks;
    // Of the room; unset in a spare.
    char *id, *url;
    guint64 epoch;
    char **codecs, **addresses, **candidates;
    guint16 port;
    SdpLocal local;
    GHashTable *connections; // participant -> Connection
    SyncReporter *context;
    SyncObserver *communication;
    Attendance *attendance;
    GHashTable *listed; // participants that the Communication has seen in
    GHashTable *absent; // participant -> since when it is listed without being here, gint64
    gint64 heard_us;    // when a client has last sent anything
    guint32 loudest;
} Room;

static void end_room(Room *room, const char *reason)
{
    g_autofree char *text = g_strdup_printf("{\"ended\":\"%s\"}", reason);
    log_event(LOG_INFO, "room.ended", "room=%s epoch=%" G_GUINT64_FORMAT " reason=%s",
              room->id != NULL ? room->id : "none", room->epoch, reason);
    spawn_send(SPAWN_CHANNEL, text, NULL, 0);
    service_stop(room->service, 0);
}

// ---------------------------------------------------------------------------------- video slots

static gboolean on_pass_due(gpointer user)
{
    Room *room = user;
    room->pass = 0;
    if (bus_is_connected(room->home.bus, NULL))
        members_assign(room->home.members);
    return G_SOURCE_REMOVE;
}

// Soon, once for all that changes meanwhile.
static void want_pass(gpointer user)
{
    Room *room = user;
    if (room->pass != 0 || room->home.members == NULL)
        return;
    guint delay = members_count(room->home.members) > LARGE ? PASS_MS_LARGE : 0;
    room->pass = g_timeout_add(delay, on_pass_due, room);
}

static void on_link(gboolean connected, gpointer user)
{
    Room *room = user;
    if (connected)
        want_pass(room);
}

// ----------------------------------------------------------------------------------- the members

static void drop(Room *room, const char *participant, const char *reason)
{
    Connection *connection = g_hash_table_lookup(room->connections, participant);
    log_event(LOG_INFO, "participant.dropped", "room=%s participant=%s reason=%s", room->id,
              participant, reason);
    connection_end(connection);
    g_hash_table_remove(room->listed, participant);
    g_hash_table_remove(room->connections, participant);
    want_pass(room);
}

static void set_directions(Room *room, const char *id, const Json *participant)
{
    static const char *const types[] = {"audio", "video", "screen"};
    Member *member = members_find(room->home.members, id);
    if (member == NULL)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        members_set_direction(room->home.members, member, types[i],
                              attendance_direction(participant, types[i]));
}

static void on_listed(const char *id, Json *participant, gpointer user)
{
    Room *room = user;
    if (members_find(room->home.members, id) != NULL) {
        g_hash_table_add(room->listed, g_strdup(id));
        set_directions(room, id, participant);
        return;
    }
    if (g_hash_table_contains(room->absent, id))
        return;
    gint64 now = g_get_monotonic_time();
    g_hash_table_insert(room->absent, g_strdup(id), g_memdup2(&now, sizeof now));
}

static gboolean is_no_longer_absent(gpointer id, gpointer since, gpointer user)
{
    (void)since;
    const Room *room = user;
    return members_find(room->home.members, id) != NULL || !attendance_lists(room->attendance, id);
}

// Participants that are here and not (any more) in the Communication, by a rule; the caller's.
static GPtrArray *unlisted(const Room *room, gint64 now_us)
{
    GPtrArray *gone = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer id, connection;
    g_hash_table_iter_init(&iter, room->connections);
    while (g_hash_table_iter_next(&iter, &id, &connection)) {
        gint64 since_us = connection_member(connection)->since_us;
        gboolean was_listed = g_hash_table_contains(room->listed, id);
        if (!attendance_lists(room->attendance, id) &&
            (was_listed || now_us - since_us > UNLISTED_US))
            g_ptr_array_add(gone, g_strdup(id));
    }
    return gone;
}

// Brings the members into line with the Communication.
static void follow(Room *room)
{
    if (attendance_is_elsewhere(room->attendance, room->epoch, room->home.address)) {
        end_room(room, "stale_epoch");
        return;
    }
    attendance_each(room->attendance, on_listed, room);
    g_hash_table_foreach_remove(room->absent, is_no_longer_absent, room);
    g_autoptr(GPtrArray) gone = unlisted(room, g_get_monotonic_time());
    for (guint i = 0; i < gone->len; i++)
        drop(room, g_ptr_array_index(gone, i), "left");
    want_pass(room);
}

static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    (void)observer;
    Room *room = user;
    attendance_read(room->attendance, object);
    follow(room);
}

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    (void)observer;
    Room *room = user;
    attendance_change(room->attendance, change);
    follow(room);
}

// The registry is away, or has not made the object public yet: the tick asks again.
static void on_gone(SyncObserver *observer, Refusal reason, gpointer user)
{
    Room *room = user;
    log_event(LOG_INFO, "room.communication_gone", "room=%s reason=%s", room->id,
              refusal_name(reason));
    room->communication = NULL;
    sync_observer_free(observer);
}

static void observe_communication(Room *room)
{
    static const SyncObserverCalls calls = {
        .on_snapshot = on_snapshot, .on_change = on_change, .on_gone = on_gone};
    if (room->communication == NULL)
        room->communication =
            sync_observer_new(room->home.bus, room->url, room->home.address, NULL, &calls, room);
}

// -------------------------------------------------------------------------------- what Media says

static void publish_speakers(Room *room, const MediaEvent *event)
{
    g_autoptr(Json) value = json_new_object();
    g_autoptr(Json) speakers = json_new_array();
    for (guint i = 0; i < G_N_ELEMENTS(event->numbers); i++) {
        const Member *member = members_by_number(room->home.members, event->numbers[i]);
        if (event->numbers[i] == 0 || member == NULL)
            continue;
        g_autoptr(Json) speaker = json_new_object();
        json_set_text(speaker, "participant", member->participant);
        json_set_number(speaker, "level", event->levels[i]);
        json_append(speakers, speaker);
    }
    json_set(value, "speakers", speakers);
    sync_reporter_change(room->context, NULL, value);
}

static void on_speakers(Room *room, const MediaEvent *event)
{
    room->loudest = event->numbers[0];
    publish_speakers(room, event);
    if (members_heard(room->home.members, room->loudest, g_get_monotonic_time()))
        want_pass(room);
}

static void on_media(const MediaEvent *event, gpointer user)
{
    Room *room = user;
    Member *member = members_by_media(room->home.members, event->peer);
    if (event->type == MEDIA_EVENT_SPEAKERS) {
        on_speakers(room, event);
        return;
    }
    if (member == NULL)
        return;
    if (event->type == MEDIA_EVENT_SILENCE) {
        member->silent = event->silent;
        member->heard |= !event->silent;
    } else if (event->type == MEDIA_EVENT_SOURCE) {
        members_source_changed(member, event->index, event->active);
        if (event->active)
            connection_on_heard(member->owner);
        want_pass(room);
    } else {
        member->heard |= event->type == MEDIA_EVENT_ICE && strcmp(event->ice, "connected") == 0;
        connection_on_media(member->owner, event);
    }
}

// ------------------------------------------------------------------------------------- requests

// Why the room does not take the participant; *ret_offer borrows from admit and value.
static Refusal check_admission(const Room *room, const Msg__AdmitRequest *admit, const Json *value,
                               ConnectionOffer *ret_offer)
{
    if (room->url == NULL || g_strcmp0(admit->url, room->url) != 0)
        return MSG__REFUSAL__REASON__no_such_room;
    if (admit->epoch != room->epoch)
        return MSG__REFUSAL__REASON__stale_epoch;
    if (service_is_draining(room->service) && members_count(room->home.members) == 0)
        return MSG__REFUSAL__REASON__draining;
    if (admit->participant == NULL || !url_is_key(admit->participant) || admit->number == 0)
        return MSG__REFUSAL__REASON__malformed;
    ret_offer->number = admit->number;
    if (!connection_read_offer(admit->participant, value, ret_offer))
        return MSG__REFUSAL__REASON__malformed;
    const Member *other = members_by_number(room->home.members, admit->number);
    if (other != NULL && strcmp(other->participant, admit->participant) != 0)
        return MSG__REFUSAL__REASON__malformed;
    if (!g_hash_table_contains(room->connections, admit->participant) &&
        members_count(room->home.members) >= LIMIT_PEERS)
        return MSG__REFUSAL__REASON__room_full;
    return MSG__REFUSAL__REASON__none;
}

static void answer_with(BusRequest *request, Json *value)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    if (value != NULL)
        json_set(body, "value", value);
    bus_answer(request, body);
}

static Connection *connection_of(Room *room, const ConnectionOffer *offer)
{
    Connection *connection = g_hash_table_lookup(room->connections, offer->participant);
    if (connection == NULL) {
        connection = connection_new(&room->home, offer);
        g_hash_table_insert(room->connections, g_strdup(offer->participant), connection);
    }
    return connection;
}

// FALSE with words: the offer cannot be answered.
static gboolean admit_offer(Room *room, const ConnectionOffer *offer, const char **ret_words)
{
    g_autoptr(SdpAnswer) answer = sdp_answer(offer->sdp, &room->local, ret_words);
    if (answer == NULL)
        return FALSE;
    log_event(LOG_INFO, "participant.admitted",
              "room=%s participant=%s number=%u version=%" G_GUINT64_FORMAT " sources=%u slots=%u",
              room->id, offer->participant, offer->number, offer->version,
              answer->description->n_sources, answer->description->n_slots);
    connection_admit(connection_of(room, offer), offer, answer);
    g_hash_table_remove(room->listed, offer->participant);
    g_hash_table_remove(room->absent, offer->participant);
    room->heard_us = g_get_monotonic_time();
    return TRUE;
}

// An answer that waits until the routes of the fresh object stand: its observers ask at once.
typedef struct {
    Room *room;
    BusRequest *request;
    char *participant;
} Admitted;

static void on_admission_routed(gpointer user)
{
    Admitted *admitted = user;
    const Connection *connection =
        g_hash_table_lookup(admitted->room->connections, admitted->participant);
    if (connection != NULL) {
        g_autoptr(Json) value = connection_json(connection);
        answer_with(admitted->request, value);
    } else {
        bus_refuse(admitted->request, MSG__REFUSAL__REASON__no_such_participant, NULL);
    }
    bus_request_unref(admitted->request);
    g_free(admitted->participant);
    g_free(admitted);
}

static void answer_when_routed(Room *room, const char *participant, BusRequest *request)
{
    Admitted *admitted = g_new0(Admitted, 1);
    admitted->room = room;
    admitted->request = bus_request_ref(request);
    admitted->participant = g_strdup(participant);
    bus_when_routed(room->home.bus, on_admission_routed, admitted);
}

static void admit_or_refuse(Room *room, const ConnectionOffer *offer, BusRequest *request)
{
    const Connection *known = g_hash_table_lookup(room->connections, offer->participant);
    const char *words = NULL;
    if ((known == NULL || !connection_has_answered(known, offer)) &&
        !admit_offer(room, offer, &words)) {
        bus_refuse(request, MSG__REFUSAL__REASON__bad_offer, words);
        return;
    }
    answer_when_routed(room, offer->participant, request);
    observe_communication(room);
    want_pass(room);
}

void room_on_create(Service *service, const Envelope *message, BusRequest *request)
{
    Room *room = service_state(service);
    ConnectionOffer offer = {0};
    g_autoptr(Json) body = envelope_body_json(message);
    Msg__AdmitRequest *admit =
        CODEC_FROM_JSON(Msg__AdmitRequest, msg__admit_request__descriptor, body, NULL);
    if (request != NULL && admit != NULL) {
        g_autoptr(Json) value = admit->has_value ? codec_json(&admit->value) : NULL;
        Refusal refusal = check_admission(room, admit, value, &offer);
        if (refusal == MSG__REFUSAL__REASON__none)
            admit_or_refuse(room, &offer, request);
        else
            bus_refuse(request, refusal, NULL);
    } else if (request != NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__malformed, NULL);
    }
    codec_free(admit);
}

// Whether the message speaks of this placement; answers if not.
static gboolean is_for_us(const Room *room, const Envelope *message, BusRequest *request)
{
    const Msg__Body *body = message->body;
    gboolean ours =
        room->url != NULL && body != NULL && (!body->has_version || body->version == room->epoch);
    if (!ours)
        bus_refuse(request,
                   room->url == NULL ? MSG__REFUSAL__REASON__no_such_room
                                     : MSG__REFUSAL__REASON__stale_epoch,
                   NULL);
    return ours;
}

void room_on_delete(Service *service, const Envelope *message, BusRequest *request)
{
    Room *room = service_state(service);
    if (request == NULL || !is_for_us(room, message, request))
        return;
    const char *resource = message->body->resource;
    const char *participant = resource == NULL ? "" : url_last_segment(resource);
    if (g_hash_table_contains(room->connections, participant))
        drop(room, participant, "deleted");
    answer_with(request, NULL);
}

void room_on_close(Service *service, const Envelope *message, BusRequest *request)
{
    Room *room = service_state(service);
    if (request == NULL || !is_for_us(room, message, request))
        return;
    answer_with(request, NULL);
    end_room(room, "closed");
}

// ------------------------------------------------------------------------------------------ time

static void drop_unlisted(Room *room, gint64 now_us)
{
    if (room->communication == NULL || !sync_observer_is_current(room->communication) ||
        !attendance_is_known(room->attendance) || !bus_is_connected(room->home.bus, NULL))
        return;
    g_autoptr(GPtrArray) gone = unlisted(room, now_us);
    for (guint i = 0; i < gone->len; i++)
        drop(room, g_ptr_array_index(gone, i), "never_listed");
}

static gboolean is_silent(const Member *member, gint64 now_us)
{
    return member->silent || (!member->heard && now_us - member->since_us > SILENT_US);
}

// Remembers when a client was last heard, and looks for clients' objects now and then.
static void look_around(Room *room, gint64 now_us)
{
    GHashTableIter iter;
    gpointer connection;
    g_hash_table_iter_init(&iter, room->connections);
    while (g_hash_table_iter_next(&iter, NULL, &connection)) {
        const Member *member = connection_member(connection);
        if (member->heard && !member->silent)
            room->heard_us = now_us;
        if (room->ticks % CONNECTION_TICKS == 0)
            connection_observe(connection);
    }
}

static gboolean on_tick(gpointer user)
{
    Room *room = user;
    gint64 now_us = g_get_monotonic_time();
    room->ticks++;
    look_around(room, now_us);
    drop_unlisted(room, now_us);
    if (g_hash_table_size(room->connections) > 0)
        observe_communication(room);
    if (members_heard(room->home.members, room->loudest, now_us))
        want_pass(room);
    if (now_us - room->heard_us > IDLE_US)
        end_room(room, "idle");
    else if (service_is_draining(room->service) && g_hash_table_size(room->connections) == 0)
        end_room(room, "drained");
    return G_SOURCE_CONTINUE;
}

// -------------------------------------------------------------------------- from spare to room

static char **texts(const Json *array)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (guint i = 0; i < json_size(array); i++)
        if (json_text(json_at(array, i)) != NULL)
            g_strv_builder_add(builder, json_text(json_at(array, i)));
    return g_strv_builder_end(builder);
}

static void read_parameters(Room *room, const Json *parameters)
{
    room->id = g_strdup(json_get_text(parameters, "roomId"));
    room->url = g_strdup(json_get_text(parameters, "url"));
    room->epoch = (guint64)json_get_number(parameters, "epoch", 0);
    room->codecs = texts(json_get(parameters, "codecs"));
    room->addresses = texts(json_get(parameters, "addresses"));
    room->port = (guint16)json_get_number(parameters, "port", 0);
    room->candidates = candidates_lines((const char *const *)room->addresses, room->port);
    room->local = (SdpLocal){.codecs = (const char *const *)room->codecs,
                             .fingerprint = dtls_context_fingerprint(room->dtls),
                             .candidates = (const char *const *)room->candidates,
                             .address = room->addresses[0],
                             .port = room->port};
}

static void report_context(Room *room)
{
    const char *domain = service_domain(room->service);
    g_autofree char *url = g_strdup_printf("ctxt://%s/room/%s", domain, room->id);
    g_autofree char *schema =
        g_strdup_printf("hyperty-catalogue://catalogue.%s/.well-known/dataschema/Context", domain);
    g_autoptr(Json) data = json_new_object();
    g_autoptr(Json) nobody = json_new_array();
    json_set(data, "speakers", nobody);
    SyncObject *object =
        sync_object_new(url, schema, room->home.address, (room->epoch << 32) + 1, data);
    room->context = sync_reporter_new(room->home.bus, object, NULL, NULL);
}

static void on_routed(gpointer user)
{
    (void)user;
    spawn_send(SPAWN_CHANNEL, "{\"started\":true}", NULL, 0);
}

static void open_room(Room *room)
{
    room->home.epoch = room->epoch;
    room->home.members = members_new(room->home.media);
    room->attendance = attendance_new();
    room->heard_us = g_get_monotonic_time();
    room->tick = g_timeout_add(TICK_MS, on_tick, room);
    report_context(room);
    bus_set_link_handler(room->home.bus, on_link, room);
    bus_when_routed(room->home.bus, on_routed, room);
}

static void become_room(Room *room, const Json *parameters, const int *sockets)
{
    g_autoptr(GError) error = NULL;
    read_parameters(room, parameters);
    room->home.media = media_new(sockets[0], sockets[1], on_media, room, &error);
    if (room->home.media == NULL) {
        g_autoptr(Json) failed = json_new_object();
        json_set_text(failed, "failed", error->message);
        g_autofree char *text = json_print(failed, NULL);
        log_event(LOG_ERROR, "room.cannot_start", "room=%s reason=%s", room->id,
                  log_quote(error->message));
        spawn_send(SPAWN_CHANNEL, text, NULL, 0);
        service_stop(room->service, 1);
        return;
    }
    open_room(room);
    g_autofree char *all = g_strjoinv(",", room->addresses);
    log_event(LOG_INFO, "room.started",
              "room=%s url=%s epoch=%" G_GUINT64_FORMAT " port=%u addresses=%s receive_bytes=%d",
              room->id, room->url, room->epoch, room->port, all,
              (int)json_get_number(parameters, "receiveBytes", 0));
}

// The socket pair's other end is the host's. Without a host a room goes on, a spare is of no use.
static gboolean on_host(int fd, GIOCondition condition, gpointer user)
{
    (void)condition;
    Room *room = user;
    g_autofree char *text = NULL;
    int sockets[SPAWN_DESCRIPTORS_MAX];
    SpawnResult result = spawn_receive(fd, &text, sockets);
    if (result == SPAWN_EMPTY)
        return G_SOURCE_CONTINUE;
    if (result == SPAWN_CLOSED) {
        room->channel = 0;
        if (room->url == NULL)
            service_stop(room->service, 0);
        else
            log_event(LOG_WARNING, "room.host_gone", "room=%s", room->id);
        return G_SOURCE_REMOVE;
    }
    g_autoptr(Json) parameters = json_parse(text, strlen(text), SPAWN_MESSAGE_MAX, NULL);
    g_assert(room->url == NULL && parameters != NULL); // our own host says one thing, once
    gboolean ipv6_only = !json_truth(json_get(parameters, "ipv4"), TRUE);
    const int ordered[] = {ipv6_only ? -1 : sockets[0], ipv6_only ? sockets[0] : sockets[1]};
    become_room(room, parameters, ordered);
    return G_SOURCE_CONTINUE;
}

static void connection_free_value(gpointer connection)
{
    connection_free(connection);
}

gboolean room_start(Service *service, GError **error)
{
    Room *room = g_new0(Room, 1);
    service_set_state(service, room);
    room->service = service;
    room->connections =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, connection_free_value);
    room->listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    room->absent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (fcntl(SPAWN_CHANNEL, F_SETFD, FD_CLOEXEC) != 0) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
                            "--room is started by a media-worker host, not by hand");
        return FALSE;
    }
    room->dtls = dtls_context_new(error);
    if (room->dtls == NULL)
        return FALSE;
    room->home = (ConnectionHome){
        .bus = service_bus(service),
        .dtls = room->dtls,
        .address =
            g_strdup_printf("hyperty://%s/media/%s", service_domain(service), service_id(service)),
        .on_wishes = want_pass,
        .user = room,
    };
    g_autofree char *ready = g_strdup_printf("{\"media\":\"%s\"}", room->home.address);
    spawn_send(SPAWN_CHANNEL, ready, NULL, 0);
    room->channel = g_unix_fd_add(SPAWN_CHANNEL, G_IO_IN | G_IO_HUP, on_host, room);
    return TRUE;
}

static char **silent_participants(const Room *room, gint64 now_us, gsize *ret_count)
{
    GPtrArray *silent = g_ptr_array_new();
    GHashTableIter iter;
    gpointer id, value;
    g_hash_table_iter_init(&iter, room->connections);
    while (g_hash_table_iter_next(&iter, &id, &value))
        if (is_silent(connection_member(value), now_us))
            g_ptr_array_add(silent, g_strdup(id));
    g_hash_table_iter_init(&iter, room->absent);
    while (g_hash_table_iter_next(&iter, &id, &value))
        if (now_us - *(const gint64 *)value > SILENT_US)
            g_ptr_array_add(silent, g_strdup(id));
    *ret_count = silent->len;
    return (char **)g_ptr_array_free(silent, silent->len == 0);
}

void room_presence(Service *service, Msg__Presence *presence)
{
    const Room *room = service_state(service);
    presence->address = g_strdup(room->home.address);
    if (room->home.members == NULL)
        return;
    Msg__RoomHealth *health = g_new(Msg__RoomHealth, 1);
    msg__room_health__init(health);
    health->roomid = g_strdup(room->id);
    health->url = g_strdup(room->url);
    health->has_epoch = health->has_participants = TRUE;
    health->epoch = room->epoch;
    health->participants = g_hash_table_size(room->connections);
    health->silent = silent_participants(room, g_get_monotonic_time(), &health->n_silent);
    presence->room = health;
}

void room_drain(Service *service)
{
    const Room *room = service_state(service);
    if (g_hash_table_size(room->connections) == 0)
        service_stop(service, 0);
}

static void stop_timer(guint *source)
{
    if (*source != 0)
        g_source_remove(*source);
    *source = 0;
}

void room_stop(Service *service)
{
    Room *room = service_state(service);
    stop_timer(&room->channel);
    stop_timer(&room->tick);
    stop_timer(&room->pass);
    sync_observer_free(room->communication);
    g_hash_table_unref(room->connections);
    sync_reporter_free(room->context);
    members_free(room->home.members);
    if (room->home.media != NULL)
        media_free(room->home.media);
    dtls_context_free(room->dtls);
    attendance_free(room->attendance);
    g_hash_table_unref(room->listed);
    g_hash_table_unref(room->absent);
    g_strfreev(room->codecs);
    g_strfreev(room->addresses);
    g_strfreev(room->candidates);
    g_free(room->home.address);
    g_free(room->id);
    g_free(room->url);
    g_free(room);
}
