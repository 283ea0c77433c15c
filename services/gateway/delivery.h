// SPDX-License-Identifier: MIT
// Requests from the bus to a session. The gateway is their receiver: it acknowledges them at once
// (few repeats from then on), hands each to the WebSocket once, or keeps it for a session that is
// away, and gives the client's answer back. What the client does not answer in time ends in 504.
#pragma once
#include "common/bus.h"
#include "common/deadlines.h"
#include "gateway/sessions.h"

// Runtimes split what they answer to `read` when it is large: the first answer has code 100 and
// value.responses = n, the others are as they are, and none of them is the last by its code. On the
// bus each goes as a provisional answer with the client's body in this member; the final one, which
// the asker does not see, says how many there were.
#define DELIVERY_PIECE "parleyPiece"
#define DELIVERY_PIECES "parleyPieces"

void delivery_take(Deadlines *deadlines, Session *session, BusRequest *request);
// An answer of the client: goes to the oldest open request with this id between these two. FALSE:
// nobody asked that.
gboolean delivery_answer(Session *session, Envelope *answer);
// The session is back: hands over what waited.
void delivery_resume(Session *session);
// The session has ended: refuses what is open.
void delivery_end(Session *session);
