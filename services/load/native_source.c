// SPDX-License-Identifier: MIT
// See native_source.h.
#include "load/native_source.h"
#include "media-worker/rtp.h"
#include "load/native_payload.h"
#include "load/native_sdp.h"
#include <string.h>

#define KEPT 512
#define KEPT_BYTES (KEPT * 1300)
#define BEHIND_US 1000000 // more than this is not made up for

void native_source_init(NativeSource *source)
{
    source->sequence = (guint16)g_random_int_range(0, 0x8000);
    source->rtx_sequence = (guint16)g_random_int_range(0, 0x8000);
    source->picture_id = (guint16)g_random_int_range(0, 0x8000);
    source->first_timestamp = g_random_int();
    source->key_wanted = TRUE;
    source->due_us = G_MAXINT64;
    srtp_stream_init(&source->stream, source->ssrc);
    srtp_stream_init(&source->rtx_stream, source->rtx_ssrc);
    source->sent = source->is_video ? history_new_copies(KEPT, KEPT_BYTES) : NULL;
}

void native_source_clear(NativeSource *source)
{
    g_clear_pointer(&source->sent, history_free);
}

void native_source_switch(NativeSource *source, gboolean on, gint64 now_us)
{
    if (on == source->on)
        return;
    source->on = on;
    source->due_us = on ? now_us + g_random_int_range(0, (gint32)source->frame_us) : G_MAXINT64;
    source->key_wanted = TRUE;
    source->next_in_frame = 0;
    if (source->start_us == 0)
        source->start_us = now_us;
}

// --- one packet ----------------------------------------------------------------------------------
typedef struct {
    guint8 header[RTP_HEADER_MAX];
    gsize length;
} Header;

static void build_header(const NativeSource *source, NativeWire *wire, const RtpHeader *fields,
                         gint64 now_us, Header *out)
{
    guint8 level = 0x80 | wire->level, counter[2], time[3];
    rtp_put16(counter, wire->transport_cc++);
    rtp_write_abs_send_time(time, now_us);
    const RtpExtension extensions[] = {
        {NATIVE_ID_SEND_TIME, 3, time},
        {NATIVE_ID_TWCC, 2, counter},
        {NATIVE_ID_MID, (guint8)strlen(source->mid), (const guint8 *)source->mid},
        {source->is_video ? 0 : NATIVE_ID_LEVEL, 1, &level}};
    RtpHeader header = *fields;
    header.extensions = extensions;
    header.n_extensions = G_N_ELEMENTS(extensions);
    out->length = rtp_header_build(out->header, &header);
}

static void keep(NativeSource *source, const Header *header, const guint8 *payload, gint64 now_us)
{
    guint8 plain[2048];
    memcpy(plain, header->header, header->length);
    memcpy(plain + header->length, payload, source->bytes);
    history_put_copy(source->sent, source->sequence, plain, header->length + source->bytes, now_us);
}

static void send_packet(NativeSource *source, NativeWire *wire, gboolean last, gint64 now_us)
{
    _Alignas(4) guint8 packet[2048];
    guint8 payload[1500];
    Header header;
    const RtpHeader fields = {.payload_type = source->is_video ? NATIVE_PT_VIDEO : NATIVE_PT_AUDIO,
                              .marker = source->is_video && last,
                              .sequence = source->sequence,
                              .timestamp = source->timestamp,
                              .ssrc = source->ssrc};
    const NativePayload content = {wire->label, source->counter++, g_get_monotonic_time()};
    const NativeFrame frame = {.start = source->next_in_frame == 0,
                               .key_frame = source->is_key,
                               .picture_id = source->picture_id,
                               .tl0picidx = source->tl0picidx};
    build_header(source, wire, &fields, now_us, &header);
    native_payload_write(payload, source->bytes, &content, source->is_video ? &frame : NULL);
    const SrtpPieces pieces = {.header = header.header,
                               .header_length = header.length,
                               .payload = payload,
                               .payload_length = source->bytes};
    gsize length = srtp_out_protect(wire->srtp, &source->stream, packet, &pieces);
    if (source->sent != NULL && source->rtx_ssrc != 0)
        keep(source, &header, payload, now_us);
    else if (source->sent != NULL)
        history_put_copy(source->sent, source->sequence, packet, length, now_us);
    wire->send(packet, length, wire->user);
    source->sequence++;
    source->packets++;
    source->octets += (guint32)source->bytes;
}

// --- frames --------------------------------------------------------------------------------------
static void begin_frame(NativeSource *source, gint64 now_us)
{
    guint rate = source->is_video ? 90000 : 48000;
    source->timestamp =
        source->first_timestamp + (guint32)((now_us - source->start_us) * rate / G_USEC_PER_SEC);
    source->is_key = source->is_video && source->key_wanted;
    source->key_wanted = FALSE;
    source->key_frames += source->is_key;
    source->picture_id = (source->picture_id + 1) & 0x7FFF;
    source->tl0picidx++;
}

static void run_once(NativeSource *source, NativeWire *wire, gint64 now_us)
{
    guint packets = source->paced ? 1 : source->packets_a_frame;
    for (guint i = 0; i < packets; i++) {
        if (source->next_in_frame == 0)
            begin_frame(source, now_us);
        gboolean last = source->next_in_frame + 1 == source->packets_a_frame;
        send_packet(source, wire, last, now_us);
        source->next_in_frame = last ? 0 : source->next_in_frame + 1;
    }
    source->due_us += source->paced ? source->frame_us / source->packets_a_frame : source->frame_us;
}

void native_source_run(NativeSource *source, NativeWire *wire, gint64 now_us)
{
    if (source->on && now_us - source->due_us > BEHIND_US)
        source->due_us = now_us;
    while (source->due_us <= now_us)
        run_once(source, wire, now_us);
}

// --- sending again -------------------------------------------------------------------------------
static void send_rtx(NativeSource *source, NativeWire *wire, const HistoryPacket *kept,
                     gint64 now_us)
{
    _Alignas(4) guint8 packet[2048];
    guint8 original[2];
    RtpPacket plain;
    Header header;
    g_assert(rtp_parse(&plain, kept->payload, kept->payload_length));
    const RtpHeader fields = {.payload_type = NATIVE_PT_RTX,
                              .marker = plain.marker,
                              .sequence = source->rtx_sequence++,
                              .timestamp = plain.timestamp,
                              .ssrc = source->rtx_ssrc};
    rtp_put16(original, plain.sequence);
    build_header(source, wire, &fields, now_us, &header);
    const SrtpPieces pieces = {.header = header.header,
                               .header_length = header.length,
                               .prefix = original,
                               .prefix_length = 2,
                               .payload = plain.payload,
                               .payload_length = plain.payload_length};
    wire->send(packet, srtp_out_protect(wire->srtp, &source->rtx_stream, packet, &pieces),
               wire->user);
}

void native_source_resend(NativeSource *source, NativeWire *wire, guint16 sequence, gint64 now_us)
{
    const HistoryPacket *kept =
        source->sent != NULL ? history_resend(source->sent, sequence, now_us, 0) : NULL;
    if (kept == NULL)
        return;
    source->resent++;
    if (source->rtx_ssrc != 0)
        send_rtx(source, wire, kept, now_us);
    else
        wire->send(kept->payload, kept->payload_length, wire->user);
}
