// SPDX-License-Identifier: MIT
// What a token allows its bearer: a JSON Web Token (RFC 7519) signed with HS256 (RFC 7518, section
// 3.2) by a key that the operator's backend and this suite share. Claims are named as LiveKit names
// them: `iss` the key's id, `sub` the identity, `name` what others see, `video` the grants.
//
// The gateway reads tokens for identities, the registry for rooms. A token is a secret: it is never
// logged, and nothing of it but what stands in Grants goes on.
#pragma once
#include "common/config.h"
#include "common/refusal.h"

typedef struct GrantKeys GrantKeys;

// keys: "id:secret", separated by commas or blanks; "" for none. An error names the key that is
// unusable (no id, given twice, a secret of less than 32 bytes), never its secret.
GrantKeys *grant_keys_new(const char *keys, GError **error);
void grant_keys_free(GrantKeys *keys); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GrantKeys, grant_keys_free)
gboolean grant_keys_is_empty(const GrantKeys *keys);
// auth.keys and auth.guests. FALSE with an error also where nobody at all could come in.
gboolean grant_keys_configure(const Config *config, GrantKeys **ret_keys, gboolean *ret_guests,
                              GError **error);

typedef struct {
    char *subject; // printable, at most LIMIT_KEY bytes
    char *name;    // for people; NULL: not said
    char *room;    // NULL: any room
    gboolean room_join, room_create, room_admin;
    gboolean can_publish, can_subscribe, can_publish_data; // TRUE unless the token says otherwise
    gboolean hidden, recorder;
} Grants;

// now_s: seconds since 1970; `exp` (demanded) and `nbf` are taken with a tolerance of 60 s. NULL
// with bad_token and a constant sentence that says why: form, algorithm, key, signature, too early,
// expired, subject, a grant of the wrong kind ("room": 7).
Grants *grants_read(const GrantKeys *keys, const char *token, gint64 now_s, Refusal *ret_reason,
                    const char **ret_detail);
void grants_free(Grants *grants); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Grants, grants_free)

// The identity's URL, user://<domain>/<subject>. Owned by the caller.
char *grants_user_url(const Grants *grants, const char *domain);
// Whether they are good for that room: any, or the one that the token names.
gboolean grants_cover(const Grants *grants, const char *room);
