// SPDX-License-Identifier: MIT
// How WebSockets get their sessions: open, re-open with a token (here, or of a session that another
// gateway had), take-over, close, and what happens when the WebSocket is lost (rethink.md section
// 1).
#pragma once
#include "gateway/gateway.h"

// A WebSocket has come: it has LIMIT_HANDSHAKE_MS to say open.
void handshake_begin(Gateway *gateway, Client *client);
// A message to mn:/session. `done` is called when frames that were held may go on.
void handshake_take(Gateway *gateway, Client *client, const Json *message);
// The WebSocket is gone: its session waits LIMIT_SESSION_GRACE_MS for another one.
void handshake_lost(Gateway *gateway, Client *client);
// A moment for gateway_free: nothing is waited for any more.
void handshake_forget(Gateway *gateway, Client *client);

void handshake_free_opens(gpointer opens);
