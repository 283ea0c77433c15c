// SPDX-License-Identifier: MIT
// See batch.h. Runs as a source of default priority: the bus hands over at most 64 messages in one
// dispatch, so a batch is what one dispatch has brought, and a flood cannot starve it.
#include "registry/batch.h"
#include <string.h>
#include "common/limits.h"
#include "common/metrics.h"

typedef struct {
    const BusRequest *request; // its step holds a reference
    Json *answer;
} Remembered;

struct Batch {
    Rooms *rooms;
    Store *store;
    Directory *directory;
    GSourceOnceFunc on_broken;
    gpointer user;
    GQueue *waiting; // of BatchStep
    guint source;
    GPtrArray *drafts;  // of Room, while a batch runs
    GPtrArray *owed;    // of Room: closed, but not yet removed from the store
    gboolean is_behind; // the last commit failed: leaves may not be written yet
    GArray *remembered; // of Remembered, while a batch runs
};

static void free_draft(gpointer room)
{
    room_free(room);
}

static void clear_remembered(gpointer remembered)
{
    json_unref(((Remembered *)remembered)->answer);
}

Batch *batch_new(Rooms *rooms, Store *store, GSourceOnceFunc on_broken, gpointer user)
{
    Batch *batch = g_new0(Batch, 1);
    batch->rooms = rooms;
    batch->store = store;
    batch->on_broken = on_broken;
    batch->user = user;
    batch->waiting = g_queue_new();
    batch->drafts = g_ptr_array_new_with_free_func(free_draft);
    batch->owed = g_ptr_array_new_with_free_func(free_draft);
    batch->remembered = g_array_new(FALSE, FALSE, sizeof(Remembered));
    g_array_set_clear_func(batch->remembered, clear_remembered);
    return batch;
}

void batch_free(Batch *batch)
{
    if (batch == NULL)
        return;
    if (batch->source != 0)
        g_source_remove(batch->source);
    g_queue_free_full(batch->waiting, g_free);
    g_ptr_array_unref(batch->drafts);
    g_ptr_array_unref(batch->owed);
    g_array_unref(batch->remembered);
    g_free(batch);
}

void batch_set_directory(Batch *batch, Directory *directory)
{
    batch->directory = directory;
}

static Room *find_draft(const Batch *batch, const char *room_id_)
{
    for (guint i = 0; i < batch->drafts->len; i++)
        if (strcmp(room_id(batch->drafts->pdata[i]), room_id_) == 0)
            return batch->drafts->pdata[i];
    return NULL;
}

Room *batch_draft(Batch *batch, const char *id)
{
    Room *draft = find_draft(batch, id);
    const Room *live = draft == NULL ? rooms_find(batch->rooms, id) : NULL;
    if (live != NULL)
        batch_add_draft(batch, draft = room_copy(live));
    return draft;
}

void batch_add_draft(Batch *batch, Room *draft)
{
    g_ptr_array_add(batch->drafts, draft);
}

void batch_remember(Batch *batch, const BusRequest *request, Json *answer)
{
    Remembered remembered = {request, json_ref(answer)};
    g_array_append_val(batch->remembered, remembered);
}

guint batch_room_count(const Batch *batch)
{
    guint count = rooms_count(batch->rooms);
    for (guint i = 0; i < batch->drafts->len; i++)
        count += rooms_find(batch->rooms, room_id(batch->drafts->pdata[i])) == NULL;
    return count;
}

static void apply(Batch *batch, const GPtrArray *steps, gboolean all, Refusal *results)
{
    g_ptr_array_set_size(batch->drafts, 0);
    g_array_set_size(batch->remembered, 0);
    for (guint i = 0; i < steps->len; i++) {
        const BatchStep *step = steps->pdata[i];
        if (all || step->even_unstored)
            results[i] = step->apply(batch, step->user);
        else if (results[i] == MSG__REFUSAL__REASON__none)
            results[i] = MSG__REFUSAL__REASON__not_stored;
    }
}

static gboolean has_entries(const Batch *batch)
{
    return batch->directory != NULL && directory_is_unstored(batch->directory);
}

static gboolean has_work(const Batch *batch)
{
    if (batch->owed->len > 0 || has_entries(batch))
        return TRUE;
    for (guint i = 0; i < batch->drafts->len; i++)
        if (room_is_unstored(batch->drafts->pdata[i]))
            return TRUE;
    return batch->remembered->len > 0;
}

