// SPDX-License-Identifier: MIT
// See presence.h. What a worker has been asked for since it was heard last counts as load, or a
// hundred rooms made within one second would all go to the same worker.
#include "registry/presence.h"
#include <string.h>
#include "common/limits.h"
#include "common/url.h"

#define FORGET_US (60 * G_USEC_PER_SEC)

struct Presences {
    GHashTable *by_process; // name -> Presence
    GHashTable *by_address; // address -> Presence, borrowed
};

static void presence_free(gpointer data)
{
    Presence *presence = data;
    g_free(presence->process);
    g_free(presence->role);
    g_free(presence->address);
    if (presence->room != NULL)
        msg__room_health__free_unpacked(presence->room, NULL);
    g_free(presence);
}

Presences *presences_new(void)
{
    Presences *presences = g_new0(Presences, 1);
    presences->by_process = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, presence_free);
    presences->by_address = g_hash_table_new(g_str_hash, g_str_equal);
    return presences;
}

void presences_free(Presences *presences)
{
    if (presences == NULL)
        return;
    g_hash_table_unref(presences->by_address);
    g_hash_table_unref(presences->by_process);
    g_free(presences);
}

static gboolean is_sound(const Msg__Presence *message, const char *source)
{
    const Msg__RoomHealth *room = message->room;
    return message->process != NULL && g_strcmp0(message->process, source) == 0 &&
           url_is_key(message->process) && message->role != NULL && url_is_key(message->role) &&
           (message->address == NULL || url_is_valid(message->address)) &&
           (room == NULL || room->n_silent <= LIMIT_PARTICIPANTS);
}

static Presence *add(Presences *presences, const char *process, const char *role,
                     const char *address)
{
    if (g_hash_table_size(presences->by_process) >= LIMIT_PRESENCES)
        return NULL;
    Presence *presence = g_new0(Presence, 1);
    presence->process = g_strdup(process);
    presence->role = g_strdup(role);
    presence->address = g_strdup(address);
    g_hash_table_insert(presences->by_process, presence->process, presence);
    if (presence->address != NULL)
        g_hash_table_replace(presences->by_address, presence->address, presence);
    return presence;
}

static void remember_room(Presence *presence, const Msg__RoomHealth *room)
{
    if (presence->room != NULL)
        msg__room_health__free_unpacked(g_steal_pointer(&presence->room), NULL);
    if (room == NULL)
        return;
    gsize length = msg__room_health__get_packed_size(room);
    g_autofree guint8 *packed = g_malloc(length + 1);
    msg__room_health__pack(room, packed);
    presence->room = msg__room_health__unpack(NULL, length, packed);
}

gboolean presences_hear(Presences *presences, const Msg__Presence *message, const char *source,
                        gint64 now_us)
{
    if (!is_sound(message, source))
        return FALSE;
    Presence *presence = presences_find(presences, message->process);
    if (presence == NULL)
        presence = add(presences, message->process, message->role, message->address);
    if (presence == NULL)
        return FALSE;
    if (presence->state == PRESENCE_ENDED)
        return FALSE;
    presence_learn(presence, PRESENCE_HEARD, now_us);
    presence->spoke = TRUE;
    presence->draining = message->draining;
    presence->capacity = message->capacity;
    presence->load = message->load;
    presence->granted = 0;
    remember_room(presence, message->room);
    return TRUE;
}

Presence *presences_expect(Presences *presences, const char *address, gint64 now_us)
{
    Presence *presence = presences_at(presences, address);
    g_autofree char *process = g_strconcat("media-", url_last_segment(address), NULL);
    if (presence == NULL && url_is_key(process) && presences_find(presences, process) == NULL) {
        presence = add(presences, process, "media", address);
        if (presence != NULL)
            presence->heard_us = now_us;
    }
    if (presence != NULL)
        presence->expected = TRUE;
    return presence;
}

void presences_restart(Presences *presences, gint64 now_us)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, presences->by_process);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Presence *presence = value;
        presence->heard_us = now_us;
        if (presence->state == PRESENCE_SUSPECT)
            presence->state = PRESENCE_LIVE;
    }
}

void presences_prune(Presences *presences, gint64 now_us)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, presences->by_process);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Presence *presence = value;
        if (now_us - presence->heard_us < FORGET_US || presence->asked > 0)
            continue;
        if (presence->address != NULL && presences_at(presences, presence->address) == presence)
            g_hash_table_remove(presences->by_address, presence->address);
        g_hash_table_iter_remove(&iter);
    }
}

Presence *presences_find(const Presences *presences, const char *process)
{
    return g_hash_table_lookup(presences->by_process, process);
}

Presence *presences_at(const Presences *presences, const char *address)
{
    return g_hash_table_lookup(presences->by_address, address);
}

