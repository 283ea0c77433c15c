// SPDX-License-Identifier: MIT
// Takes secrets out of what the monitor shows: a log of the bus may be passed on, a session token
// or an ICE password may not.
#pragma once
#include "common/json.h"

// A copy without secrets: members that hold tokens, passwords or assertions, ICE passwords and keys
// in SDP, tokens inside any other text. NULL for NULL.
Json *mask_json(const Json *json);
// The same for one text; newly allocated.
char *mask_text(const char *text);
