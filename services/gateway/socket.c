// SPDX-License-Identifier: MIT
// See socket.h. libwebsockets 4.1 has edges that shape this file:
// - A plain `Upgrade: h2c` would get 101 and HTTP/2 code with a known out-of-bounds write, so
//   everything but `websocket` ends in LWS_CALLBACK_HTTP_CONFIRM_UPGRADE, read with lws_hdr_copy;
//   `in` is not touched there (it may point to freed memory).
// - It keeps what the kernel does not take of a write, without bound: so there is one write per
//   WRITEABLE, and one directly where nothing waits and the kernel has room.
// - There is no "close" from outside, and a failing WRITEABLE kills without a close frame: a socket
//   is given a timer, whose callback may fail politely. Timers set from outside of its loop are
//   seen only when the loop is woken (lws_cancel_service).
// - Its timers are one sorted list, walked at each insertion: with ten thousand sockets its own
//   pings cost most of a core. So it sends none, and liveness is kept here, in a queue.
#include "gateway/socket.h"

#include <libwebsockets.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/socket_http.h"
#include "common/socket_loop.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define CLOSE_TRY_AGAIN_LATER 1013      // RFC 6455 registry; libwebsockets does not name it
#define PING_US (10 * G_USEC_PER_SEC)   // of silence
#define SILENT_US (25 * G_USEC_PER_SEC) // a peer that answers no ping is gone
#define CHECK_US G_USEC_PER_SEC
#define CLOSE_WAITS_S 5
#define RECEIVE_CHUNK 2048
#define SEND_CHUNK 65536 // else it would send in pieces of what it receives
#define TICK_MS 1000

G_STATIC_ASSERT(TEXT_HEADROOM >= LWS_PRE);

struct SocketServer {
    struct lws_context *context;
    SocketLoop *loop;
    const SocketCalls *calls;
    gpointer user;
    Deadlines *deadlines;
    char **origins;
    GHashTable *waiting; // Sockets with something queued
    GQueue living;       // all Sockets, by the time at which they are looked at again
    guint64 tick;
    gboolean draining;
};

struct Socket {
    SocketPeer peer;
    SocketServer *server;
    struct lws *wsi;
    gpointer user;
    GString *incoming; // of a message whose end has not come
    Refusal skipping;  // rest of a message that has been refused
    GQueue outgoing;   // Text
    gsize outgoing_bytes;
    gint64 moved_us, heard_us, pinged_us, check_us;
    GList place; // in living
    guint close_code;
    char close_reason[64];
    gboolean paused, ping;
};

static void want_write(Socket *socket)
{
    lws_callback_on_writable(socket->wsi);
    socket_loop_kick(socket->server->loop);
}

// --- outgoing ----------------------------------------------------------------------------------

static void drop_outgoing(Socket *socket)
{
    g_queue_clear_full(&socket->outgoing, (GDestroyNotify)text_unref);
    socket->outgoing_bytes = 0;
    g_hash_table_remove(socket->server->waiting, socket);
}

static void close_slow(Socket *socket)
{
    log_event(LOG_WARNING, "gateway.slow_reader", "queued=%" G_GSIZE_FORMAT,
              socket->outgoing_bytes);
    metrics_add(METRIC_GATEWAY_SLOW_READERS, 1);
    drop_outgoing(socket);
    socket_close(socket, CLOSE_TRY_AGAIN_LATER, "does not read");
}

static void close_stalled(SocketServer *server, gint64 now_us)
{
    g_autofree gpointer *sockets = g_hash_table_get_keys_as_array(server->waiting, NULL);
    for (guint i = 0; sockets[i] != NULL; i++) {
        Socket *socket = sockets[i];
        if (now_us - socket->moved_us > LIMIT_SOCKET_STALL_MS * (gint64)1000)
            close_slow(socket);
    }
}

static void check(Socket *socket, gint64 now_us)
{
    gint64 silent_us = now_us - socket->heard_us;
    if (silent_us >= SILENT_US) {
        lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
        lws_cancel_service(socket->server->context);
    } else if (silent_us >= PING_US && now_us - socket->pinged_us >= PING_US) {
        socket->pinged_us = now_us;
        socket_ping(socket);
    }
}

// Everybody is looked at equally often, so whoever is due stands at the head.
static void check_living(SocketServer *server, gint64 now_us)
{
    for (;;) {
        Socket *socket = g_queue_peek_head(&server->living);
        if (socket == NULL || socket->check_us > now_us)
            return;
        g_queue_unlink(&server->living, &socket->place);
        socket->check_us = now_us + CHECK_US;
        g_queue_push_tail_link(&server->living, &socket->place);
        check(socket, now_us);
    }
}

