// SPDX-License-Identifier: MIT
// See room_people.h. Who is in is the registry's to say; when nobody can say it, everybody stays.
#include "media-worker/room_people.h"

#include <string.h>
#include "common/limits.h"
#include "common/log.h"

#define CONNECTION_TICKS 5                // between looks for clients' objects
#define UNLISTED_US (10 * G_USEC_PER_SEC) // admitted, but never in the Communication
#define IDLE_US (60 * G_USEC_PER_SEC)     // no client has sent anything
#define SILENT_US (LIMIT_MEDIA_SILENT_MS * 1000LL)

// ----------------------------------------------------------------------------------- the members

void room_drop(Room *room, const char *participant, const char *reason)
{
    Connection *connection = g_hash_table_lookup(room->connections, participant);
    log_event(LOG_INFO, "participant.dropped", "room=%s participant=%s reason=%s", room->id,
              participant, reason);
    connection_end(connection);
    g_hash_table_remove(room->listed, participant);
    g_hash_table_remove(room->connections, participant);
    room_want_pass(room);
}

static void set_directions(Room *room, const char *id, const Json *participant)
{
    static const char *const types[] = {"audio", "video", "screen"};
    Member *member = members_find(room->home.members, id);
    if (member == NULL)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        members_set_direction(room->home.members, member, types[i],
                              attendance_direction(participant, types[i]));
}

static void on_listed(const char *id, Json *participant, gpointer user)
{
    Room *room = user;
    if (members_find(room->home.members, id) != NULL) {
        g_hash_table_add(room->listed, g_strdup(id));
        set_directions(room, id, participant);
        return;
    }
    if (g_hash_table_contains(room->absent, id))
        return;
    gint64 now = g_get_monotonic_time();
    g_hash_table_insert(room->absent, g_strdup(id), g_memdup2(&now, sizeof now));
}

static gboolean is_no_longer_absent(gpointer id, gpointer since, gpointer user)
{
    (void)since;
    const Room *room = user;
    return members_find(room->home.members, id) != NULL || !attendance_lists(room->attendance, id);
}

// Participants that are here and not (any more) in the Communication, by a rule; the caller's.
static GPtrArray *unlisted(const Room *room, gint64 now_us)
{
    GPtrArray *gone = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer id, connection;
    g_hash_table_iter_init(&iter, room->connections);
    while (g_hash_table_iter_next(&iter, &id, &connection)) {
        gint64 since_us = connection_member(connection)->since_us;
        gboolean was_listed = g_hash_table_contains(room->listed, id);
        if (!attendance_lists(room->attendance, id) &&
            (was_listed || now_us - since_us > UNLISTED_US))
            g_ptr_array_add(gone, g_strdup(id));
    }
    return gone;
}

// Brings the members into line with the Communication.
static void follow(Room *room)
{
    if (attendance_is_elsewhere(room->attendance, room->epoch, room->home.address)) {
        room_supersede(room);
        return;
    }
    attendance_each(room->attendance, on_listed, room);
    g_hash_table_foreach_remove(room->absent, is_no_longer_absent, room);
    g_autoptr(GPtrArray) gone = unlisted(room, g_get_monotonic_time());
    for (guint i = 0; i < gone->len; i++)
        room_drop(room, g_ptr_array_index(gone, i), "left");
    room_want_pass(room);
}

static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    (void)observer;
    Room *room = user;
    attendance_read(room->attendance, object);
    follow(room);
}

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    (void)observer;
    Room *room = user;
    attendance_change(room->attendance, change);
    follow(room);
}

// The registry is away, or has not made the object public yet: the tick asks again.
static void on_gone(SyncObserver *observer, Refusal reason, gpointer user)
{
    Room *room = user;
    log_event(LOG_INFO, "room.communication_gone", "room=%s reason=%s", room->id,
              refusal_name(reason));
    room->communication = NULL;
    sync_observer_free(observer);
}

void room_observe(Room *room)
{
    static const SyncObserverCalls calls = {
        .on_snapshot = on_snapshot, .on_change = on_change, .on_gone = on_gone};
    if (room->communication == NULL)
        room->communication =
            sync_observer_new(room->home.bus, room->url, room->home.address, NULL, &calls, room);
}

// -------------------------------------------------------------------------------- what Media says

