// SPDX-License-Identifier: MIT
// See bus_socket.h. What the options are for (libzmq 4.3): SNDHWM 0 on SUB, since subscriptions
// beyond it vanish, and again after each reconnect; IMMEDIATE on PUB, so that nothing stale is sent
// after an outage; no MAXMSGSIZE, with which a connecting SUB never comes back from an oversize
// message; heartbeats, since TCP alone notices a vanished host after minutes. A network that comes
// back is used at once: TCP doubles its pauses while it is away, and then sits out the last one, so
// data without an acknowledgement ends the connection early (TCP_MAXRT), and attempts to connect
// are short and frequent. A connection that was lost and does not come back within five seconds is
// made anew, whatever libzmq believes.
#include "common/bus_socket.h"

#include <czmq.h>
#include <gio/gio.h>
#include <string.h>

#include "common/bus_source.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"

#define WATCHDOG_MS 5000
#define LINGER_MS 1000
#define EVENTS (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED)

// One socket with its monitor.
typedef struct {
    BusSocket *owner;
    const char *name; // "publish" or "subscribe"
    char *endpoint;
    zsock_t *zsock;
    void *raw, *monitor;
    GSource *events;
    guint watchdog; // runs while the connection is lost
    gboolean connected;
} Side;

struct BusSocket {
    Side publish, subscribe;
    GSource *messages;
    const BusSocketCalls *calls;
    gpointer user;
};

static gboolean on_watchdog(gpointer user)
{
    Side *side = user;
    log_event(LOG_DEBUG, "bus.reconnecting", "socket=%s", side->name);
    zmq_disconnect(side->raw, side->endpoint);
    zmq_connect(side->raw, side->endpoint);
    return G_SOURCE_CONTINUE;
}

static void stop_watchdog(Side *side)
{
    if (side->watchdog != 0)
        g_source_remove(side->watchdog);
    side->watchdog = 0;
}

static void on_connected(Side *side)
{
    BusSocket *socket = side->owner;
    stop_watchdog(side);
    side->connected = TRUE;
    if (socket->publish.connected && socket->subscribe.connected)
        socket->calls->on_connection(TRUE, socket->user);
}

static void on_disconnected(Side *side)
{
    BusSocket *socket = side->owner;
    gboolean both = socket->publish.connected && socket->subscribe.connected;
    side->connected = FALSE;
    if (side->watchdog == 0)
        side->watchdog = g_timeout_add(WATCHDOG_MS, on_watchdog, side);
    if (both)
        socket->calls->on_connection(FALSE, socket->user);
}

// Monitor frames: [event: 16 bit | value: 32 bit][endpoint].
static gboolean read_event(void *monitor, gpointer user)
{
    Side *side = user;
    guint8 head[6] = {0};
    guint16 event;
    char endpoint[8];
    if (zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT) < 0)
        return FALSE;
    zmq_recv(monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    memcpy(&event, head, sizeof event);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        on_connected(side);
    else if (event == ZMQ_EVENT_DISCONNECTED)
        on_disconnected(side);
    return TRUE;
}

static void set_options(zsock_t *zsock)
{
    zsock_set_ipv6(zsock, 1);
    zsock_set_linger(zsock, LINGER_MS);
    zsock_set_reconnect_ivl(zsock, 20);
    zsock_set_reconnect_ivl_max(zsock, LIMIT_BUS_RECONNECT_MS);
    zsock_set_connect_timeout(zsock, LIMIT_BUS_CONNECT_MS);
    zsock_set_tcp_maxrt(zsock, LIMIT_BUS_UNACKNOWLEDGED_MS);
    zsock_set_heartbeat_ivl(zsock, 1000);
    zsock_set_heartbeat_timeout(zsock, 3000);
    zsock_set_heartbeat_ttl(zsock, 4000);
}

static void start_monitor(Side *side)
{
    g_autofree char *address = g_strdup_printf("inproc://monitor-%p", side->raw);
    side->monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    int failed = zmq_socket_monitor(side->raw, address, EVENTS);
    g_assert(failed == 0);
    failed = zmq_connect(side->monitor, address);
    g_assert(failed == 0);
    side->events = bus_source_new(side->monitor, G_PRIORITY_HIGH, read_event, side);
}

