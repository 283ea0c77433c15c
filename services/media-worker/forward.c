// SPDX-License-Identifier: MIT
// See forward.h.
#include "media-worker/forward.h"
#include "media-worker/catch_up.h"
#include "media-worker/resend.h"
#include "media-worker/rtp.h"
#include "media-worker/subscribe.h"

#define RTX_HEAD 2 // the original sequence number

// --- reading -------------------------------------------------------------------------------------
void forward_read_descriptor(ForwardPacket *packet, MediaKind kind)
{
    packet->numbers.vp8 = NULL;
    packet->numbers.entry = kind == MEDIA_AUDIO;
    if (kind == MEDIA_AUDIO || !vp8_parse(&packet->vp8, packet->payload, packet->length))
        return;
    packet->numbers.vp8 = &packet->vp8;
    packet->numbers.entry = packet->vp8.start && packet->vp8.key_frame;
}

// Unwraps the sequence number; a restart leaves a gap that no slot follows (SLOT_JUMP).
static guint64 unwrapped(PeerSource *source, guint16 sequence, gboolean restart)
{
    guint64 index = source->newest_index;
    if (!source->has_index)
        index = 0x10000 + sequence;
    else if (restart)
        index += 0x10000 + (guint16)(sequence - (guint16)index);
    else
        index += (guint64)(gint64)rtp_sequence_after(sequence, (guint16)index);
    if (!source->has_index || index > source->newest_index)
        source->newest_index = index;
    source->has_index = TRUE;
    return index;
}

static guint8 level_of(const PeerSource *source, const RtpPacket *packet)
{
    guint8 length = 0;
    const guint8 *element =
        rtp_extension(packet, source->peer->description->extensions.audio_level, &length);
    return element == NULL || length == 0 ? HEADER_NO_LEVEL : element[0];
}

gboolean forward_read(ForwardPacket *packet, PeerSource *source, const ForwardInput *input)
{
    RtpPacket rtp;
    if (!rtp_parse(&rtp, input->data, input->length))
        return FALSE;
    *packet = (ForwardPacket){
        .payload = rtp.payload,
        .length = rtp.payload_length,
        .reference = input->reference,
        .marker = rtp.marker,
        .level = level_of(source, &rtp),
        .numbers = {.index = unwrapped(source, rtp.sequence, input->restart),
                    .timestamp = rtp.timestamp,
                    .server_us = input->server_us},
    };
    forward_read_descriptor(packet, source->description->kind);
    return TRUE;
}

// --- sending -------------------------------------------------------------------------------------
// The payload as a slot sends it: a descriptor of its own where there is one.
typedef struct {
    guint8 prefix[RTX_HEAD + VP8_DESCRIPTOR_MAX];
    SrtpPieces pieces;
} Outgoing;

static void put_payload(Outgoing *outgoing, const ForwardPacket *packet, const SlotHeader *numbers)
{
    SrtpPieces *pieces = &outgoing->pieces;
    pieces->payload = packet->payload;
    pieces->payload_length = packet->length;
    pieces->prefix = outgoing->prefix;
    if (packet->numbers.vp8 == NULL)
        return;
    gsize length = vp8_descriptor_write(outgoing->prefix + pieces->prefix_length, packet->payload,
                                        packet->numbers.vp8, numbers->numbers);
    pieces->prefix_length += length;
    pieces->payload += length;
    pieces->payload_length -= length;
}

static void put_header(Hub *hub, PeerSlot *slot, Header *header, HeaderNumbers *numbers)
{
    numbers->csrc = slot->carries->peer->number;
    if (header->at_transport_cc != 0)
        numbers->transport_cc = slot->peer->transport_cc++;
    if (header->at_send_time != 0)
        rtp_write_abs_send_time(numbers->send_time, hub->now_us);
    header_write(header, numbers);
}

