// SPDX-License-Identifier: MIT
// What becomes of each message from a WebSocket: plain rules on the message and on who owns what.
// Nothing is sent here. The only thing that may change is that an unowned address in `from` becomes
// the session's.
#pragma once
#include "common/envelope.h"
#include "gateway/message.h"
#include "gateway/sessions.h"

typedef enum {
    ROUTE_REFUSE,
    ROUTE_SESSION,    // open, re-open, close, ping to mn:/session
    ROUTE_ALLOCATION, // answered here
    ROUTE_ROUTING,    // answered here
    ROUTE_ANSWER,     // an answer to a request that was delivered to this session
    ROUTE_PUBLISH,    // to the bus; nobody answers
    ROUTE_ASK         // to the bus as a request
} Route;

// fault is written where the result is ROUTE_REFUSE.
Route router_judge(Sessions *sessions, Session *session, const Envelope *message,
                   MessageFault *fault);
