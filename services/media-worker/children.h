// SPDX-License-Identifier: MIT
// The room processes of a host: started, told which room they are, heard, and mourned. What they
// say is read here; what it means is the host's.
#pragma once
#include <glib.h>
#include <sys/types.h>
#include "common/bus.h"
#include "media-worker/candidates.h"

typedef struct Child Child;

typedef struct {
    void (*on_started)(Child *child, gpointer user); // the room stands
    // The process is gone; the child is freed after this. reason: what it said itself ("closed",
    // "idle", …), else "crashed" or "failed".
    void (*on_ended)(Child *child, const char *reason, gpointer user);
} ChildCalls;

struct Child {
    pid_t pid;
    char *media; // hyperty://D/media/<id>; NULL before it has said so
    gboolean started;
    // Of the room; NULL and 0 in a spare. The host's to set.
    char *room, *url;
    guint64 epoch;
    GPtrArray *waiting; // of BusRequest: who asked for the room
    // Of this module.
    int channel;
    guint channel_source, exit_source;
    char *ended;
    ChildCalls calls;
    gpointer user;
};

// arguments: of the program, NULL-terminated. NULL with an error.
Child *child_start(const char *const *arguments, const ChildCalls *calls, gpointer user,
                   GError **error);
// Forgets the process, which goes on; a spare ends by itself.
void child_free(Child *child);
// Makes a spare a room: parameters as JSON text, and its sockets, which stay the caller's to close.
gboolean child_hand_over(Child *child, const char *parameters, const CandidatesSockets *sockets);
