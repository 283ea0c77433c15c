// SPDX-License-Identifier: MIT
// See quarantine.h. Of a room's kills the last LIMIT_KILLS are remembered: the oldest of them tells
// whether they all fell within the window.
#include "registry/quarantine.h"
#include "common/limits.h"

#define WITHIN_US (LIMIT_KILLS_WITHIN_MS * G_TIME_SPAN_MILLISECOND)

typedef struct {
    gint64 kills_us[LIMIT_KILLS]; // newest first
    guint kills;
    gint64 until_us; // 0: it does not rest
} Record;

struct Quarantine {
    gint64 rest_us;
    GHashTable *records; // room id -> Record
};

Quarantine *quarantine_new(gint64 rest_us)
{
    Quarantine *quarantine = g_new0(Quarantine, 1);
    quarantine->rest_us = rest_us;
    quarantine->records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return quarantine;
}

void quarantine_free(Quarantine *quarantine)
{
    if (quarantine == NULL)
        return;
    g_hash_table_unref(quarantine->records);
    g_free(quarantine);
}

static Record *record_of(Quarantine *quarantine, const char *room)
{
    Record *record = g_hash_table_lookup(quarantine->records, room);
    if (record == NULL) {
        record = g_new0(Record, 1);
        g_hash_table_insert(quarantine->records, g_strdup(room), record);
    }
    return record;
}

static void remember(Record *record, gint64 now_us)
{
    for (guint i = LIMIT_KILLS - 1; i > 0; i--)
        record->kills_us[i] = record->kills_us[i - 1];
    record->kills_us[0] = now_us;
    record->kills = MIN(record->kills + 1, LIMIT_KILLS);
}

gboolean quarantine_note(Quarantine *quarantine, const char *room, gint64 now_us)
{
    if (quarantine->rest_us == 0)
        return FALSE;
    Record *record = record_of(quarantine, room);
    remember(record, now_us);
    if (record->kills < LIMIT_KILLS || now_us - record->kills_us[LIMIT_KILLS - 1] >= WITHIN_US)
        return FALSE;
    record->kills = 0;
    record->until_us = now_us + quarantine->rest_us;
    return TRUE;
}

gint64 quarantine_left_us(const Quarantine *quarantine, const char *room, gint64 now_us)
{
    const Record *record = g_hash_table_lookup(quarantine->records, room);
    return record != NULL ? MAX(record->until_us - now_us, 0) : 0;
}

static gboolean is_over(gpointer room, gpointer value, gpointer now_us)
{
    (void)room;
    const Record *record = value;
    gint64 now = *(const gint64 *)now_us;
    return record->until_us <= now &&
           (record->kills == 0 || now - record->kills_us[0] >= WITHIN_US);
}

void quarantine_prune(Quarantine *quarantine, gint64 now_us)
{
    g_hash_table_foreach_remove(quarantine->records, is_over, &now_us);
}
