// SPDX-License-Identifier: MIT
// Somebody in a call, for tests with the whole suite: a WebSocket client and a WebRTC peer that
// sends and receives. Knows the longest pause between two packets of one slot.
#pragma once
#include "load/native_peer.h"
#include "tests/support/suite.h"
#include "tests/support/ws_client.h"

typedef struct Caller Caller;

// Opens a session and joins, and waits until media can flow; fails the test with words if it does
// not come to that. label: see NativeSettings.
Caller *caller_new(Suite *suite, const char *room, guint label);
// Vanishes without a word.
void caller_free(Caller *caller);

WsClient *caller_ws(const Caller *caller);
NativePeer *caller_peer(const Caller *caller);
const char *caller_answer_sdp(const Caller *caller);

// Of the room's process, as the Communication tells: its epoch, its address (owned by the object).
guint64 caller_epoch(const Caller *caller);
const char *caller_media(const Caller *caller);
// Waits until the room is placed under this epoch, then joins again with a fresh peer, as browsers
// do. Fails the test if it does not come to that.
void caller_follow(Caller *caller, guint64 epoch);

// Waits until so many others are seen and heard. Fails the test if they are not.
void caller_wait_media(Caller *caller, guint others);
// Of those slots that carry something; from caller_reset_pauses (or the start) until now.
gint64 caller_longest_pause_us(const Caller *caller);
void caller_reset_pauses(Caller *caller);
