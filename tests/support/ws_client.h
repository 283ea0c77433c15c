// SPDX-License-Identifier: MIT
// A native client of the gateway for tests: a small WebSocket implementation of its own (RFC 6455,
// so that the server is measured against the standard and not against itself) on the GLib main
// loop, and above it what a Parley client does: open, request with answer, join, observe.
//
// Main thread only. Nothing blocks but the functions that say "waits"; they run the main loop.
#pragma once
#include "common/json.h"
#include "common/sync_object.h"

#define WS_TEXT 1
#define WS_BINARY 2
#define WS_PING 9
#define WS_WAIT_MS 5000

typedef struct WsClient WsClient;
// answer: the whole message, borrowed; NULL if the WebSocket was lost or the client freed
// meanwhile.
typedef void (*WsAnswered)(WsClient *client, const Json *answer, gpointer user);
// Every message that answers no request of ours.
typedef void (*WsMessage)(WsClient *client, const Json *message, gpointer user);

// Connects to ws://127.0.0.1:<port>/ws, in the background. Addresses (runtime, hyperty, connection)
// are made here, as real runtimes do.
WsClient *ws_client_new(guint port);
// The same client on a new WebSocket: same addresses, token and objects. The old one is dropped (no
// close handshake) if it is still open.
void ws_client_reconnect(WsClient *client, guint port);
void ws_client_free(WsClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WsClient, ws_client_free)
void ws_client_on_message(WsClient *client, WsMessage on_message, gpointer user);
gpointer ws_client_user(const WsClient *client);

gboolean ws_client_is_up(const WsClient *client); // upgraded, not closed
// 0 while it lives; the peer's close code; 1006 where it went without one.
guint ws_client_close_code(const WsClient *client);
gboolean ws_client_wait_up(WsClient *client);     // waits
gboolean ws_client_wait_closed(WsClient *client); // waits
// Ends the TCP connection without a word.
void ws_client_drop(WsClient *client);
// Stops and resumes reading from the socket.
void ws_client_set_reading(WsClient *client, gboolean on);

// For measurements: the socket, for a caller that reads by itself (after set_reading(FALSE)).
int ws_client_descriptor(const WsClient *client);

void ws_client_send(WsClient *client, const Json *message);
void ws_client_send_text(WsClient *client, const char *text);
void ws_client_send_frame(WsClient *client, guint opcode, gboolean final, const void *data,
                          gsize length);

// {type, from, to, body}; from: NULL for our hyperty; body may be NULL (and is taken). The
// caller's.
Json *ws_client_message(const WsClient *client, const char *type, const char *from, const char *to,
                        Json *body);
// Sends a request (message is taken; its id is set) and calls back with the final answer.
void ws_client_ask(WsClient *client, Json *message, WsAnswered answered, gpointer user);
// The same, waits; the answer's body, the caller's; NULL after WS_WAIT_MS or if it was lost.
Json *ws_client_request(WsClient *client, Json *message);
// Code of such a body; -1 for NULL.
gint ws_code(const Json *body);

// Waits for the WebSocket, says open (re-open where there is a token). TRUE if answered 200.
gboolean ws_client_open(WsClient *client, const char *name);
// The message that joins; offer: SDP. ws_client_joined takes over what its answer says.
Json *ws_client_join_message(WsClient *client, const char *room, const char *name,
                             const char *offer);
void ws_client_joined(WsClient *client, const Json *body);
// Waits: join and take over. The answer's body, the caller's.
Json *ws_client_join(WsClient *client, const char *room, const char *name, const char *offer);
// Waits: what a client does when it is back: subscribes its routes, resumes Communication and
// answering Connection. TRUE if the Communication could be resumed.
gboolean ws_client_resume(WsClient *client);
// Publishes an update of our own Connection object (its version + 1). value is taken.
void ws_client_update(WsClient *client, const char *attribute, Json *value);

const char *ws_client_session(const WsClient *client); // "" before open
const char *ws_client_token(const WsClient *client);
void ws_client_set_token(WsClient *client, const char *token);
const char *ws_client_runtime(const WsClient *client);
void ws_client_set_runtime(WsClient *client, const char *runtime);
const char *ws_client_hyperty(const WsClient *client);
const char *ws_client_connection(const WsClient *client);
const char *ws_client_participant(const WsClient *client);
// Observed since the join, kept in step by updates; NULL before it, or after its delete.
const SyncObject *ws_client_communication(const WsClient *client);
const SyncObject *ws_client_answer(const WsClient *client);
// Changes that did not follow the one before: the gateway's promise was broken.
guint ws_client_holes(const WsClient *client);
// How often a digest told that the Communication lacked changes (lost with a registry that died
// between storing and publishing), and the client asked for them, as observers do.
guint ws_client_heals(const WsClient *client);
// How many messages of this type (NULL: any) to this address (NULL: any) have come.
guint ws_client_count(const WsClient *client, const char *type, const char *to);
// All that has come, oldest first; borrowed Json.
const GPtrArray *ws_client_received(const WsClient *client);
