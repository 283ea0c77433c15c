// SPDX-License-Identifier: MIT
// One stream that a native peer receives: counts, and checks what must never happen in a slot.
#pragma once
#include "media-worker/receive.h"
#include "media-worker/rtp.h"
#include "load/native_peer.h"

typedef struct {
    NativeSlot slot; // what tests see
    Receive receive;
    const NativeSettings *settings;
    GHashTable *names;      // csrc -> label, shared by a peer's receivers
    GHashTable *unreadable; // csrc -> how many; shared, too
    gboolean decodes;       // a key frame has come, and all since
    guint16 picture_id;
    gint64 key_due_us; // when to ask for a key frame (again)
} NativeReceiver;

void native_receiver_init(NativeReceiver *receiver);
// A plain packet of its SSRC; resent: unwrapped from RTX.
void native_receiver_packet(NativeReceiver *receiver, const RtpPacket *packet, gboolean resent,
                            gint64 now_us);
