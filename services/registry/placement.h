// SPDX-License-Identifier: MIT
// Finding a home for a room: the least loaded worker is asked to start its room process. One
// placement at a time for each room; whoever else needs it waits for the same one. A bounded number
// is under way at a time, the others wait their turn in order: the death of a worker with a hundred
// rooms is no stampede.
//
// An epoch is made durable before it is asked for: a worker that answers late, or a registry that
// dies in between, never leaves two processes with the same one.
#pragma once
#include "registry/registry.h"

// reason none: the room's placement stands in its Communication object, stored and published.
typedef void (*PlacementDone)(const char *room, Refusal reason, gpointer user);

Placements *placements_new(Registry *registry);
void placements_free(Placements *placements); // NULL is fine; nobody is told

// Makes the room where there is none; a room that has a process gets another one, which takes over
// when it stands. done: once, not from within.
void placements_place(Placements *placements, const char *room, PlacementDone done, gpointer user);
// A worker may have become free: placements that wait for one try again.
void placements_retry(Placements *placements);
// This worker is dead: rooms that it has been asked for go to another one.
void placements_forsake(Placements *placements, const char *worker);
// Whether so many wait that a new room had better not queue up.
gboolean placements_are_crowded(const Placements *placements);
