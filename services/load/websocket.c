// SPDX-License-Identifier: MIT
// See websocket.h. libwebsockets 4.1 looks the gateway's name up while everything else waits: from
// the second connection on the first one's address is taken. A connection that cannot be begun is
// told in a turn of its own, because the caller does not have its Websocket yet.
#include "load/websocket.h"

#include <libwebsockets.h>
#include <string.h>

#include "common/limits.h"
#include "common/socket_loop.h"

#define MESSAGE_MAX (4 * LIMIT_BUS_FRAME) // of a gateway that may be anybody's
#define CHUNK 8192

struct Websockets {
    struct lws_context *context;
    SocketLoop *loop;
    const WebsocketCalls *calls;
    char *address, *path, *host, *found; // found: what the name stands for
    guint port;
    int flags;
};

struct Websocket {
    Websockets *all;
    struct lws *wsi;
    gpointer user;
    GString *incoming;
    GQueue outgoing; // GBytes, with LWS_PRE bytes of room in front
    char *why;       // that the gateway gave for closing
    guint failing;   // source
    gboolean beginning, open;
};

// --- ends ------------------------------------------------------------------------------------
static void tell_closed(Websocket *socket, const char *why)
{
    const WebsocketCalls *calls = socket->all->calls;
    socket->wsi = NULL;
    socket->open = FALSE;
    calls->closed(why, socket->user);
}

static gboolean on_failed(gpointer user)
{
    Websocket *socket = user;
    g_autofree char *why = g_steal_pointer(&socket->why);
    socket->failing = 0;
    tell_closed(socket, why != NULL ? why : "cannot connect: the host is not known");
    return G_SOURCE_REMOVE;
}

static void note_close(Websocket *socket, const guint8 *data, gsize length)
{
    if (length < 2)
        return;
    g_autofree char *text = g_strndup((const char *)data + 2, length - 2);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_free(socket->why);
    socket->why = g_strdup_printf("closed by the gateway with code %u%s%s",
                                  (guint)data[0] << 8 | data[1], *valid != '\0' ? ": " : "", valid);
}

static void on_closed(Websocket *socket)
{
    g_autofree char *why = g_steal_pointer(&socket->why);
    tell_closed(socket, why != NULL ? why : "the connection to the gateway was lost");
}

// What libwebsockets says, for people.
static const char *explain(const char *given)
{
    static const struct {
        const char *says, *means;
    } table[] = {{"closed before established", "nobody answers there"},
                 {"not 101", "what answers there is no WebSocket (the path is usually /ws)"},
                 {"X509", "its TLS certificate is not to be trusted (--insecure takes any)"},
                 {"cert", "its TLS certificate is not to be trusted (--insecure takes any)"},
                 {"SSL", "TLS fails: no TLS there (then ws://), or a certificate that is not to be "
                         "trusted (--insecure takes any)"},
                 {"ddress", "the host is not known"},
                 {"DNS", "the host is not known"}};
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (strstr(given, table[i].says) != NULL)
            return table[i].means;
    return "no answer";
}

static void on_error(Websocket *socket, const char *text, gsize length)
{
    g_autofree char *given = g_strndup(text != NULL ? text : "", text != NULL ? length : 0);
    g_autofree char *why =
        g_strdup_printf("cannot connect to %s: %s%s%s%s", socket->all->host, explain(given),
                        *given != '\0' ? " (" : "", given, *given != '\0' ? ")" : "");
    if (socket->beginning)
        socket->why = g_steal_pointer(&why);
    else
        tell_closed(socket, why);
}

// --- messages --------------------------------------------------------------------------------
static gboolean take(Websocket *socket, struct lws *wsi, const char *data, gsize length)
{
    if (socket->incoming->len + length > MESSAGE_MAX)
        return FALSE;
    g_string_append_len(socket->incoming, data, (gssize)length);
    if (lws_remaining_packet_payload(wsi) > 0 || !lws_is_final_fragment(wsi))
        return TRUE;
    g_autoptr(GString) whole = g_steal_pointer(&socket->incoming);
    socket->incoming = g_string_new(NULL);
    socket->all->calls->message(whole->str, whole->len, socket->user);
    return TRUE;
}

static gboolean write_next(Websocket *socket)
{
    g_autoptr(GByteArray) next = g_queue_pop_head(&socket->outgoing);
    if (next == NULL)
        return TRUE;
    if (!g_queue_is_empty(&socket->outgoing))
        lws_callback_on_writable(socket->wsi);
    return lws_write(socket->wsi, next->data + LWS_PRE, next->len - LWS_PRE, LWS_WRITE_TEXT) >= 0;
}

static void on_opened(Websocket *socket)
{
    Websockets *all = socket->all;
    char address[64] = "";
    lws_get_peer_simple(socket->wsi, address, sizeof(address));
    if (all->found == NULL && *address != '\0')
        all->found = g_strdup(address);
    socket->open = TRUE;
    all->calls->opened(socket->user);
}

