// SPDX-License-Identifier: MIT
// See vp8.h. Bits of the descriptor (RFC 7741 section 4.2):
//
//   X R N S R PID     then, if X:  I L T K RSV
//   I: picture id of 7 bits, or of 15 if its first bit (M) is set; L: TL0PICIDX; T or K: TID Y
//   KEYIDX
#include "media-worker/vp8.h"
#include <string.h>

enum { X = 0x80, N = 0x20, S = 0x10, PARTITION = 0x07 };
enum { I = 0x80, L = 0x40, T = 0x20, K = 0x10 };

static gboolean parse_picture_id(Vp8Descriptor *descriptor, const guint8 *payload, gsize length)
{
    gsize at = descriptor->length;
    if (at >= length)
        return FALSE;
    descriptor->has_picture_id = TRUE;
    descriptor->long_picture_id = payload[at] >> 7;
    if (at + 1 + descriptor->long_picture_id > length)
        return FALSE;
    descriptor->picture_id = payload[at] & 0x7F;
    if (descriptor->long_picture_id)
        descriptor->picture_id = (guint16)(descriptor->picture_id << 8 | payload[at + 1]);
    descriptor->length += 1 + descriptor->long_picture_id;
    return TRUE;
}

static gboolean parse_extension(Vp8Descriptor *descriptor, const guint8 *payload, gsize length)
{
    if (length < 2)
        return FALSE;
    guint8 flags = payload[1];
    descriptor->length = 2;
    if ((flags & I) && !parse_picture_id(descriptor, payload, length))
        return FALSE;
    if (flags & L) {
        if (descriptor->length >= length)
            return FALSE;
        descriptor->has_tl0picidx = TRUE;
        descriptor->tl0picidx = payload[descriptor->length++];
    }
    if (flags & (T | K)) {
        if (descriptor->length >= length)
            return FALSE;
        guint8 byte = payload[descriptor->length++];
        descriptor->has_temporal_id = (flags & T) != 0;
        descriptor->has_key_index = (flags & K) != 0;
        descriptor->temporal_id = flags & T ? byte >> 6 : 0;
        descriptor->layer_sync = (flags & T) && (byte & 0x20);
        descriptor->key_index = flags & K ? byte & 0x1F : 0;
    }
    return TRUE;
}

// RFC 6386 section 9.1: three bytes of frame tag (bit 0 clear: key frame), then for key frames a
// start code and the size, 14 bits each, little endian.
static void parse_frame(Vp8Descriptor *descriptor, const guint8 *frame, gsize length)
{
    static const guint8 start_code[] = {0x9D, 0x01, 0x2A};
    descriptor->key_frame = !(frame[0] & 1);
    if (!descriptor->key_frame || length < 10 || memcmp(frame + 3, start_code, 3) != 0)
        return;
    descriptor->width = (guint16)((frame[6] | frame[7] << 8) & 0x3FFF);
    descriptor->height = (guint16)((frame[8] | frame[9] << 8) & 0x3FFF);
}

gboolean vp8_parse(Vp8Descriptor *ret_descriptor, const guint8 *payload, gsize length)
{
    Vp8Descriptor parsed = {.length = 1};
    if (length == 0 || ((payload[0] & X) && !parse_extension(&parsed, payload, length)))
        return FALSE;
    if (parsed.length >= length)
        return FALSE; // a descriptor of nothing
    parsed.non_reference = (payload[0] & N) != 0;
    parsed.start = (payload[0] & S) && (payload[0] & PARTITION) == 0;
    if (parsed.start)
        parse_frame(&parsed, payload + parsed.length, length - parsed.length);
    *ret_descriptor = parsed;
    return TRUE;
}

gsize vp8_descriptor_write(guint8 out[VP8_DESCRIPTOR_MAX], const guint8 *original,
                           const Vp8Descriptor *parsed, Vp8Numbers numbers)
{
    memcpy(out, original, parsed->length);
    guint8 *at = out + 2;
    if (parsed->long_picture_id) {
        *at++ = (guint8)(0x80 | numbers.picture_id >> 8);
        *at++ = (guint8)numbers.picture_id;
    } else if (parsed->has_picture_id) {
        *at++ = numbers.picture_id & 0x7F;
    }
    if (parsed->has_tl0picidx)
        *at = numbers.tl0picidx;
    return parsed->length;
}
