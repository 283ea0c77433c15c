// SPDX-License-Identifier: MIT
// Who may come into a room: what the operator's tokens grant, and whether guests need none. Plain
// rules on plain data; conference.c asks.
//
// A token must grant roomJoin, name this room or none, and be of the identity that its session has
// shown, if it has shown any. What a token restricts and nobody enforces yet (canPublish,
// canSubscribe, canPublishData, hidden, recorder) is refused: nobody gets more than was granted.
#pragma once
#include "common/grants.h"
#include "registry/join.h"

typedef struct Policy Policy;

// Takes the keys. domain: of this suite. guests: whether who shows no token may come in.
Policy *policy_new(GrantKeys *keys, gboolean guests, const char *domain);
// From auth.keys and auth.guests. NULL with an error: cannot start.
Policy *policy_configure(const Config *config, const char *domain, GError **error);
void policy_free(Policy *policy); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Policy, policy_free)

// Names the join after its token. now_s: since 1970. *ret_detail: words for a refusal.
Refusal policy_check(const Policy *policy, Join *join, gint64 now_s, const char **ret_detail);
