// SPDX-License-Identifier: MIT
// Who may come in, as a table of tokens; times, signatures and forms are common/grants' to test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>
#include "registry/policy.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1700000000

static char *sign(const char *subject, const char *name, const char *video)
{
    jwt_t *jwt = NULL;
    g_autofree char *claims = g_strdup_printf(
        "{\"iss\":\"k1\",\"sub\":\"%s\",%s\"exp\":1700000100,\"video\":%s}", subject, name, video);
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    assert_int_equal(jwt_set_alg(jwt, JWT_ALG_HS256, (const guint8 *)SECRET, strlen(SECRET)), 0);
    char *token = jwt_encode_str(jwt);
    jwt_free(jwt);
    return token;
}

static Json *shown(const char *url)
{
    Json *identity = json_new_object();
    g_autoptr(Json) profile = json_new_object();
    json_set_text(profile, "userURL", url);
    json_set(identity, "userProfile", profile);
    return identity;
}

// token: NULL for none.
static const char *answer(gboolean guests, char *token, const char *session_url, Json **ret_shown)
{
    g_autoptr(Policy) policy = policy_new(grant_keys_new("k1:" SECRET, NULL), guests, "d");
    Join join = {.room = (char *)"demo", .token = token, .identity = shown(session_url)};
    const char *detail = NULL;
    Refusal reason = policy_check(policy, &join, NOW, &detail);
    assert_int_equal(reason == MSG__REFUSAL__REASON__none, detail == NULL);
    *ret_shown = join.identity;
    return refusal_name(reason);
}

static void without_a_token_comes_in_who_is_a_welcome_guest(void **state)
{
    g_autoptr(Json) open = NULL;
    g_autoptr(Json) closed = NULL;
    (void)state;
    assert_string_equal(answer(TRUE, NULL, "guest://d/1", &open), "none");
    assert_string_equal(answer(FALSE, NULL, "guest://d/1", &closed), "forbidden");
}

static void a_token_opens_the_room_that_it_names(void **state)
{
    static const struct {
        const char *subject, *session_url, *video, *reason;
    } rows[] = {
        {"ann", "guest://d/1", "{\"roomJoin\":true,\"room\":\"demo\"}", "none"},
        {"ann", "user://d/ann", "{\"roomJoin\":true}", "none"},
        {"ann", "guest://d/1", "{\"roomJoin\":true,\"room\":\"other\"}", "bad_token"},
        {"ann", "user://d/bob", "{\"roomJoin\":true,\"room\":\"demo\"}", "bad_token"},
        {"ann", "guest://d/1", "{\"room\":\"demo\"}", "forbidden"},
        {"ann", "guest://d/1", "{\"roomAdmin\":true,\"room\":\"demo\"}", "forbidden"},
        {"ann", "guest://d/1", "{\"roomJoin\":true,\"canPublish\":false}", "forbidden"},
        {"ann", "guest://d/1", "{\"roomJoin\":true,\"canSubscribe\":false}", "forbidden"},
        {"ann", "guest://d/1", "{\"roomJoin\":true,\"canPublishData\":false}", "forbidden"},
        {"ann", "guest://d/1", "{\"roomJoin\":true,\"hidden\":true}", "forbidden"},
        {"ann", "guest://d/1", "{\"roomJoin\":true,\"recorder\":true}", "forbidden"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        for (guint guests = 0; guests < 2; guests++) {
            char *token = sign(rows[i].subject, "", rows[i].video);
            g_autoptr(Json) identity = NULL;
            print_message("# %s %s\n", rows[i].session_url, rows[i].video);
            assert_string_equal(answer(guests == 1, token, rows[i].session_url, &identity),
                                rows[i].reason);
            free(token);
        }
}

static void others_see_whom_the_token_names(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"\"name\":\"Ann A.\",", "{\"userProfile\":{\"userURL\":\"user://d/ann\","
                                 "\"preferred_username\":\"Ann A.\"}}"},
        {"", "{\"userProfile\":{\"userURL\":\"user://d/ann\",\"preferred_username\":\"ann\"}}"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        char *token = sign("ann", rows[i].name, "{\"roomJoin\":true}");
        g_autoptr(Json) identity = NULL;
        assert_string_equal(answer(FALSE, token, "guest://d/1", &identity), "none");
        g_autofree char *text = json_print(identity, NULL);
        assert_string_equal(text, rows[i].text);
        free(token);
    }
}

static void a_name_that_cannot_be_shown_is_refused(void **state)
{
    char *token = sign("ann", "\"name\":\"A\\tnn\",", "{\"roomJoin\":true}");
    g_autoptr(Json) identity = NULL;
    (void)state;
    assert_string_equal(answer(TRUE, token, "guest://d/1", &identity), "bad_token");
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_token_comes_in_who_is_a_welcome_guest),
        cmocka_unit_test(a_token_opens_the_room_that_it_names),
        cmocka_unit_test(others_see_whom_the_token_names),
        cmocka_unit_test(a_name_that_cannot_be_shown_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
