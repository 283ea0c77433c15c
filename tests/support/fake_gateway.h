// SPDX-License-Identifier: MIT
// A gateway and its clients, played by the test on a bus of its own: it tells the registry of
// sessions, passes on what clients ask, and observes Communication objects as each client would.
#pragma once
#include "common/sync_observer.h"
#include "tests/support/suite.h"

typedef struct FakeGateway FakeGateway;

// Publishes its presence five times a second, tells every session again to a new registry.
FakeGateway *fake_gateway_new(Suite *suite);
void fake_gateway_free(FakeGateway *gateway);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeGateway, fake_gateway_free)

// A client's session is "s-<participant>", its hyperty hyperty://localhost/h-<participant>. Told
// with the status "live" or "disconnected"; NULL: it has ended.
void fake_gateway_session(FakeGateway *gateway, const char *participant, const char *status);

typedef struct {
    gint code; // 0: no answer yet
    char *reason;
    guint retry_after;
    char *url; // of the Communication
    guint64 version;
    char *participant;
    char *media; // URL of the answering Connection
    Json *body;
} FakeAnswer;

// Each sends one request for the participant and returns where its answer will stand; owned by the
// gateway. Deadline 20 s.
const FakeAnswer *fake_gateway_join(FakeGateway *gateway, const char *room,
                                    const char *participant);
// Another offer, from a session that is not the participant's.
const FakeAnswer *fake_gateway_join_as(FakeGateway *gateway, const char *room,
                                       const char *participant, const char *session);
const FakeAnswer *fake_gateway_execute(FakeGateway *gateway, const char *participant,
                                       const char *method, const char *const *params);
const FakeAnswer *fake_gateway_send(FakeGateway *gateway, Envelope *request); // as it stands
// What these two send, for a caller with a bus of its own; the caller's.
Envelope *fake_gateway_join_message(const char *room, const char *participant);
Envelope *fake_gateway_execute_message(const char *participant, const char *method,
                                       const char *const *params);

// Until it has its final answer; returns the code.
gint fake_gateway_wait(const FakeAnswer *answer);

// Observes a Communication (once for each URL), from its snapshot on, which it waits for (5 s).
void fake_gateway_observe(FakeGateway *gateway, const char *url);
// Its data as observed, NULL if there is none (yet, or any more); borrowed.
const Json *fake_gateway_communication(const FakeGateway *gateway, const char *url);
guint64 fake_gateway_version(const FakeGateway *gateway, const char *url);
// The reason in the last change that removed something; "" if there was none.
const char *fake_gateway_last_reason(const FakeGateway *gateway, const char *url);
// Runs the loop until so many participants are seen. FALSE after 10 s.
gboolean fake_gateway_until_participants(FakeGateway *gateway, const char *url, guint count);
