// SPDX-License-Identifier: MIT
// Starting a process of our own program and talking with it: posix_spawn (never fork without exec:
// ZeroMQ's context has threads), and a pair of sockets of which the child's end is descriptor 3.
// Messages keep their bounds, and can carry descriptors.
#pragma once
#include <glib.h>
#include <sys/types.h>

#define SPAWN_CHANNEL 3         // the child's end
#define SPAWN_DESCRIPTORS_MAX 2 // of one message
#define SPAWN_MESSAGE_MAX 8192  // bytes

// arguments: NULL-terminated, [0] is the name. ret_channel: our end, non-blocking, close-on-exec.
gboolean spawn_self(const char *const *arguments, pid_t *ret_pid, int *ret_channel, GError **error);

// FALSE if the other end is gone, or its queue is full.
gboolean spawn_send(int channel, const char *text, const int *descriptors, guint n_descriptors);

typedef enum { SPAWN_MESSAGE, SPAWN_EMPTY, SPAWN_CLOSED } SpawnResult;
// ret_text: newly allocated. descriptors: an array of SPAWN_DESCRIPTORS_MAX, the caller's to close;
// those that did not come are -1.
SpawnResult spawn_receive(int channel, char **ret_text, int *descriptors);
