// SPDX-License-Identifier: MIT
// See failover.h. Nothing here waits for a certain event: a look over all rooms finds who has no
// process and does what is due, so that a restart of the registry, an end of a quarantine or of a
// hold, or a worker that was missing need no path of their own. Events only make the look come
// sooner. How many rooms are placed at once is placement.c's.
#include "registry/failover.h"
#include <string.h>
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "registry/admission.h"
#include "registry/judge.h"
#include "registry/media.h"
#include "registry/placement.h"
#include "registry/quarantine.h"
#include "registry/reply.h"

#define FIRST_PAUSE_US G_USEC_PER_SEC // after a placement that failed; doubles

// A room with people in it and without a process.
typedef struct {
    gint64 since_us, due_us;
    guint failures;
    gboolean placing;
    gboolean rests; // nobody sends: a process is of no use before the next join
} Case;

struct Failover {
    Registry *registry;
    Quarantine *quarantine;
    GHashTable *cases; // room id -> Case
    guint source;
};

Failover *failover_new(Registry *registry, guint quarantine_s)
{
    Failover *failover = g_new0(Failover, 1);
    failover->registry = registry;
    failover->quarantine = quarantine_new(quarantine_s * G_TIME_SPAN_SECOND);
    failover->cases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return failover;
}

void failover_free(Failover *failover)
{
    if (failover == NULL)
        return;
    if (failover->source != 0)
        g_source_remove(failover->source);
    quarantine_free(failover->quarantine);
    g_hash_table_unref(failover->cases);
    g_free(failover);
}

Refusal failover_refusal(const Failover *failover, const char *room, gint64 now_us,
                         guint *ret_retry_after_s)
{
    const Room *known = rooms_find(failover->registry->rooms, room);
    gint64 rest_us = quarantine_left_us(failover->quarantine, room, now_us);
    gint64 hold_us = judge_hold_left_us(failover->registry->judge, now_us);
    gboolean again = known != NULL && room_placement(known).epoch > 0;
    if (rest_us == 0 && (hold_us == 0 || !again))
        return MSG__REFUSAL__REASON__none;
    *ret_retry_after_s = (guint)(MAX(rest_us, hold_us) / G_TIME_SPAN_SECOND + 1);
    return rest_us > 0 ? MSG__REFUSAL__REASON__quarantined : MSG__REFUSAL__REASON__no_capacity;
}

// --- a process is dead

static Case *case_of(Failover *failover, const char *room, gint64 now_us)
{
    Case *found = g_hash_table_lookup(failover->cases, room);
    if (found == NULL) {
        found = g_new0(Case, 1);
        found->since_us = found->due_us = now_us;
        g_hash_table_insert(failover->cases, g_strdup(room), found);
    }
    return found;
}

static void note_kill(Failover *failover, const char *room, gint64 now_us)
{
    guint rest_s = 0;
    if (!quarantine_note(failover->quarantine, room, now_us))
        return;
    failover_refusal(failover, room, now_us, &rest_s);
    metrics_add(METRIC_QUARANTINES, 1);
    log_event(LOG_ERROR, "room.quarantined", "room=%s for_s=%u killed=%d within_s=%d", room, rest_s,
              LIMIT_KILLS, LIMIT_KILLS_WITHIN_MS / 1000);
}

// is_kill: by what the room itself did.
static void unhouse(Failover *failover, Room *room, gboolean is_kill)
{
    RoomPlacement placement = room_placement(room);
    room_unhouse(room, placement.media, placement.epoch);
    if (is_kill)
        note_kill(failover, room_id(room), g_get_monotonic_time());
    admissions_turn_away(failover->registry->admissions, room_id(room));
    failover_wake(failover);
}

void failover_ended(Failover *failover, Room *room, const char *media, guint64 epoch,
                    const char *reason)
{
    RoomPlacement placement = room_placement(room);
    gint64 now_us = g_get_monotonic_time();
    Presence *presence = presences_expect(failover->registry->presences, media, now_us);
    if (presence != NULL && presence_learn(presence, PRESENCE_END, now_us))
        judge_forget(failover->registry->judge, presence->process);
    if (placement.epoch != epoch || g_strcmp0(placement.media, media) != 0 || !room_is_housed(room))
        return;
    case_of(failover, room_id(room), now_us)->rests = g_strcmp0(reason, "idle") == 0;
    unhouse(failover, room, g_strcmp0(reason, "crashed") == 0);
}

// A machine that dies takes its rooms with it: none of them has killed anything. A process that
// falls dead while its host lives did that by itself (it hangs, or its host would have told).
static gboolean is_own_doing(const Failover *failover, const RoomPlacement *placement,
                             gint64 now_us)
{
    const Presences *presences = failover->registry->presences;
    return placement->worker != NULL &&
           presence_is_live(presences_at(presences, placement->worker), now_us);
}

static void look_after_process(Failover *failover, Room *room, gint64 now_us)
{
    RoomPlacement placement = room_placement(room);
    const Presence *media =
        presences_expect(failover->registry->presences, placement.media, now_us);
    if (media == NULL || !presence_is_dead(media) ||
        judge_hold_left_us(failover->registry->judge, now_us) > 0)
        return;
    log_event(LOG_WARNING, "placement.ended",
              "url=%s media=%s epoch=%" G_GUINT64_FORMAT " reason=%s", room_url(room),
              placement.media, placement.epoch, media->state == PRESENCE_ENDED ? "ended" : "lost");
    unhouse(failover, room, is_own_doing(failover, &placement, now_us));
}

