// SPDX-License-Identifier: MIT
// The RTCP of a native peer: what it tells the room (reports, NACKs, key frame requests) and what
// it makes of what the room tells.
#pragma once
#include "load/native_receiver.h"
#include "load/native_source.h"

typedef struct {
    NativeSource *audio, *video;
    NativeReceiver *receivers;
    guint n_receivers;
    NativeWire *wire;
    NativeCounts *counts;
    ReceiveClock clock; // the room's
    const char *cname;
    gint64 report_due_us;
} NativeFeedback;

// One plain compound from the room.
void native_feedback_read(NativeFeedback *feedback, const guint8 *data, gsize length,
                          gint64 now_us);
// Sends what is due.
void native_feedback_run(NativeFeedback *feedback, gint64 now_us);
gint64 native_feedback_due_us(const NativeFeedback *feedback);
void native_feedback_nack(NativeFeedback *feedback, NativeReceiver *receiver,
                          const guint16 *sequences, guint n_sequences);
void native_feedback_pli(NativeFeedback *feedback, NativeReceiver *receiver);
