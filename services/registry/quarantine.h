// SPDX-License-Identifier: MIT
// Rooms that kill their processes. A room that has killed two within a minute gets none for a
// while: whatever its people send would kill the next one too, and each death costs its worker. By
// room id, so that a room made anew under the same name has not become harmless.
//
// Plain data; times are monotonic microseconds.
#pragma once
#include <glib.h>

typedef struct Quarantine Quarantine;

// rest_us: how long a room rests; 0: no room ever does.
Quarantine *quarantine_new(gint64 rest_us);
void quarantine_free(Quarantine *quarantine); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Quarantine, quarantine_free)

// The room has killed a process. TRUE: that was one too many, it rests from now on.
gboolean quarantine_note(Quarantine *quarantine, const char *room, gint64 now_us);
// How long the room still rests; 0: it does not.
gint64 quarantine_left_us(const Quarantine *quarantine, const char *room, gint64 now_us);
// Forgets what no longer counts. A room whose rest is over starts with a clean slate.
void quarantine_prune(Quarantine *quarantine, gint64 now_us);