GList *presences_all(const Presences *presences)
{
    return g_hash_table_get_values(presences->by_process);
}

// --- what is found out

static gboolean is_silent_for(const Presence *presence, gint64 ms, gint64 now_us)
{
    return now_us - presence->heard_us >= ms * G_TIME_SPAN_MILLISECOND;
}

gboolean presence_learn(Presence *presence, PresenceEvent event, gint64 now_us)
{
    static const PresenceState next[][PRESENCE_END + 1] = {
        // from           heard          gone              unanswered     silent         end
        [PRESENCE_LIVE] = {PRESENCE_LIVE, PRESENCE_SUSPECT, PRESENCE_LIVE, PRESENCE_LOST,
                           PRESENCE_ENDED},
        [PRESENCE_SUSPECT] = {PRESENCE_LIVE, PRESENCE_SUSPECT, PRESENCE_LOST, PRESENCE_LOST,
                              PRESENCE_ENDED},
        [PRESENCE_LOST] = {PRESENCE_LIVE, PRESENCE_LOST, PRESENCE_LOST, PRESENCE_LOST,
                           PRESENCE_ENDED},
        [PRESENCE_ENDED] = {PRESENCE_ENDED, PRESENCE_ENDED, PRESENCE_ENDED, PRESENCE_ENDED,
                            PRESENCE_ENDED},
    };
    PresenceState before = presence->state;
    presence->state = next[before][event];
    if (event == PRESENCE_HEARD)
        presence->heard_us = now_us;
    if (presence->state == PRESENCE_LOST && before != PRESENCE_LOST)
        presence->silently = is_silent_for(presence, LIMIT_HEARING_MS, now_us);
    return presence->state != before;
}

gboolean presence_is_dead(const Presence *presence)
{
    return presence->state == PRESENCE_LOST || presence->state == PRESENCE_ENDED;
}

gboolean presence_is_media(const Presence *presence)
{
    return strcmp(presence->role, "worker") == 0 ||
           (strcmp(presence->role, "media") == 0 && (presence->room != NULL || presence->expected));
}

static gboolean has_fallen_silent(const Presence *presence, gint64 now_us)
{
    return presence->state != PRESENCE_ENDED &&
           (presence->state != PRESENCE_LOST || presence->silently) &&
           is_silent_for(presence, LIMIT_HEARING_MS, now_us) &&
           !is_silent_for(presence, LIMIT_SILENT_TOGETHER_MS, now_us);
}

gboolean presences_are_mostly_silent(const Presences *presences, gint64 now_us)
{
    guint silent[2] = {0}, heard[2] = {0}; // room processes, workers
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, presences->by_process);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Presence *presence = value;
        if (!presence_is_media(presence) || !presence->spoke)
            continue;
        guint is_worker = strcmp(presence->role, "worker") == 0;
        silent[is_worker] += has_fallen_silent(presence, now_us);
        heard[is_worker] +=
            presence->state == PRESENCE_LIVE && !is_silent_for(presence, LIMIT_HEARING_MS, now_us);
    }
    return silent[0] + silent[1] > 1 &&
           (silent[1] > heard[1] || (silent[1] == 0 && silent[0] > heard[0]));
}

gboolean presence_is_live(const Presence *presence, gint64 now_us)
{
    return presence != NULL && presence->state == PRESENCE_LIVE &&
           now_us - presence->heard_us < LIMIT_PRESENCE_LIVE_MS * G_TIME_SPAN_MILLISECOND;
}

static guint64 load_of(const Presence *worker)
{
    return (guint64)worker->load + worker->asked + worker->granted;
}

static gboolean takes_rooms(const Presence *worker, gint64 now_us)
{
    return strcmp(worker->role, "worker") == 0 && worker->address != NULL && !worker->draining &&
           presence_is_live(worker, now_us);
}

static gboolean can_take_one(const Presence *worker, GHashTable *tried, gint64 now_us)
{
    return takes_rooms(worker, now_us) && load_of(worker) < worker->capacity &&
           (tried == NULL || !g_hash_table_contains(tried, worker->process));
}

// Less loaded for its size; among equals by name, so that the choice can be foreseen.
static gboolean is_better(const Presence *a, const Presence *b)
{
    guint64 load_a = load_of(a) * b->capacity, load_b = load_of(b) * a->capacity;
    return load_a < load_b || (load_a == load_b && strcmp(a->process, b->process) < 0);
}

Presence *presences_choose_worker(const Presences *presences, GHashTable *tried, gint64 now_us)
{
    Presence *best = NULL;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, presences->by_process);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (can_take_one(value, tried, now_us) && (best == NULL || is_better(value, best)))
            best = value;
    return best;
}

gboolean presences_have_worker(const Presences *presences, gint64 now_us)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, presences->by_process);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (takes_rooms(value, now_us))
            return TRUE;
    return FALSE;
}
