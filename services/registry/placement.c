// SPDX-License-Identifier: MIT
// See placement.h. One placement is a chain of four links: choose a worker (or wait for one), spend
// an epoch (a commit, which also makes the room), ask the worker, settle (a commit). A worker that
// cannot leads back to the first link, at most three times. A turn is held from the choice of a
// worker to its answer's end, so that who waits for a worker keeps nobody else waiting.
#include "registry/placement.h"
#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/url.h"
#include "proto/communication.pb-c.h"
#include "registry/conference.h"
#include "registry/media.h"

#define WAIT_MS LIMIT_DEADLINE_SERVICE_MS // for a worker: they tell their presence each second

typedef struct {
    PlacementDone done;
    gpointer user;
} Waiter;

typedef struct {
    Registry *registry;
    char *room;
    char *trace;
    GArray *waiters;   // of Waiter
    GHashTable *tried; // processes
    char *worker;      // process that is being asked, NULL if none
    char *worker_url;
    guint64 epoch;
    guint64 asked;      // number of the request, 0 if none
    guint wait;         // timer while it waits for a worker
    gboolean is_queued; // waits for its turn
    gboolean has_turn;  // counts as under way
    Msg__Placement *granted;
    Refusal failure; // what to say if no worker is left to ask
} Placement;

struct Placements {
    Registry *registry;
    GHashTable *by_room; // room id -> Placement
    GQueue queue;        // of Placement that wait for their turn, borrowed
    guint under_way;
};

static void placement_free(gpointer data)
{
    Placement *placement = data;
    if (placement->asked != 0)
        bus_cancel(placement->registry->bus, placement->asked);
    if (placement->wait != 0)
        g_source_remove(placement->wait);
    if (placement->granted != NULL)
        codec_free(placement->granted);
    g_array_unref(placement->waiters);
    g_hash_table_unref(placement->tried);
    g_free(placement->worker);
    g_free(placement->worker_url);
    g_free(placement->trace);
    g_free(placement->room);
    g_free(placement);
}

Placements *placements_new(Registry *registry)
{
    Placements *placements = g_new0(Placements, 1);
    placements->registry = registry;
    placements->by_room = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, placement_free);
    g_queue_init(&placements->queue);
    return placements;
}

void placements_free(Placements *placements)
{
    if (placements == NULL)
        return;
    g_queue_clear(&placements->queue);
    g_hash_table_unref(placements->by_room);
    g_free(placements);
}

// --- turns

static void try_next(Placement *placement);

static void tell_waiting(const Placements *placements)
{
    metrics_set(METRIC_PLACEMENTS_WAITING, g_queue_get_length((GQueue *)&placements->queue));
}

static void queue_up(Placement *placement)
{
    Placements *placements = placement->registry->placements;
    placement->is_queued = TRUE;
    g_queue_push_tail(&placements->queue, placement);
    tell_waiting(placements);
}

static gboolean is_turn_free(const Placements *placements)
{
    return placements->under_way < LIMIT_PLACEMENTS_UNDER_WAY;
}

static void take_turn(Placement *placement)
{
    placement->registry->placements->under_way++;
    placement->has_turn = TRUE;
}

static void leave_turn(Placement *placement)
{
    placement->registry->placements->under_way -= placement->has_turn;
    placement->has_turn = FALSE;
}

// Who has no worker to ask gives its turn to the next one.
static void let_next(Placements *placements)
{
    while (is_turn_free(placements) && !g_queue_is_empty(&placements->queue)) {
        Placement *next = g_queue_pop_head(&placements->queue);
        next->is_queued = FALSE;
        try_next(next);
    }
    tell_waiting(placements);
}

gboolean placements_are_crowded(const Placements *placements)
{
    return g_queue_get_length((GQueue *)&placements->queue) >= LIMIT_PLACEMENTS_WAITING;
}

