// SPDX-License-Identifier: MIT
// What the registry holds, against what its observers hold.
#pragma once
#include "tests/support/ws_client.h"

// Waits: reads the client's Communication from the registry. Fails the test if that is not
// answered. The caller's.
SyncObject *truth_read(WsClient *client);
// Waits until the client's Communication has the version of the truth; then it must have the same
// data and chain, and every change must have come in its turn. Fails the test, naming `who`, if
// not.
void truth_assert_held(WsClient *client, const SyncObject *truth, const char *who);
