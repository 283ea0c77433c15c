// SPDX-License-Identifier: MIT
// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01):
// the receiver of media notes when each transport-wide sequence number arrived and tells the sender
// every 50 to 100 ms, so that the sender can find its bandwidth. Also the parser, for tests and for
// the estimator towards receivers.
//
// A recorder is plain data, 4 KB, one per sending peer (all its SSRCs share one numbering). It
// keeps the last TWCC_WINDOW numbers; what falls out before it was told is never told. One thread.
#pragma once
#include "media-worker/rtcp.h"

#define TWCC_WINDOW 1024 // numbers, a power of two: 100 ms at 10,000 packets/s

typedef struct {
    gboolean started;
    guint8 count;               // of feedback packets, wraps
    guint64 next;               // first number (unwrapped) that the next feedback tells of
    guint64 newest;             // the highest that arrived
    guint32 ticks[TWCC_WINDOW]; // arrival by number % window, in 250 us; 0: not arrived
} TwccRecorder;

void twcc_recorder_init(TwccRecorder *recorder);
// A packet with this number arrived. Reordering and duplicates are fine (the first arrival counts);
// a number behind what was told is told again, as the draft allows. now_us: monotonic.
void twcc_recorder_add(TwccRecorder *recorder, guint16 sequence, gint64 now_us);
// Something arrived that has not been told.
gboolean twcc_recorder_is_pending(const TwccRecorder *recorder);
// Appends one feedback packet; TRUE: written, and what it tells is done with (ask again: a large
// gap takes several). FALSE: nothing to tell, or no room (64 bytes are too few, 1200 plenty).
gboolean twcc_recorder_write(TwccRecorder *recorder, RtcpWriter *writer, guint32 sender,
                             guint32 media);

typedef struct {
    guint16 sequence;
    gboolean received;
    gint64 arrival_us; // on the receiver's clock (reference time wraps after 12 days); 0 if not
                       // received
} TwccArrival;
// What a feedback packet (rtcp_is_twcc) tells, at most `max`; returns how many, 0 if malformed.
guint twcc_parse(const RtcpPacket *packet, TwccArrival *arrivals, guint max);
