// SPDX-License-Identifier: MIT
// See identity.h. A name is shown to others: it is cut at LIMIT_NAME, and control characters and
// blanks at its ends go.
#include "gateway/identity.h"

#include <string.h>

#include "common/limits.h"

static char *clean(const char *name)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (const char *at = name; *at != '\0'; at = g_utf8_next_char(at)) {
        gsize length = (gsize)(g_utf8_next_char(at) - at);
        if (text->len + length > LIMIT_NAME)
            break;
        if (!g_unichar_iscntrl(g_utf8_get_char(at)))
            g_string_append_len(text, at, (gssize)length);
    }
    return g_strstrip(g_string_free(g_steal_pointer(&text), FALSE));
}

static const char *url_of(const Json *identity)
{
    return json_get_text(json_get(identity, "userProfile"), "userURL");
}

gboolean identity_is_user(const Json *identity)
{
    const char *url = url_of(identity);
    return url != NULL && g_str_has_prefix(url, "user://");
}

gboolean identity_is_same(const Json *identity, const Json *other)
{
    return url_of(identity) != NULL && g_strcmp0(url_of(identity), url_of(other)) == 0;
}

Json *identity_of_token(const Grants *grants, const char *domain)
{
    Json *identity = json_new_object();
    g_autoptr(Json) profile = json_new_object();
    g_autofree char *url = grants_user_url(grants, domain);
    g_autofree char *name = clean(grants->name != NULL ? grants->name : "");
    json_set_text(profile, "userURL", url);
    json_set_text(profile, "preferred_username", *name != '\0' ? name : grants->subject);
    json_set(identity, "userProfile", profile);
    return identity;
}

Json *identity_assert(const Json *body, const Json *before, const char *domain, const char *session)
{
    if (identity_is_user(before))
        return json_copy(before);
    const Json *profile = json_get(json_get(body, "identity"), "userProfile");
    const char *said = json_get_text(profile, "preferred_username");
    if (said == NULL)
        said = json_get_text(json_get(before, "userProfile"), "preferred_username");
    Json *identity = json_new_object();
    g_autoptr(Json) asserted = json_new_object();
    g_autofree char *url = g_strdup_printf("guest://%s/%s", domain, session);
    g_autofree char *name = clean(said != NULL ? said : "");
    json_set_text(asserted, "userURL", url);
    if (*name != '\0')
        json_set_text(asserted, "preferred_username", name);
    json_set(identity, "userProfile", asserted);
    return identity;
}

Json *identity_show(const Json *said, const Json *asserted)
{
    Json *shown = json_new_object();
    g_autoptr(Json) profile = json_new_object();
    json_merge(shown, said);
    if (json_is_object(json_get(said, "userProfile")))
        json_merge(profile, json_get(said, "userProfile"));
    json_remove(profile, "guid");
    json_merge(profile, json_get(asserted, "userProfile"));
    json_set(shown, "userProfile", profile);
    return shown;
}
