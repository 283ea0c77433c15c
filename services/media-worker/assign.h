// SPDX-License-Identifier: MIT
// Who gets which video slot: rules on plain data. Each receiver has fewer slots than a large room
// has pictures, and must not see them jump: a source that keeps its place keeps its slot.
//
// Order of preference: watched participants (the newest wish first, screen before camera), then
// screens, then recent speakers, then the order of arrival; last, and only where they already are,
// cameras that have fallen silent.
#pragma once
#include <glib.h>

#define ASSIGN_WISHES_MAX 32 // no receiver has more slots (LIMIT_SLOTS_PER_PEER)

typedef struct {
    guint32 number; // of the participant that sends it
    guint source;   // index among its sources
    gboolean screen;
    gboolean idle; // sends nothing at present
} AssignSource;

typedef struct {
    guint32 number; // of the participant whose source it carries; 0: empty
    guint source;
    guint32 paired; // participant in the audio slot of the same stream; 0: none, or no such slot
} AssignSlot;

typedef struct {
    const AssignSource *sources; // all that this receiver may get, in the order of arrival
    guint n_sources;
    const guint32 *watched; // participants' numbers, newest wish last
    guint n_watched;
    const guint32 *recent; // speakers' numbers, last one first
    guint n_recent;
} AssignWishes;

// Changes slots in place.
void assign_slots(const AssignWishes *wishes, AssignSlot *slots, guint n_slots);

// Who spoke lately. One cough moves no picture: only who has been loudest for a second counts.
#define ASSIGN_DWELL_US (1 * G_USEC_PER_SEC)
typedef struct {
    guint32 numbers[ASSIGN_WISHES_MAX]; // last speaker first
    guint n;
    guint32 loudest; // at present; 0: nobody
    gint64 since_us;
} AssignRecent;

// loudest: the participant that is loudest now, 0 for nobody; to be told again as time passes.
// TRUE: the order has changed.
gboolean assign_recent_heard(AssignRecent *recent, guint32 loudest, gint64 now_us);
void assign_recent_forget(AssignRecent *recent, guint32 number);
