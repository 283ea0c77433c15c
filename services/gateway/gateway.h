// SPDX-License-Identifier: MIT
// One gateway: what its parts share. Made by gateway_new from the service's settings; tests make
// one without sockets (gateway_new_without_server).
#pragma once
#include "common/bus.h"
#include "common/deadlines.h"
#include "common/grants.h"
#include "gateway/http.h"
#include "gateway/presences.h"
#include "gateway/registrar.h"
#include "gateway/routes.h"
#include "gateway/sessions.h"
#include "gateway/socket.h"
#include "gateway/watches.h"

typedef struct Gateway {
    Bus *bus;
    const char *domain, *process; // borrowed from the bus
    char *secret;                 // signs tokens
    GrantKeys *keys;              // of the tokens that say who somebody is
    gboolean guests;              // who shows none is let in
    gboolean open_takeover;       // guests take sessions over by runtime URL
    gboolean draining;
    Deadlines *deadlines;
    Sessions *sessions;
    Routes *routes;
    Watches *watches;
    Registrar *registrar;
    Presences *presences;
    GHashTable *clients; // set of Client
    GHashTable *opens;   // runtime URL -> Opens: how many lately
    Http *http;
    SocketServer *server;
    void (*on_empty)(gpointer user); // while draining
    gpointer on_empty_user;
} Gateway;

// The parts that need no network but the bus.
Gateway *gateway_new(Bus *bus, const char *secret);
// Opens the port. FALSE: cannot start.
gboolean gateway_listen(Gateway *gateway, const Config *config, GError **error);
void gateway_free(Gateway *gateway);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gateway, gateway_free)

// A WebSocket has come, said something, gone (frees the client).
Client *gateway_add_client(Gateway *gateway, const ClientWire *calls, gpointer wire);
void gateway_remove_client(Gateway *gateway, Client *client);
// Ends a session: what it owned, followed and asked goes. told: the registry hears of it.
void gateway_end_session(Gateway *gateway, Session *session, gboolean told);
// The counters that tell how many there are now.
void gateway_set_gauges(const Gateway *gateway);
// Tells the other gateways that the session lives here from now on.
void gateway_announce(Gateway *gateway, const Session *session);
// Sends clients elsewhere; calls `empty` when the last has gone.
void gateway_drain(Gateway *gateway, void (*empty)(gpointer user), gpointer user);
