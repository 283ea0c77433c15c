// SPDX-License-Identifier: MIT
// See turn.h. Name and password as draft-uberti-behave-turn-rest has them: the name begins with the
// second from which it is no good any more, the password is the HMAC-SHA1 of the name.
#include "registry/turn.h"
#include <string.h>
#include "common/json.h"

#define TTL_S_LEAST 60
#define TTL_S_MOST 604800
#define SHA1_BYTES 20

struct Turn {
    char **uris;
    char *secret;
    gint64 ttl_s;
};

static gboolean is_uri(const char *uri)
{
    return g_str_has_prefix(uri, "turn:") || g_str_has_prefix(uri, "turns:");
}

static gboolean read_settings(Turn *turn, const Config *config, GError **error)
{
    turn->uris = config_list(config, CONFIG_TURN_URIS);
    turn->secret = g_strdup(config_text(config, CONFIG_TURN_SECRET));
    for (char **uri = turn->uris; *uri != NULL; uri++)
        if (!is_uri(*uri)) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "turn.uris: %s does not begin with turn: or turns:", *uri);
            return FALSE;
        }
    if (turn->uris[0] != NULL && *turn->secret == '\0') {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "turn.uris is set, turn.secret is not: the relay would let nobody in");
        return FALSE;
    }
    return config_number(config, CONFIG_TURN_TTL_S, TTL_S_LEAST, TTL_S_MOST, &turn->ttl_s, error);
}

gboolean turn_new(const Config *config, Turn **ret_turn, GError **error)
{
    g_autoptr(Turn) turn = g_new0(Turn, 1);
    *ret_turn = NULL;
    if (!read_settings(turn, config, error))
        return FALSE;
    if (turn->uris[0] != NULL)
        *ret_turn = g_steal_pointer(&turn);
    return TRUE;
}

void turn_free(Turn *turn)
{
    if (turn == NULL)
        return;
    g_strfreev(turn->uris);
    g_free(turn->secret);
    g_free(turn);
}

static char *password_of(const Turn *turn, const char *name)
{
    guint8 digest[SHA1_BYTES];
    gsize length = sizeof digest;
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA1, (const guchar *)turn->secret, strlen(turn->secret));
    g_hmac_update(hmac, (const guchar *)name, (gssize)strlen(name));
    g_hmac_get_digest(hmac, digest, &length);
    g_hmac_unref(hmac);
    return g_base64_encode(digest, length);
}

char *turn_servers(const Turn *turn, const char *participant, gint64 now_s, gsize *ret_length)
{
    g_autoptr(Json) servers = json_new_array();
    g_autoptr(Json) server = json_new_object();
    g_autoptr(Json) urls = json_new_array();
    g_autofree char *name =
        g_strdup_printf("%" G_GINT64_FORMAT ":%s", now_s + turn->ttl_s, participant);
    g_autofree char *password = password_of(turn, name);
    for (char **uri = turn->uris; *uri != NULL; uri++) {
        g_autoptr(Json) url = json_new_text(*uri);
        json_append(urls, url);
    }
    json_set(server, "urls", urls);
    json_set_text(server, "username", name);
    json_set_text(server, "credential", password);
    json_append(servers, server);
    return json_print(servers, ret_length);
}
