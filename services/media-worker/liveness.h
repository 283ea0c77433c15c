// SPDX-License-Identifier: MIT
// Who is there: peers and sources are heard, fall silent, and come back; the control thread is
// told. Only what was authenticated counts as heard.
#pragma once
#include "media-worker/hub.h"

#define LIVENESS_SOURCE_SILENT_US (2 * G_USEC_PER_SEC)
#define LIVENESS_EVERY_US (250 * 1000)

void liveness_peer_heard(Hub *hub, Peer *peer);
void liveness_source_heard(Hub *hub, PeerSource *source);
void liveness_source_silent(Hub *hub, PeerSource *source); // at once: it said BYE
// Looks for silence; sets hub->liveness_due_us.
void liveness_run(Hub *hub);
