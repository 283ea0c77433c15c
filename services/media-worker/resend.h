// SPDX-License-Identifier: MIT
// Packets sent again because a receiver asked (NACK): as RTX (RFC 4588), rewritten once more from
// the source's history by the slot's offsets; or, to a receiver without RTX, the identical
// protected bytes, of which its slots then keep copies. Nothing else may be sent twice: GCM would
// give its key away.
#pragma once
#include "media-worker/hub.h"

#define RESEND_HISTORY 512         // packets kept of a video source
#define RESEND_COPIES 128          // and of a slot without RTX,
#define RESEND_COPIES_BYTES 131072 // in so many bytes
#define RESEND_MAX_PER_S 1000      // for one receiver: it may be lying about its losses

// What a receiver asked for, by the slot's numbers.
void resend_packets(Hub *hub, PeerSlot *slot, const guint16 *sequences, guint n);
// Notes the protected bytes of a packet that was just written, where there is no RTX.
void resend_keep_copy(Hub *hub, PeerSlot *slot, guint16 sequence, const guint8 *packet,
                      gsize length);
