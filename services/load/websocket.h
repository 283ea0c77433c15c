// SPDX-License-Identifier: MIT
// WebSockets to one gateway, as a client: text in, text out, and in words why one ended. The only
// file of the command that sees libwebsockets, on a libuv loop nested in GLib's.
//
// Main thread. Inside a callback the Websocket must not be freed.
#pragma once
#include <glib.h>

typedef struct {
    const char *address, *path, *host; // host: for the Host header
    guint port;
    gboolean tls, insecure; // insecure: any certificate will do
} WebsocketPlace;

typedef struct {
    void (*opened)(gpointer user);
    void (*message)(const char *text, gsize length, gpointer user);
    void (*closed)(const char *why, gpointer user); // told once; also when it could not be opened
} WebsocketCalls;

typedef struct Websockets Websockets;
// place: copied. calls: static.
Websockets *websockets_new(const WebsocketPlace *place, const WebsocketCalls *calls,
                           GError **error);
void websockets_free(Websockets *all); // after all of its Websockets
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Websockets, websockets_free)

typedef struct Websocket Websocket;
// Connects in the background: closed or opened is called later, never from inside.
Websocket *websocket_new(Websockets *all, gpointer user);
// Without a word to anybody.
void websocket_free(Websocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Websocket, websocket_free)
void websocket_send(Websocket *socket, const char *text);
