// SPDX-License-Identifier: MIT
// Which other processes are there, by the presence message that each one publishes every second.
//
// Silence is not death: a process counts as live until it has been silent for 5 s, and silence is
// counted anew (presences_restart) whenever our own link to the broker comes back, because then
// nobody could have been heard. What the broker saw leave is not live until it is heard again.
#pragma once
#include "proto/context.pb-c.h"
#include <glib.h>

typedef struct {
    char *process; // "<role>-<id>"
    char *role;    // "worker" is a media host, "media" a room process
    char *address; // under which it is asked; NULL: it has none
    gboolean draining;
    gboolean gone;         // the broker saw its last subscription go
    guint capacity;        // worker: rooms it can hold
    guint load;            // worker: rooms it held when it was heard last
    guint asked;           // worker: rooms that it is being asked to start
    guint granted;         // worker: rooms that it has started since it was heard last
    Msg__RoomHealth *room; // room process; NULL otherwise
    gint64 heard_us;
} Presence;

typedef struct Presences Presences;

Presences *presences_new(void);
void presences_free(Presences *presences); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Presences, presences_free)

// source: the process that published it. FALSE: it makes no sense, or there are too many already.
gboolean presences_hear(Presences *presences, const Msg__Presence *presence, const char *source,
                        gint64 now_us);
void presences_gone(Presences *presences, const char *process);
void presences_restart(Presences *presences, gint64 now_us);
// Forgets who has been silent for a minute.
void presences_prune(Presences *presences, gint64 now_us);

Presence *presences_find(const Presences *presences, const char *process); // NULL: never heard
const Presence *presences_at(const Presences *presences, const char *address);
gboolean presence_is_live(const Presence *presence, gint64 now_us); // NULL: not live
// The worker to ask for one more room: live, not draining, with room left, the least loaded for
// its size, none of `tried` (process names, may be NULL). NULL: there is none.
Presence *presences_choose_worker(const Presences *presences, GHashTable *tried, gint64 now_us);