static void publish_speakers(Room *room, const MediaEvent *event)
{
    g_autoptr(Json) value = json_new_object();
    g_autoptr(Json) speakers = json_new_array();
    for (guint i = 0; i < G_N_ELEMENTS(event->numbers); i++) {
        const Member *member = members_by_number(room->home.members, event->numbers[i]);
        if (event->numbers[i] == 0 || member == NULL)
            continue;
        g_autoptr(Json) speaker = json_new_object();
        json_set_text(speaker, "participant", member->participant);
        json_set_number(speaker, "level", event->levels[i]);
        json_append(speakers, speaker);
    }
    json_set(value, "speakers", speakers);
    sync_reporter_change(room->context, NULL, value);
}

static void on_speakers(Room *room, const MediaEvent *event)
{
    room->loudest = event->numbers[0];
    publish_speakers(room, event);
    if (members_heard(room->home.members, room->loudest, g_get_monotonic_time()))
        room_want_pass(room);
}

void room_on_media(const MediaEvent *event, gpointer user)
{
    Room *room = user;
    if (room->superseded)
        return;
    Member *member = members_by_media(room->home.members, event->peer);
    if (event->type == MEDIA_EVENT_SPEAKERS) {
        on_speakers(room, event);
        return;
    }
    if (member == NULL)
        return;
    if (event->type == MEDIA_EVENT_SILENCE) {
        member->silent = event->silent;
        member->heard |= !event->silent;
    } else if (event->type == MEDIA_EVENT_SOURCE) {
        members_source_changed(member, event->index, event->active);
        if (event->active)
            connection_on_heard(member->owner);
        room_want_pass(room);
    } else {
        member->heard |= event->type == MEDIA_EVENT_ICE && strcmp(event->ice, "connected") == 0;
        connection_on_media(member->owner, event);
    }
}

// ------------------------------------------------------------------------------------------ time

static void drop_unlisted(Room *room, gint64 now_us)
{
    if (room->communication == NULL || !sync_observer_is_current(room->communication) ||
        !attendance_is_known(room->attendance) || !bus_is_connected(room->home.bus, NULL))
        return;
    g_autoptr(GPtrArray) gone = unlisted(room, now_us);
    for (guint i = 0; i < gone->len; i++)
        room_drop(room, g_ptr_array_index(gone, i), "never_listed");
}

static gboolean is_silent(const Member *member, gint64 now_us)
{
    return member->silent || (!member->heard && now_us - member->since_us > SILENT_US);
}

// Remembers when a client was last heard, and looks for clients' objects now and then.
static void look_around(Room *room, gint64 now_us)
{
    GHashTableIter iter;
    gpointer connection;
    g_hash_table_iter_init(&iter, room->connections);
    while (g_hash_table_iter_next(&iter, NULL, &connection)) {
        const Member *member = connection_member(connection);
        if (member->heard && !member->silent)
            room->heard_us = now_us;
        if (room->ticks % CONNECTION_TICKS == 0)
            connection_observe(connection);
    }
}

gboolean room_on_tick(gpointer user)
{
    Room *room = user;
    gint64 now_us = g_get_monotonic_time();
    room->ticks++;
    look_around(room, now_us);
    drop_unlisted(room, now_us);
    if (g_hash_table_size(room->connections) > 0)
        room_observe(room);
    if (members_heard(room->home.members, room->loudest, now_us))
        room_want_pass(room);
    if (now_us - room->heard_us > IDLE_US)
        room_end(room, "idle");
    else if (service_is_draining(room->service) && g_hash_table_size(room->connections) == 0)
        room_end(room, "drained");
    return G_SOURCE_CONTINUE;
}

char **room_silent(const Room *room, gsize *ret_count)
{
    gint64 now_us = g_get_monotonic_time();
    GPtrArray *silent = g_ptr_array_new();
    GHashTableIter iter;
    gpointer id, value;
    g_hash_table_iter_init(&iter, room->connections);
    while (g_hash_table_iter_next(&iter, &id, &value))
        if (is_silent(connection_member(value), now_us))
            g_ptr_array_add(silent, g_strdup(id));
    g_hash_table_iter_init(&iter, room->absent);
    while (g_hash_table_iter_next(&iter, &id, &value))
        if (now_us - *(const gint64 *)value > SILENT_US)
            g_ptr_array_add(silent, g_strdup(id));
    *ret_count = silent->len;
    return (char **)g_ptr_array_free(silent, silent->len == 0);
}
