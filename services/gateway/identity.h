// SPDX-License-Identifier: MIT
// Who a client is, as the gateway asserts it. A guest says a name; everything else in what it sends
// of itself is ignored, and its userURL is made here.
#pragma once
#include "common/json.h"

// {"userProfile": {"userURL": "guest://<domain>/<session>", "preferred_username": …}}. body: of
// `open` or of a join, may be NULL. before: what was asserted so far (its name stays where body
// says none), may be NULL. A new reference.
Json *identity_assert(const Json *body, const Json *before, const char *domain,
                      const char *session);
// What other clients see of the identity that a message says of its sender (`said`, an object):
// who it is comes from `asserted`, the rest (picture, an assertion that can be verified) stays. A
// new reference.
Json *identity_show(const Json *said, const Json *asserted);
