// SPDX-License-Identifier: MIT
// The room's people as time goes by: in line with the Communication, with what Media tells of them,
// and with the clock.
#pragma once
#include "media-worker/room_state.h"

// Media's listener; user: the Room.
void room_on_media(const MediaEvent *event, gpointer user);
// Observes the Communication, if it is not observed yet.
void room_observe(Room *room);
// Drops one that is here, and tells whoever observes its Connection. reason: for the log.
void room_drop(Room *room, const char *participant, const char *reason);
// Each second.
gboolean room_on_tick(gpointer room);
// Participants without media for LIMIT_MEDIA_SILENT_MS, those included that the Communication lists
// and that have never come here; an array of ret_count texts, the caller's.
char **room_silent(const Room *room, gsize *ret_count);
