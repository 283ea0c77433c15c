// SPDX-License-Identifier: MIT
// Secrets are found in two ways: by the name of the member, and by their form inside any text (SDP
// lines, session tokens at the end of an address, JSON Web Tokens). A piece of a large answer is
// replaced as a whole, since a secret may be cut in two by its end.
#include "busmon/mask.h"

#include <string.h>

#define MASK "***"

static gboolean is_secret_name(const char *name)
{
    static const char *const names[] = {
        "token",         "runtimeToken", "password", "secret",     "assertion",
        "authorization", "pwd",          "icePwd",   "credential", NULL};
    for (guint i = 0; names[i] != NULL; i++)
        if (g_ascii_strcasecmp(names[i], name) == 0)
            return TRUE;
    return FALSE;
}

static const GRegex *secrets(void)
{
    static GRegex *regex;
    if (regex == NULL)
        regex = g_regex_new("(a=ice-pwd:|a=crypto:)[^\\r\\n\"\\\\]+" // SDP, also quoted in JSON
                            "|()[0-9a-f]{16}\\.[A-Za-z0-9_-]{16,}"   // session token
                            "|()eyJ[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*", // JWT
                            G_REGEX_OPTIMIZE | G_REGEX_RAW, 0, NULL);
    g_assert(regex != NULL);
    return regex;
}

char *mask_text(const char *text)
{
    char *masked = g_regex_replace(secrets(), text, -1, 0, "\\1" MASK, 0, NULL);
    return masked != NULL ? masked : g_strdup(MASK); // too much for the matcher
}

static Json *masked_text(const Json *json)
{
    g_autofree char *masked = mask_text(json_text(json));
    return json_new_text(masked);
}

// {"responses", "part", "text"}: see common/sync_wire.h.
static gboolean is_part(const Json *object)
{
    return json_get(object, "responses") != NULL && json_get_text(object, "text") != NULL;
}

static void mask_member(const char *name, Json *value, gpointer user)
{
    gboolean is_secret = is_secret_name(name) && !json_is_nothing(value);
    g_autoptr(Json) masked = is_secret ? json_new_text(MASK) : mask_json(value);
    json_set(user, name, masked);
}

static Json *masked_object(const Json *object)
{
    Json *masked = json_new_object();
    json_each(object, mask_member, masked);
    if (is_part(object)) {
        gsize length = strlen(json_get_text(object, "text"));
        g_autofree char *text = g_strdup_printf("(%" G_GSIZE_FORMAT " bytes)", length);
        json_set_text(masked, "text", text);
    }
    return masked;
}

static Json *masked_array(const Json *array)
{
    Json *masked = json_new_array();
    for (guint i = 0; i < json_size(array); i++) {
        g_autoptr(Json) element = mask_json(json_at(array, i));
        json_append(masked, element);
    }
    return masked;
}

Json *mask_json(const Json *json)
{
    if (json_is_object(json))
        return masked_object(json);
    if (json_is_array(json))
        return masked_array(json);
    if (json_is_text(json))
        return masked_text(json);
    return json != NULL ? json_copy(json) : NULL;
}
