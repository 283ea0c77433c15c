// SPDX-License-Identifier: MIT
// See bus.h. This file is the API and the dispatch; the parts stand beside it: bus_socket (ZMQ),
// bus_pulse (does the link stand), bus_routes (who wants a topic), bus_requests (ours),
// bus_answers (others'). The hard thing here is the order in which a message is looked at: our own
// events first (pulse), answers by number, a request once, and only then its handlers.
#include "common/bus.h"

#include <string.h>

#include "common/bus_answers.h"
#include "common/bus_pulse.h"
#include "common/bus_requests.h"
#include "common/bus_routes.h"
#include "common/bus_socket.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/url.h"

#define PROCESS_URL "bus://process/"

typedef struct {
    BusLink on_link;
    gpointer user;
} Link;

struct Bus {
    char *process, *domain;
    char *url, *topic; // our own: bus://process/<process>
    guint64 incarnation, sequence;
    GHashTable *sent; // topic -> sequence of our last message there
    BusSocket *socket;
    BusPulse *pulse;
    BusRoutes *routes;
    GPtrArray *matches; // of the message that is being handed out
    BusRequests *requests;
    BusAnswers *answers;
    GArray *links; // of Link
    Deadlines *deadlines;
    gboolean was_up, dispatching;
};

// --- sending ---

// Number of our last message on the topic, 0 for none; this one becomes the last. Forgetting all
// when there are too many only means that holes do not show for a while.
static guint64 exchange_previous(Bus *bus, const char *topic)
{
    guint64 *last = g_hash_table_lookup(bus->sent, topic), previous = 0;
    if (last == NULL) {
        if (g_hash_table_size(bus->sent) >= LIMIT_BUS_TOPICS)
            g_hash_table_remove_all(bus->sent);
        last = g_new0(guint64, 1);
        g_hash_table_insert(bus->sent, g_strdup(topic), last);
    }
    previous = *last;
    *last = bus->sequence;
    return previous;
}

static gboolean refuse_to_send(const Envelope *envelope, const char *url, Refusal reason)
{
    metrics_refused(reason);
    log_event(LOG_WARNING, "bus.not_sent", "reason=%s to=%s type=%s", refusal_name(reason),
              log_quote(url), log_quote(envelope_type_text(envelope)));
    return FALSE;
}

static gboolean send_to(Bus *bus, const char *url, Envelope *envelope)
{
    char topic[LIMIT_URL + 2];
    if (!url_is_valid(url))
        return refuse_to_send(envelope, url, MSG__REFUSAL__REASON__bad_address);
    g_snprintf(topic, sizeof topic, "%s ", url);
    if (g_strcmp0(envelope->source, bus->process) != 0)
        envelope_set(&envelope->source, bus->process);
    if (envelope->trace == NULL && log_trace() != NULL)
        envelope_set(&envelope->trace, log_trace());
    envelope->has_incarnation = envelope->has_sequence = envelope->has_previous = TRUE;
    envelope->incarnation = bus->incarnation;
    envelope->sequence = ++bus->sequence;
    envelope->previous = exchange_previous(bus, topic);
    return bus_socket_send(bus->socket, topic, envelope) ||
           refuse_to_send(envelope, url, MSG__REFUSAL__REASON__too_large);
}

static gboolean send_request(Envelope *request, gpointer user)
{
    return send_to(user, request->to, request);
}

static gboolean send_answer(Envelope *answer, const char *process, gpointer user)
{
    char url[sizeof PROCESS_URL + LIMIT_KEY];
    g_snprintf(url, sizeof url, PROCESS_URL "%s", process);
    return send_to(user, url, answer);
}

// --- receiving ---

// Whether the topic belongs to the message: an answer goes to its asker's process, anything else to
// its own address.
static gboolean fits_topic(const Envelope *message, const char *topic)
{
    if (message->type == MSG__ENVELOPE__TYPE__RESPONSE && g_str_has_prefix(topic, PROCESS_URL))
        return TRUE;
    gsize length = strlen(topic) - 1;
    return strncmp(message->to, topic, length) == 0 && message->to[length] == '\0';
}

