// SPDX-License-Identifier: MIT
// The routing service of a message node, domain://msg-node.D/sm (rethink.md section 3): which
// addresses are the session's, and which publications it gets. The result is an answer's body.
#pragma once
#include "gateway/gateway.h"

Json *routing_subscribe(Gateway *gateway, Session *session, const Json *body);
// A route that another gateway had for the session.
void routing_restore(Gateway *gateway, Session *session, const char *url);
Json *routing_unsubscribe(Gateway *gateway, Session *session, const Json *body);
