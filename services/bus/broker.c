// SPDX-License-Identifier: MIT
// See broker.h. The XSUB side subscribes to everything: publishers then send what nobody listens to
// as well, which is how a request without a route is seen at all. Subscriptions (a first byte 1 or
// 0, then the topic) come up the XPUB socket, first and last of each topic, also when a process was
// killed. SNDHWM 0 where subscriptions travel: beyond a limit they vanish silently. An envelope is
// decoded only where no route matches, and once for each new connection.
#include "bus/broker.h"

#include <czmq.h>
#include <gio/gio.h>
#include <string.h>

#include "bus/routes.h"
#include "bus/watcher.h"
#include "common/bus_source.h"
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/refusal.h"
#include "common/url.h"
#include "proto/context.pb-c.h"

// A process that starts again needs a moment to subscribe: after the broker's start, after a route
// went away, and when all routes had gone (the broker was cut off, and those who come back first
// ask for the others), requests are passed on (their askers repeat them) and not refused.
#define NO_REFUSALS_US (2 * G_USEC_PER_SEC)
#define PRESENCE_MS 1000
#define OWN_TOPIC "bus://process/" // + process + " ": each process subscribes to it first

struct Broker {
    char *process;
    char *domain;
    guint64 incarnation, sequence, read;
    gint64 alone_us;      // until then nobody listened
    zsock_t *publishers;  // XSUB
    zsock_t *subscribers; // XPUB
    void *in, *out;       // their libzmq sockets
    GSource *in_source, *out_source;
    Watcher *in_watcher, *out_watcher;
    Routes *routes;
    guint presence;
};

