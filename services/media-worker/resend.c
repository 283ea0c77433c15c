// SPDX-License-Identifier: MIT
// See resend.h. The slot's own offsets lead from its number back to the source's packet, so the
// only thing remembered per receiver is when it was last sent again.
#include "media-worker/resend.h"
#include "media-worker/forward.h"
#include "media-worker/rtp.h"
#include <string.h>

// One second's allowance.
static gboolean is_within_allowance(const Hub *hub, Peer *peer)
{
    if (hub->now_us - peer->resend_since_us >= G_USEC_PER_SEC) {
        peer->resend_since_us = hub->now_us;
        peer->resends = 0;
    }
    return peer->resends++ < RESEND_MAX_PER_S;
}

// Not again before the last one can have arrived.
static gboolean is_time_again(const Hub *hub, PeerSlot *slot, guint16 sequence)
{
    guint place = sequence % PEER_RESENT;
    guint32 now_ms = (guint32)(hub->now_us / 1000);
    guint32 wait_ms = (guint32)(CLAMP(slot->peer->rtt_us, 5000, 500000) / 1000);
    if (slot->resent[place].sent_ms != 0 && slot->resent[place].sequence == sequence &&
        now_ms - slot->resent[place].sent_ms < wait_ms)
        return FALSE;
    slot->resent[place].sequence = sequence;
    slot->resent[place].sent_ms = now_ms;
    return TRUE;
}

static void send_copy(Hub *hub, PeerSlot *slot, guint16 sequence)
{
    if (slot->copies == NULL) // audio: from now on
        slot->copies = history_new_copies(RESEND_COPIES, RESEND_COPIES_BYTES);
    const HistoryPacket *copy = history_resend(slot->copies, sequence, hub->now_us, 0);
    if (copy == NULL)
        return;
    memcpy(transport_reserve(hub->transport), copy->payload, copy->payload_length);
    transport_commit(hub->transport, &slot->peer->path, copy->payload_length);
    metrics_add(METRIC_MEDIA_RESENT, 1);
}

static void send_rtx(Hub *hub, PeerSlot *slot, guint16 sequence)
{
    guint64 index;
    if (!slot_source_index(&slot->numbers, sequence, &index) || slot->carries->history == NULL)
        return;
    const HistoryPacket *kept =
        history_resend(slot->carries->history, (guint16)index, hub->now_us, 0);
    if (kept == NULL)
        return;
    ForwardPacket packet = {.payload = kept->payload,
                            .length = kept->payload_length,
                            .marker = kept->marker,
                            .level = HEADER_NO_LEVEL,
                            .numbers = {.index = index, .timestamp = kept->timestamp}};
    forward_read_descriptor(&packet, MEDIA_VIDEO);
    forward_again(hub, slot, &packet);
    metrics_add(METRIC_MEDIA_RESENT, 1);
}

void resend_packets(Hub *hub, PeerSlot *slot, const guint16 *sequences, guint n)
{
    for (guint i = 0; i < n && is_within_allowance(hub, slot->peer); i++) {
        if (!is_time_again(hub, slot, sequences[i]))
            continue;
        if (slot->description->rtx_payload_type != 0)
            send_rtx(hub, slot, sequences[i]);
        else
            send_copy(hub, slot, sequences[i]);
    }
}

void resend_keep_copy(Hub *hub, PeerSlot *slot, guint16 sequence, const guint8 *packet,
                      gsize length)
{
    if (slot->copies == NULL && slot->description->kind == MEDIA_VIDEO &&
        slot->description->rtx_payload_type == 0)
        slot->copies = history_new_copies(RESEND_COPIES, RESEND_COPIES_BYTES);
    if (slot->copies != NULL)
        history_put_copy(slot->copies, sequence, packet, length, hub->now_us);
}
