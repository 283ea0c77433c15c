// SPDX-License-Identifier: MIT
// Who a client is, as the gateway asserts it: a user whom a token names, or a guest. A guest says a
// name; everything else in what it sends of itself is ignored, and its userURL is made here.
#pragma once
#include "common/grants.h"
#include "common/json.h"

// {"userProfile": {"userURL": "guest://<domain>/<session>", "preferred_username": …}}. body: of
// `open` or of a join, may be NULL. before: what was asserted so far (its name stays where body
// says none; a user stays what the token said), may be NULL. A new reference.
Json *identity_assert(const Json *body, const Json *before, const char *domain,
                      const char *session);
// {"userProfile": {"userURL": "user://<domain>/<subject>", "preferred_username": …}} of a token
// (the subject where it names nobody). A new reference.
Json *identity_of_token(const Grants *grants, const char *domain);
gboolean identity_is_user(const Json *identity); // not a guest's; NULL is none
gboolean identity_is_same(const Json *identity, const Json *other);
// What other clients see of the identity that a message says of its sender (`said`, an object):
// who it is comes from `asserted`, the rest (picture, an assertion that can be verified) stays. A
// new reference.
Json *identity_show(const Json *said, const Json *asserted);
