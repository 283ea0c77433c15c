// SPDX-License-Identifier: MIT
// How objects travel: the messages that reporter, relay and observer share.
//
// An answer whose `value` is larger than LIMIT_SNAPSHOT_PART (subscribe, read, a join's answer)
// goes in parts: the value's JSON text is cut at characters into n pieces, each sent as
// value = {"responses": n, "part": i, "text": "…"}, the first n - 1 as provisional answers with
// code 100, the last with the answer's own code and members. The asker joins the texts and parses
// them; if a part was lost it asks again with a new request.
#pragma once
#include "common/bus.h"
#include "common/sync_object.h"

// The update that publishes a change of the object.
Envelope *sync_update(const char *url, const SyncChange *change);
// msg.Deltas as JSON: what whoever has `version` lacks; NULL if the log does not reach back so far.
Json *sync_deltas(const SyncLog *log, guint64 version);

// bus_answer and bus_answer_body, in parts if body.value is large.
void sync_answer(BusRequest *request, const Json *body);
void sync_answer_body(BusRequest *request, const Msg__Body *body);

// The answers to one request, as they come.
typedef struct SyncParts SyncParts;
SyncParts *sync_parts_new(void);
void sync_parts_free(SyncParts *parts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncParts, sync_parts_free)
// Keeps a provisional answer if it is a part (FALSE: it is another one, to be handed on).
gboolean sync_parts_keep(SyncParts *parts, const Envelope *answer);
// The value of the final answer, whole (NULL if it has none); FALSE if a part is missing.
gboolean sync_parts_join(SyncParts *parts, const Envelope *answer, Json **ret_value);

// The digest of one object, LIMIT_DIGEST_FIRST_MS after its last change, then every
// LIMIT_DIGEST_EVERY_MS.
typedef struct SyncDigest SyncDigest;
SyncDigest *sync_digest_new(Bus *bus, const char *url, const SyncLog *log);
void sync_digest_free(SyncDigest *digest);
// The object has changed: log is at its newest version.
void sync_digest_changed(SyncDigest *digest, const SyncLog *log);
void sync_digest_publish(SyncDigest *digest);
