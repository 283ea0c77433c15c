// SPDX-License-Identifier: MIT
// One client's wish to come in, read out of its message: every check that needs nothing but the
// message itself. What stands in a Join has been checked and is bounded.
#pragma once
#include "common/envelope.h"
#include "common/refusal.h"
#include "registry/room.h"

typedef struct {
    char *room;        // id
    char *participant; // last segment of `connection`
    char *connection;  // URL of the client's Connection
    char *hyperty;     // URL of the client's hyperty
    char *session;
    char *trace;       // may be NULL
    char *token;       // a JWT, secret; may be NULL
    GByteArray *offer; // the Connection object, JSON as it came
    Json *identity;    // what others may see of it: {"userProfile": {…}}
    Json *resources;   // NULL: not said
    guint32 number;    // in the room; 0 until it is known
} Join;

// NULL with a reason, and words for the client, if the message is no good join. domain: of this
// suite, to which the Connection must belong.
Join *join_parse(const Envelope *message, const char *domain, Refusal *ret_reason,
                 const char **ret_detail);
// The token has named who comes: others see that instead of what the session says of itself. FALSE:
// the name is not fit to be shown.
gboolean join_identify(Join *join, const char *user_url, const char *name);
const char *join_user_url(const Join *join); // NULL: not said
void join_free(Join *join);                  // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Join, join_free)

// The same as a newcomer to a room; borrowed from the join.
Newcomer join_newcomer(const Join *join);
