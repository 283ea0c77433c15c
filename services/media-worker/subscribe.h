// SPDX-License-Identifier: MIT
// Who carries whom: the links between sources and slots. Video slots are given by the control
// thread; audio slots here, to the loudest (speakers.h). Every change of what a slot carries is
// told to the control thread, in order: what is shown under a name is never a guess.
#pragma once
#include "media-worker/hub.h"

// A slot is to carry a source (NULL: nothing, at once). Takes effect with the source's next key
// frame (audio: next packet), which is asked for.
void subscribe_request(Hub *hub, PeerSlot *slot, PeerSource *source);
// Begins what the slot awaits: with a key frame that has just come, or by asking for one. Before
// the receiver can be sent anything it is asked for all the same, and kept.
void subscribe_begin(Hub *hub, PeerSlot *slot);
// The slot has begun to carry `source` with the timestamp `from`.
void subscribe_switched(Hub *hub, PeerSlot *slot, PeerSource *source, guint32 from);

void subscribe_mute(Hub *hub, PeerSource *source, gboolean muted);
// A source has become active or inactive.
void subscribe_source_changed(Hub *hub, PeerSource *source);
// The source said BYE: slots that carried it are empty, and wait for it if they are still to carry
// it.
void subscribe_source_ended(Hub *hub, PeerSource *source);
// The peer is about to be freed: nobody carries its sources any more, its slots carry nothing.
void subscribe_forget(Hub *hub, Peer *peer);
// Gives audio slots anew and tells who speaks, when hub->voices_due_us has come.
void subscribe_run(Hub *hub);
