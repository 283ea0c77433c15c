// SPDX-License-Identifier: MIT
// The TCP side: HTTP and WebSocket server. The only file that sees libwebsockets; what goes up are
// whole text messages and HTTP requests, what comes down are texts and answers. Main thread only.
//
// Refused here, before any rule of ours is asked: upgrades that are not WebSocket on /ws from an
// allowed origin, messages over LIMIT_WEBSOCKET_MESSAGE, frames that are not text, and readers that
// do not read (closed with 1013).
#pragma once
#include "common/refusal.h"
#include "common/deadlines.h"
#include "gateway/http.h"
#include "gateway/text.h"

typedef struct SocketServer SocketServer;
typedef struct Socket Socket;

typedef struct {
    const char *listen; // address; 0.0.0.0 and :: for all
    guint port;
    const char *certificate, *key; // PEM files, "" for none
    char **origins;
} SocketSettings;

typedef struct {
    void (*on_open)(Socket *socket, gpointer user);
    void (*on_text)(Socket *socket, const char *bytes, gsize length, gpointer user);
    // A message that is no text or too long. A too long one closes the socket afterwards (1009).
    void (*on_fault)(Socket *socket, Refusal reason, const char *detail, gpointer user);
    // The socket is gone when this returns.
    void (*on_closed)(Socket *socket, gpointer user);
    HttpAnswer *(*on_http)(const HttpRequest *request, gpointer user);
} SocketCalls;

SocketServer *socket_server_new(const SocketSettings *settings, Deadlines *deadlines,
                                const SocketCalls *calls, gpointer user, GError **error);
void socket_server_free(SocketServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SocketServer, socket_server_free)
guint socket_server_count(const SocketServer *server); // WebSockets
// No further upgrade is let in (503).
void socket_server_drain(SocketServer *server);

void socket_set_user(Socket *socket, gpointer user);
gpointer socket_user(const Socket *socket);
// Queues; a queue over LIMIT_SESSION_QUEUE closes the socket with 1013.
void socket_send(Socket *socket, Text *text);
// Sends what is queued, then closes with this code (RFC 6455 section 7.4). The first call counts.
void socket_close(Socket *socket, guint code, const char *reason);
void socket_ping(Socket *socket);
// When anything last came from the peer (g_get_monotonic_time).
gint64 socket_heard_us(const Socket *socket);