static void finish(Placement *placement, Refusal reason)
{
    Placements *placements = placement->registry->placements;
    if (reason != MSG__REFUSAL__REASON__none)
        log_event(LOG_WARNING, "placement.failed", "room=%s reason=%s", placement->room,
                  refusal_name(reason));
    g_hash_table_steal(placements->by_room, placement->room);
    leave_turn(placement);
    for (guint i = 0; i < placement->waiters->len; i++) {
        const Waiter *waiter = &g_array_index(placement->waiters, Waiter, i);
        waiter->done(placement->room, reason, waiter->user);
    }
    placement_free(placement);
    let_next(placements);
}

// --- fourth link: what the worker granted, into the Communication

static Refusal apply_settle(Batch *batch, gpointer user)
{
    const Placement *placement = user;
    Room *room = batch_draft(batch, placement->room);
    if (room == NULL)
        return MSG__REFUSAL__REASON__no_such_room;
    return room_place(room, &(RoomPlacement){
                                .epoch = placement->epoch,
                                .media = placement->granted->media,
                                .worker = placement->worker_url,
                            });
}

static void on_settled(Refusal result, gpointer user)
{
    Placement *placement = user;
    RoomPlacement granted = {placement->epoch, placement->granted->media, placement->worker_url};
    if (result == MSG__REFUSAL__REASON__none) {
        presences_expect(placement->registry->presences, granted.media, g_get_monotonic_time());
        log_event(LOG_INFO, "placement.settled", "room=%s epoch=%" G_GUINT64_FORMAT " media=%s",
                  placement->room, placement->epoch, granted.media);
    } else {
        media_close(placement->registry->bus, &granted);
    }
    finish(placement, result);
}

// --- third link: the worker

static Presence *worker_of(const Placement *placement)
{
    return presences_find(placement->registry->presences, placement->worker);
}

static gboolean is_usable(const Placement *placement, const Msg__Placement *granted)
{
    return granted != NULL && granted->media != NULL && url_is_valid(granted->media) &&
           (!granted->has_epoch || granted->epoch == placement->epoch);
}

static Msg__Placement *read_grant(const Placement *placement, const Envelope *answer)
{
    if (envelope_code(answer) != 200 || !answer->body->has_value)
        return NULL;
    Msg__Placement *granted =
        CODEC_FROM_BYTES(Msg__Placement, msg__placement__descriptor, &answer->body->value, NULL);
    if (is_usable(placement, granted))
        return granted;
    codec_free(granted);
    return NULL;
}

static void on_answered(const Envelope *answer, gpointer user)
{
    Placement *placement = user;
    if (envelope_code(answer) < 200)
        return;
    Presence *worker = worker_of(placement);
    placement->asked = 0;
    placement->granted = read_grant(placement, answer);
    log_set_trace(placement->trace);
    if (worker != NULL) {
        worker->asked--;
        worker->granted += placement->granted != NULL;
    }
    if (placement->granted != NULL) {
        batch_add(placement->registry->batch,
                  &(BatchStep){apply_settle, on_settled, placement, FALSE});
    } else {
        if (envelope_code(answer) == 504)
            placement->failure = MSG__REFUSAL__REASON__timeout;
        log_event(LOG_WARNING, "placement.refused", "room=%s worker=%s code=%d", placement->room,
                  placement->worker, envelope_code(answer));
        leave_turn(placement);
        try_next(placement);
        let_next(placement->registry->placements);
    }
    log_set_trace(NULL);
}

// --- second link: room and epoch, durable before anybody is asked

static Refusal apply_spend(Batch *batch, gpointer user)
{
    Placement *placement = user;
    Room *room = NULL;
    Refusal refusal =
        conference_create_room(batch, placement->room, bus_domain(placement->registry->bus), &room);
    if (refusal == MSG__REFUSAL__REASON__none)
        placement->epoch = room_spend_epoch(room);
    return refusal;
}

static void on_spent(Refusal result, gpointer user)
{
    Placement *placement = user;
    Registry *registry = placement->registry;
    const Room *room = rooms_find(registry->rooms, placement->room);
    if (result != MSG__REFUSAL__REASON__none || room == NULL) {
        worker_of(placement)->asked--;
        finish(placement, result);
        return;
    }
    log_set_trace(placement->trace);
    log_event(LOG_INFO, "placement.asked", "room=%s epoch=%" G_GUINT64_FORMAT " worker=%s",
              placement->room, placement->epoch, placement->worker);
    placement->asked =
        media_start_room(registry->bus, placement->worker_url, room, on_answered, placement);
    log_set_trace(NULL);
}

