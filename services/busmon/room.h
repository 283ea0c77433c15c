// SPDX-License-Identifier: MIT
// Whether a message concerns one room. Addresses of clients and processes do not name their room,
// so they are learned on the way: from joins, placements, presence, and by the trace that all
// messages of one action share.
#pragma once
#include "common/envelope.h"

typedef struct RoomFilter RoomFilter;

RoomFilter *room_filter_new(const char *room);
void room_filter_free(RoomFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RoomFilter, room_filter_free)

// body: of the message, as JSON, or NULL. Learns from what concerns the room.
gboolean room_filter_match(RoomFilter *filter, const char *topic, const Envelope *message,
                           const Json *body);
