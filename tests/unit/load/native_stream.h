// SPDX-License-Identifier: MIT
// One stream from a native source to a native receiver without a network: the plain packets that
// the receiver is given are what the source has protected, and a test may change, drop and repeat
// them on the way.
#pragma once
#include "load/native_feedback.h"
#include "load/native_sdp.h"
#include "media-worker/rtcp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define STREAM_SSRC 1000
#define STREAM_RTX_SSRC 1001
#define STREAM_START_US G_GINT64_CONSTANT(1000000000)
#define STREAM_PACKETS 64

typedef struct {
    _Alignas(4) guint8 bytes[2048];
    gsize length;
    RtpPacket rtp; // RTP only
} StreamPacket;

// What has been sent, plain again; RTCP too.
typedef struct {
    NativeWire wire;
    SrtpIn *in;
    gint64 now_us;
    guint n_packets, n_compounds;
    StreamPacket packets[STREAM_PACKETS], compounds[STREAM_PACKETS];
} Stream;

static inline gboolean stream_is_rtcp(const guint8 *data)
{
    return data[1] >= 192 && data[1] <= 223;
}

static inline void stream_take(const guint8 *data, gsize length, gpointer user)
{
    Stream *stream = user;
    gboolean is_rtcp = stream_is_rtcp(data);
    guint *count = is_rtcp ? &stream->n_compounds : &stream->n_packets;
    StreamPacket *packet = &(is_rtcp ? stream->compounds : stream->packets)[(*count)++];
    assert_true(*count <= STREAM_PACKETS);
    memcpy(packet->bytes, data, length);
    packet->length = length;
    if (is_rtcp) {
        assert_int_equal(srtp_in_unprotect_rtcp(stream->in, packet->bytes, &packet->length),
                         SRTP_OK);
        return;
    }
    assert_int_equal(srtp_in_unprotect(stream->in, packet->bytes, &packet->length), SRTP_OK);
    assert_true(rtp_parse(&packet->rtp, packet->bytes, packet->length));
}

static inline void stream_open(Stream *stream)
{
    const SrtpKeys keys = {.profile = SRTP_PROFILE_AEAD_AES_128_GCM};
    memset(stream, 0, sizeof *stream);
    stream->in = srtp_in_new(&keys);
    stream->now_us = STREAM_START_US;
    stream->wire = (NativeWire){
        .srtp = srtp_out_new(&keys), .label = 7, .level = 30, .send = stream_take, .user = stream};
}

static inline void stream_close(Stream *stream)
{
    srtp_in_free(stream->in);
    srtp_out_free(stream->wire.srtp);
}

static inline NativeSource stream_video_source(void)
{
    NativeSource source = {.is_video = TRUE,
                           .mid = "1",
                           .ssrc = STREAM_SSRC,
                           .rtx_ssrc = STREAM_RTX_SSRC,
                           .packets_a_frame = 4,
                           .bytes = 1188,
                           .frame_us = 40000};
    native_source_init(&source);
    return source;
}

// Runs the source over so many of its frames.
static inline void stream_frames(Stream *stream, NativeSource *source, guint frames)
{
    native_source_switch(source, TRUE, stream->now_us);
    stream->now_us = source->due_us;
    for (guint i = 0; i < frames; i++) {
        native_source_run(source, &stream->wire, stream->now_us);
        stream->now_us += source->frame_us;
    }
}
