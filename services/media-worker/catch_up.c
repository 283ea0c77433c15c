// SPDX-License-Identifier: MIT
// See catch_up.h. What the history lacks was lost on its way to us: the receiver will notice the
// hole and ask for it, as it would have.
#include "media-worker/catch_up.h"
#include "media-worker/forward.h"

void catch_up_note(PeerSource *source, guint64 index, gint64 now_us)
{
    if (source->has_key_frame && index <= source->key_frame_index)
        return;
    source->has_key_frame = TRUE;
    source->key_frame_index = index;
    source->key_frame_us = now_us;
}

void catch_up_forget(PeerSource *source)
{
    source->has_key_frame = FALSE;
}

static void send_kept(Hub *hub, PeerSlot *slot, PeerSource *source, guint64 index)
{
    const HistoryPacket *kept = history_peek(source->history, (guint16)index);
    if (kept == NULL)
        return;
    ForwardPacket packet = {
        .payload = kept->payload,
        .length = kept->payload_length,
        .marker = kept->marker,
        .level = HEADER_NO_LEVEL,
        .numbers = {.index = index,
                    .timestamp = kept->timestamp,
                    .server_us = peer_source_server_us(source, kept->timestamp, hub->now_us)}};
    forward_read_descriptor(&packet, MEDIA_VIDEO);
    forward_to_slot(hub, slot, source, &packet, 1);
}

gboolean catch_up_slot(Hub *hub, PeerSlot *slot, PeerSource *source)
{
    guint64 first = source->key_frame_index;
    if (!source->has_key_frame || slot->numbers.pending != source ||
        hub->now_us - source->key_frame_us > CATCH_UP_US ||
        source->newest_index - first >= CATCH_UP_PACKETS ||
        history_peek(source->history, (guint16)first) == NULL)
        return FALSE;
    for (guint64 index = first; index <= source->newest_index; index++)
        send_kept(hub, slot, source, index);
    metrics_add(METRIC_MEDIA_CAUGHT_UP, 1);
    return TRUE;
}
