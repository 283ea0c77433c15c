// SPDX-License-Identifier: MIT
// The writing end of a data object on the bus: publishes each change on <url>/changes, a digest
// half a second after the last one and then every ten seconds, and answers <url>/subscription
// (snapshot, or what the asker lacks) and read on <url>.
#pragma once
#include "common/bus.h"
#include "common/sync_object.h"

typedef struct SyncReporter SyncReporter;

// Whether `message` (subscribe or read) may see the object. NULL in sync_reporter_new: everybody on
// the bus.
typedef Refusal (*SyncReporterMay)(const SyncReporter *reporter, const Envelope *message,
                                   gpointer user);

// Takes the object. Routes <url>/subscription and <url> at once.
SyncReporter *sync_reporter_new(Bus *bus, SyncObject *object, SyncReporterMay may, gpointer user);
// Publishes nothing; unroutes.
void sync_reporter_free(SyncReporter *reporter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncReporter, sync_reporter_free)

const SyncObject *sync_reporter_object(const SyncReporter *reporter);
// One change, applied and published. FALSE if the path cannot be set.
gboolean sync_reporter_change(SyncReporter *reporter, const char *attribute, Json *value);
// Swaps a newer copy of the object in (taken) and publishes every change that it has beyond the
// older one: for a batch that was made on a copy and has been committed.
void sync_reporter_commit(SyncReporter *reporter, SyncObject *newer);
// A digest now (at start, for what changed lately).
void sync_reporter_digest(SyncReporter *reporter);
// Publishes delete from <url>/subscription to <url>/changes: the object is gone for every observer.
void sync_reporter_delete(SyncReporter *reporter);
