// SPDX-License-Identifier: MIT
// Relays for browsers that the room's UDP port cannot reach, and what opens them: a name and a
// password that the relay (coturn with `use-auth-secret`) checks by itself, because both share
// turn.secret. Handed out in the answer to a join, so only to who was let in; made anew each time,
// since a call that is renewed hours later needs one that is still good.
#pragma once
#include "common/config.h"

typedef struct Turn Turn;

// *ret_turn is NULL where turn.uris is empty. FALSE with an error that names the setting.
gboolean turn_new(const Config *config, Turn **ret_turn, GError **error);
void turn_free(Turn *turn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Turn, turn_free)

// What a browser takes as RTCConfiguration.iceServers, as JSON. now_s: since 1970. Owned by the
// caller.
char *turn_servers(const Turn *turn, const char *participant, gint64 now_s, gsize *ret_length);