static void on_tick(gpointer user)
{
    SocketServer *server = user;
    gint64 now_us = g_get_monotonic_time();
    close_stalled(server, now_us);
    check_living(server, now_us);
    server->tick =
        server->living.length > 0 ? deadlines_add(server->deadlines, TICK_MS, on_tick, server) : 0;
}

static void queue(Socket *socket, Text *text)
{
    SocketServer *server = socket->server;
    if (socket->outgoing.length == 0) {
        socket->moved_us = g_get_monotonic_time();
        g_hash_table_add(server->waiting, socket);
    }
    g_queue_push_tail(&socket->outgoing, text_ref(text));
    socket->outgoing_bytes += text_length(text);
    if (socket->outgoing_bytes > LIMIT_SESSION_QUEUE)
        close_slow(socket);
    else
        want_write(socket);
}

// Straight into the kernel's buffer where that has room: a change for a thousand observers would
// else cost five system calls each. What it does not take of this one text the library keeps, and
// then calls the pipe choked, so nothing piles up there.
static gboolean write_now(Socket *socket, Text *text)
{
    gsize length = text_length(text);
    if (socket->outgoing.length > 0 || lws_send_pipe_choked(socket->wsi))
        return FALSE;
    gboolean written =
        lws_write(socket->wsi, (guint8 *)text_bytes(text), length, LWS_WRITE_TEXT) >= (int)length;
    if (lws_partial_buffered(socket->wsi))
        socket_loop_kick(socket->server->loop);
    return written;
}

void socket_send(Socket *socket, Text *text)
{
    if (socket->close_code != 0)
        return;
    metrics_add(METRIC_GATEWAY_SENT, 1);
    if (!write_now(socket, text))
        queue(socket, text);
}

void socket_close(Socket *socket, guint code, const char *reason)
{
    if (socket->close_code != 0)
        return;
    socket->close_code = code;
    g_strlcpy(socket->close_reason, reason, sizeof socket->close_reason);
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_WAITS_S);
    want_write(socket);
    lws_cancel_service(socket->server->context);
}

void socket_ping(Socket *socket)
{
    socket->ping = TRUE;
    want_write(socket);
}

// With a byte in it: the library passes the answer to an empty ping over, which would look like
// silence.
static int write_ping(Socket *socket)
{
    guint8 buffer[LWS_PRE + 1] = {0};
    socket->ping = FALSE;
    if (socket->outgoing.length > 0 || socket->close_code != 0)
        want_write(socket);
    return lws_write(socket->wsi, buffer + LWS_PRE, 1, LWS_WRITE_PING) < 0 ? -1 : 0;
}

static int on_timer(Socket *socket)
{
    if (socket->close_code == 0)
        return 0;
    lws_close_reason(socket->wsi, (enum lws_close_status)socket->close_code,
                     (guint8 *)socket->close_reason, strlen(socket->close_reason));
    return -1;
}

// Writeable and nothing left to write: what was sent before has gone.
static void begin_close(Socket *socket)
{
    if (socket->close_code == 0)
        return;
    lws_set_timer_usecs(socket->wsi, 1);
}

static int on_writeable(Socket *socket)
{
    if (socket->ping)
        return write_ping(socket);
    g_autoptr(Text) text = g_queue_pop_head(&socket->outgoing);
    if (text == NULL) {
        begin_close(socket);
        return 0;
    }
    gsize length = text_length(text);
    socket->outgoing_bytes -= length;
    socket->moved_us = g_get_monotonic_time();
    metrics_add(METRIC_GATEWAY_SENT, 1);
    if (socket->outgoing.length == 0)
        g_hash_table_remove(socket->server->waiting, socket);
    if (lws_write(socket->wsi, (guint8 *)text_bytes(text), length, LWS_WRITE_TEXT) < (int)length)
        return -1;
    if (socket->paused && socket->outgoing_bytes < LIMIT_SOCKET_PAUSE / 2) {
        socket->paused = FALSE;
        lws_rx_flow_control(socket->wsi, 1);
    }
    if (socket->outgoing.length > 0 || socket->close_code != 0)
        want_write(socket);
    return 0;
}

// --- incoming ----------------------------------------------------------------------------------

static void fault(Socket *socket, Refusal reason, const char *detail)
{
    socket->server->calls->on_fault(socket, reason, detail, socket->server->user);
}

// The part of a message that fits; one that does not is refused at once, and its socket closed.
static void collect(Socket *socket, const char *bytes, gsize length)
{
    if (lws_is_first_fragment(socket->wsi) && lws_frame_is_binary(socket->wsi))
        socket->skipping = REASON(unsupported);
    if (socket->skipping != REASON(none))
        return;
    if (socket->incoming->len + length > LIMIT_WEBSOCKET_MESSAGE) {
        socket->skipping = REASON(too_large);
        fault(socket, REASON(too_large), "a message has at most 131072 bytes");
        socket_close(socket, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "message too large");
        return;
    }
    g_string_append_len(socket->incoming, bytes, (gssize)length);
}

