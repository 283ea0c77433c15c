// SPDX-License-Identifier: MIT
// The sessions of clients, as their gateways tell them: who is connected, which addresses each one
// owns. In memory only: gateways tell all again when they see a registry that has just started.
//
// A session moves between gateways, so what a gateway says of a session that another one holds by
// now is out of date, unless it says that the session is live there.
#pragma once
#include "common/refusal.h"

typedef struct Sessions Sessions;

Sessions *sessions_new(void);
void sessions_free(Sessions *sessions); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sessions, sessions_free)

// Copies. gateway: the process that tells.
Refusal sessions_tell(Sessions *sessions, const Msg__Session *session, const char *gateway);
// The session has ended. Ignored from a gateway that does not hold it.
void sessions_forget(Sessions *sessions, const char *session, const char *gateway);
const Msg__Session *sessions_find(const Sessions *sessions, const char *session); // NULL: unknown
// The session that owns an address or something above it; NULL if none is known to.
const char *sessions_owner(const Sessions *sessions, const char *address);
// The session is about to use an address for the first time. FALSE: it is another session's.
gboolean sessions_claim(Sessions *sessions, const char *session, const char *address);
// Forgets every session of which `keep` says FALSE: those of a gateway that ended without a word.
typedef gboolean (*SessionsKeep)(const Msg__Session *session, gpointer user);
void sessions_prune(Sessions *sessions, SessionsKeep keep, gpointer user);
guint sessions_count(const Sessions *sessions);
