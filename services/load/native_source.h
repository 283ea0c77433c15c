// SPDX-License-Identifier: MIT
// One stream that a native peer sends: packets in the rhythm of Opus or of VP8 frames, kept for a
// while so that they can be sent again.
#pragma once
#include "media-worker/history.h"
#include "media-worker/srtp.h"

// What all streams of a peer share.
typedef struct {
    SrtpOut *srtp;
    guint32 label;
    guint8 level;         // RFC 6464
    guint16 transport_cc; // next number
    void (*send)(const guint8 *data, gsize length, gpointer user);
    gpointer user;
} NativeWire;

typedef struct {
    gboolean is_video, on, paced;
    const char *mid;
    guint32 ssrc, rtx_ssrc; // rtx_ssrc 0: sends the identical bytes again
    guint packets_a_frame;
    gsize bytes;     // payload of a packet
    gint64 frame_us; // from frame to frame
    // State.
    guint16 sequence, rtx_sequence, picture_id;
    guint8 tl0picidx;
    guint32 first_timestamp, timestamp, counter, octets;
    guint next_in_frame;
    gboolean key_wanted, is_key;
    gint64 start_us, due_us; // due_us G_MAXINT64: off
    guint64 packets;
    guint key_frames, resent;
    SrtpStream stream, rtx_stream;
    History *sent;
} NativeSource;

// The rest of *source is set by the caller. Random first numbers.
void native_source_init(NativeSource *source);
void native_source_clear(NativeSource *source);
void native_source_switch(NativeSource *source, gboolean on, gint64 now_us);
// Sends what is due.
void native_source_run(NativeSource *source, NativeWire *wire, gint64 now_us);
void native_source_resend(NativeSource *source, NativeWire *wire, guint16 sequence, gint64 now_us);
