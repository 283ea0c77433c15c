// SPDX-License-Identifier: MIT
// See slot.h. Numbers are kept unwrapped (64 bits), so "after" is plain comparison; only picture
// ids, which a source may send with 7 or 15 bits, are followed by their distance to the newest.
#include "media-worker/slot.h"

#define PICTURE_MASK 0x7FFF

void slot_init(Slot *slot, const SlotSettings *settings)
{
    *slot = (Slot){.clock_rate = settings->clock_rate,
                   .next_sequence = settings->first_sequence,
                   .clock_us = settings->now_us,
                   .clock_ticks = settings->first_timestamp,
                   .picture_out = settings->first_picture & PICTURE_MASK};
}

gboolean slot_request(Slot *slot, SlotSource source)
{
    slot->pending = source == slot->current ? NULL : source;
    if (source == NULL)
        slot->current = NULL;
    return slot->pending != NULL;
}

gboolean slot_forget(Slot *slot, SlotSource source)
{
    if (slot->pending == source)
        slot->pending = NULL;
    if (slot->current != source)
        return FALSE;
    slot->current = NULL;
    return TRUE;
}

// Signed distance of two numbers of `bits` bits.
static gint distance(guint after, guint before, guint bits)
{
    guint half = 1u << (bits - 1), mask = (1u << bits) - 1;
    return (gint)(((after - before) + half) & mask) - (gint)half;
}

static gint picture_distance(const Slot *slot, const Vp8Descriptor *vp8)
{
    return distance(vp8->picture_id, slot->picture_in, vp8->long_picture_id ? 15 : 7);
}

// Where the slot's clock stands at that moment, but always after what was sent.
static gint64 ticks_at(const Slot *slot, gint64 server_us)
{
    gint64 elapsed_us = CLAMP(server_us - slot->clock_us, -G_MAXINT32 * 1000LL, G_MAXINT64 / 4);
    gint64 seconds = elapsed_us / G_USEC_PER_SEC, rest_us = elapsed_us % G_USEC_PER_SEC;
    gint64 ticks = slot->clock_ticks + seconds * (gint64)slot->clock_rate +
                   rest_us * (gint64)slot->clock_rate / G_USEC_PER_SEC;
    return slot->started ? MAX(ticks, slot->newest_ticks + 1) : ticks;
}

static void begin_stretch(Slot *slot, SlotSource source, const SlotPacket *packet)
{
    slot->newest_ticks = ticks_at(slot, packet->server_us);
    slot->timestamp_offset = (guint32)slot->newest_ticks - packet->timestamp;
    slot->sequence_offset = slot->next_sequence - packet->index;
    slot->first_index = slot->newest_index = packet->index;
    slot->current = source;
    slot->pending = NULL;
    slot->started = TRUE;
    if (packet->vp8 == NULL)
        return;
    slot->picture_in = packet->vp8->picture_id;
    slot->picture_out = (slot->picture_out + 1) & PICTURE_MASK;
    slot->tl0picidx_out++;
    slot->tl0picidx_offset = (guint8)(slot->tl0picidx_out - packet->vp8->tl0picidx);
}

// The packet is the newest of its stretch.
static void move_on(Slot *slot, const SlotPacket *packet, const SlotHeader *header)
{
    slot->newest_index = packet->index;
    slot->next_sequence = packet->index + slot->sequence_offset + 1;
    gint32 step = (gint32)(header->timestamp - (guint32)slot->newest_ticks);
    slot->newest_ticks += MAX(step, 0);
    if (packet->vp8 == NULL)
        return;
    if (packet->vp8->has_picture_id && picture_distance(slot, packet->vp8) > 0) {
        slot->picture_out = header->numbers.picture_id;
        slot->picture_in = packet->vp8->picture_id;
    }
    if (packet->vp8->has_tl0picidx &&
        distance(header->numbers.tl0picidx, slot->tl0picidx_out, 8) > 0)
        slot->tl0picidx_out = header->numbers.tl0picidx;
}

SlotVerdict slot_take(Slot *slot, SlotSource source, const SlotPacket *packet,
                      SlotHeader *ret_header)
{
    gboolean enters = source == slot->pending;
    if (!enters && source != slot->current)
        return SLOT_DROP;
    if (!enters && packet->index < slot->first_index)
        return SLOT_DROP;
    enters = enters || packet->index >= slot->newest_index + SLOT_JUMP;
    if (enters && !packet->entry)
        return SLOT_DROP;
    if (enters)
        begin_stretch(slot, source, packet);
    slot_header(slot, packet, ret_header);
    if (packet->index >= slot->newest_index)
        move_on(slot, packet, ret_header);
    return enters ? SLOT_SWITCHED : SLOT_FORWARD;
}

void slot_header(const Slot *slot, const SlotPacket *packet, SlotHeader *ret_header)
{
    ret_header->sequence = (guint16)(packet->index + slot->sequence_offset);
    ret_header->timestamp = slot_timestamp(slot, packet->timestamp);
    if (packet->vp8 == NULL)
        return;
    ret_header->numbers.picture_id =
        (guint16)(slot->picture_out + picture_distance(slot, packet->vp8)) & PICTURE_MASK;
    ret_header->numbers.tl0picidx = (guint8)(packet->vp8->tl0picidx + slot->tl0picidx_offset);
}

gboolean slot_source_index(const Slot *slot, guint16 sequence, guint64 *ret_index)
{
    if (slot->current == NULL)
        return FALSE;
    guint16 newest = (guint16)(slot->newest_index + slot->sequence_offset);
    guint16 behind = (guint16)(newest - sequence);
    if (behind > slot->newest_index - slot->first_index)
        return FALSE;
    *ret_index = slot->newest_index - behind;
    return TRUE;
}
