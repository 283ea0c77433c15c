// SPDX-License-Identifier: MIT
// Janus as Debian packages it, to be compared with: its process with a configuration folder of its
// own, and its JSON protocol over its Unix socket, replies matched by transaction. It offers no
// candidates of loopback: call it where there is another interface. Calls wait by running the main
// loop, and end the program where Janus refuses: a bench has nothing to say then.
#pragma once
#include <sys/types.h>
#include "common/json.h"

typedef struct Janus Janus;

// NULL and a reason on stderr: it is not installed, or does not start. tuned: one event loop for
// all handles instead of a thread for each.
Janus *janus_new(gboolean tuned);
void janus_free(Janus *janus); // ends it
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Janus, janus_free)
pid_t janus_pid(const Janus *janus);

// A handle of the VideoRoom plugin.
gint64 janus_attach(Janus *janus);
// Asks the plugin; sdp_type NULL: without a description. The event's body, the caller's.
Json *janus_ask(Janus *janus, gint64 handle, const char *body, const char *sdp_type,
                const char *sdp);
