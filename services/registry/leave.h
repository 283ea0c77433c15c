// SPDX-License-Identifier: MIT
// Participants that go, and what follows: everybody is told, the room process drops the peer, and a
// room that nobody is in any more, nor about to join, is closed. Whatever the store says, they go.
#pragma once
#include "registry/registry.h"

// reason: left, lost, removed or replaced. request: whose answer it is; NULL for nobody's.
void leave_start(Registry *registry, const Room *room, const Member *member, const char *reason,
                 BusRequest *request);
// Closes a room in which nobody is, unless somebody is about to join.
void leave_empty(Registry *registry, const Room *room);
