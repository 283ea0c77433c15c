// SPDX-License-Identifier: MIT
// The sessions of this gateway and the addresses that they own. A session outlives its WebSocket by
// a grace time and may come back on another one; an address has one owner, and what lies below it
// is the owner's too (rethink.md section 2). Plain data: no bus, no clock, no socket.
#pragma once
#include "common/refusal.h"
#include "gateway/client.h"

typedef struct Sessions Sessions;

// Each part below the first is kept by the module that it names; all tables are made at first use.
struct Session {
    Sessions *all;
    char *id, *token, *runtime;
    Json *identity;        // asserted: {"userProfile": {…}}
    Client *client;        // NULL while away
    guint openings;        // WebSockets that it has had
    guint64 grace;         // deadline while away
    GHashTable *addresses; // set of owned URLs
    GHashTable *refused;   // claims: other gateways' addresses, while one message is looked at

    GHashTable *topics;  // routes: set of publication topics
    GHashTable *follows; // watches: set of Watch
    GHashTable *relays;  // relays: object URL -> SyncRelay
    GHashTable *blocks;  // allocation: key -> GPtrArray of URLs
    guint changes;       // learning: how many it has been given
    GHashTable *rooms;   // learning: Communication URL -> URL of the answering Connection
    GQueue deliveries;   // delivery: requests of others, not yet answered
    GQueue asked;        // asking: its own requests, open or lately answered
    guint asking;        // asking: how many are open
    GQueue away;         // Text: answers that wait for its return
    gsize away_bytes;
};

// An address has got an owner, or lost it.
typedef void (*SessionsOwned)(Session *session, const char *address, gboolean owned, gpointer user);

Sessions *sessions_new(const char *domain);
void sessions_free(Sessions *sessions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sessions, sessions_free)
void sessions_set_owned_handler(Sessions *sessions, SessionsOwned on_owned, gpointer user);
gpointer sessions_user(const Sessions *sessions); // of the handler
const char *sessions_domain(const Sessions *sessions);
guint sessions_count(const Sessions *sessions);

// A new session that owns its runtime URL, unless another does (NULL with the reason; also
// too_many). id and token are copied.
Session *sessions_add(Sessions *sessions, const char *id, const char *token, const char *runtime,
                      Refusal *ret_reason);
// Releases its addresses and frees it. What other modules keep in it must be gone.
void sessions_remove(Sessions *sessions, Session *session);
Session *sessions_by_id(const Sessions *sessions, const char *id);
// The session whose runtime URL this is.
Session *sessions_by_runtime(const Sessions *sessions, const char *runtime);
// Calls for each session; the callee may remove that one.
void sessions_each(Sessions *sessions, void (*each)(Session *session, gpointer user),
                   gpointer user);

// The owner of an address or of something above it; NULL if nobody's.
Session *sessions_owner(const Sessions *sessions, const char *url);
gboolean session_owns(const Session *session, const char *url);
// Makes the address the session's if it is nobody's. Publication suffixes never bind; /subscription
// and /read stand for their object. none: it is the session's now (or was).
Refusal sessions_bind(Sessions *sessions, Session *session, const char *url);
// What is bound for an address: the object itself; the caller's.
char *sessions_base(const char *url);
// Gives an owned address up; the runtime URL stays. No-op for what it does not own exactly.
void sessions_release(Sessions *sessions, Session *session, const char *url);

// Sends to its WebSocket; while it is away the text is dropped, or kept for its return (answers).
void session_send(Session *session, Text *text);
void session_send_answer(Session *session, Text *text);
// Sends what was kept while it was away.
void session_send_kept(Session *session);
