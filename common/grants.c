// SPDX-License-Identifier: MIT
// See grants.h. The issuer is read before the signature is checked, because it says which key to
// check it with; nothing else is believed until then. The algorithm is ours to choose, not the
// token's: anything but HS256 is refused, "none" first of all.
#include "common/grants.h"

#include <jwt.h>
#include <math.h>
#include <string.h>

#include "common/json.h"
#include "common/limits.h"

#define SECRET_LEAST 32 // bytes: as long as the digest (RFC 7518, section 3.2)
#define TOLERANCE_S 60

struct GrantKeys {
    GHashTable *secrets; // key id -> secret
};

// --- keys

static gboolean add_key(GrantKeys *keys, const char *text, GError **error)
{
    const char *colon = strchr(text, ':');
    const char *secret = colon != NULL ? colon + 1 : "";
    g_autofree char *id = g_strndup(text, colon != NULL ? (gsize)(colon - text) : 0);
    const char *problem = *id == '\0'                                     ? "it has no id"
                          : strlen(secret) < SECRET_LEAST                 ? "its secret is short"
                          : g_hash_table_contains(keys->secrets, id) != 0 ? "it is given twice"
                                                                          : NULL;
    if (problem != NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "auth.keys: key \"%s\" cannot be used: %s (id:secret, %d bytes or more)", id,
                    problem, SECRET_LEAST);
        return FALSE;
    }
    g_hash_table_insert(keys->secrets, g_steal_pointer(&id), g_strdup(secret));
    return TRUE;
}

GrantKeys *grant_keys_new(const char *text, GError **error)
{
    g_autoptr(GrantKeys) keys = g_new0(GrantKeys, 1);
    g_auto(GStrv) all = g_strsplit_set(text, ", \t\r\n", -1);
    keys->secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; all[i] != NULL; i++)
        if (*all[i] != '\0' && !add_key(keys, all[i], error))
            return NULL;
    return g_steal_pointer(&keys);
}

void grant_keys_free(GrantKeys *keys)
{
    if (keys == NULL)
        return;
    g_hash_table_unref(keys->secrets);
    g_free(keys);
}

gboolean grant_keys_is_empty(const GrantKeys *keys)
{
    return g_hash_table_size(keys->secrets) == 0;
}

gboolean grant_keys_configure(const Config *config, GrantKeys **ret_keys, gboolean *ret_guests,
                              GError **error)
{
    gboolean guests = TRUE;
    g_autoptr(GrantKeys) keys = grant_keys_new(config_text(config, CONFIG_AUTH_KEYS), error);
    if (keys == NULL || !config_flag(config, CONFIG_AUTH_GUESTS, &guests, error))
        return FALSE;
    if (!guests && grant_keys_is_empty(keys)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "auth.guests=false needs auth.keys: nobody could come in");
        return FALSE;
    }
    *ret_keys = g_steal_pointer(&keys);
    *ret_guests = guests;
    return TRUE;
}

// --- one token

G_DEFINE_AUTOPTR_CLEANUP_FUNC(jwt_t, jwt_free)

static char *issuer_of(const char *token)
{
    g_autoptr(jwt_t) unchecked = NULL;
    if (strlen(token) > LIMIT_TOKEN || jwt_decode(&unchecked, token, NULL, 0) != 0)
        return NULL;
    return g_strdup(jwt_get_grant(unchecked, "iss"));
}

// NULL and *ret_detail, or a token whose signature holds.
static jwt_t *check_signature(const GrantKeys *keys, const char *token, const char **ret_detail)
{
    g_autoptr(jwt_t) jwt = NULL;
    g_autofree char *issuer = issuer_of(token);
    const char *secret = issuer != NULL ? g_hash_table_lookup(keys->secrets, issuer) : NULL;
    if (issuer == NULL)
        *ret_detail = "it is no signed JWT with an issuer";
    else if (secret == NULL)
        *ret_detail = "its issuer has no key here";
    else if (jwt_decode(&jwt, token, (const guint8 *)secret, (int)strlen(secret)) != 0)
        *ret_detail = "its signature does not hold";
    else if (jwt_get_alg(jwt) != JWT_ALG_HS256)
        *ret_detail = "its algorithm is not HS256";
    else
        return g_steal_pointer(&jwt);
    return NULL;
}

