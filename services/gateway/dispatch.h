// SPDX-License-Identifier: MIT
// Each frame of a WebSocket on its way through the gateway: read, judged (router.h), and handed to
// whoever does it. Every frame gets a trace id of its own.
#pragma once
#include "gateway/gateway.h"

// A frame has come. What comes while the session is being opened waits for that.
void dispatch_frame(Gateway *gateway, Client *client, const char *bytes, gsize length);
// The registry has said whose its addresses are: it is looked at now.
void dispatch_claimed(Gateway *gateway, Client *client, Text *frame);
// The opening is over: what waited goes on.
void dispatch_held(Gateway *gateway, Client *client);
// A frame that could not be read: answered with the reason, from mn:/validator.
void dispatch_fault(Client *client, const Json *message, Refusal reason, const char *detail);
