// SPDX-License-Identifier: MIT
// The reading end of a data object on the bus: routes first, then snapshot; hands on each version
// once and in order; holds what came early, asks for what is missing (deltas, else a snapshot), and
// compares digests, which find a lost last update.
#pragma once
#include "common/bus.h"
#include "common/sync_object.h"

typedef struct SyncObserver SyncObserver;

typedef struct {
    // The object as a whole: the first snapshot, and any after a gap that deltas could not fill.
    // object: msg.Object as JSON.
    void (*on_snapshot)(SyncObserver *observer, const Json *object, gpointer user);
    // The next change. change->version is the observer's version now; 0: an update without a
    // version, handed on as it came (it is not in the log).
    void (*on_change)(SyncObserver *observer, SyncChange *change, gpointer user);
    // The reporter deleted the object (reason none) or refused it, or nobody has answered for
    // LIMIT_RESYNC_GIVE_UP_MS; nothing follows. The callee may free the observer. May be NULL.
    void (*on_gone)(SyncObserver *observer, Refusal reason, gpointer user);
} SyncObserverCalls;

// url: the object. asker: our address in the messages' `from`. known: NULL (asks for a snapshot),
// or a log to go on from (taken: its version and chain are what we have; a gateway that learned a
// snapshot from a join's answer).
SyncObserver *sync_observer_new(Bus *bus, const char *url, const char *asker, SyncLog *known,
                                const SyncObserverCalls *calls, gpointer user);
void sync_observer_free(SyncObserver *observer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncObserver, sync_observer_free)

const char *sync_observer_url(const SyncObserver *observer);
// TRUE once a first snapshot or `known` is in force and no gap is being filled.
gboolean sync_observer_is_current(const SyncObserver *observer);
// Version, chain and the last changes handed on.
const SyncLog *sync_observer_log(const SyncObserver *observer);
// Asks for what may be missing now (after a doubtful while: a link that came back).
void sync_observer_check(SyncObserver *observer);
// Objects of clients (connection://…/<participant>): their gateway stamps previous_version, may
// skip numbers, and a gap's hold ends after LIMIT_CLIENT_GAP_MS; set by scheme and segment
// automatically, or here. Default: off.
void sync_observer_set_client_object(SyncObserver *observer, gboolean on);
// An object of a client's whose gateway answers every question (services/gateway/relays): a hole is
// held until it says that it cannot fill it either, LIMIT_RELAYED_GAP_MS at most.
void sync_observer_set_relayed(SyncObserver *observer);