// A NumericDate (RFC 7519, section 2) may have a fraction; one that is none is not a number.
static double date(const Json *claims, const char *name)
{
    return json_real(json_get(claims, name), NAN);
}

static const char *check_times(const Json *claims, gint64 now_s)
{
    double expires_s = date(claims, "exp"), begins_s = date(claims, "nbf");
    if (isnan(expires_s))
        return "it has no expiry";
    if (expires_s + TOLERANCE_S <= (double)now_s)
        return "it has expired";
    if (json_get(claims, "nbf") != NULL && !(begins_s - TOLERANCE_S <= (double)now_s))
        return "it is not valid yet";
    return NULL;
}

static gboolean is_subject(const char *text)
{
    if (text == NULL || *text == '\0' || strlen(text) > LIMIT_KEY)
        return FALSE;
    for (; *text != '\0'; text++)
        if (!g_ascii_isgraph(*text) || *text == '/')
            return FALSE;
    return TRUE;
}

// A grant of the wrong kind is none that its maker meant, and must not pass for one left out, which
// may grant more: any room, or everything that is on by default.
static gboolean are_grants(const Json *claims)
{
    static const char *const flags[] = {"roomJoin",     "roomCreate",     "roomAdmin", "canPublish",
                                        "canSubscribe", "canPublishData", "hidden",    "recorder"};
    const Json *name = json_get(claims, "name"), *video = json_get(claims, "video");
    const Json *room = json_get(video, "room");
    gboolean well = (name == NULL || json_is_text(name)) &&
                    (video == NULL || json_is_object(video)) &&
                    (room == NULL || json_is_text(room));
    for (guint i = 0; i < G_N_ELEMENTS(flags); i++) {
        const Json *flag = json_get(video, flags[i]);
        well = well && (flag == NULL || json_is_bool(flag));
    }
    return well;
}

static gboolean flag(const Json *video, const char *name, gboolean fallback)
{
    return json_truth(json_get(video, name), fallback);
}

static Grants *read_claims(const Json *claims)
{
    const Json *video = json_get(claims, "video");
    Grants *grants = g_new0(Grants, 1);
    grants->subject = g_strdup(json_get_text(claims, "sub"));
    grants->name = g_strdup(json_get_text(claims, "name"));
    grants->room = g_strdup(json_get_text(video, "room"));
    grants->room_join = flag(video, "roomJoin", FALSE);
    grants->room_create = flag(video, "roomCreate", FALSE);
    grants->room_admin = flag(video, "roomAdmin", FALSE);
    grants->can_publish = flag(video, "canPublish", TRUE);
    grants->can_subscribe = flag(video, "canSubscribe", TRUE);
    grants->can_publish_data = flag(video, "canPublishData", TRUE);
    grants->hidden = flag(video, "hidden", FALSE);
    grants->recorder = flag(video, "recorder", FALSE);
    return grants;
}

Grants *grants_read(const GrantKeys *keys, const char *token, gint64 now_s, Refusal *ret_reason,
                    const char **ret_detail)
{
    const char *detail = NULL;
    g_autoptr(jwt_t) jwt = check_signature(keys, token, &detail);
    char *text = jwt != NULL ? jwt_get_grants_json(jwt, NULL) : NULL;
    g_autoptr(Json) claims = text != NULL ? json_parse_bytes((guint8 *)text, strlen(text)) : NULL;
    free(text); // NOLINT: libjwt's
    if (jwt != NULL && claims == NULL)
        detail = "its claims are over a limit";
    else if (claims != NULL)
        detail = check_times(claims, now_s);
    if (detail == NULL && !is_subject(json_get_text(claims, "sub")))
        detail = "its subject is none";
    if (detail == NULL && !are_grants(claims))
        detail = "a grant is of the wrong kind";
    if (detail == NULL)
        return read_claims(claims);
    *ret_reason = MSG__REFUSAL__REASON__bad_token;
    *ret_detail = detail;
    return NULL;
}

void grants_free(Grants *grants)
{
    if (grants == NULL)
        return;
    g_free(grants->subject);
    g_free(grants->name);
    g_free(grants->room);
    g_free(grants);
}

gboolean grants_cover(const Grants *grants, const char *room)
{
    return grants->room == NULL || strcmp(grants->room, room) == 0;
}

char *grants_user_url(const Grants *grants, const char *domain)
{
    return g_strdup_printf("user://%s/%s", domain, grants->subject);
}
