// SPDX-License-Identifier: MIT
// See socket_http.h. An answer is written as the socket takes it; connections are kept for further
// requests. Bodies of requests are never taken (socket.c hangs up).
#include "gateway/socket_http.h"

#include <libwebsockets.h>
#include <string.h>

#include "common/limits.h"

#define HTTP_CHUNK 16384
#define HEADER_MAX 2048

typedef struct {
    SocketPeer peer;
    HttpAnswer *answer;
    gsize offset;
} HttpReply;

gboolean socket_copy_header(struct lws *wsi, int token, char *buffer, int size)
{
    enum lws_token_indexes header = (enum lws_token_indexes)token;
    buffer[0] = '\0';
    return lws_hdr_total_length(wsi, header) == 0 || lws_hdr_copy(wsi, buffer, size, header) > 0;
}

void socket_http_drop(struct lws *wsi)
{
    HttpReply *reply = lws_get_opaque_user_data(wsi);
    if (reply == NULL || reply->peer != SOCKET_PEER_HTTP)
        return;
    lws_set_opaque_user_data(wsi, NULL);
    http_answer_free(reply->answer);
    g_free(reply);
}

static gboolean add_header(struct lws *wsi, const char *name, const char *value, guint8 **at,
                           guint8 *end)
{
    return value == NULL ||
           lws_add_http_header_by_name(wsi, (const guint8 *)name, (const guint8 *)value,
                                       (int)strlen(value), at, end) == 0;
}

static gboolean write_headers(struct lws *wsi, const HttpAnswer *answer)
{
    guint8 buffer[LWS_PRE + HEADER_MAX], *start = buffer + LWS_PRE, *at = start;
    guint8 *end = buffer + sizeof buffer - 1;
    return lws_add_http_common_headers(wsi, answer->status, answer->type,
                                       g_bytes_get_size(answer->body), &at, end) == 0 &&
           add_header(wsi, "x-content-type-options:", "nosniff", &at, end) &&
           add_header(wsi, "referrer-policy:", "no-referrer", &at, end) &&
           add_header(wsi, "permissions-policy:",
                      "camera=(self), microphone=(self), display-capture=(self)", &at, end) &&
           add_header(wsi, "cache-control:", answer->etag != NULL ? "no-cache" : "no-store", &at,
                      end) &&
           add_header(wsi, "etag:", answer->etag, &at, end) &&
           add_header(wsi, "content-security-policy:", answer->policy, &at, end) &&
           lws_finalize_write_http_header(wsi, start, &at, end) == 0;
}

static int complete(struct lws *wsi)
{
    socket_http_drop(wsi);
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

int socket_http_request(struct lws *wsi, const char *path, gsize length, SocketHttpCall call,
                        gpointer user)
{
    char host[LIMIT_URL], query[LIMIT_URL], known[LIMIT_URL];
    g_autofree char *whole = g_strndup(path, length);
    gboolean head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    gboolean get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
    socket_copy_header(wsi, WSI_TOKEN_HOST, host, sizeof host);
    socket_copy_header(wsi, WSI_TOKEN_HTTP_URI_ARGS, query, sizeof query);
    socket_copy_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, known, sizeof known);
    HttpRequest request = {head ? "HEAD" : get ? "GET" : "POST", whole, query, host, known};
    HttpReply *reply = g_new0(HttpReply, 1);
    reply->peer = SOCKET_PEER_HTTP;
    reply->answer = call(&request, user);
    socket_http_drop(wsi);
    lws_set_opaque_user_data(wsi, reply);
    if (!write_headers(wsi, reply->answer))
        return -1;
    if (head || g_bytes_get_size(reply->answer->body) == 0)
        return complete(wsi);
    lws_callback_on_writable(wsi);
    return 0;
}

int socket_http_writeable(struct lws *wsi)
{
    HttpReply *reply = lws_get_opaque_user_data(wsi);
    guint8 buffer[LWS_PRE + HTTP_CHUNK];
    gsize size = 0;
    if (reply == NULL || reply->peer != SOCKET_PEER_HTTP)
        return 0;
    const guint8 *body = g_bytes_get_data(reply->answer->body, &size);
    gsize length = MIN(size - reply->offset, HTTP_CHUNK);
    gboolean last = reply->offset + length == size;
    memcpy(buffer + LWS_PRE, body + reply->offset, length);
    reply->offset += length;
    if (lws_write(wsi, buffer + LWS_PRE, length, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        (int)length)
        return -1;
    if (last)
        return complete(wsi);
    lws_callback_on_writable(wsi);
    return 0;
}
