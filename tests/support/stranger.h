// SPDX-License-Identifier: MIT
// Somebody who has read the specification and nothing of ours: a bare WebSocket, every message
// spelled out, every answer looked at. For tests that check the wire itself.
//
// Messages are written with ' in place of ", so that they read as on paper. Main thread only.
#pragma once
#include "tests/support/suite.h"
#include "tests/support/ws_client.h"

typedef struct Stranger Stranger;

// A bus, a registry and two gateways; ready. The second gateway's port is *ret_second.
Suite *stranger_suite(guint *ret_second);
guint stranger_free_port(void); // on loopback
// Starts one more gateway (or one again) and waits until it is ready.
void stranger_start_gateway(Suite *suite, const char *name, guint port);
void stranger_start_gateway_with(Suite *suite, const char *name, guint port,
                                 const char *const *arguments);

Stranger *stranger_new(guint port); // the WebSocket is up, nothing is said
// Says open as `runtime` and expects 200.
Stranger *stranger_open(guint port, const char *runtime);
void stranger_free(Stranger *stranger); // vanishes without a word
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stranger, stranger_free)
WsClient *stranger_ws(const Stranger *stranger);
const char *stranger_token(const Stranger *stranger); // of its last open

void stranger_say(const Stranger *stranger, const char *format, ...) G_GNUC_PRINTF(2, 3);
// The next message (of those that no call has returned yet) that holds everything that `format`
// spells: members of objects may be more, lists and values are equal. Fails the test if none comes
// within 5 s. Borrowed.
const Json *stranger_hear(Stranger *stranger, const char *format, ...) G_GNUC_PRINTF(2, 3);
// The same for what has come until now: whatever was said to this WebSocket before something that
// it has heard. FALSE: nothing like that.
gboolean stranger_has_heard(Stranger *stranger, const char *format, ...) G_GNUC_PRINTF(2, 3);
// Everything that its gateway has for it has come (a ping answered).
void stranger_settle(Stranger *stranger);
// Says, and expects the answer with this id to have that code (and reason; NULL: any). Borrowed
// body.
const Json *stranger_ask(Stranger *stranger, gint code, const char *reason, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
// Goes on, on a new WebSocket at that port: re-open with its token, answered 200 with one.
void stranger_reopen(Stranger *stranger, guint port);
