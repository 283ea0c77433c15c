// SPDX-License-Identifier: MIT
// What a gateway does for the objects that its sessions report: stamps each update with the version
// before it (in WebSocket order), keeps the last changes, publishes digests and answers observers'
// gaps, so that a client that knows nothing of gaps is observed without holes. Updates without a
// version pass untouched.
#pragma once
#include "common/bus.h"
#include "common/sync_object.h"

typedef struct SyncRelay SyncRelay;

// version: of the object as the session created or resumed it (0 if unknown: the first update sets
// it).
SyncRelay *sync_relay_new(Bus *bus, const char *url, guint64 version);
void sync_relay_free(SyncRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncRelay, sync_relay_free)

const SyncLog *sync_relay_log(const SyncRelay *relay);
// Stamps an update that is about to be published and remembers it. FALSE: its version is not newer
// (a repeat): do not publish.
gboolean sync_relay_stamp(SyncRelay *relay, Envelope *update);
// A new create of the same object (re-join): version as given, history forgotten.
void sync_relay_restart(SyncRelay *relay, guint64 version);
// Answers subscribe {resume, version} from the log. FALSE if it does not reach back so far: hand it
// to the client then.
gboolean sync_relay_answer(SyncRelay *relay, BusRequest *request);