// --- first link: a worker

static gboolean on_waited(gpointer user)
{
    Placement *placement = user;
    placement->wait = 0;
    finish(placement, placement->failure);
    return G_SOURCE_REMOVE;
}

static void stop_waiting(Placement *placement)
{
    if (placement->wait != 0)
        g_source_remove(placement->wait);
    placement->wait = 0;
}

static void take_worker(Placement *placement, Presence *worker)
{
    take_turn(placement);
    g_free(placement->worker);
    g_free(placement->worker_url);
    placement->worker = g_strdup(worker->process);
    placement->worker_url = g_strdup(worker->address);
    worker->asked++;
    g_hash_table_add(placement->tried, g_strdup(worker->process));
    batch_add(placement->registry->batch, &(BatchStep){apply_spend, on_spent, placement, FALSE});
}

// Where workers live and none can take the room, waiting is of no use to who wants to come in.
static void wait_or_fail(Placement *placement, gint64 now_us)
{
    gboolean asked = g_hash_table_size(placement->tried) > 0;
    if (placement->wait != 0)
        return;
    if (asked || presences_have_worker(placement->registry->presences, now_us))
        placement->wait = g_idle_add_full(G_PRIORITY_DEFAULT, on_waited, placement, NULL);
    else
        placement->wait = g_timeout_add(WAIT_MS, on_waited, placement);
}

// Never finishes from within: a failure comes in a later turn.
static void try_next(Placement *placement)
{
    gint64 now_us = g_get_monotonic_time();
    Presence *worker = NULL;
    if (g_hash_table_size(placement->tried) < LIMIT_PLACEMENT_TRIES)
        worker = presences_choose_worker(placement->registry->presences, placement->tried, now_us);
    if (worker == NULL) {
        wait_or_fail(placement, now_us);
        return;
    }
    stop_waiting(placement);
    if (is_turn_free(placement->registry->placements))
        take_worker(placement, worker);
    else
        queue_up(placement);
}

static Placement *placement_new(Registry *registry, const char *room)
{
    Placement *placement = g_new0(Placement, 1);
    placement->registry = registry;
    placement->room = g_strdup(room);
    placement->trace = g_strdup(log_trace());
    placement->failure = MSG__REFUSAL__REASON__no_capacity;
    placement->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
    placement->tried = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return placement;
}

void placements_place(Placements *placements, const char *room, PlacementDone done, gpointer user)
{
    Waiter waiter = {done, user};
    Placement *placement = g_hash_table_lookup(placements->by_room, room);
    gboolean is_new = placement == NULL;
    if (is_new) {
        placement = placement_new(placements->registry, room);
        g_hash_table_insert(placements->by_room, placement->room, placement);
    }
    g_array_append_val(placement->waiters, waiter);
    if (is_new && g_queue_is_empty(&placements->queue))
        try_next(placement);
    else if (is_new)
        queue_up(placement);
}

static gboolean is_asking(const Placement *placement, const char *worker)
{
    return placement->asked != 0 && strcmp(placement->worker, worker) == 0;
}

void placements_forsake(Placements *placements, const char *worker)
{
    g_autoptr(GList) all = g_hash_table_get_values(placements->by_room);
    for (const GList *link = all; link != NULL; link = link->next) {
        Placement *placement = link->data;
        if (!is_asking(placement, worker))
            continue;
        bus_cancel(placements->registry->bus, placement->asked);
        placement->asked = 0;
        worker_of(placement)->asked--;
        leave_turn(placement);
        try_next(placement);
    }
    let_next(placements);
}

void placements_retry(Placements *placements)
{
    g_autoptr(GList) all = g_hash_table_get_values(placements->by_room);
    for (const GList *link = all; link != NULL; link = link->next) {
        Placement *placement = link->data;
        if (placement->wait != 0 && g_hash_table_size(placement->tried) == 0)
            try_next(placement);
    }
}
