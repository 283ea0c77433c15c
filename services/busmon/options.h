// SPDX-License-Identifier: MIT
// What the monitor is asked to show, from its command line.
#pragma once
#include <glib.h>
#include "common/envelope.h"

typedef struct {
    gboolean json;   // one JSON object a line
    gboolean events; // who connects and disconnects, and nothing else
    gboolean all;    // presence and echoes too
    char *topic;     // only topics with this prefix; NULL: every topic
    char *type;      // only messages of this type; NULL: every type
    char *room;      // only what concerns this room; NULL: every room
} Options;

#define OPTIONS_HELP                                                                               \
    "  --topic PREFIX   only topics that start so\n"                                               \
    "  --type TYPE      only messages of this type (create, update, response, ...)\n"              \
    "  --room ROOM      only what concerns this room: its objects, participants and processes\n"   \
    "  --events         who connects to the bus and who disappears, by process name\n"             \
    "  --json           one JSON object a line: time topic source trace id type from to body\n"    \
    "  --all            presence messages and echoes too\n"

// argv without the settings of common/config.h, which were taken out before. NULL with an error
// that names what was not understood.
Options *options_new(int argc, char **argv, GError **error);
void options_free(Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)
