// SPDX-License-Identifier: MIT
// Sees who connects to one socket of the broker and who disappears: libzmq's socket monitor tells
// descriptors, the first message of each descriptor tells the process, so that events carry names.
// A killed process shows in under a millisecond.
#pragma once
#include <glib.h>

typedef struct Watcher Watcher;

// what: "connected", "disconnected" or "failed_handshake"; process: its name, "" where it never
// said one; endpoint: where it had connected to. All borrowed.
typedef void (*WatcherEvent)(const char *what, const char *process, const char *side,
                             const char *endpoint, gpointer user);

// context, socket: libzmq's, borrowed. side: "publish" or "subscribe", static.
Watcher *watcher_new(void *context, void *socket, const char *side, WatcherEvent on_event,
                     gpointer user);
void watcher_free(Watcher *watcher);

// Whether the process behind a descriptor (ZMQ_SRCFD) is known already; cheap, asked for every
// message.
gboolean watcher_knows(const Watcher *watcher, int fd);
// Names it; tells "connected". Ignored where the descriptor is known, or negative.
void watcher_name(Watcher *watcher, int fd, const char *process);
// Reads all that the monitor has to say. The broker calls it before each batch of messages, so that
// a descriptor that is used again is never taken for the process that had it before.
void watcher_drain(Watcher *watcher);
