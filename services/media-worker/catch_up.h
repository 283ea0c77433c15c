// SPDX-License-Identifier: MIT
// A slot that is to carry a source need not wait for the source's next key frame where the last one
// has just come: that one, and what followed it, is sent to the slot at once, from the history that
// serves resending. So a key frame can be asked for while a newcomer still connects, and a round
// trip to the sender and its encoder's time are not added to its wait for the first picture.
//
// Only a young key frame: a receiver would play what it missed, late, and its clock start late.
#pragma once
#include "media-worker/hub.h"

// About as long as a handshake over a long way takes from our answer on, less the way to the
// sender; and libwebrtc would give no other key frame within 300 ms in any case.
#define CATCH_UP_US (500 * 1000)
#define CATCH_UP_PACKETS 128 // that may leave at once

// Notes that a key frame of `source` begins with the packet `index`.
void catch_up_note(PeerSource *source, guint64 index, gint64 now_us);
// Nobody carries or awaits the source, so nothing of it is kept.
void catch_up_forget(PeerSource *source);
// Begins a slot that awaits `source`. FALSE: no key frame is young enough, ask for one.
gboolean catch_up_slot(Hub *hub, PeerSlot *slot, PeerSource *source);
