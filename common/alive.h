// SPDX-License-Identifier: MIT
// A file whose age says that a process is well, for health checks that cannot ask it: it is touched
// each second while the main loop turns and the link to the bus stands. A stopped, hung or cut off
// process leaves it to grow old.
//
// Whoever opens the file first keeps it, for as long as it lives: a room process or a monitor,
// which inherits the same setting, does not speak for the service beside it.
#pragma once
#include <glib.h>

typedef struct Alive Alive;

// Makes the file, of age infinity until the first touch. FALSE with an error if it cannot be made.
// *ret_alive is NULL where path is "" or somebody else keeps the file.
gboolean alive_open(const char *path, Alive **ret_alive, GError **error);
// NULL is fine.
void alive_touch(const Alive *alive);
void alive_free(Alive *alive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Alive, alive_free)
