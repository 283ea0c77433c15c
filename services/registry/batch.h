// SPDX-License-Identifier: MIT
// Changes of rooms, made durable together: what one turn of the loop has brought, at most 64 steps,
// is applied to drafts, committed once, swapped in and published, and only then answered. If the
// commit fails nothing of it has happened, except steps that must happen anyway (leaves): those are
// applied alone, and written with the next commit that succeeds.
#pragma once
#include "registry/directory.h"
#include "registry/rooms.h"
#include "registry/store.h"

typedef struct Batch Batch;

typedef struct {
    // Changes drafts (batch_draft), or refuses and changes nothing. May be called twice.
    Refusal (*apply)(Batch *batch, gpointer user);
    // Once, after the commit: what apply said, or not_stored.
    void (*done)(Refusal result, gpointer user);
    gpointer user;
    gboolean even_unstored;
} BatchStep;

// on_broken: the store cannot go on (once; the steps of that batch have been answered).
Batch *batch_new(Rooms *rooms, Store *store, GSourceOnceFunc on_broken, gpointer user);
void batch_free(Batch *batch); // NULL is fine; steps that wait are dropped unanswered
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Batch, batch_free)

// Leases are written with whatever is committed next. Borrowed; NULL: none.
void batch_set_directory(Batch *batch, Directory *directory);

// Steps are applied in the order in which they were added.
void batch_add(Batch *batch, const BatchStep *step);
// Runs what waits now instead of in the loop's next turn.
void batch_flush(Batch *batch);
// Writes what an earlier commit could not (nothing, usually).
void batch_catch_up(Batch *batch);
gboolean batch_is_idle(const Batch *batch);

// For apply: the room to change, NULL if there is none.
Room *batch_draft(Batch *batch, const char *room_id);
// For apply: a room that is new (taken).
void batch_add_draft(Batch *batch, Room *draft);
// For apply: keeps the answer of a request in the same commit.
void batch_remember(Batch *batch, const BusRequest *request, Json *answer);
// How many rooms there are, counting those of this batch.
guint batch_room_count(const Batch *batch);
