// SPDX-License-Identifier: MIT
// See rooms.h. Beside the rooms by id it keeps each participant's seat: the room of a Connection.
#include "registry/rooms.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sync_reporter.h"
#include "registry/media.h"

typedef struct {
    Room *room; // its object belongs to the reporter
    SyncReporter *reporter;
} Entry;

struct Rooms {
    Bus *bus;
    GHashTable *entries; // id -> Entry
    GHashTable *urls;    // url -> Entry, borrowed
    GHashTable *seats;   // Connection URL -> room id
};

static void entry_free(gpointer data)
{
    Entry *entry = data;
    room_free(entry->room);
    sync_reporter_free(entry->reporter);
    g_free(entry);
}

Rooms *rooms_new(Bus *bus)
{
    Rooms *rooms = g_new0(Rooms, 1);
    rooms->bus = bus;
    rooms->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
    rooms->urls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    rooms->seats = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return rooms;
}

void rooms_free(Rooms *rooms)
{
    if (rooms == NULL)
        return;
    g_hash_table_unref(rooms->seats);
    g_hash_table_unref(rooms->urls);
    g_hash_table_unref(rooms->entries);
    g_free(rooms);
}

static Room *room_of(const Entry *entry)
{
    return entry != NULL ? entry->room : NULL;
}

Room *rooms_find(const Rooms *rooms, const char *id)
{
    return room_of(g_hash_table_lookup(rooms->entries, id));
}

Room *rooms_find_url(const Rooms *rooms, const char *url)
{
    return room_of(g_hash_table_lookup(rooms->urls, url));
}

Room *rooms_seated(const Rooms *rooms, const char *connection)
{
    const char *id = g_hash_table_lookup(rooms->seats, connection);
    return id != NULL ? rooms_find(rooms, id) : NULL;
}

GList *rooms_all(const Rooms *rooms)
{
    GList *all = g_hash_table_get_values(rooms->entries);
    for (GList *link = all; link != NULL; link = link->next)
        link->data = room_of(link->data);
    return all;
}

guint rooms_count(const Rooms *rooms)
{
    return g_hash_table_size(rooms->entries);
}

static void count(const Rooms *rooms)
{
    metrics_set(METRIC_ROOMS, g_hash_table_size(rooms->entries));
    metrics_set(METRIC_PARTICIPANTS, g_hash_table_size(rooms->seats));
}

// Our own services may see every room; a client only those in which it is.
static Refusal may_observe(const SyncReporter *reporter, const Envelope *message, gpointer user)
{
    const Room *room = rooms_find_url(user, sync_object_url(sync_reporter_object(reporter)));
    if (message->session == NULL || (room != NULL && room_has_session(room, message->session)))
        return MSG__REFUSAL__REASON__none;
    return MSG__REFUSAL__REASON__not_participating;
}

static Entry *add(Rooms *rooms, Room *room)
{
    Entry *entry = g_new0(Entry, 1);
    entry->room = room;
    entry->reporter = sync_reporter_new(rooms->bus, room_lend_object(room), may_observe, rooms);
    g_hash_table_insert(rooms->entries, g_strdup(room_id(room)), entry);
    g_hash_table_insert(rooms->urls, g_strdup(room_url(room)), entry);
    return entry;
}

static void take_seat(Rooms *rooms, const Room *room, const Member *member)
{
    g_hash_table_replace(rooms->seats, g_strdup(member->connection), g_strdup(room_id(room)));
}

void rooms_restore(Rooms *rooms, Room *room)
{
    const Entry *entry = add(rooms, room);
    g_autoptr(GList) members = room_members(room);
    for (const GList *link = members; link != NULL; link = link->next)
        take_seat(rooms, room, link->data);
    sync_reporter_digest(entry->reporter);
    count(rooms);
}

// Seats follow what changed between the room before (NULL: there was none) and the draft.
static void change_seats(Rooms *rooms, const Room *before, const Room *draft)
{
    g_autoptr(GList) changed = room_unstored_participants(draft);
    for (const GList *id = changed; id != NULL; id = id->next) {
        const Member *was = before != NULL ? room_member(before, id->data) : NULL;
        const Member *is = room_member(draft, id->data);
        if (was != NULL)
            g_hash_table_remove(rooms->seats, was->connection);
        if (is != NULL)
            take_seat(rooms, draft, is);
    }
}

static void end(Rooms *rooms, const Entry *entry)
{
    g_autofree char *id = g_strdup(room_id(entry->room));
    RoomPlacement placement = room_placement(entry->room);
    sync_reporter_delete(entry->reporter);
    if (placement.epoch > 0)
        media_close(rooms->bus, &placement);
    log_event(LOG_INFO, "room.destroyed", "room=%s url=%s", id, room_url(entry->room));
    g_hash_table_remove(rooms->urls, room_url(entry->room));
    g_hash_table_remove(rooms->entries, id);
}

void rooms_swap(Rooms *rooms, Room *draft)
{
    Entry *entry = g_hash_table_lookup(rooms->entries, room_id(draft));
    change_seats(rooms, room_of(entry), draft);
    if (entry == NULL) {
        log_event(LOG_INFO, "room.created", "room=%s url=%s", room_id(draft), room_url(draft));
        entry = add(rooms, draft);
    } else {
        sync_reporter_commit(entry->reporter, room_lend_object(draft));
        room_free(entry->room);
        entry->room = draft;
    }
    if (room_is_closed(draft))
        end(rooms, entry);
    count(rooms);
}