void failover_heard(Failover *failover, const Presence *media)
{
    const Msg__RoomHealth *health = media->room;
    if (health == NULL || health->url == NULL)
        return;
    Room *room = rooms_find_url(failover->registry->rooms, health->url);
    if (room == NULL || room_is_housed(room) || !room_rehouse(room, media->address, health->epoch))
        return;
    log_event(LOG_INFO, "placement.back", "room=%s media=%s epoch=%" G_GUINT64_FORMAT,
              room_id(room), media->address, health->epoch);
    failover_wake(failover);
}

// --- its host is about to end

static void on_moved(const char *room, Refusal reason, gpointer user)
{
    g_autoptr(BusRequest) request = user;
    log_event(LOG_INFO, "room.moved", "room=%s reason=%s", room, refusal_name(reason));
    if (reason == MSG__REFUSAL__REASON__none)
        reply_done(request);
    else
        bus_refuse(request, reason, NULL);
}

void failover_move(Failover *failover, Room *room, BusRequest *request)
{
    Registry *registry = failover->registry;
    RoomPlacement placement = room_placement(room);
    guint retry_after_s = 0;
    Refusal refusal =
        failover_refusal(failover, room_id(room), g_get_monotonic_time(), &retry_after_s);
    if (room_size(room) == 0 && !admissions_are_under_way(registry->admissions, room_id(room))) {
        room_unhouse(room, placement.media, placement.epoch); // the next join makes another one
        media_close(registry->bus, &placement);
        reply_done(request);
    } else if (refusal != MSG__REFUSAL__REASON__none) {
        bus_refuse_for(request, refusal, NULL, retry_after_s);
    } else {
        placements_place(registry->placements, room_id(room), on_moved, bus_request_ref(request));
    }
}

// --- another one

static gint64 pause_us(guint failures)
{
    return MIN(FIRST_PAUSE_US << MIN(failures, 10),
               LIMIT_REPLACEMENT_PAUSE_MS * G_TIME_SPAN_MILLISECOND);
}

static void on_placed(const char *room, Refusal reason, gpointer user)
{
    Failover *failover = user;
    Case *mine = g_hash_table_lookup(failover->cases, room);
    gint64 now_us = g_get_monotonic_time();
    mine->placing = FALSE;
    if (reason == MSG__REFUSAL__REASON__none) {
        metrics_add(METRIC_ROOMS_REPLACED, 1);
        log_event(LOG_INFO, "room.replaced", "room=%s after_ms=%d", room,
                  (int)((now_us - mine->since_us) / G_TIME_SPAN_MILLISECOND));
    }
    mine->due_us = now_us + pause_us(mine->failures++);
    failover_wake(failover);
}

static void look_after_homeless(Failover *failover, const Room *room, gint64 now_us)
{
    guint retry_after_s = 0;
    Case *mine = case_of(failover, room_id(room), now_us);
    if (mine->placing || mine->rests || now_us < mine->due_us ||
        failover_refusal(failover, room_id(room), now_us, &retry_after_s) !=
            MSG__REFUSAL__REASON__none)
        return;
    mine->placing = TRUE;
    placements_place(failover->registry->placements, room_id(room), on_placed, failover);
}

static gboolean needs_a_process(const Room *room)
{
    return room != NULL && !room_is_housed(room) && room_size(room) > 0;
}

static gboolean is_settled(gpointer room, gpointer mine, gpointer user)
{
    const Failover *failover = user;
    return !((const Case *)mine)->placing &&
           !needs_a_process(rooms_find(failover->registry->rooms, room));
}

static void look_after(Failover *failover, Room *room, gint64 now_us)
{
    if (room_is_housed(room))
        look_after_process(failover, room, now_us);
    if (needs_a_process(room))
        look_after_homeless(failover, room, now_us);
}

void failover_look(Failover *failover, gint64 now_us)
{
    g_autoptr(GList) rooms = rooms_all(failover->registry->rooms);
    for (const GList *link = rooms; link != NULL; link = link->next)
        look_after(failover, link->data, now_us);
    g_hash_table_foreach_remove(failover->cases, is_settled, failover);
    quarantine_prune(failover->quarantine, now_us);
    metrics_set(METRIC_ROOMS_HOMELESS, g_hash_table_size(failover->cases));
}

static gboolean on_woken(gpointer user)
{
    Failover *failover = user;
    failover->source = 0;
    failover_look(failover, g_get_monotonic_time());
    return G_SOURCE_REMOVE;
}

void failover_wake(Failover *failover)
{
    if (failover->source == 0)
        failover->source = g_idle_add_full(G_PRIORITY_DEFAULT, on_woken, failover, NULL);
}

void failover_hurry(Failover *failover)
{
    GHashTableIter iter;
    gpointer mine;
    g_hash_table_iter_init(&iter, failover->cases);
    while (g_hash_table_iter_next(&iter, NULL, &mine))
        ((Case *)mine)->due_us = 0;
    failover_wake(failover);
}
