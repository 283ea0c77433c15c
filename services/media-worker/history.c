// SPDX-License-Identifier: MIT
// See history.h. Entries lie at sequence % capacity. Copies live in one ring of bytes, written
// round and round; an entry is gone once that ring has been written once around behind it, which is
// a comparison of two counters, so nothing is searched when bytes are taken again.
#include "media-worker/history.h"
#include <string.h>

struct History {
    guint capacity;
    HistoryRelease release;
    guint8 *bytes; // of copies; NULL: this history holds references
    gsize size;
    guint64 taken;   // bytes of the ring, since the beginning
    guint64 *starts; // by entry: `taken` before its copy
    HistoryPacket packets[];
};

History *history_new(guint capacity, HistoryRelease release)
{
    g_assert(capacity > 0 && (capacity & (capacity - 1)) == 0);
    History *history = g_malloc0(sizeof(History) + capacity * sizeof(HistoryPacket));
    history->capacity = capacity;
    history->release = release;
    return history;
}

History *history_new_copies(guint capacity, gsize bytes)
{
    History *history = history_new(capacity, NULL);
    history->bytes = g_malloc(bytes);
    history->size = bytes;
    history->starts = g_new0(guint64, capacity);
    return history;
}

void history_free(History *history)
{
    if (history == NULL)
        return;
    history_clear(history);
    g_free(history->bytes);
    g_free(history->starts);
    g_free(history);
}

static HistoryPacket *entry_of(History *history, guint16 sequence)
{
    return &history->packets[sequence & (history->capacity - 1)];
}

static void forget(History *history, HistoryPacket *entry)
{
    if (entry->used && history->release != NULL)
        history->release(entry->reference);
    entry->used = FALSE;
}

void history_clear(History *history)
{
    for (guint i = 0; i < history->capacity; i++)
        forget(history, &history->packets[i]);
}

void history_put(History *history, const HistoryPacket *packet, gint64 now_us)
{
    HistoryPacket *entry = entry_of(history, packet->sequence);
    forget(history, entry);
    *entry = *packet;
    entry->used = TRUE;
    entry->sent_ms = (guint32)(now_us / 1000);
}

// Room for `length` bytes in one piece; ret_start: `taken` before them.
static guint8 *take_bytes(History *history, gsize length, guint64 *ret_start)
{
    gsize offset = history->taken % history->size;
    if (offset + length > history->size) { // does not fit before the end: begin at the front
        history->taken += history->size - offset;
        offset = 0;
    }
    *ret_start = history->taken;
    history->taken += length;
    return history->bytes + offset;
}

void history_put_copy(History *history, guint16 sequence, const guint8 *packet, gsize length,
                      gint64 now_us)
{
    if (length > history->size || length > G_MAXUINT16)
        return;
    guint64 *start = &history->starts[sequence & (history->capacity - 1)];
    guint8 *copy = take_bytes(history, length, start);
    memcpy(copy, packet, length);
    const HistoryPacket entry = {
        .payload = copy, .payload_length = (guint16)length, .sequence = sequence};
    history_put(history, &entry, now_us);
}

static gboolean is_overwritten(const History *history, const HistoryPacket *entry)
{
    return history->bytes != NULL &&
           history->taken - history->starts[entry - history->packets] > history->size;
}

static gboolean has(const History *history, const HistoryPacket *entry, guint16 sequence)
{
    return entry->used && entry->sequence == sequence && !is_overwritten(history, entry);
}

const HistoryPacket *history_peek(History *history, guint16 sequence)
{
    const HistoryPacket *entry = entry_of(history, sequence);
    return has(history, entry, sequence) ? entry : NULL;
}

const HistoryPacket *history_resend(History *history, guint16 sequence, gint64 now_us,
                                    gint64 again_us)
{
    HistoryPacket *entry = entry_of(history, sequence);
    guint32 now_ms = (guint32)(now_us / 1000);
    if (!has(history, entry, sequence) || (gint64)(now_ms - entry->sent_ms) * 1000 < again_us)
        return NULL;
    entry->sent_ms = now_ms;
    return entry;
}