static void put_rooms(Batch *batch, const GPtrArray *rooms)
{
    for (guint i = 0; i < rooms->len; i++)
        if (room_is_unstored(rooms->pdata[i]))
            store_put_room(batch->store, rooms->pdata[i]);
}

static void put_entries(Batch *batch)
{
    g_autoptr(GList) urls = has_entries(batch) ? directory_unstored(batch->directory) : NULL;
    for (const GList *link = urls; link != NULL; link = link->next) {
        g_autoptr(Json) record = directory_record(batch->directory, link->data);
        store_put_entry(batch->store, link->data, record);
    }
}

static StoreResult commit(Batch *batch)
{
    if (!has_work(batch))
        return STORE_DONE;
    store_begin(batch->store);
    put_rooms(batch, batch->owed); // first: its id may be in use again
    put_rooms(batch, batch->drafts);
    put_entries(batch);
    for (guint i = 0; i < batch->remembered->len; i++) {
        const Remembered *remembered = &g_array_index(batch->remembered, Remembered, i);
        const Envelope *message = bus_request_message(remembered->request);
        store_put_answer(batch->store, message->source, message->request, remembered->answer);
    }
    return store_commit(batch->store);
}

// A closed room lives no longer than its swap.
static void swap(Batch *batch, gboolean stored)
{
    if (stored)
        g_ptr_array_set_size(batch->owed, 0);
    if (stored && batch->directory != NULL)
        directory_set_stored(batch->directory);
    for (guint i = 0; i < batch->drafts->len; i++) {
        Room *draft = g_steal_pointer(&batch->drafts->pdata[i]);
        gboolean closed = room_is_closed(draft);
        if (closed && !stored)
            g_ptr_array_add(batch->owed, room_copy(draft));
        rooms_swap(batch->rooms, draft);
        if (stored && !closed)
            room_set_stored(draft);
    }
    g_ptr_array_set_size(batch->drafts, 0);
    g_array_set_size(batch->remembered, 0);
}

static GPtrArray *take_steps(Batch *batch)
{
    GPtrArray *steps = g_ptr_array_new_with_free_func(g_free);
    while (steps->len < LIMIT_BATCH && !g_queue_is_empty(batch->waiting))
        g_ptr_array_add(steps, g_queue_pop_head(batch->waiting));
    return steps;
}

// What earlier commits could not write goes with the first that succeeds.
static void draft_unstored(Batch *batch)
{
    g_autoptr(GList) rooms = rooms_all(batch->rooms);
    for (const GList *link = rooms; link != NULL; link = link->next)
        if (room_is_unstored(link->data))
            batch_draft(batch, room_id(link->data));
}

static void run_once(Batch *batch)
{
    g_autoptr(GPtrArray) steps = take_steps(batch);
    Refusal results[LIMIT_BATCH];
    apply(batch, steps, TRUE, results);
    if (batch->is_behind)
        draft_unstored(batch);
    StoreResult stored = commit(batch);
    batch->is_behind = stored != STORE_DONE;
    if (batch->is_behind)
        apply(batch, steps, FALSE, results);
    swap(batch, stored == STORE_DONE);
    for (guint i = 0; i < steps->len; i++) {
        const BatchStep *step = steps->pdata[i];
        step->done(results[i], step->user);
    }
    if (stored == STORE_BROKEN)
        batch->on_broken(batch->user);
}

static gboolean on_turn(gpointer user)
{
    Batch *batch = user;
    run_once(batch);
    if (!g_queue_is_empty(batch->waiting))
        return G_SOURCE_CONTINUE;
    batch->source = 0;
    return G_SOURCE_REMOVE;
}

void batch_add(Batch *batch, const BatchStep *step)
{
    g_queue_push_tail(batch->waiting, g_memdup2(step, sizeof *step));
    if (batch->source == 0)
        batch->source = g_idle_add_full(G_PRIORITY_DEFAULT, on_turn, batch, NULL);
}

void batch_flush(Batch *batch)
{
    while (!g_queue_is_empty(batch->waiting))
        run_once(batch);
}

static Refusal apply_nothing(Batch *batch, gpointer user)
{
    (void)batch, (void)user;
    return MSG__REFUSAL__REASON__none;
}

static void on_nothing_done(Refusal result, gpointer user)
{
    (void)result, (void)user;
}

void batch_catch_up(Batch *batch)
{
    if (batch->is_behind || has_entries(batch))
        batch_add(batch, &(BatchStep){apply_nothing, on_nothing_done, NULL, FALSE});
}

gboolean batch_is_idle(const Batch *batch)
{
    return g_queue_is_empty(batch->waiting);
}
