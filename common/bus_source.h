// SPDX-License-Identifier: MIT
// A ZMQ socket as a source of the GLib main loop. ZMQ_FD is edge-triggered: polled like an ordinary
// descriptor it stalls with messages waiting (seen at message 66 of 100,000). This source asks
// ZMQ_EVENTS in prepare and check, with the descriptor only as the waker, and hands over at most
// LIMIT_BUS_DISPATCH messages before the loop gets its turn again.
//
// For common/bus*.c and the broker alone.
#pragma once
#include <glib.h>

// Reads one message from the socket. FALSE: nothing was there.
typedef gboolean (*BusSourceRead)(void *socket, gpointer user);

// socket: a raw libzmq socket (zsock_resolve), borrowed; it must outlive the source. The source is
// attached to the default context with `priority` (G_PRIORITY_…). bus_source_free detaches it.
GSource *bus_source_new(void *socket, gint priority, BusSourceRead read, gpointer user);
void bus_source_free(GSource *source); // NULL is fine