static gboolean open_side(BusSocket *socket, Side *side, const char *name, const char *endpoint,
                          GError **error)
{
    gboolean publishes = side == &socket->publish;
    side->owner = socket;
    side->name = name;
    side->endpoint = g_strdup(endpoint);
    side->zsock = zsock_new(publishes ? ZMQ_PUB : ZMQ_SUB);
    set_options(side->zsock);
    zsock_set_sndhwm(side->zsock, publishes ? LIMIT_BUS_QUEUE : 0);
    zsock_set_rcvhwm(side->zsock, publishes ? 0 : LIMIT_BUS_QUEUE);
    zsock_set_immediate(side->zsock, publishes);
    side->raw = zsock_resolve(side->zsock);
    start_monitor(side);
    if (zmq_connect(side->raw, endpoint) == 0)
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "bus.%s=%s: %s", name, endpoint,
                zmq_strerror(zmq_errno()));
    return FALSE;
}

static void close_side(Side *side)
{
    stop_watchdog(side);
    bus_source_free(side->events);
    if (side->monitor != NULL) {
        zmq_socket_monitor(side->raw, NULL, 0);
        zmq_close(side->monitor);
    }
    zsock_destroy(&side->zsock);
    g_free(side->endpoint);
}

static gboolean is_well_formed(zmq_msg_t *topic, zmq_msg_t *data)
{
    const char *text = zmq_msg_data(topic);
    gsize length = zmq_msg_size(topic);
    return length >= 2 && length <= LIMIT_URL + 1 && text[length - 1] == ' ' &&
           memchr(text, '\0', length) == NULL && zmq_msg_size(data) <= LIMIT_BUS_MESSAGE;
}

static void hand_over(const BusSocket *socket, zmq_msg_t *topic, zmq_msg_t *data)
{
    char text[LIMIT_URL + 2];
    gsize length = zmq_msg_size(topic);
    memcpy(text, zmq_msg_data(topic), length);
    text[length] = '\0';
    metrics_add(METRIC_BUS_RECEIVED, 1);
    socket->calls->on_message(text, zmq_msg_data(data), zmq_msg_size(data), socket->user);
}

static gboolean read_message(void *raw, gpointer user)
{
    zmq_msg_t topic, data;
    zmq_msg_init(&topic);
    zmq_msg_init(&data);
    gboolean got = zmq_msg_recv(&topic, raw, ZMQ_DONTWAIT) >= 0;
    gboolean second = got && zmq_msg_more(&topic) && zmq_msg_recv(&data, raw, ZMQ_DONTWAIT) >= 0;
    if (second && !zmq_msg_more(&data) && is_well_formed(&topic, &data))
        hand_over(user, &topic, &data);
    else if (got)
        metrics_add(METRIC_BUS_MALFORMED, 1);
    while (second && zmq_msg_more(&data) && zmq_msg_recv(&data, raw, ZMQ_DONTWAIT) >= 0)
        continue;
    zmq_msg_close(&topic);
    zmq_msg_close(&data);
    return got;
}

BusSocket *bus_socket_new(const char *publish, const char *subscribe, const BusSocketCalls *calls,
                          gpointer user, GError **error)
{
    g_autoptr(BusSocket) socket = g_new0(BusSocket, 1);
    zsys_init();
    zsys_handler_set(NULL);
    socket->calls = calls;
    socket->user = user;
    if (!open_side(socket, &socket->publish, "publish", publish, error) ||
        !open_side(socket, &socket->subscribe, "subscribe", subscribe, error))
        return NULL;
    socket->messages =
        bus_source_new(socket->subscribe.raw, G_PRIORITY_DEFAULT, read_message, socket);
    return g_steal_pointer(&socket);
}

void bus_socket_free(BusSocket *socket)
{
    if (socket == NULL)
        return;
    bus_source_free(socket->messages);
    close_side(&socket->publish);
    close_side(&socket->subscribe);
    g_free(socket);
}

void bus_socket_subscribe(BusSocket *socket, const char *topic)
{
    int events = 0;
    size_t size = sizeof events;
    // A new connection's repetition of all subscriptions waits as a command: let it go first.
    zmq_getsockopt(socket->subscribe.raw, ZMQ_EVENTS, &events, &size);
    zmq_setsockopt(socket->subscribe.raw, ZMQ_SUBSCRIBE, topic, strlen(topic));
}

void bus_socket_unsubscribe(BusSocket *socket, const char *topic)
{
    zmq_setsockopt(socket->subscribe.raw, ZMQ_UNSUBSCRIBE, topic, strlen(topic));
}

gboolean bus_socket_send(BusSocket *socket, const char *topic, const Envelope *envelope)
{
    gsize length = msg__envelope__get_packed_size(envelope);
    zmq_msg_t data;
    if (length > LIMIT_BUS_MESSAGE)
        return FALSE;
    zmq_msg_init_size(&data, length);
    msg__envelope__pack(envelope, zmq_msg_data(&data));
    metrics_add(METRIC_BUS_SENT, 1);
    if (zmq_send(socket->publish.raw, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&data, socket->publish.raw, ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&data);
    return TRUE;
}