// FALSE: too late for this slot.
static gboolean send_packet(Hub *hub, PeerSlot *slot, const ForwardPacket *packet,
                            const SlotHeader *numbers)
{
    if (!srtp_stream_is_fresh(&slot->stream, numbers->sequence))
        return FALSE;
    HeaderNumbers values = {.marker = packet->marker,
                            .sequence = numbers->sequence,
                            .timestamp = numbers->timestamp,
                            .level = packet->level};
    put_header(hub, slot, &slot->header, &values);
    Outgoing outgoing;
    outgoing.pieces.header = slot->header.bytes;
    outgoing.pieces.header_length = slot->header.length;
    outgoing.pieces.prefix_length = 0;
    put_payload(&outgoing, packet, numbers);
    guint8 *memory = transport_reserve(hub->transport);
    gsize length = srtp_out_protect(slot->peer->out, &slot->stream, memory, &outgoing.pieces);
    transport_commit(hub->transport, &slot->peer->path, length);
    slot->packets++;
    slot->octets += (guint32)packet->length;
    if (slot->description->rtx_payload_type == 0)
        resend_keep_copy(hub, slot, numbers->sequence, memory, length);
    return TRUE;
}

void forward_again(Hub *hub, PeerSlot *slot, const ForwardPacket *packet)
{
    SlotHeader original;
    slot_header(&slot->numbers, &packet->numbers, &original);
    HeaderNumbers values = {.marker = packet->marker,
                            .sequence = slot->rtx_sequence++,
                            .timestamp = original.timestamp,
                            .level = HEADER_NO_LEVEL};
    put_header(hub, slot, &slot->rtx_header, &values);
    Outgoing outgoing;
    outgoing.pieces.header = slot->rtx_header.bytes;
    outgoing.pieces.header_length = slot->rtx_header.length;
    rtp_put16(outgoing.prefix, original.sequence);
    outgoing.pieces.prefix_length = RTX_HEAD;
    put_payload(&outgoing, packet, &original);
    guint8 *memory = transport_reserve(hub->transport);
    gsize length = srtp_out_protect(slot->peer->out, &slot->rtx_stream, memory, &outgoing.pieces);
    transport_commit(hub->transport, &slot->peer->path, length);
}

guint forward_to_slot(Hub *hub, PeerSlot *slot, PeerSource *source, const ForwardPacket *packets,
                      guint n)
{
    guint sent = 0;
    for (guint i = 0; i < n; i++) {
        SlotHeader numbers;
        SlotVerdict verdict = slot_take(&slot->numbers, source, &packets[i].numbers, &numbers);
        if (verdict == SLOT_DROP)
            continue;
        if (verdict == SLOT_SWITCHED)
            subscribe_switched(hub, slot, source, numbers.timestamp);
        sent += send_packet(hub, slot, &packets[i], &numbers);
    }
    return sent;
}

static void keep(Hub *hub, PeerSource *source, const ForwardPacket *packets, guint n)
{
    if (source->history == NULL)
        source->history = history_new(RESEND_HISTORY, hub->memory.release);
    for (guint i = 0; i < n; i++) {
        HistoryPacket kept = {.reference = hub->memory.hold(packets[i].reference),
                              .payload = packets[i].payload,
                              .timestamp = packets[i].numbers.timestamp,
                              .csrc = source->peer->number,
                              .sequence = (guint16)packets[i].numbers.index,
                              .payload_length = (guint16)packets[i].length,
                              .marker = packets[i].marker};
        history_put(source->history, &kept, hub->now_us);
        if (packets[i].numbers.entry)
            catch_up_note(source, packets[i].numbers.index, hub->now_us);
    }
}

void forward_packets(Hub *hub, PeerSource *source, const ForwardPacket *packets, guint n)
{
    guint sent = 0;
    for (guint i = 0; i < source->subscribers->len; i++) {
        PeerSlot *slot = g_ptr_array_index(source->subscribers, i);
        if (peer_is_ready(slot->peer))
            sent += forward_to_slot(hub, slot, source, packets, n);
    }
    if (source->subscribers->len > 0 && source->description->kind == MEDIA_VIDEO)
        keep(hub, source, packets, n);
    metrics_add(METRIC_MEDIA_FORWARDED, sent);
}
