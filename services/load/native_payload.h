// SPDX-License-Identifier: MIT
// What a native peer puts into its packets, so that another can tell who sent one, when, and
// whether it has come whole: behind the codec's own first bytes stand a mark, the sender's label, a
// counter and the time, and the rest is a pattern that depends on the counter.
#pragma once
#include <glib.h>

#define NATIVE_PAYLOAD_MIN 40

typedef struct {
    guint32 label, counter;
    gint64 sent_us; // g_get_monotonic_time: sender and receiver are on one machine
} NativePayload;

typedef struct {
    gboolean start, key_frame; // first packet of a frame; of a key frame
    guint16 picture_id;
    guint8 tl0picidx;
} NativeFrame;

// Fills `length` bytes (at least NATIVE_PAYLOAD_MIN). frame: VP8; NULL: Opus.
void native_payload_write(guint8 *out, gsize length, const NativePayload *payload,
                          const NativeFrame *frame);
// FALSE: not what was written. `skip`: length of the VP8 descriptor, 0 for Opus.
gboolean native_payload_read(const guint8 *data, gsize length, gsize skip,
                             NativePayload *ret_payload);
