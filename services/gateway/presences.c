// SPDX-License-Identifier: MIT
// See presences.h.
#include "gateway/presences.h"

#include <string.h>

#include "common/codec.h"
#include "common/limits.h"
#include "common/url.h"

struct Presences {
    GHashTable *by_process; // process -> Presence
};

static void presence_free(gpointer data)
{
    Presence *presence = data;
    json_unref(presence->counters);
    g_free(presence->process);
    g_free(presence->role);
    g_free(presence);
}

Presences *presences_new(void)
{
    Presences *presences = g_new0(Presences, 1);
    presences->by_process = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, presence_free);
    return presences;
}

void presences_free(Presences *presences)
{
    if (presences == NULL)
        return;
    g_hash_table_unref(presences->by_process);
    g_free(presences);
}

static Presence *find_or_add(Presences *presences, const Msg__Presence *message)
{
    Presence *presence = g_hash_table_lookup(presences->by_process, message->process);
    if (presence != NULL || g_hash_table_size(presences->by_process) >= LIMIT_PROCESSES)
        return presence;
    presence = g_new0(Presence, 1);
    presence->process = g_strdup(message->process);
    presence->role = g_strdup(message->role);
    g_hash_table_insert(presences->by_process, presence->process, presence);
    return presence;
}

gboolean presences_hear(Presences *presences, const Msg__Presence *message, gint64 now_us)
{
    if (!url_is_key(message->process) || !url_is_key(message->role))
        return FALSE;
    Presence *presence = find_or_add(presences, message);
    if (presence == NULL)
        return FALSE;
    gboolean anew = presence->heard_us == 0 || presence->incarnation != message->incarnation;
    presence->incarnation = message->incarnation;
    presence->heard_us = now_us;
    presence->draining = message->draining;
    presence->load = message->load;
    presence->capacity = message->capacity;
    json_unref(presence->counters);
    presence->counters = message->has_counters ? codec_json(&message->counters) : NULL;
    return anew;
}

static gboolean is_recent(const Presence *presence, gint64 now_us, gint64 within_ms)
{
    return now_us - presence->heard_us <= within_ms * 1000;
}

gboolean presences_has(const Presences *presences, const char *role, gint64 now_us)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, presences->by_process);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const Presence *presence = value;
        if (strcmp(presence->role, role) == 0 && is_recent(presence, now_us, PRESENCE_READY_MS))
            return TRUE;
    }
    return FALSE;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    const Presence *const *left = a, *const *right = b;
    return strcmp((*left)->process, (*right)->process);
}

GPtrArray *presences_recent(Presences *presences, gint64 now_us)
{
    GPtrArray *recent = g_ptr_array_new();
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, presences->by_process);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        if (is_recent(value, now_us, PRESENCE_SHOWN_MS))
            g_ptr_array_add(recent, value);
        else
            g_hash_table_iter_remove(&iterator);
    }
    g_ptr_array_sort(recent, by_name);
    return recent;
}
