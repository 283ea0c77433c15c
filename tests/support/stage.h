// SPDX-License-Identifier: MIT
// A stage for a media-worker alone: bus and worker are real, the test plays everybody else. As the
// registry it places rooms, admits and drops participants and reports the Communication; as the
// gateway it reports the clients' Connections.
#pragma once
#include "common/json.h"
#include "common/sync_observer.h"
#include "common/sync_reporter.h"
#include "tests/support/suite.h"

typedef struct Stage Stage;

// Starts bus and worker, waits for the worker's presence. Settings are made on `suite` before.
Stage *stage_new(Suite *suite);
void stage_free(Stage *stage); // before the suite
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stage, stage_free)

const char *stage_worker(const Stage *stage); // hyperty://D/worker/<id>
// Sends a request and waits for its answer's body; the caller's. body: taken, may be NULL.
Json *stage_ask(Stage *stage, EnvelopeType type, const char *to, Json *body);

// execute startRoom; the answer's body. The URL is comm://localhost/<room>-1.
Json *stage_start_room(Stage *stage, const char *room, guint64 epoch);
// The same, answered 200, and its Communication reported from now on; the room process' address,
// owned by the stage.
const char *stage_place(Stage *stage, const char *room, guint64 epoch);
// Process id of a room process, by its address; 0 if unknown.
pid_t stage_pid(const Stage *stage, const char *media);
// One change of a room's Communication; value taken, NULL removes.
void stage_change(Stage *stage, const char *room, const char *attribute, Json *value);

// create with an offer to the room's process; the answer's body.
Json *stage_offer(Stage *stage, const char *room, const char *participant, guint number,
                  guint64 version, const char *sdp);
// The same, answered 200; then lists the participant and reports its Connection.
Json *stage_join(Stage *stage, const char *room, const char *participant, guint number,
                 const char *sdp);
// One change of a client's Connection.
void stage_client_change(Stage *stage, const char *participant, const char *attribute, Json *value);

// Data of connection://D/media-<participant> as observed since stage_join; borrowed, NULL when it
// has been deleted.
const Json *stage_answer(const Stage *stage, const char *participant);
// The last presence of the room process; NULL if none. Borrowed.
const Json *stage_presence(const Stage *stage, const char *media);
// What the worker has reported by roomEnded: {roomId, url, epoch, media, reason}; NULL if nothing.
const Json *stage_ended(const Stage *stage, const char *media);

// Runs the loop until the answer's member at `path` is `text`, or five seconds have passed.
gboolean stage_until_answer(Stage *stage, const char *participant, const char *path,
                            const char *text);
// An offer as a file of tests/fuzz/corpus/sdp; the caller's.
char *stage_sdp(const char *name);
