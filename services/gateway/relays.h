// SPDX-License-Identifier: MIT
// The objects that sessions report: each update is stamped with the version before it, the last
// changes are kept, and gaps are answered from them (common/sync_relay.h does the work; this knows
// whose it is).
#pragma once
#include "common/bus.h"
#include "gateway/sessions.h"

// The session has created an object (again) at this version.
void relays_note(Bus *bus, Session *session, const char *object, guint64 version);
// Stamps an update to `<object>/changes` of the session's own. FALSE: it repeats an older version,
// and is not to be published.
gboolean relays_stamp(Bus *bus, Session *session, Envelope *update);
// Answers subscribe {resume} to an object of the session's. FALSE: the client has to. A gateway's
// question (on behalf of sessions that observe it) never reaches the client: where nothing is known
// it is told so.
gboolean relays_answer(Session *session, BusRequest *request);
void relays_forget(Session *session, const char *object);
