// SPDX-License-Identifier: MIT
// Who is dead. Silence alone is not death, so a worker or room process is judged dead only
//
//   when the broker saw its last subscription go and a ping stays unanswered for 300 ms, or
//   after 5 s without presence;
//
// what its host reports is not judged but believed (failover.h). All this only while the judge
// hears itself through the broker: whoever is deaf (link down, stopped, a broker that starts anew)
// counts nothing, and begins anew when it hears again. When most fall silent together it is rather
// the network or the judge that is ill: for 30 s nothing is to be placed again.
#pragma once
#include "registry/registry.h"

Judge *judge_new(Registry *registry);
void judge_free(Judge *judge); // NULL is fine

// Presence of this process was heard just now; after presences_hear.
void judge_heard(Judge *judge, const char *process, gint64 now_us);
// The broker saw its last subscription go.
void judge_gone(Judge *judge, const char *process);
// Nothing is to be found out about it any more.
void judge_forget(Judge *judge, const char *process);
// To be called every half second.
void judge_tick(Judge *judge, gint64 now_us);
// The link to the bus came back, or another broker is there: everything is counted anew.
void judge_restart(Judge *judge, gint64 now_us);
// For how long nothing is to be placed again; 0: it may.
gint64 judge_hold_left_us(const Judge *judge, gint64 now_us);
