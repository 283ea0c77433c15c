// SPDX-License-Identifier: MIT
// Which other processes are there, by the presence message that each one publishes every second,
// and what has been found out about them since. Plain data: who finds it out is judge.c.
//
// Silence is not death: a process counts as live until it has been silent for 5 s, and silence is
// counted anew (presences_restart) whenever our own link to the broker comes back, because then
// nobody could have been heard. What the broker saw leave is not live until it is heard again.
#pragma once
#include "proto/context.pb-c.h"
#include <glib.h>

typedef enum {
    PRESENCE_LIVE,
    PRESENCE_SUSPECT, // the broker saw its last subscription go
    PRESENCE_LOST,    // judged dead; may turn out to live
    PRESENCE_ENDED,   // its host has reported its end: never heard again
} PresenceState;

typedef enum {
    PRESENCE_HEARD,
    PRESENCE_GONE,       // says the broker
    PRESENCE_UNANSWERED, // a suspect's probe
    PRESENCE_SILENT,     // for 5 s
    PRESENCE_END,        // says its host
} PresenceEvent;

typedef struct {
    char *process; // "<role>-<id>"
    char *role;    // "worker" is a media host, "media" a room process
    char *address; // under which it is asked; NULL: it has none
    PresenceState state;
    gboolean silently; // lost after a silence, not in the middle of a word
    gboolean spoke;    // heard by this registry
    gboolean expected; // room process: it has a room, whether it has said so or not
    gboolean draining;
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

// source: the process that published it. FALSE: it makes no sense, its process has ended, or there
// are too many already.
gboolean presences_hear(Presences *presences, const Msg__Presence *presence, const char *source,
                        gint64 now_us);
// A room process that ought to be at this address (hyperty://D/media/<id>): as if heard now, where
// nothing is known of it. NULL: no such address, or too many.
Presence *presences_expect(Presences *presences, const char *address, gint64 now_us);
void presences_restart(Presences *presences, gint64 now_us);
// Forgets who has been silent for a minute.
void presences_prune(Presences *presences, gint64 now_us);

Presence *presences_find(const Presences *presences, const char *process); // NULL: never heard
Presence *presences_at(const Presences *presences, const char *address);
GList *presences_all(const Presences *presences); // of Presence *; free the list

// What has been found out about it. TRUE: that made a difference.
gboolean presence_learn(Presence *presence, PresenceEvent event, gint64 now_us);
gboolean presence_is_live(const Presence *presence, gint64 now_us); // NULL: not live
gboolean presence_is_dead(const Presence *presence);                // lost or ended
// Whether it carries media: a worker, or a room process that is no spare.
gboolean presence_is_media(const Presence *presence);

// Whether most of the workers that spoke have fallen silent in the last seconds, or no worker but
// most of the room processes; more than one process in all. Who was cut off in the middle of a word
// (a crash, a kill, a container that ends) has not fallen silent.
gboolean presences_are_mostly_silent(const Presences *presences, gint64 now_us);

// The worker to ask for one more room: live, not draining, with room left, the least loaded for
// its size, none of `tried` (process names, may be NULL). NULL: there is none.
Presence *presences_choose_worker(const Presences *presences, GHashTable *tried, gint64 now_us);
// Whether any worker lives that takes rooms, full or not.
gboolean presences_have_worker(const Presences *presences, gint64 now_us);
