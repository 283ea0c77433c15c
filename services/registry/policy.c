// SPDX-License-Identifier: MIT
// See policy.h. The token's words are for the client and the log; neither ever gets the token.
#include "registry/policy.h"
#include <string.h>
#include "common/log.h"

struct Policy {
    GrantKeys *keys;
    gboolean guests;
    char *domain;
};

Policy *policy_new(GrantKeys *keys, gboolean guests, const char *domain)
{
    Policy *policy = g_new0(Policy, 1);
    policy->keys = keys;
    policy->guests = guests;
    policy->domain = g_strdup(domain);
    return policy;
}

Policy *policy_configure(const Config *config, const char *domain, GError **error)
{
    GrantKeys *keys = NULL;
    gboolean guests = TRUE;
    if (!grant_keys_configure(config, &keys, &guests, error))
        return NULL;
    if (guests)
        log_event(LOG_WARNING, "registry.open_rooms", "setting=auth.guests");
    return policy_new(keys, guests, domain);
}

void policy_free(Policy *policy)
{
    if (policy == NULL)
        return;
    grant_keys_free(policy->keys);
    g_free(policy->domain);
    g_free(policy);
}

static Refusal refuse(Refusal reason, const char *detail, const char **ret_detail)
{
    *ret_detail = detail;
    return reason;
}

// What a token grants less, or more, than a participant like all others has.
static const char *unenforced(const Grants *grants)
{
    return !grants->can_publish        ? "canPublish=false is not offered here"
           : !grants->can_subscribe    ? "canSubscribe=false is not offered here"
           : !grants->can_publish_data ? "canPublishData=false is not offered here"
           : grants->hidden            ? "hidden is not offered here"
           : grants->recorder          ? "recorder is not offered here"
                                       : NULL;
}

static gboolean is_of_another(const Join *join, const char *user_url)
{
    const char *shown = join_user_url(join);
    return shown != NULL && g_str_has_prefix(shown, "user://") && strcmp(shown, user_url) != 0;
}

static Refusal check_grants(const Policy *policy, const Grants *grants, Join *join,
                            const char **ret_detail)
{
    g_autofree char *url = grants_user_url(grants, policy->domain);
    if (is_of_another(join, url))
        return refuse(MSG__REFUSAL__REASON__bad_token, "it is another identity's", ret_detail);
    if (!grants_cover(grants, join->room))
        return refuse(MSG__REFUSAL__REASON__bad_token, "it is for another room", ret_detail);
    if (!grants->room_join)
        return refuse(MSG__REFUSAL__REASON__forbidden, "the token does not grant roomJoin",
                      ret_detail);
    if (unenforced(grants) != NULL)
        return refuse(MSG__REFUSAL__REASON__forbidden, unenforced(grants), ret_detail);
    if (!join_identify(join, url, grants->name != NULL ? grants->name : grants->subject))
        return refuse(MSG__REFUSAL__REASON__bad_token, "its name cannot be shown", ret_detail);
    return MSG__REFUSAL__REASON__none;
}

Refusal policy_check(const Policy *policy, Join *join, gint64 now_s, const char **ret_detail)
{
    Refusal reason = MSG__REFUSAL__REASON__none;
    if (join->token == NULL)
        return policy->guests ? reason
                              : refuse(MSG__REFUSAL__REASON__forbidden,
                                       "a token for this room is needed", ret_detail);
    g_autoptr(Grants) grants = grants_read(policy->keys, join->token, now_s, &reason, ret_detail);
    return grants != NULL ? check_grants(policy, grants, join, ret_detail) : reason;
}