static gboolean is_numbered_request(const Envelope *message)
{
    return message->has_request && message->source != NULL && url_is_key(message->source) &&
           envelope_is_request(message);
}

static void call_handlers(Bus *bus, const Envelope *message, BusRequest *request)
{
    for (guint i = 0; i < bus->matches->len; i++) {
        const BusRoute *route = bus->matches->pdata[i];
        gboolean takes_it = request != NULL && !route->watches && !route->removed;
        if (!route->removed)
            route->handler(message, takes_it ? request : NULL, route->user);
        if (takes_it)
            request = NULL;
    }
}

static gboolean has_answerer(const GPtrArray *matches)
{
    return matches->len > 0 && !((const BusRoute *)matches->pdata[0])->watches;
}

// Takes the message.
static void hand_out(Bus *bus, const char *topic, Envelope *message)
{
    g_autoptr(BusRequest) request = NULL;
    g_autoptr(Envelope) owned = message;
    bus_routes_match(bus->routes, topic, bus->matches);
    if (bus_routes_hole(bus->routes, topic, message))
        metrics_add(METRIC_BUS_HOLES, 1);
    if (has_answerer(bus->matches) && is_numbered_request(message)) {
        request = bus_answers_take(bus->answers, g_steal_pointer(&owned));
        message = request == NULL ? NULL : (Envelope *)bus_request_message(request);
    }
    if (message != NULL) {
        log_set_trace(message->trace);
        call_handlers(bus, message, request);
        log_set_trace(NULL);
    }
    g_ptr_array_set_size(bus->matches, 0);
}

static gboolean is_own_event(const Bus *bus, const Envelope *message)
{
    return message->type == MSG__ENVELOPE__TYPE__EVENT &&
           g_strcmp0(message->source, bus->process) == 0 && g_str_has_prefix(message->to, bus->url);
}

static void on_message(const char *topic, const guint8 *data, gsize length, gpointer user)
{
    Bus *bus = user;
    g_autoptr(Envelope) message = envelope_unpack(data, length, NULL);
    if (message == NULL || !fits_topic(message, topic)) {
        metrics_add(METRIC_BUS_MALFORMED, 1);
        return;
    }
    g_assert(!bus->dispatching);
    bus->dispatching = TRUE;
    if (is_own_event(bus, message))
        bus_pulse_heard(bus->pulse, message->to);
    else if (message->type == MSG__ENVELOPE__TYPE__RESPONSE && strcmp(topic, bus->topic) == 0)
        bus_requests_answer(bus->requests, message);
    hand_out(bus, topic, g_steal_pointer(&message));
    bus->dispatching = FALSE;
}

// --- the link ---

static void on_connection(gboolean connected, gpointer user)
{
    bus_pulse_connection(((Bus *)user)->pulse, connected);
}

static void pulse_subscribe(const char *topic, gpointer user)
{
    bus_socket_subscribe(((Bus *)user)->socket, topic);
}

static void pulse_unsubscribe(const char *topic, gpointer user)
{
    bus_socket_unsubscribe(((Bus *)user)->socket, topic);
}

static void pulse_send(const char *url, gpointer user)
{
    Bus *bus = user;
    Envelope *event = envelope_new(MSG__ENVELOPE__TYPE__EVENT, bus->url, url);
    bus_publish(bus, event);
}

static void on_link_change(gboolean up, gpointer user)
{
    Bus *bus = user;
    if (up && bus->was_up)
        metrics_add(METRIC_BUS_RECONNECTS, 1);
    bus->was_up = bus->was_up || up;
    log_event(up ? LOG_INFO : LOG_WARNING, up ? "bus.linked" : "bus.unlinked", "open_requests=%u",
              bus_requests_open(bus->requests));
    bus_requests_link(bus->requests, up);
    for (guint i = bus->links->len; i-- > 0;) {
        const Link link = g_array_index(bus->links, Link, i);
        link.on_link(up, link.user);
    }
}

// --- API ---

