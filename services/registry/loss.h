// SPDX-License-Identifier: MIT
// Who is lost: whose session has been away for registry.grace_s AND of whom its room process has
// had no media for 5 s. A reload comes back in time; a dead gateway alone evicts nobody, for media
// still flows; and where nothing is heard, nothing is known: no evidence, no eviction.
#pragma once
#include "registry/registry.h"

Loss *loss_new(Registry *registry, guint grace_s);
void loss_free(Loss *loss); // NULL is fine
// To be called every half second: removes who is lost, closes rooms that have long been empty.
void loss_tick(Loss *loss, gint64 now_us);
// Absence is counted anew: the link to the bus came back.
void loss_restart(Loss *loss);

// The rules, on plain data.
// Whether the session is connected to a gateway that is heard.
gboolean loss_session_is_present(const Sessions *sessions, const Presences *presences,
                                 const char *session, gint64 now_us);
// Whether the room's process itself says, not longer than 3 s ago, that nothing comes from this
// participant; or is known to have ended.
gboolean loss_is_silent(const Room *room, const Presences *presences, const char *participant,
                        gint64 now_us);
