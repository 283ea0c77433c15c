// SPDX-License-Identifier: MIT
// A private libuv loop nested in the GLib main loop as one file descriptor. libwebsockets runs on
// it: its own GLib plugin costs time for each idle client (1,665 µs a round trip at 2,000 idle ones
// against 159), for GLib asks every source each time; epoll inside libuv does not.
#pragma once
#include <glib.h>

typedef struct SocketLoop SocketLoop;

SocketLoop *socket_loop_new(void);
// Turns the loop until nothing is left on it (bounded).
void socket_loop_run_out(SocketLoop *loop);
// Whatever lived on it must be closed.
void socket_loop_free(SocketLoop *loop);
// The uv_loop_t, for libwebsockets.
void *socket_loop_native(SocketLoop *loop);
// Something was asked of the loop from outside of it (a descriptor to watch): it turns once more.
void socket_loop_kick(SocketLoop *loop);
