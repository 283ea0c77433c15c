// SPDX-License-Identifier: MIT
// The objects that sessions observe. One observer an object serves all its sessions (a room of a
// hundred costs one subscription), and each session's own position in the object's versions is
// kept, so that it gets every change once, in order, also over a lost WebSocket.
#pragma once
#include "common/bus.h"
#include "common/sync_object.h"
#include "gateway/sessions.h"

typedef struct Watches Watches;

typedef struct {
    // A session has been given a change.
    void (*on_change)(Session *session, const char *object, const SyncChange *change,
                      gpointer user);
    // The object is gone; the session follows it no more.
    void (*on_gone)(Session *session, const char *object, gpointer user);
} WatchesCalls;

// asker: our address in what reporters are asked.
Watches *watches_new(Bus *bus, const char *asker, const WatchesCalls *calls, gpointer user);
// Nobody may follow anything any more.
void watches_free(Watches *watches);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watches, watches_free)

// An answer of its reporter has shown the object at this version: observes it, from there on, if
// nobody does yet. Held until watches_release, so that no change is lost between an answer and the
// moment when it is handed over.
void watches_hold(Watches *watches, const char *object, guint64 version, const char *chain);
void watches_release(Watches *watches, const char *object);

// The session has the object at `version`: sends what came since, and from now on every change. The
// object must be held or followed.
void watches_follow(Watches *watches, Session *session, const char *object, guint64 version);
void watches_unfollow(Watches *watches, Session *session, const char *object);
void watches_unfollow_all(Watches *watches, Session *session);
gboolean watches_is_followed(const Watches *watches, const Session *session, const char *object);
// What the session lacks after `version`, as msg.Deltas, for an answer that is sent at once; NULL
// if it does not follow the object or the log does not reach back so far.
Json *watches_deltas(Watches *watches, Session *session, const char *object, guint64 version);
// The session is back: sends what came meanwhile.
void watches_resume(Watches *watches, Session *session);
// The objects that the session follows, as a list of msg.Follow.
Json *watches_told(const Session *session);
// Every observer asks for what it may lack (a link that came back).
void watches_check(Watches *watches);
