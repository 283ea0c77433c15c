// SPDX-License-Identifier: MIT
// Requests of sessions to everybody else, over the bus: sent once for each frame, their answers
// given back with the client's own id. Objects in the answers of our services are followed from
// then on (learning.h). A frame that a client sends again after its WebSocket was lost is
// recognised: it is not asked twice, and an answer that was given already is given again.
#pragma once
#include "gateway/gateway.h"

// Takes the message (its transport members still unset).
void asking_ask(Gateway *gateway, Session *session, Envelope *message);
// The session has ended: nobody waits for its answers any more.
void asking_end(Session *session);
