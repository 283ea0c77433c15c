// SPDX-License-Identifier: MIT
// The VP8 payload descriptor (RFC 7741 section 4.2) and what forwarding needs of the payload header
// (RFC 6386 section 9.1): is it the first packet of a key frame, and which numbers must stay
// continuous when a slot switches from one source to another.
//
// Payload of a source is shared by all receivers and never written to: the rewritten descriptor is
// written to the caller's memory and sent as a prefix of the payload behind the original one. Pure
// functions, any thread.
#pragma once
#include <glib.h>

#define VP8_DESCRIPTOR_MAX 6 // bytes

typedef struct {
    guint8 length;                            // of the descriptor: the payload goes on behind it
    gboolean start;                           // first packet of a frame (S set, partition 0)
    gboolean key_frame;                       // and that of a key frame
    gboolean non_reference;                   // N: may be dropped
    gboolean has_picture_id, long_picture_id; // 15 bits rather than 7
    gboolean has_tl0picidx, has_temporal_id, has_key_index;
    guint16 picture_id;
    guint8 tl0picidx, temporal_id, key_index;
    gboolean layer_sync;   // Y
    guint16 width, height; // of a key frame's first packet, else 0
} Vp8Descriptor;

// FALSE: truncated or empty. *ret_descriptor is written only on success.
gboolean vp8_parse(Vp8Descriptor *ret_descriptor, const guint8 *payload, gsize length);

// Writes the descriptor of `original` (what vp8_parse read, flags and partition included) with
// other numbers; returns its length, which is the original's. Numbers that the original lacks stay
// away.
typedef struct {
    guint16 picture_id; // its low 7 bits if the original's is short
    guint8 tl0picidx;
} Vp8Numbers;
gsize vp8_descriptor_write(guint8 out[VP8_DESCRIPTOR_MAX], const guint8 *original,
                           const Vp8Descriptor *parsed, Vp8Numbers numbers);
