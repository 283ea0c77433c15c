// SPDX-License-Identifier: MIT
// One WebSocket as the gateway's rules see it: where its opening stands, and whose session it
// carries. What it is made of (the wire) is hidden behind two functions, so that every rule can be
// tested without a network.
#pragma once
#include "gateway/text.h"

typedef struct Session Session;

typedef enum {
    CLIENT_NEW,     // nothing but open and re-open is taken
    CLIENT_OPENING, // open is being answered; what comes meanwhile waits
    CLIENT_OPEN,
    CLIENT_CLAIMING, // the registry is asked whose an address is; what comes meanwhile waits
    CLIENT_REPLACED, // its session has gone to a later WebSocket
    CLIENT_CLOSING
} ClientState;

typedef struct {
    void (*send)(gpointer wire, Text *text); // takes a reference of its own
    void (*close)(gpointer wire, guint code, const char *reason);
    // Sends a ping; the time of the last sign of life (g_get_monotonic_time).
    void (*ping)(gpointer wire);
    gint64 (*heard_us)(gpointer wire);
} ClientWire;

typedef struct {
    const ClientWire *calls;
    gpointer wire;
    ClientState state;
    Session *session; // borrowed; NULL unless CLIENT_OPEN or CLIENT_CLAIMING
    GQueue held;      // Text: frames that came while opening or claiming
    gsize held_bytes;
    gpointer claim;    // what is claimed while CLIENT_CLAIMING
    guint64 handshake; // deadline
    gpointer opening;  // what the handshake remembers while CLIENT_OPENING
    guint64 malformed; // frames refused so far, for the log line at its end
} Client;

Client *client_new(const ClientWire *calls, gpointer wire);
void client_free(Client *client);
void client_send(Client *client, Text *text);
void client_send_json(Client *client, const Json *json);
// Sends what is waiting, then closes. Nothing that comes afterwards is taken.
void client_close(Client *client, guint code, const char *reason);
