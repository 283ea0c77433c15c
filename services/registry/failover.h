// SPDX-License-Identifier: MIT
// Rooms whose process is dead get another one by themselves, without waiting for the next join: the
// placement with its higher epoch stands in the Communication, and whoever is in follows it.
//
// What counts is the room's own process. A host that dies ends no call: its room processes go on
// and are heard; they can be asked to admit.
#pragma once
#include "registry/registry.h"

// quarantine_s: how long a room rests that kills its processes; 0: none does.
Failover *failover_new(Registry *registry, guint quarantine_s);
void failover_free(Failover *failover); // NULL is fine

// The host's report: this process of the room has ended. Ignored if the room lives elsewhere.
// reason: as the process or its host tells it; "crashed" is the room's own doing.
void failover_ended(Failover *failover, Room *room, const char *media, guint64 epoch,
                    const char *reason);
// Its host is about to end: the room gets another process, on another worker, while the present one
// goes on. request is answered when that stands, or why not.
void failover_move(Failover *failover, Room *room, BusRequest *request);
// A room process was heard: one that was thought dead keeps its room, if that has no other yet.
void failover_heard(Failover *failover, const Presence *media);
// A worker has appeared: what could not be placed is tried again.
void failover_hurry(Failover *failover);
// Something may have changed: looks after all rooms soon, once for all that changes meanwhile.
void failover_wake(Failover *failover);
// Looks after all rooms now. Also to be called now and then: some causes are only time.
void failover_look(Failover *failover, gint64 now_us);

// Why the room is not to be placed (again) now, and for how long; none: it may be.
Refusal failover_refusal(const Failover *failover, const char *room, gint64 now_us,
                         guint *ret_retry_after_s);