static void send_frames(Broker *broker, const char *url, const Envelope *envelope)
{
    g_autoptr(GBytes) bytes = envelope_pack(envelope);
    gsize length = 0;
    const void *data = g_bytes_get_data(bytes, &length);
    g_autofree char *topic = g_strconcat(url, " ", NULL);
    if (zmq_send(broker->out, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_send(broker->out, data, length, ZMQ_DONTWAIT);
    metrics_add(METRIC_BUS_SENT, 1);
}

// What the broker itself has to say: transport fields, then straight to the subscribers.
static void publish(Broker *broker, const char *topic, Envelope *envelope)
{
    envelope_set(&envelope->source, broker->process);
    envelope->has_incarnation = envelope->has_sequence = TRUE;
    envelope->incarnation = broker->incarnation;
    envelope->sequence = ++broker->sequence;
    send_frames(broker, topic, envelope);
}

static void on_watched(const char *what, const char *process, const char *side,
                       const char *endpoint, gpointer user)
{
    Broker *broker = user;
    g_autoptr(Envelope) event =
        envelope_new(MSG__ENVELOPE__TYPE__EVENT, "bus://events", "bus://events");
    g_autoptr(Json) value = json_new_object();
    log_event(strcmp(what, "connected") == 0 ? LOG_INFO : LOG_WARNING, "bus.link",
              "what=%s peer=%s socket=%s endpoint=%s", what, log_quote(process), side,
              log_quote(endpoint));
    json_set_text(value, "event", what);
    json_set_text(value, "process", process);
    json_set_text(value, "socket", side);
    json_set_text(value, "endpoint", endpoint);
    Msg__Body *body = envelope_body(event);
    envelope_set_json(&body->value, &body->has_value, value);
    publish(broker, "bus://events", event);
}

static void answer_no_route(Broker *broker, const Envelope *request)
{
    Refusal reason = MSG__REFUSAL__REASON__no_route;
    g_autoptr(Envelope) answer = refusal_answer(request, reason, NULL);
    g_autofree char *topic = g_strconcat(OWN_TOPIC, request->source, NULL);
    metrics_refused(reason);
    log_event(LOG_INFO, "request.refused", "reason=%s to=%s from=%s source=%s trace=%s",
              refusal_name(reason), log_quote(request->to), log_quote(request->from),
              log_quote(request->source), log_quote(request->trace != NULL ? request->trace : ""));
    publish(broker, topic, answer);
}

static gboolean is_publication_topic(const char *topic, gsize length)
{
    char url[LIMIT_URL + 1];
    memcpy(url, topic, length - 1); // without the blank
    url[length - 1] = '\0';
    return url_is_publication(url);
}

static gboolean read_subscription(void *socket, gpointer user);

// Whether somebody listens, listened a moment ago, or subscribed while this was under way.
static gboolean may_have_route(Broker *broker, const char *topic, gsize length)
{
    while (read_subscription(broker->out, broker))
        continue;
    return routes_match(broker->routes, topic, length) ||
           routes_was_lost(broker->routes, topic, length);
}

// A message that nobody listens to: 404 if somebody waits for an answer.
static void on_unrouted(Broker *broker, const char *topic, gsize length, zmq_msg_t *frame)
{
    if (is_publication_topic(topic, length) ||
        g_get_monotonic_time() - broker->alone_us < NO_REFUSALS_US ||
        may_have_route(broker, topic, length))
        return;
    g_autoptr(Envelope) envelope = envelope_unpack(zmq_msg_data(frame), zmq_msg_size(frame), NULL);
    if (envelope == NULL)
        metrics_add(METRIC_BUS_MALFORMED, 1);
    else if (envelope_is_request(envelope) && envelope->has_request && envelope->source != NULL &&
             url_is_key(envelope->source))
        answer_no_route(broker, envelope);
}

static void learn_name(Watcher *watcher, zmq_msg_t *frame)
{
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    if (fd < 0 || watcher_knows(watcher, fd))
        return;
    g_autoptr(Envelope) envelope = envelope_unpack(zmq_msg_data(frame), zmq_msg_size(frame), NULL);
    if (envelope != NULL && envelope->source != NULL && url_is_key(envelope->source))
        watcher_name(watcher, fd, envelope->source);
}

// Reads the rest of a message that has more parts than it should, after `last`.
static void discard_rest(void *socket, zmq_msg_t *last)
{
    while (zmq_msg_more(last) && zmq_msg_recv(last, socket, ZMQ_DONTWAIT) >= 0)
        continue;
}

static gboolean is_well_formed(zmq_msg_t *topic, zmq_msg_t *frame)
{
    gsize length = zmq_msg_size(topic);
    const char *text = zmq_msg_data(topic);
    return length >= 2 && length <= LIMIT_URL + 1 && text[length - 1] == ' ' &&
           zmq_msg_size(frame) > 0 && zmq_msg_size(frame) <= LIMIT_BUS_MESSAGE;
}

static void on_published(Broker *broker, zmq_msg_t *topic, zmq_msg_t *frame)
{
    const char *text = zmq_msg_data(topic);
    gsize length = zmq_msg_size(topic);
    metrics_add(METRIC_BUS_RECEIVED, 1);
    learn_name(broker->in_watcher, frame);
    if (!routes_match(broker->routes, text, length))
        on_unrouted(broker, text, length, frame);
    if (zmq_msg_send(topic, broker->out, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_msg_send(frame, broker->out, ZMQ_DONTWAIT);
}

static gboolean read_published(void *socket, gpointer user)
{
    Broker *broker = user;
    zmq_msg_t topic, frame;
    zmq_msg_init(&topic);
    zmq_msg_init(&frame);
    // Once a batch: asking the monitor costs a system call.
    if (broker->read++ % LIMIT_BUS_DISPATCH == 0)
        watcher_drain(broker->in_watcher);
    gboolean got = zmq_msg_recv(&topic, socket, ZMQ_DONTWAIT) >= 0;
    gboolean two = got && zmq_msg_more(&topic) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0;
    if (two && !zmq_msg_more(&frame) && is_well_formed(&topic, &frame))
        on_published(broker, &topic, &frame);
    else if (got)
        metrics_add(METRIC_BUS_MALFORMED, 1);
    if (two)
        discard_rest(socket, &frame);
    zmq_msg_close(&topic);
    zmq_msg_close(&frame);
    return got;
}

// The process whose own topic this is; NULL where it is another topic. Newly allocated.
static char *own_topic_process(const char *topic, gsize length)
{
    gsize head = strlen(OWN_TOPIC);
    if (length <= head + 1 || strncmp(topic, OWN_TOPIC, head) != 0 || topic[length - 1] != ' ')
        return NULL;
    g_autofree char *process = g_strndup(topic + head, length - head - 1);
    return url_is_key(process) ? g_steal_pointer(&process) : NULL;
}

static void on_subscription(Broker *broker, zmq_msg_t *frame)
{
    const char *bytes = zmq_msg_data(frame);
    gsize length = zmq_msg_size(frame) - 1;
    const char *topic = bytes + 1;
    g_autofree char *process = own_topic_process(topic, length);
    if (bytes[0] == 1) {
        if (routes_count(broker->routes) == 0)
            broker->alone_us = g_get_monotonic_time();
        routes_add(broker->routes, topic, length);
        if (process != NULL)
            watcher_name(broker->out_watcher, zmq_msg_get(frame, ZMQ_SRCFD), process);
    } else if (bytes[0] == 0) {
        routes_remove(broker->routes, topic, length, g_get_monotonic_time());
        if (process != NULL)
            on_watched("gone", process, "subscribe", "", broker);
    }
}

static gboolean read_subscription(void *socket, gpointer user)
{
    Broker *broker = user;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    watcher_drain(broker->out_watcher);
    gboolean got = zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0;
    if (got && zmq_msg_size(&frame) > 0 && !zmq_msg_more(&frame))
        on_subscription(broker, &frame);
    if (got)
        discard_rest(socket, &frame);
    zmq_msg_close(&frame);
    return got;
}

static gboolean on_presence(gpointer user)
{
    Broker *broker = user;
    routes_forget(broker->routes, g_get_monotonic_time() - NO_REFUSALS_US);
    Msg__Presence presence = MSG__PRESENCE__INIT;
    g_autofree char *url = g_strdup_printf("ctxt://%s/process/%s", broker->domain, broker->process);
    g_autofree char *topic = g_strconcat(url, "/changes", NULL);
    g_autoptr(Envelope) update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, url, topic);
    g_autoptr(Json) counters = metrics_json();
    presence.role = (char *)"bus";
    presence.process = broker->process;
    presence.has_incarnation = TRUE;
    presence.incarnation = broker->incarnation;
    presence.has_load = TRUE;
    presence.load = routes_count(broker->routes);
    presence.has_counters = TRUE;
    presence.counters = codec_bytes(counters);
    g_autoptr(Json) value = codec_to_json(&presence.base);
    g_free(presence.counters.data);
    Msg__Body *body = envelope_body(update);
    envelope_set_json(&body->value, &body->has_value, value);
    publish(broker, topic, update);
    return G_SOURCE_CONTINUE;
}

static zsock_t *bind_socket(int type, const Config *config, ConfigKey key, GError **error)
{
    zsock_t *socket = zsock_new(type);
    zsock_set_ipv6(socket, 1);
    zsock_set_linger(socket, 1000);
    zsock_set_maxmsgsize(socket, LIMIT_BUS_FRAME);
    zsock_set_heartbeat_ivl(socket, 1000);
    zsock_set_heartbeat_timeout(socket, 3000);
    zsock_set_heartbeat_ttl(socket, 4000);
    zsock_set_tcp_maxrt(socket, LIMIT_BUS_UNACKNOWLEDGED_MS);
    zsock_set_sndhwm(socket, type == ZMQ_XPUB ? LIMIT_BUS_QUEUE : 0);
    zsock_set_rcvhwm(socket, type == ZMQ_XPUB ? 0 : LIMIT_BUS_QUEUE);
    if (zsock_bind(socket, "%s", config_text(config, key)) >= 0 || zsock_endpoint(socket) != NULL)
        return socket;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                "cannot bind %s: %s (is another broker running?)", config_text(config, key),
                zmq_strerror(zmq_errno()));
    zsock_destroy(&socket);
    return NULL;
}

static void start_sources(Broker *broker)
{
    void *context = zsys_init();
    broker->in = zsock_resolve(broker->publishers);
    broker->out = zsock_resolve(broker->subscribers);
    broker->in_watcher = watcher_new(context, broker->in, "publish", on_watched, broker);
    broker->out_watcher = watcher_new(context, broker->out, "subscribe", on_watched, broker);
    zmq_send(broker->in, "\1", 1, 0); // everything
    // Subscriptions first: a route must stand before the request that was sent after it.
    broker->out_source =
        bus_source_new(broker->out, G_PRIORITY_HIGH + 10, read_subscription, broker);
    broker->in_source = bus_source_new(broker->in, G_PRIORITY_DEFAULT, read_published, broker);
    broker->presence = g_timeout_add(PRESENCE_MS, on_presence, broker);
}

Broker *broker_new(const Config *config, const char *process, GError **error)
{
    g_autoptr(Broker) broker = g_new0(Broker, 1);
    broker->process = g_strdup(process);
    broker->domain = g_strdup(config_text(config, CONFIG_SUITE_DOMAIN));
    broker->incarnation = (guint64)g_get_real_time();
    broker->alone_us = g_get_monotonic_time();
    broker->routes = routes_new();
    zsys_handler_set(NULL);
    broker->publishers = bind_socket(ZMQ_XSUB, config, CONFIG_BUS_PUBLISH, error);
    if (broker->publishers == NULL)
        return NULL;
    broker->subscribers = bind_socket(ZMQ_XPUB, config, CONFIG_BUS_SUBSCRIBE, error);
    if (broker->subscribers == NULL)
        return NULL;
    start_sources(broker);
    log_event(LOG_INFO, "bus.ready", "publish=%s subscribe=%s access_control=none",
              config_text(config, CONFIG_BUS_PUBLISH), config_text(config, CONFIG_BUS_SUBSCRIBE));
    return g_steal_pointer(&broker);
}

void broker_free(Broker *broker)
{
    if (broker == NULL)
        return;
    if (broker->presence != 0)
        g_source_remove(broker->presence);
    bus_source_free(broker->in_source);
    bus_source_free(broker->out_source);
    watcher_free(broker->in_watcher);
    watcher_free(broker->out_watcher);
    zsock_destroy(&broker->publishers);
    zsock_destroy(&broker->subscribers);
    routes_free(broker->routes);
    g_free(broker->process);
    g_free(broker->domain);
    g_free(broker);
}
