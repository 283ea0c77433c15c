// SPDX-License-Identifier: MIT
// What outlives the registry: rooms, their participants, what
// is registered, and the answers to changes that were made.
//
// Writing happens in one transaction at a time: begin, put, commit. An error within it is kept and
// told by the commit, so that whoever writes does not ask after each line; then nothing of it
// stands. A commit returns when the disk has it (156 us on a usual one): this is the one blocking
// call that the registry's loop makes.
#pragma once
#include "registry/room.h"

typedef struct Store Store;

typedef enum {
    STORE_DONE,
    STORE_FULL,  // no space: what is there can still be read, later commits may succeed
    STORE_BROKEN // the disk or the file fails: start anew
} StoreResult;

// Opens or makes the file (and its folder), for this process alone. An error says which file and
// why: another registry has it, it cannot be written, it was made by a newer Parley.
Store *store_open(const char *path, GError **error);
void store_close(Store *store); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)
// Refuses to grow beyond so many pages of 4096 bytes (STORE_FULL).
void store_set_most_pages(Store *store, guint pages);

// Every room, as it was committed last; takes ownership of each.
typedef void (*StoreEach)(Room *room, gpointer user);
gboolean store_load(Store *store, StoreEach each, gpointer user, GError **error);

// What the domain registry has of each entry (directory_record).
typedef void (*StoreEachEntry)(const Json *record, gpointer user);
gboolean store_load_entries(Store *store, StoreEachEntry each, gpointer user, GError **error);

void store_begin(Store *store);
// What is unstored of it; a closed room goes with everything that belongs to it.
void store_put_room(Store *store, Room *room);
// record: NULL drops the entry.
void store_put_entry(Store *store, const char *url, const Json *record);
// The answer that a request (source, number) got, for when it comes again.
void store_put_answer(Store *store, const char *source, guint64 request, const Json *answer);
StoreResult store_commit(Store *store);

// NULL: none is kept (answers are kept for ten minutes).
Json *store_answer(Store *store, const char *source, guint64 request);

// For idle moments: forgets answers that are older than ten minutes at now_s (seconds since 1970),
// moves committed pages from the log into the file. May take some ms.
void store_tidy(Store *store, gint64 now_s);
