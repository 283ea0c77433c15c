// SPDX-License-Identifier: MIT
// From a frame of the bus to the line that is printed for it, or to none: decoding, choosing,
// masking, and noticing what did not arrive. Plain data; no socket, no output.
#pragma once
#include "busmon/options.h"

typedef struct Monitor Monitor;

// options: borrowed, must outlive the monitor.
Monitor *monitor_new(const Options *options);
void monitor_free(Monitor *monitor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Monitor, monitor_free)

// What to subscribe to: "" or a prefix that is no route.
char *monitor_subscription(const Monitor *monitor);
// The lines for one frame, newly allocated; NULL if it is not to be shown. topic: with its blank.
char *monitor_frame(Monitor *monitor, const char *topic, const guint8 *data, gsize length);
// The line for a change of the monitor's own link to the bus; NULL unless events are asked for.
char *monitor_link(const Monitor *monitor, const char *process, gboolean connected);
// The line that says how many lines a slow reader has missed.
char *monitor_missed(const Monitor *monitor, guint64 lines);
