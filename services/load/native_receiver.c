// SPDX-License-Identifier: MIT
// See native_receiver.h. What depends on the order of packets is checked only between two packets
// that follow each other, so that loss on the way is no fault.
#include "load/native_receiver.h"
#include "media-worker/vp8.h"
#include "load/native_payload.h"
#include "load/native_sdp.h"
#include <string.h>

void native_receiver_init(NativeReceiver *receiver)
{
    NativeSlot *slot = &receiver->slot;
    receive_init(&receiver->receive, slot->ssrc, slot->is_video ? 90000 : 48000,
                 slot->is_video && !receiver->settings->no_nack);
    receiver->key_due_us = G_MAXINT64;
}

static void refuse_payload(NativeReceiver *receiver, guint32 csrc)
{
    gpointer key = GUINT_TO_POINTER(csrc);
    guint before = GPOINTER_TO_UINT(g_hash_table_lookup(receiver->unreadable, key));
    g_hash_table_insert(receiver->unreadable, key, GUINT_TO_POINTER(before + 1));
    receiver->slot.bad_payloads++;
}

static void check_mid(NativeSlot *slot, const RtpPacket *packet)
{
    guint8 length = 0;
    const guint8 *mid = rtp_extension(packet, NATIVE_ID_MID, &length);
    if (mid != NULL && (length != strlen(slot->mid) || memcmp(mid, slot->mid, length) != 0))
        slot->bad_extensions++;
}

// Is this CSRC always the same person?
static void check_name(NativeReceiver *receiver, guint32 csrc, guint32 label)
{
    gpointer known = NULL;
    if (!g_hash_table_lookup_extended(receiver->names, GUINT_TO_POINTER(csrc), NULL, &known))
        g_hash_table_insert(receiver->names, GUINT_TO_POINTER(csrc), GUINT_TO_POINTER(label));
    else if (GPOINTER_TO_UINT(known) != label)
        receiver->slot.bad_names++;
}

static void check_order(NativeReceiver *receiver, const RtpPacket *packet, const Vp8Descriptor *vp8)
{
    NativeSlot *slot = &receiver->slot;
    if (rtp_timestamp_after(packet->timestamp, slot->timestamp) < 0)
        slot->bad_timestamps++;
    if (vp8 != NULL && vp8->picture_id != receiver->picture_id &&
        vp8->picture_id != ((receiver->picture_id + 1) & 0x7FFF))
        slot->bad_pictures++;
}

// The source changes here: `follows` if nothing is missing before.
static void change_source(NativeReceiver *receiver, const RtpPacket *packet, guint32 csrc,
                          const Vp8Descriptor *vp8, gboolean follows)
{
    NativeSlot *slot = &receiver->slot;
    if (vp8 != NULL && !vp8->key_frame && follows)
        slot->bad_entries++;
    slot->switches += slot->csrc != 0;
    slot->csrc = csrc;
    slot->switch_timestamp = packet->timestamp;
}

static void take_newest(NativeReceiver *receiver, const RtpPacket *packet, guint32 csrc,
                        const Vp8Descriptor *vp8)
{
    NativeSlot *slot = &receiver->slot;
    gboolean is_first = slot->packets == 0;
    gboolean follows = is_first ? receiver->settings->loss_in == 0
                                : packet->sequence == (guint16)(slot->sequence + 1);
    if (follows && !is_first)
        check_order(receiver, packet, vp8);
    if (csrc != slot->csrc)
        change_source(receiver, packet, csrc, vp8, follows);
    if (vp8 != NULL) {
        receiver->picture_id = vp8->picture_id;
        if (!follows && !receiver->receive.wants_nack)
            receiver->decodes = FALSE;
    }
    slot->sequence = packet->sequence;
    slot->timestamp = packet->timestamp;
}

static void count_video(NativeReceiver *receiver, const RtpPacket *packet, const Vp8Descriptor *vp8,
                        gint64 now_us)
{
    NativeSlot *slot = &receiver->slot;
    slot->frames += packet->marker;
    if (vp8->key_frame) {
        slot->key_frames++;
        receiver->decodes = TRUE;
        receiver->key_due_us = G_MAXINT64;
        receive_key_frame(&receiver->receive, packet->sequence);
    }
    if (receive_take_given_up(&receiver->receive))
        receiver->decodes = FALSE;
    if (!receiver->decodes && receiver->key_due_us == G_MAXINT64)
        receiver->key_due_us = now_us;
}

static void count(NativeReceiver *receiver, const RtpPacket *packet, gint64 now_us)
{
    NativeSlot *slot = &receiver->slot;
    if (slot->packets > 0)
        slot->longest_gap_us = MAX(slot->longest_gap_us, now_us - slot->heard_us);
    slot->heard_us = now_us;
    slot->packets++;
    slot->octets += packet->payload_length;
    slot->lost = (guint)(receiver->receive.newest - receiver->receive.first + 1 - slot->packets);
}

static void time_packet(NativeReceiver *receiver, const NativePayload *payload, gint64 now_us)
{
    NativeSlot *slot = &receiver->slot;
    gint64 delay_us = now_us - payload->sent_us;
    slot->longest_delay_us = MAX(slot->longest_delay_us, delay_us);
    if (receiver->settings->on_packet != NULL)
        receiver->settings->on_packet(slot, delay_us, receiver->settings->user);
}

void native_receiver_packet(NativeReceiver *receiver, const RtpPacket *packet, gboolean resent,
                            gint64 now_us)
{
    NativeSlot *slot = &receiver->slot;
    Vp8Descriptor vp8 = {0};
    NativePayload payload;
    const ReceiveArrival arrival = {packet->sequence, packet->timestamp, now_us, resent};
    if (packet->payload_length == 0)
        return; // padding
    ReceiveResult result = receive_packet(&receiver->receive, &arrival);
    slot->duplicates += result == RECEIVE_DUPLICATE;
    slot->reordered += result == RECEIVE_LATE && !resent;
    slot->recovered += result == RECEIVE_LATE && resent;
    if (result == RECEIVE_DUPLICATE || result == RECEIVE_OLD)
        return;
    guint32 csrc = packet->n_csrc == 1 ? rtp_csrc(packet, 0) : 0;
    if ((slot->is_video && !vp8_parse(&vp8, packet->payload, packet->payload_length)) ||
        !native_payload_read(packet->payload, packet->payload_length,
                             slot->is_video ? vp8.length : 0, &payload)) {
        refuse_payload(receiver, csrc);
        return;
    }
    check_mid(slot, packet);
    check_name(receiver, csrc, payload.label);
    if (result != RECEIVE_LATE) {
        slot->label = payload.label;
        slot->counter = payload.counter;
        take_newest(receiver, packet, csrc, slot->is_video ? &vp8 : NULL);
    }
    count(receiver, packet, now_us);
    if (slot->is_video)
        count_video(receiver, packet, &vp8, now_us);
    if (!resent)
        time_packet(receiver, &payload, now_us);
}