// FALSE: the connection is to end.
static gboolean on_event(Websocket *socket, struct lws *wsi, enum lws_callback_reasons reason,
                         void *in, size_t length)
{
    switch (reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_error(socket, in, length);
        break;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        on_opened(socket);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return take(socket, wsi, in, length);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_next(socket);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        note_close(socket, in, length);
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        on_closed(socket);
        break;
    default:
        break;
    }
    return TRUE;
}

// The user pointer is gone as soon as nobody wants the connection any more.
static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t length)
{
    Websocket *socket = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
    (void)user;
    if (socket == NULL)
        return reason == LWS_CALLBACK_CLIENT_WRITEABLE ? -1 : 0;
    return on_event(socket, wsi, reason, in, length) ? 0 : -1;
}

// --- life ------------------------------------------------------------------------------------
static void emit(int level, const char *line)
{
    (void)level;
    g_debug("libwebsockets: %s", line);
}

static gboolean open_context(Websockets *all, gboolean tls)
{
    static const struct lws_protocols protocols[] = {
        {"parley-load", callback, 0, CHUNK, 0, NULL, 0}, {0}};
    void *loops[] = {socket_loop_native(all->loop)};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols,
                                             .foreign_loops = loops,
                                             .pcontext = &all->context,
                                             .gid = (gid_t)-1,
                                             .uid = (uid_t)-1,
                                             .timeout_secs = 10,
                                             .options = LWS_SERVER_OPTION_LIBUV};
    if (tls)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    lws_set_log_level(LLL_ERR | LLL_WARN, emit);
    all->context = lws_create_context(&info);
    return all->context != NULL;
}

Websockets *websockets_new(const WebsocketPlace *place, const WebsocketCalls *calls, GError **error)
{
    g_autoptr(Websockets) all = g_new0(Websockets, 1);
    all->loop = socket_loop_new();
    all->calls = calls;
    all->address = g_strdup(place->address);
    all->path = g_strdup(place->path);
    all->host = g_strdup(place->host);
    all->port = place->port;
    all->flags = place->tls ? LCCSCF_USE_SSL : 0;
    if (place->tls && place->insecure)
        all->flags |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK |
                      LCCSCF_ALLOW_EXPIRED | LCCSCF_ALLOW_INSECURE;
    if (open_context(all, place->tls))
        return g_steal_pointer(&all);
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                "libwebsockets cannot start (is libwebsockets-evlib-uv installed?)");
    return NULL;
}

// On a loop of ours the first call only closes; when the loop has seen that, the second one frees.
void websockets_free(Websockets *all)
{
    if (all == NULL)
        return;
    for (guint i = 0; i < 2 && all->context != NULL; i++) {
        lws_context_destroy(all->context);
        socket_loop_run_out(all->loop);
    }
    socket_loop_free(all->loop);
    g_free(all->address);
    g_free(all->path);
    g_free(all->host);
    g_free(all->found);
    g_free(all);
}

Websocket *websocket_new(Websockets *all, gpointer user)
{
    Websocket *socket = g_new0(Websocket, 1);
    socket->all = all;
    socket->user = user;
    socket->incoming = g_string_new(NULL);
    g_queue_init(&socket->outgoing);
    const struct lws_client_connect_info info = {.context = all->context,
                                                 .address =
                                                     all->found != NULL ? all->found : all->address,
                                                 .port = (int)all->port,
                                                 .path = all->path,
                                                 .host = all->host,
                                                 .ssl_connection = all->flags,
                                                 .local_protocol_name = "parley-load",
                                                 .opaque_user_data = socket,
                                                 .pwsi = &socket->wsi};
    socket->beginning = TRUE;
    if (lws_client_connect_via_info(&info) == NULL || socket->why != NULL) {
        socket->wsi = NULL;
        socket->failing = g_idle_add(on_failed, socket);
    }
    socket->beginning = FALSE;
    socket_loop_kick(all->loop);
    return socket;
}

void websocket_free(Websocket *socket)
{
    if (socket == NULL)
        return;
    if (socket->failing != 0)
        g_source_remove(socket->failing);
    if (socket->wsi != NULL) {
        lws_set_opaque_user_data(socket->wsi, NULL);
        lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
        lws_cancel_service(socket->all->context);
        socket_loop_kick(socket->all->loop);
    }
    g_queue_clear_full(&socket->outgoing, (GDestroyNotify)g_byte_array_unref);
    g_string_free(socket->incoming, TRUE);
    g_free(socket->why);
    g_free(socket);
}

void websocket_send(Websocket *socket, const char *text)
{
    static const guint8 room[LWS_PRE];
    if (!socket->open)
        return;
    GByteArray *bytes = g_byte_array_new();
    g_byte_array_append(bytes, room, sizeof(room));
    g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
    g_queue_push_tail(&socket->outgoing, bytes);
    lws_callback_on_writable(socket->wsi);
    socket_loop_kick(socket->all->loop);
}
