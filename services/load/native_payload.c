// SPDX-License-Identifier: MIT
// See native_payload.h.
#include "load/native_payload.h"
#include "media-worker/rtp.h"
#include <string.h>

#define MARK 0x504C5931 // "PLY1"
#define BODY 20
#define FRAME_HEADER 10 // of a VP8 key frame: tag, start code, size; kept free in all packets

static guint8 pattern(guint32 counter, gsize at)
{
    return (guint8)(counter * 31 + at);
}

static void write_body(guint8 *at, gsize length, const NativePayload *payload)
{
    rtp_put32(at, MARK);
    rtp_put32(at + 4, payload->label);
    rtp_put32(at + 8, payload->counter);
    rtp_put32(at + 12, (guint32)((guint64)payload->sent_us >> 32));
    rtp_put32(at + 16, (guint32)payload->sent_us);
    for (gsize i = BODY; i < length; i++)
        at[i] = pattern(payload->counter, i);
}

static gsize write_vp8(guint8 *out, const NativeFrame *frame)
{
    // X and S; I and L; 15 bits of picture id; TL0PICIDX: as Chromium sends it without layers.
    const guint8 bytes[] = {frame->start ? 0x90 : 0x80, 0xC0, 0x80 | frame->picture_id >> 8,
                            frame->picture_id & 0xFF, frame->tl0picidx,
                            // frame tag and, in key frames, start code and 640×360
                            frame->key_frame ? 0x50 : 0x51, 0x42, 0x00, 0x9D, 0x01, 0x2A, 0x80,
                            0x02, 0x68, 0x01};
    memcpy(out, bytes, sizeof(bytes));
    return sizeof(bytes);
}

void native_payload_write(guint8 *out, gsize length, const NativePayload *payload,
                          const NativeFrame *frame)
{
    g_assert(length >= NATIVE_PAYLOAD_MIN);
    gsize head = 1;
    if (frame != NULL)
        head = write_vp8(out, frame);
    else
        out[0] = 0xF8; // Opus: CELT, 20 ms, mono, one frame
    write_body(out + head, length - head, payload);
}

gboolean native_payload_read(const guint8 *data, gsize length, gsize skip,
                             NativePayload *ret_payload)
{
    gsize head = skip > 0 ? skip + FRAME_HEADER : 1;
    if (length < head + BODY || rtp_get32(data + head) != MARK)
        return FALSE;
    const guint8 *at = data + head;
    *ret_payload = (NativePayload){
        .label = rtp_get32(at + 4),
        .counter = rtp_get32(at + 8),
        .sent_us = (gint64)((guint64)rtp_get32(at + 12) << 32 | rtp_get32(at + 16))};
    for (gsize i = BODY; i < length - head; i++)
        if (at[i] != pattern(ret_payload->counter, i))
            return FALSE;
    return TRUE;
}