static void finish_message(Socket *socket)
{
    if (socket->skipping == REASON(unsupported))
        fault(socket, REASON(unsupported), "only text frames are taken");
    else if (socket->skipping == REASON(none))
        socket->server->calls->on_text(socket, socket->incoming->str, socket->incoming->len,
                                       socket->server->user);
    socket->skipping = REASON(none);
    if (socket->incoming->allocated_len > RECEIVE_CHUNK) { // large ones are rare: give it back
        g_string_free(socket->incoming, TRUE);
        socket->incoming = g_string_new(NULL);
    }
    g_string_truncate(socket->incoming, 0);
}

// Our own answers must not outgrow the queue of a client that sends much at once and then reads:
// nothing more is read from it for a while.
static void pause_if_full(Socket *socket)
{
    if (socket->paused || socket->outgoing_bytes < LIMIT_SOCKET_PAUSE)
        return;
    socket->paused = TRUE;
    lws_rx_flow_control(socket->wsi, 0);
}

static int on_receive(Socket *socket, const char *bytes, gsize length)
{
    socket->heard_us = g_get_monotonic_time();
    if (socket->close_code != 0)
        return 0;
    collect(socket, bytes, length);
    if (lws_is_final_fragment(socket->wsi))
        finish_message(socket);
    pause_if_full(socket);
    return 0;
}

// --- life of a WebSocket -----------------------------------------------------------------------

static Socket *socket_of(struct lws *wsi)
{
    Socket *socket = lws_get_opaque_user_data(wsi);
    return socket != NULL && socket->peer == SOCKET_PEER_WEBSOCKET ? socket : NULL;
}

static int on_established(SocketServer *server, struct lws *wsi)
{
    Socket *socket = g_new0(Socket, 1);
    socket->peer = SOCKET_PEER_WEBSOCKET;
    socket->server = server;
    socket->wsi = wsi;
    socket->incoming = g_string_new(NULL);
    socket->heard_us = g_get_monotonic_time();
    g_queue_init(&socket->outgoing);
    lws_set_opaque_user_data(wsi, socket);
    socket->place.data = socket;
    socket->check_us = socket->heard_us + CHECK_US;
    g_queue_push_tail_link(&server->living, &socket->place);
    if (server->tick == 0)
        server->tick = deadlines_add(server->deadlines, TICK_MS, on_tick, server);
    server->calls->on_open(socket, server->user);
    return 0;
}

static int on_closed(Socket *socket)
{
    SocketServer *server = socket->server;
    lws_set_opaque_user_data(socket->wsi, NULL);
    server->calls->on_closed(socket, server->user);
    drop_outgoing(socket);
    g_queue_unlink(&server->living, &socket->place);
    g_string_free(socket->incoming, TRUE);
    g_free(socket);
    return 0;
}

void socket_set_user(Socket *socket, gpointer user)
{
    socket->user = user;
}

gpointer socket_user(const Socket *socket)
{
    return socket->user;
}

gint64 socket_heard_us(const Socket *socket)
{
    return socket->heard_us;
}

// --- upgrade -----------------------------------------------------------------------------------

static int refuse_upgrade(struct lws *wsi, Refusal reason, guint status)
{
    metrics_refused(reason);
    log_event(LOG_INFO, "gateway.upgrade_refused", "reason=%s", refusal_name(reason));
    return lws_return_http_status(wsi, status, refusal_text(reason)) != 0 ? -1 : 1;
}

static int on_confirm_upgrade(SocketServer *server, struct lws *wsi)
{
    char upgrade[32], path[LIMIT_URL], host[LIMIT_URL], origin[LIMIT_URL];
    gboolean readable = socket_copy_header(wsi, WSI_TOKEN_UPGRADE, upgrade, sizeof upgrade) &&
                        socket_copy_header(wsi, WSI_TOKEN_GET_URI, path, sizeof path) &&
                        socket_copy_header(wsi, WSI_TOKEN_HOST, host, sizeof host) &&
                        socket_copy_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin);
    if (!readable || g_ascii_strcasecmp(upgrade, "websocket") != 0) {
        metrics_refused(REASON(unsupported));
        return -1;
    }
    if (strcmp(path, "/ws") != 0)
        return refuse_upgrade(wsi, REASON(bad_address), 404);
    if (!http_origin_is_allowed(origin, host, server->origins))
        return refuse_upgrade(wsi, REASON(bad_origin), 403);
    if (server->draining)
        return refuse_upgrade(wsi, REASON(draining), 503);
    if (server->living.length >= LIMIT_SOCKETS)
        return refuse_upgrade(wsi, REASON(too_many), 503);
    return 0;
}

