// SPDX-License-Identifier: MIT
// See join.h. The name that others see comes from the identity that the gateway asserts; a guest,
// who has none, may say one. Of an identity only the profile goes on: an assertion is a secret.
#include "registry/join.h"
#include <string.h>
#include "common/limits.h"
#include "common/url.h"

// Room processes report connection://D/media-<participant>: a client's must not look like one.
#define RESERVED "media-"

typedef struct {
    Refusal reason;
    const char *detail;
} Fault;

static gboolean fault(Fault *fault, Refusal reason, const char *detail)
{
    *fault = (Fault){reason, detail};
    return FALSE;
}

static gboolean is_own_connection(const char *url, const char *domain)
{
    g_autofree char *prefix = g_strdup_printf("connection://%s/", domain);
    const char *key = url != NULL && g_str_has_prefix(url, prefix) ? url + strlen(prefix) : NULL;
    return key != NULL && url_is_key(key) && !g_str_has_prefix(key, RESERVED);
}

static gboolean check_offer(const Json *connection, const char *domain, Fault *ret_fault)
{
    const Json *description = json_get(json_get(connection, "data"), "connectionDescription");
    const char *sdp = json_get_text(description, "sdp");
    if (!json_is_object(connection))
        return fault(ret_fault, MSG__REFUSAL__REASON__malformed, "value");
    if (!is_own_connection(json_get_text(connection, "url"), domain))
        return fault(ret_fault, MSG__REFUSAL__REASON__bad_address, "value.url");
    if (g_strcmp0(json_get_text(description, "type"), "offer") != 0 || sdp == NULL)
        return fault(ret_fault, MSG__REFUSAL__REASON__malformed,
                     "value.data.connectionDescription");
    if (strlen(sdp) > LIMIT_SDP)
        return fault(ret_fault, MSG__REFUSAL__REASON__too_large, "sdp");
    return TRUE;
}

static gboolean check_message(const Envelope *message, Fault *ret_fault)
{
    const Msg__Body *body = message->body;
    if (message->session == NULL || !url_is_key(message->session))
        return fault(ret_fault, MSG__REFUSAL__REASON__forbidden, "no session");
    if (body == NULL || body->roomid == NULL || !url_is_key(body->roomid))
        return fault(ret_fault, MSG__REFUSAL__REASON__malformed, "roomId");
    if (!body->has_value)
        return fault(ret_fault, MSG__REFUSAL__REASON__malformed, "value");
    return TRUE;
}

// One line of text that others will see: bounded, without control characters.
static gboolean is_presentable(const char *text)
{
    if (strlen(text) > LIMIT_NAME)
        return FALSE;
    for (; *text != '\0'; text = g_utf8_next_char(text))
        if (g_unichar_iscntrl(g_utf8_get_char(text)))
            return FALSE;
    return TRUE;
}

static gboolean add_profile(Json *profile, const Json *from, Fault *ret_fault)
{
    static const char *const members[] = {"userURL", "guid", "preferred_username", "picture"};
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        const char *text = json_get_text(from, members[i]);
        if (text == NULL)
            continue;
        if (!is_presentable(text))
            return fault(ret_fault, MSG__REFUSAL__REASON__too_large, members[i]);
        json_set_text(profile, members[i], text);
    }
    return TRUE;
}

static const Json *profile_of(const Json *identity)
{
    return json_get(identity, "userProfile");
}

// Members of the body that Body does not name.
static Json *further_members(const Msg__Body *body)
{
    return body->has_unknown ? json_parse_bytes(body->unknown.data, body->unknown.len) : NULL;
}

static gboolean read_identity(const Envelope *message, Join *join, Fault *ret_fault)
{
    g_autoptr(Json) further = further_members(message->body);
    g_autoptr(Json) asserted = message->has_identity
                                   ? json_parse_bytes(message->identity.data, message->identity.len)
                                   : NULL;
    g_autoptr(Json) profile = json_new_object();
    const char *claimed =
        json_get_text(profile_of(json_get(further, "identity")), "preferred_username");
    if (!add_profile(profile, profile_of(asserted), ret_fault))
        return FALSE;
    if (json_get_text(profile, "preferred_username") == NULL && claimed != NULL) {
        if (!is_presentable(claimed))
            return fault(ret_fault, MSG__REFUSAL__REASON__too_large, "preferred_username");
        json_set_text(profile, "preferred_username", claimed);
    }
    join->identity = json_new_object();
    json_set(join->identity, "userProfile", profile);
    return TRUE;
}

