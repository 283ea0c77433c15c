// SPDX-License-Identifier: MIT
// Address allocation (rethink.md section 3): hands out addresses that the session then owns, the
// same block again for the same key, and takes them back. Plain rules; the result is an answer's
// body.
#pragma once
#include "common/json.h"
#include "gateway/sessions.h"

// body: of create or delete, may be NULL. The answer's body.
Json *allocation_create(Sessions *sessions, Session *session, const Json *body);
Json *allocation_delete(Sessions *sessions, Session *session, const Json *body);
