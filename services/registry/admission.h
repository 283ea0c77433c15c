// SPDX-License-Identifier: MIT
// The way of a join from the request to its answer: a room with a home, the room process' answer,
// the commit, the client's answer. Every join is answered once, within its deadline.
//
// Joins of one room share its placement and wait for it in order. While one is under way its room
// is not closed, although it may be empty.
#pragma once
#include "registry/join.h"
#include "registry/registry.h"

Admissions *admissions_new(Registry *registry);
void admissions_free(Admissions *admissions); // NULL is fine; what is under way is answered 504
// Takes the join. only_if_in: this very request was answered 200 before (its answer is lost with
// the registry that gave it); who has left since does not come in again by it.
void admissions_start(Admissions *admissions, Join *join, BusRequest *request, gboolean only_if_in);
gboolean admissions_are_under_way(const Admissions *admissions, const char *room);
guint admissions_count(const Admissions *admissions);
// The room's process is gone: who has asked there asks the next one instead of waiting in vain.
void admissions_turn_away(Admissions *admissions, const char *room);
// The client leaves before it is in: its joins are refused. room NULL: of any room; connection
// NULL: any of the session's. Returns how many.
guint admissions_give_up(Admissions *admissions, const char *room, const char *session,
                         const char *connection);
