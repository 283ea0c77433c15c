// SPDX-License-Identifier: MIT
// Plain HTTP requests on the WebSocket server's port: what socket.c does for connections that are
// not upgraded. For socket.c alone.
#pragma once
#include "gateway/http.h"

struct lws;

// First member of whatever hangs on a connection (its opaque user data).
typedef enum { SOCKET_PEER_WEBSOCKET, SOCKET_PEER_HTTP } SocketPeer;

typedef HttpAnswer *(*SocketHttpCall)(const HttpRequest *request, gpointer user);

// What libwebsockets' callback returns.
int socket_http_request(struct lws *wsi, const char *path, gsize length, SocketHttpCall call,
                        gpointer user);
int socket_http_writeable(struct lws *wsi);
// The rest of an answer that is no longer wanted.
void socket_http_drop(struct lws *wsi);

// token: enum lws_token_indexes. An absent header is ""; FALSE where it is longer than the buffer.
gboolean socket_copy_header(struct lws *wsi, int token, char *buffer, int size);