// One of the Connection's `resources`: {"type": …, "direction": …}, or a type alone.
static Json *read_resource(const Json *from)
{
    static const char *const types[] = {"audio", "video", "screen", NULL};
    static const char *const directions[] = {"in", "out", "inout", NULL};
    const char *type = json_is_text(from) ? json_text(from) : json_get_text(from, "type");
    const char *direction = json_is_text(from) ? "inout" : json_get_text(from, "direction");
    if (type == NULL || direction == NULL || !g_strv_contains(types, type) ||
        !g_strv_contains(directions, direction))
        return NULL;
    Json *resource = json_new_object();
    json_set_text(resource, "type", type);
    json_set_text(resource, "direction", direction);
    return resource;
}

static gboolean read_resources(const Json *connection, Join *join, Fault *ret_fault)
{
    const Json *from = json_get(connection, "resources");
    if (from == NULL)
        return TRUE;
    if (!json_is_array(from) || json_size(from) > LIMIT_RESOURCES)
        return fault(ret_fault, MSG__REFUSAL__REASON__malformed, "value.resources");
    join->resources = json_new_array();
    for (guint i = 0; i < json_size(from); i++) {
        g_autoptr(Json) resource = read_resource(json_at(from, i));
        if (resource == NULL)
            return fault(ret_fault, MSG__REFUSAL__REASON__malformed, "value.resources");
        json_append(join->resources, resource);
    }
    return TRUE;
}

static void read_addresses(const Envelope *message, const Json *connection, Join *join)
{
    join->room = g_strdup(message->body->roomid);
    join->connection = g_strdup(json_get_text(connection, "url"));
    join->participant = g_strdup(url_last_segment(join->connection));
    join->hyperty = g_strdup(message->from);
    join->session = g_strdup(message->session);
    join->trace = g_strdup(message->trace);
    join->token = g_strdup(message->body->token);
    join->offer = g_byte_array_sized_new((guint)message->body->value.len);
    g_byte_array_append(join->offer, message->body->value.data, (guint)message->body->value.len);
}

static gboolean read_all(const Envelope *message, const char *domain, Join *join, Fault *ret_fault)
{
    if (!check_message(message, ret_fault))
        return FALSE;
    g_autoptr(Json) connection = envelope_value(message);
    if (!check_offer(connection, domain, ret_fault))
        return FALSE;
    read_addresses(message, connection, join);
    return read_identity(message, join, ret_fault) && read_resources(connection, join, ret_fault);
}

Join *join_parse(const Envelope *message, const char *domain, Refusal *ret_reason,
                 const char **ret_detail)
{
    g_autoptr(Join) join = g_new0(Join, 1);
    Fault found = {MSG__REFUSAL__REASON__none, NULL};
    if (read_all(message, domain, join, &found))
        return g_steal_pointer(&join);
    *ret_reason = found.reason;
    *ret_detail = found.detail;
    return NULL;
}

gboolean join_identify(Join *join, const char *user_url, const char *name)
{
    g_autoptr(Json) profile = json_new_object();
    if (!is_presentable(name))
        return FALSE;
    json_set_text(profile, "userURL", user_url);
    json_set_text(profile, "preferred_username", name);
    json_set(join->identity, "userProfile", profile);
    return TRUE;
}

const char *join_user_url(const Join *join)
{
    return json_get_text(profile_of(join->identity), "userURL");
}

void join_free(Join *join)
{
    if (join == NULL)
        return;
    g_free(join->room);
    g_free(join->participant);
    g_free(join->connection);
    g_free(join->hyperty);
    g_free(join->session);
    g_free(join->trace);
    g_free(join->token);
    g_clear_pointer(&join->offer, g_byte_array_unref);
    json_unref(join->identity);
    json_unref(join->resources);
    g_free(join);
}

Newcomer join_newcomer(const Join *join)
{
    return (Newcomer){
        .participant = join->participant,
        .session = join->session,
        .hyperty = join->hyperty,
        .connection = join->connection,
        .number = join->number,
        .identity = join->identity,
        .resources = join->resources,
    };
}
