// SPDX-License-Identifier: MIT
// Addresses belong to one session of the whole suite, but each gateway knows its own sessions only.
// So a message that would make an address its session's waits until the registry, which is told of
// all sessions, has said whose it is: one question for each new address, and none afterwards.
//
// Without a registry (none heard for 3 s, or no answer within a second) messages go on: calls and
// chats must not wait for it. What it then learns from both gateways it keeps for the first.
#pragma once
#include "gateway/gateway.h"

// TRUE: the frame is kept, and with it all that the client sends until it has been dealt with.
gboolean claims_wait(Gateway *gateway, Client *client, const Json *message, const Text *frame);
// The client is gone.
void claims_forget(Gateway *gateway, Client *client);
