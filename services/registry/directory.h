// SPDX-License-Identifier: MIT
// What runtimes have registered in this domain: hyperties and data objects, each under its URL, as
// long as its lease (`expires`) is renewed. Plain data: no bus, no store, no clock.
//
// Two hard things. Whose an entry is outlives sessions: it is its owner's, told by runtime URL or
// identity. And a status is told by several: by the owner in words, by its session when that is
// lost or returns; a session that ends in order says nothing.
#pragma once
#include "common/json.h"
#include "common/refusal.h"

typedef struct Directory Directory;

typedef struct {
    const char *runtime; // of the session, as its gateway asserts it
    const char *user;    // the identity's userURL; NULL: none
} DirectoryOwner;

typedef struct DirectoryEntry DirectoryEntry;

// What is told to who has subscribed <url>/registration.
typedef void (*DirectoryTold)(const char *url, const char *status, gpointer user);

Directory *directory_new(DirectoryTold on_status, gpointer user);
void directory_free(Directory *directory); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Directory, directory_free)
guint directory_count(const Directory *directory);

// As it is shown: what was registered, with its status; borrowed. NULL: no such entry.
const Json *directory_value(const Directory *directory, const char *url);
// Appends the values of all that match to `found`, at most LIMIT_ENTRIES_FOUND in all. resource: a
// URL, a name, a user's URL, /hyperty/user/<user>, or "." for everything; criteria may be NULL.
void directory_search(const Directory *directory, const char *resource, const Json *criteria,
                      Json *found);
// Whether a value meets criteria: each names a member, and one or several texts that are in it.
gboolean directory_matches(const Json *value, const Json *criteria);

// Registers value (its `url` says what), or registers it anew; the lease begins.
Refusal directory_put(Directory *directory, const Json *value, const DirectoryOwner *owner,
                      gint64 now_us);
// Renews the lease; members of `value` (an object; may be NULL) replace those of the entry. A
// status among them is told.
Refusal directory_renew(Directory *directory, const char *url, const Json *value,
                        const DirectoryOwner *owner, gint64 now_us);
// One attribute; not a renewal.
Refusal directory_set(Directory *directory, const char *url, const char *attribute, Json *value,
                      const DirectoryOwner *owner);
// What bears this URL, name or user, as far as it is the owner's. not_owner: only others' do.
Refusal directory_remove(Directory *directory, const char *key, const DirectoryOwner *owner);

// A runtime was lost, or is back: its entries are disconnected, or live again.
void directory_runtime(Directory *directory, const char *runtime, gboolean present);
// Calls for each runtime that has entries.
void directory_each_runtime(const Directory *directory, void (*each)(const char *, gpointer),
                            gpointer user);
void directory_expire(Directory *directory, gint64 now_us);

// --- what is durable

// The record that keeps an entry; the caller's. NULL: it is gone.
Json *directory_record(const Directory *directory, const char *url);
// Takes a record in at start: its lease begins anew. FALSE: it is none.
gboolean directory_restore(Directory *directory, const Json *record, gint64 now_us);
gboolean directory_is_unstored(const Directory *directory);
// URLs of what has changed since directory_set_stored; free the list only.
GList *directory_unstored(const Directory *directory);
void directory_set_stored(Directory *directory);
