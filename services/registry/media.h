// SPDX-License-Identifier: MIT
// What the registry asks of media hosts and room processes: the messages, and nothing that decides.
#pragma once
#include "common/bus.h"
#include "registry/join.h"
#include "registry/room.h"

// startRoom to a host. Answer: 200 with `value` = Placement.
guint64 media_start_room(Bus *bus, const char *worker, const Room *room, BusAnswered answered,
                         gpointer user);
// AdmitRequest to the room's process. Answer: 200 with `value` = Object of the answering
// Connection.
guint64 media_admit(Bus *bus, const Room *room, const Join *join, guint deadline_ms,
                    BusAnswered answered, gpointer user);
// One participant goes, and it matters when: answered 200 whether it was there or not.
guint64 media_clear(Bus *bus, const RoomPlacement *placement, const char *connection,
                    BusAnswered answered, gpointer user);
// One participant goes, or the room ends. Sent until answered or too old; what comes of it is only
// logged, because a room process also hears it as an observer of the Communication.
void media_drop(Bus *bus, const RoomPlacement *placement, const char *connection);
void media_close(Bus *bus, const RoomPlacement *placement);
