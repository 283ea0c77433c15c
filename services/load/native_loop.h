// SPDX-License-Identifier: MIT
// Where native peers wait for their sockets and their times: one epoll and one heap for all of
// them, seen by the GLib main loop as one descriptor and one time. With a GSource each, GLib would
// ask every peer at each turn, and three hundred peers would spend their time with that.
//
// Default main context; main thread only. The loop exists while tasks do.
#pragma once
#include <glib.h>

typedef struct {
    // Something can be read, or the time has come. May add and remove tasks, itself included.
    void (*run)(gpointer user, gboolean readable, gint64 now_us);
    gpointer user;
    // The loop's.
    gint64 due_us;
    guint place;
} NativeTask;

void native_loop_add(NativeTask *task); // run and user are set; not due
void native_loop_remove(NativeTask *task);
// When to run (g_get_monotonic_time), G_MAXINT64: never; replaces the time before.
void native_loop_schedule(NativeTask *task, gint64 due_us);
// The descriptor is unwatched when it is closed.
void native_loop_watch(NativeTask *task, int descriptor);
