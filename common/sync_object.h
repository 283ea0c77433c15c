// SPDX-License-Identifier: MIT
// A data object and its recent history, as plain data: no bus, no clock of its own, no I/O. The
// reporter changes it, the observer applies changes to it; both sides must end with the same
// version, chain and data.
//
// A change is one update body: attribute path (dotted), value (absent: removed), version = the
// version before + 1. The chain is a running hash over all changes (proto/README.md), so that two
// histories that differ anywhere differ at the end.
#pragma once
#include "common/envelope.h"
#include "proto/sync.pb-c.h"

// One change, shared and immutable once made. previous: the version that it follows (version - 1,
// except in objects of clients, whose reporters may skip).
typedef struct {
    guint64 version;
    guint64 previous;
    Msg__Body *body; // version, attribute, value, source, lastModified, reason, …
    gatomicrefcount references;
} SyncChange;

// Takes the body. sync_change_unref frees it with the last reference.
SyncChange *sync_change_new(Msg__Body *body, guint64 previous);
SyncChange *sync_change_ref(SyncChange *change);
void sync_change_unref(SyncChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncChange, sync_change_unref)

// The last LIMIT_CHANGES_KEPT changes of one object (fewer if they are large), without its data:
// what a gateway keeps.
typedef struct SyncLog SyncLog;
SyncLog *sync_log_new(const char *url, guint64 version);
void sync_log_free(SyncLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncLog, sync_log_free)
guint64 sync_log_version(const SyncLog *log);   // of the newest change
const char *sync_log_chain(const SyncLog *log); // 32 hexadecimal digits
// Starts anew at a snapshot: earlier changes are forgotten.
void sync_log_restart(SyncLog *log, guint64 version, const char *chain);
// Adds the successor of the newest change (change->previous == sync_log_version; asserted). Takes a
// reference of its own.
void sync_log_add(SyncLog *log, SyncChange *change);
// The changes after `version`, oldest first (elements borrowed from the log; free the array); NULL
// if the log does not reach back so far, or if `version` is ahead of it. (In a client's object it
// may lie between two changes: whoever has it lacks the later one.)
GPtrArray *sync_log_since(const SyncLog *log, guint64 version);

typedef struct SyncObject SyncObject;

// version: the first version (0, or placement epoch * 2^32 for a room process' objects); data: {}
// if NULL (the object takes a reference of its own; the tree must not be changed afterwards).
SyncObject *sync_object_new(const char *url, const char *schema, const char *reporter,
                            guint64 version, Json *data);
SyncObject *
sync_object_copy(const SyncObject *object); // deep: to change in a batch that may be given up
void sync_object_free(SyncObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncObject, sync_object_free)

const char *sync_object_url(const SyncObject *object);
const char *sync_object_name(const SyncObject *object);
void sync_object_set_name(SyncObject *object, const char *name);
guint64 sync_object_version(const SyncObject *object);
const char *sync_object_chain(const SyncObject *object);
const char *sync_object_last_modified(const SyncObject *object); // RFC 3339
const Json *
sync_object_data(const SyncObject *object); // borrowed; never changed in place by the caller
const SyncLog *sync_object_log(const SyncObject *object);

// The reporter's side: version + 1, data changed at `attribute` (NULL or "": the whole; value NULL:
// removed), logged; the object takes a reference of its own to the value, which must not be changed
// afterwards. reason: body member, may be NULL. Returns the change, borrowed from the
// object's log; NULL if the path cannot be set or the data would exceed LIMIT_OBJECT_DATA (nothing
// changed then).
SyncChange *sync_object_change(SyncObject *object, const char *attribute, Json *value,
                               const char *reason);

// The observer's side. attributeType "array" with operation add, remove or update changes one
// element of a list, as reTHINK's reporters do: `value` is what is inserted before the index (a
// list adds each of its elements), how many are removed from it, or what replaces the element.
typedef enum {
    SYNC_APPLIED,
    SYNC_OLD,   // not newer than what we have
    SYNC_GAP,   // something before it is missing
    SYNC_UNFIT, // cannot be done to the data, which stay; version, chain and log go on
} SyncResult;
SyncResult sync_object_apply(SyncObject *object, SyncChange *change);

// As snapshots travel: everything, with version and chain; `data` is shared with the object and
// must not be changed. sync_object_from_json: NULL with an error where url or version lacks.
// Without a chain (objects of clients) it starts as that of a new object.
Json *sync_object_to_json(const SyncObject *object);
SyncObject *sync_object_from_json(const Json *json, GError **error);

// Timestamps of objects: now, RFC 3339 with milliseconds, UTC; newly allocated.
char *sync_now(void);
