// SPDX-License-Identifier: MIT
// See loss.h. Since when something is absent (a session from its participant, people from a room)
// is kept in a table of this moment's absences only: each tick fills a new one, and takes the start
// of an absence over from the one before.
#include "registry/loss.h"
#include "common/limits.h"
#include "registry/admission.h"
#include "registry/leave.h"

struct Loss {
    Registry *registry;
    gint64 grace_us;
    // "<room url>" or "<room url> <participant>" -> gint64: since when. As of the last tick, and as
    // this one finds it.
    GHashTable *before, *absent;
    gint64 now_us; // of this tick
};

static GHashTable *new_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

Loss *loss_new(Registry *registry, guint grace_s)
{
    Loss *loss = g_new0(Loss, 1);
    loss->registry = registry;
    loss->grace_us = grace_s * G_TIME_SPAN_SECOND;
    loss->before = new_table();
    loss->absent = new_table();
    return loss;
}

void loss_free(Loss *loss)
{
    if (loss == NULL)
        return;
    g_hash_table_unref(loss->before);
    g_hash_table_unref(loss->absent);
    g_free(loss);
}

void loss_restart(Loss *loss)
{
    g_hash_table_remove_all(loss->absent);
}

gboolean loss_session_is_present(const Sessions *sessions, const Presences *presences,
                                 const char *session, gint64 now_us)
{
    const Msg__Session *known = session != NULL ? sessions_find(sessions, session) : NULL;
    return known != NULL && g_strcmp0(known->status, "live") == 0 &&
           presence_is_live(presences_find(presences, known->gateway), now_us);
}

static gboolean lists_as_silent(const Msg__RoomHealth *health, const char *participant)
{
    for (gsize i = 0; i < health->n_silent; i++)
        if (g_strcmp0(health->silent[i], participant) == 0)
            return TRUE;
    return FALSE;
}

gboolean loss_is_silent(const Room *room, const Presences *presences, const char *participant,
                        gint64 now_us)
{
    RoomPlacement placement = room_placement(room);
    if (!room_is_housed(room))
        return TRUE; // it has no process that could have media
    const Presence *media = presences_at(presences, placement.media);
    return media != NULL && media->room != NULL && media->room->epoch == placement.epoch &&
           g_strcmp0(media->room->url, room_url(room)) == 0 &&
           now_us - media->heard_us <= LIMIT_PRESENCE_FRESH_MS * G_TIME_SPAN_MILLISECOND &&
           lists_as_silent(media->room, participant);
}

// Notes that `key` is absent (taken); returns for how long.
static gint64 note(Loss *loss, char *key)
{
    const gint64 *before = g_hash_table_lookup(loss->before, key);
    gint64 since_us = before != NULL ? *before : loss->now_us;
    g_hash_table_insert(loss->absent, key, g_memdup2(&since_us, sizeof since_us));
    return loss->now_us - since_us;
}

static void look_after_member(Loss *loss, const Room *room, const Member *member)
{
    Registry *registry = loss->registry;
    if (loss_session_is_present(registry->sessions, registry->presences, member->session,
                                loss->now_us))
        return;
    gint64 away_us = note(loss, g_strdup_printf("%s %s", room_url(room), member->id));
    if (away_us >= loss->grace_us &&
        loss_is_silent(room, registry->presences, member->id, loss->now_us))
        leave_start(registry, room, member, "lost", NULL);
}

static void look_after_room(Loss *loss, const Room *room)
{
    g_autoptr(GList) members = room_members(room);
    for (const GList *link = members; link != NULL; link = link->next)
        look_after_member(loss, room, link->data);
    if (members != NULL || admissions_are_under_way(loss->registry->admissions, room_id(room)))
        return;
    gint64 empty_us = note(loss, g_strdup(room_url(room)));
    if (empty_us >= LIMIT_ROOM_EMPTY_MS * G_TIME_SPAN_MILLISECOND)
        leave_empty(loss->registry, room);
}

void loss_tick(Loss *loss, gint64 now_us)
{
    g_autoptr(GList) rooms = rooms_all(loss->registry->rooms);
    GHashTable *older = loss->before;
    g_hash_table_remove_all(older);
    loss->before = loss->absent;
    loss->absent = older;
    loss->now_us = now_us;
    if (bus_is_connected(loss->registry->bus, NULL))
        for (const GList *link = rooms; link != NULL; link = link->next)
            look_after_room(loss, link->data);
}