// --- libwebsockets -----------------------------------------------------------------------------

static int on_socket_event(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t size)
{
    Socket *socket = socket_of(wsi);
    if (socket == NULL)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE:
        return on_receive(socket, in, size);
    case LWS_CALLBACK_RECEIVE_PONG:
        socket->heard_us = g_get_monotonic_time();
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writeable(socket);
    case LWS_CALLBACK_TIMER:
        return on_timer(socket);
    default:
        return on_closed(socket);
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    (void)user;
    if (wsi == NULL)
        return 0;
    SocketServer *server = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_confirm_upgrade(server, wsi);
    case LWS_CALLBACK_HTTP:
        return socket_http_request(wsi, in, size, server->calls->on_http, server->user);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return socket_http_writeable(wsi);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        socket_http_drop(wsi);
        return 0;
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(server, wsi);
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_TIMER:
    case LWS_CALLBACK_CLOSED:
        return on_socket_event(wsi, reason, in, size);
    case LWS_CALLBACK_RAW_ADOPT: // CONNECT would end here
    case LWS_CALLBACK_RAW_RX:
    case LWS_CALLBACK_HTTP_BODY: // nothing here takes a body
        return -1;
    default:
        return 0;
    }
}

static void emit(int level, const char *line)
{
    g_autofree char *text = g_strchomp(g_strdup(line));
    log_event(level == LLL_ERR ? LOG_WARNING : LOG_DEBUG, "gateway.websockets", "text=%s",
              log_quote(text));
}

static const struct lws_protocols protocols[] = {
    {.name = "parley",
     .callback = on_event,
     .rx_buffer_size = RECEIVE_CHUNK,
     .tx_packet_size = SEND_CHUNK},
    {0},
};
static const lws_retry_bo_t no_pings = {0};

static void describe(struct lws_context_creation_info *info, const SocketSettings *settings)
{
    gboolean any = strcmp(settings->listen, "0.0.0.0") == 0 || strcmp(settings->listen, "::") == 0;
    gboolean six = strchr(settings->listen, ':') != NULL;
    gboolean tls = *settings->certificate != '\0';
    info->port = (int)settings->port;
    info->iface = any ? NULL : settings->listen;
    info->protocols = protocols;
    info->uid = info->gid = (unsigned)-1;
    info->server_string = "parley";
    info->retry_and_idle_policy = &no_pings;
    info->timeout_secs = 10;
    info->keepalive_timeout = 15;
    info->max_http_header_pool = 256;
    info->max_http_header_data = 8192;
    info->alpn = "http/1.1";
    info->options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                    LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                    (six ? 0 : LWS_SERVER_OPTION_DISABLE_IPV6) |
                    (tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0);
    info->ssl_cert_filepath = tls ? settings->certificate : NULL;
    info->ssl_private_key_filepath = tls ? settings->key : NULL;
}

SocketServer *socket_server_new(const SocketSettings *settings, Deadlines *deadlines,
                                const SocketCalls *calls, gpointer user, GError **error)
{
    SocketServer *server = g_new0(SocketServer, 1);
    struct lws_context_creation_info info = {0};
    server->loop = socket_loop_new();
    server->calls = calls;
    server->user = user;
    server->deadlines = deadlines;
    server->origins = g_strdupv(settings->origins);
    server->waiting = g_hash_table_new(NULL, NULL);
    g_queue_init(&server->living);
    void *loops[] = {socket_loop_native(server->loop)};
    describe(&info, settings);
    info.foreign_loops = loops;
    info.user = server;
    info.pcontext = &server->context;
    lws_set_log_level(LLL_ERR | LLL_WARN, emit);
    server->context = lws_create_context(&info);
    if (server->context == NULL || lws_create_vhost(server->context, &info) == NULL) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "cannot listen on %s port %u (is it in use, is the certificate readable?)",
                    settings->listen, settings->port);
        socket_server_free(server);
        return NULL;
    }
    return server;
}

// On a loop of ours the first call only closes; when the loop has seen that, the second one frees
// (and clears the pointer, info.pcontext).
static void destroy_context(SocketServer *server)
{
    for (guint i = 0; i < 2 && server->context != NULL; i++) {
        lws_context_destroy(server->context);
        socket_loop_run_out(server->loop);
    }
}

void socket_server_free(SocketServer *server)
{
    if (server == NULL)
        return;
    destroy_context(server);
    socket_loop_free(server->loop);
    deadlines_cancel(server->deadlines, &server->tick);
    g_hash_table_unref(server->waiting);
    g_strfreev(server->origins);
    g_free(server);
}

guint socket_server_count(const SocketServer *server)
{
    return server->living.length;
}

void socket_server_drain(SocketServer *server)
{
    server->draining = TRUE;
}
