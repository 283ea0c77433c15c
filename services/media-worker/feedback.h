// SPDX-License-Identifier: MIT
// RTCP both ways. To senders: what is missing (NACK), key frames (PLI, merged per source), when
// their packets arrived (transport-wide), how much arrived (RR). To receivers: sender reports of
// their slots. From peers: the same, answered here: NACKs by sending again, PLI and FIR by asking
// the source.
//
// The hard thing is asking neither too often nor too late: a key frame is asked for at once and
// then every 300 ms until one has come, whoever wants it, because libwebrtc ignores a PLI that
// comes within 300 ms of the last.
#pragma once
#include "media-worker/hub.h"

#define FEEDBACK_KEY_FRAME_US (300 * 1000)
#define FEEDBACK_REPORT_US (1 * G_USEC_PER_SEC)
#define FEEDBACK_TWCC_US (50 * 1000)

// A key frame of this source is needed (video; ignored where nobody carries or awaits it).
void feedback_want_key_frame(Hub *hub, PeerSource *source);
// The first packet of one has come.
void feedback_key_frame_came(PeerSource *source);

// Queues all that is due for sending, and sets hub->feedback_due_us.
void feedback_run(Hub *hub);
// One plain compound of a peer; returns MEDIA_USED, or why it was dropped.
Metric feedback_receive(Hub *hub, Peer *peer, const guint8 *data, gsize length);
