// SPDX-License-Identifier: MIT
// All rooms that exist, each with the reporter of its Communication object on the bus.
//
// What rooms_find returns is live: to be read, and to give out numbers on. Changes are made to
// drafts in a batch (batch.h), which swaps them in here when they are stored.
#pragma once
#include "common/bus.h"
#include "registry/room.h"

typedef struct Rooms Rooms;

Rooms *rooms_new(Bus *bus);
void rooms_free(Rooms *rooms); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rooms, rooms_free)

Room *rooms_find(const Rooms *rooms, const char *id); // NULL: no such room
Room *rooms_find_url(const Rooms *rooms, const char *url);
// The room in which the participant of that Connection is; NULL: in none.
Room *rooms_seated(const Rooms *rooms, const char *connection);
GList *rooms_all(const Rooms *rooms); // of Room *; free the list
guint rooms_count(const Rooms *rooms);

// Takes a room from the store; tells observers by a digest what they may have missed.
void rooms_restore(Rooms *rooms, Room *room);
// Takes a draft: publishes what is new in it. A closed one is deleted for its observers, and its
// room process is told to end.
void rooms_swap(Rooms *rooms, Room *draft);
