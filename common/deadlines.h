// SPDX-License-Identifier: MIT
// Many deadlines on one timer. A process waits for thousands of things at once (digests of objects,
// joins, sessions that may return, requests handed to clients); one GSource each would make every
// turn of the main loop longer, for GLib asks all of them. Main thread only.
#pragma once
#include <glib.h>

typedef struct Deadlines Deadlines;
typedef void (*DeadlineCall)(gpointer user);

Deadlines *deadlines_new(void);
void deadlines_free(Deadlines *deadlines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Deadlines, deadlines_free)

// Calls once, from the main loop. Returns a key (> 0) for deadlines_cancel, spent when it is
// called.
guint64 deadlines_add(Deadlines *deadlines, guint after_ms, DeadlineCall call, gpointer user);
// *key becomes 0; 0 is fine.
void deadlines_cancel(Deadlines *deadlines, guint64 *key);
guint deadlines_waiting(const Deadlines *deadlines);