Bus *bus_new(const Config *config, const char *process, GError **error)
{
    static const BusSocketCalls socket_calls = {on_message, on_connection};
    static const BusPulseCalls pulse_calls = {pulse_subscribe, pulse_unsubscribe, pulse_send,
                                              on_link_change};
    g_autoptr(Bus) bus = g_new0(Bus, 1);
    g_assert(url_is_key(process));
    bus->process = g_strdup(process);
    bus->domain = g_strdup(config_text(config, CONFIG_SUITE_DOMAIN));
    bus->url = g_strconcat(PROCESS_URL, process, NULL);
    bus->topic = g_strconcat(bus->url, " ", NULL);
    bus->incarnation = (guint64)g_get_real_time();
    bus->links = g_array_new(FALSE, FALSE, sizeof(Link));
    bus->deadlines = deadlines_new();
    bus->sent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    bus->routes = bus_routes_new();
    bus->matches = g_ptr_array_new_with_free_func(bus_route_unref);
    bus->requests = bus_requests_new(send_request, bus);
    bus->answers = bus_answers_new(send_answer, bus);
    bus->pulse = bus_pulse_new(bus->url, &pulse_calls, bus);
    bus->socket =
        bus_socket_new(config_text(config, CONFIG_BUS_PUBLISH),
                       config_text(config, CONFIG_BUS_SUBSCRIBE), &socket_calls, bus, error);
    if (bus->socket == NULL)
        return NULL;
    bus_socket_subscribe(bus->socket, bus->topic);
    return g_steal_pointer(&bus);
}

void bus_free(Bus *bus)
{
    if (bus == NULL)
        return;
    g_assert(!bus->dispatching);
    bus_answers_free(bus->answers);
    bus_requests_free(bus->requests);
    bus_pulse_free(bus->pulse);
    bus_socket_free(bus->socket);
    bus_routes_free(bus->routes);
    g_ptr_array_unref(bus->matches);
    g_array_unref(bus->links);
    g_hash_table_unref(bus->sent);
    deadlines_free(bus->deadlines);
    g_free(bus->process);
    g_free(bus->domain);
    g_free(bus->url);
    g_free(bus->topic);
    g_free(bus);
}

const char *bus_process(const Bus *bus)
{
    return bus->process;
}

const char *bus_domain(const Bus *bus)
{
    return bus->domain;
}

guint64 bus_incarnation(const Bus *bus)
{
    return bus->incarnation;
}

Deadlines *bus_deadlines(const Bus *bus)
{
    return bus->deadlines;
}

gboolean bus_is_connected(const Bus *bus, gint64 *ret_since_us)
{
    return bus_pulse_is_up(bus->pulse, ret_since_us);
}

void bus_watch_link(Bus *bus, BusLink on_link, gpointer user)
{
    const Link link = {on_link, user};
    g_array_append_val(bus->links, link);
}

void bus_unwatch_link(Bus *bus, BusLink on_link, gpointer user)
{
    for (guint i = bus->links->len; i-- > 0;) {
        const Link *link = &g_array_index(bus->links, Link, i);
        if (link->on_link == on_link && link->user == user) {
            g_array_remove_index(bus->links, i);
            return;
        }
    }
}

void bus_route(Bus *bus, const char *topic, BusHandler handler, gpointer user)
{
    if (bus_routes_add(bus->routes, topic, handler, user))
        bus_socket_subscribe(bus->socket, topic);
}

void bus_unroute(Bus *bus, const char *topic, BusHandler handler, gpointer user)
{
    if (bus_routes_remove(bus->routes, topic, handler, user))
        bus_socket_unsubscribe(bus->socket, topic);
}

void bus_when_routed(Bus *bus, BusReady ready, gpointer user)
{
    bus_pulse_when_routed(bus->pulse, ready, user);
}

gboolean bus_publish(Bus *bus, Envelope *envelope)
{
    g_autoptr(Envelope) owned = envelope;
    return send_to(bus, owned->to, owned);
}

guint64 bus_request(Bus *bus, Envelope *envelope, guint deadline_ms, BusAnswered answered,
                    gpointer user)
{
    return bus_requests_add(bus->requests, envelope, deadline_ms, answered, user);
}

void bus_cancel(Bus *bus, guint64 request)
{
    bus_requests_cancel(bus->requests, request);
}
