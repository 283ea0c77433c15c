// SPDX-License-Identifier: MIT
// The conference hyperty's functions, by the names of the specification (onjoinRoom, createRoom,
// addParticipant, removeParticipant, close), on the drafts of a batch. Whoever changes a room calls
// these, for a client's request as well as for a participant that is lost.
#pragma once
#include "registry/batch.h"
#include "registry/join.h"
#include "registry/policy.h"

// onjoinRoom: whether this client may come in at all, and as whom. room: as it is, NULL where there
// is none yet. Who is in it already may come in again, as the same, whatever has become of the
// token: a call that gets another process does not end with it. *ret_detail: words for a refusal.
Refusal conference_on_join_room(const Policy *policy, Join *join, const Room *room,
                                const char **ret_detail);
// createRoom: the room of that id, made where there is none.
Refusal conference_create_room(Batch *batch, const char *id, const char *domain, Room **ret_room);
// addParticipant: epoch is the placement under which its room process let it in.
Refusal conference_add_participant(Batch *batch, const Join *join, guint64 epoch);
// removeParticipant: reason as others are told it (left, lost, removed, replaced).
Refusal conference_remove_participant(Batch *batch, const char *room, const char *participant,
                                      const char *reason);
// close: only an empty room.
Refusal conference_close(Batch *batch, const char *room);
