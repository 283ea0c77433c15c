// SPDX-License-Identifier: MIT
// Tokens as tables: which are taken, what they grant, and why the others are refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "common/grants.h"
#include "common/limits.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER "abcdef0123456789abcdef0123456789"
#define NOW 1700000000

static GrantKeys *keys_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    GrantKeys *keys = grant_keys_new(text, &error);
    assert_null(error);
    return keys;
}

// One malloc'ed token; NULL on a bug of the test.
static char *sign(const char *claims, const char *secret, jwt_alg_t algorithm)
{
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    assert_int_equal(jwt_set_alg(jwt, algorithm, (const guint8 *)secret, (int)strlen(secret)), 0);
    char *token = jwt_encode_str(jwt);
    jwt_free(jwt);
    return token;
}

static Grants *read_signed(const char *claims, const char **ret_detail)
{
    g_autoptr(GrantKeys) keys = keys_of("k1:" SECRET);
    Refusal reason = MSG__REFUSAL__REASON__none;
    char *token = sign(claims, SECRET, JWT_ALG_HS256);
    *ret_detail = NULL;
    Grants *grants = grants_read(keys, token, NOW, &reason, ret_detail);
    assert_int_equal(reason == MSG__REFUSAL__REASON__none, grants != NULL);
    free(token);
    return grants;
}

static void a_token_grants_what_its_claims_say(void **state)
{
    const char *detail = NULL;
    (void)state;
    g_autoptr(Grants) grants = read_signed(
        "{\"iss\":\"k1\",\"sub\":\"ann\",\"name\":\"Ann\",\"exp\":1700000100,\"video\":{\"room\":"
        "\"demo\",\"roomJoin\":true,\"roomAdmin\":true,\"canPublish\":false,\"hidden\":true}}",
        &detail);
    assert_non_null(grants);
    assert_string_equal(grants->subject, "ann");
    assert_string_equal(grants->name, "Ann");
    assert_string_equal(grants->room, "demo");
    assert_true(grants->room_join && grants->room_admin && grants->hidden);
    assert_false(grants->room_create || grants->recorder);
    assert_false(grants->can_publish);
    assert_true(grants->can_subscribe && grants->can_publish_data);
    assert_true(grants_cover(grants, "demo"));
    assert_false(grants_cover(grants, "demo2"));
}

static void a_token_without_a_room_covers_every_room_and_without_grants_grants_no_room(void **state)
{
    const char *detail = NULL;
    (void)state;
    g_autoptr(Grants) grants =
        read_signed("{\"iss\":\"k1\",\"sub\":\"ann\",\"exp\":1700000100}", &detail);
    assert_non_null(grants);
    assert_null(grants->name);
    assert_true(grants_cover(grants, "any"));
    assert_false(grants->room_join || grants->room_create || grants->room_admin);
}

static void clocks_may_differ_by_a_minute(void **state)
{
    static const struct {
        const char *times;
        const char *detail; // NULL: taken
    } rows[] = {
        {"\"exp\":1699999941", NULL},
        {"\"exp\":1699999940", "it has expired"},
        {"\"exp\":1699999940.5", NULL},
        {"\"exp\":\"1700000100\"", "it has no expiry"},
        {"\"x\":1", "it has no expiry"},
        {"\"exp\":1700000100,\"nbf\":1700000060", NULL},
        {"\"exp\":1700000100,\"nbf\":1700000061", "it is not valid yet"},
        {"\"exp\":1700000100,\"nbf\":\"now\"", "it is not valid yet"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *detail = NULL;
        g_autofree char *claims =
            g_strdup_printf("{\"iss\":\"k1\",\"sub\":\"ann\",%s}", rows[i].times);
        g_autoptr(Grants) grants = read_signed(claims, &detail);
        assert_int_equal(grants != NULL, rows[i].detail == NULL);
        if (rows[i].detail != NULL)
            assert_string_equal(detail, rows[i].detail);
    }
}

static void a_subject_is_printable_without_a_slash(void **state)
{
    static const char *const bad[] = {"", "a b", "a/b", "caf\\u00e9"};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *detail = NULL;
        g_autofree char *claims =
            g_strdup_printf("{\"iss\":\"k1\",\"sub\":\"%s\",\"exp\":1700000100}", bad[i]);
        assert_null(read_signed(claims, &detail));
        assert_string_equal(detail, "its subject is none");
    }
}

static void a_grant_of_the_wrong_kind_is_not_one_left_out(void **state)
{
    static const char *const bad[] = {"\"name\":7",
                                      "\"video\":[]",
                                      "\"video\":{\"room\":7}",
                                      "\"video\":{\"room\":null}",
                                      "\"video\":{\"room\":[\"demo\"]}",
                                      "\"video\":{\"canPublish\":\"false\"}",
                                      "\"video\":{\"canSubscribe\":0}",
                                      "\"video\":{\"hidden\":1}"};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *detail = NULL;
        g_autofree char *claims =
            g_strdup_printf("{\"iss\":\"k1\",\"sub\":\"ann\",\"exp\":1700000100,%s}", bad[i]);
        assert_null(read_signed(claims, &detail));
        assert_string_equal(detail, "a grant is of the wrong kind");
    }
}

static void expect_refused(const char *token, const char *detail)
{
    g_autoptr(GrantKeys) keys = keys_of("k1:" SECRET ", k2:" OTHER);
    Refusal reason = MSG__REFUSAL__REASON__none;
    const char *said = NULL;
    assert_null(grants_read(keys, token, NOW, &reason, &said));
    assert_int_equal(reason, MSG__REFUSAL__REASON__bad_token);
    assert_string_equal(said, detail);
}

static void what_is_forged_is_refused(void **state)
{
    static const char claims[] = "{\"iss\":\"k1\",\"sub\":\"ann\",\"exp\":1700000100}";
    char *wrong_key = sign(claims, OTHER, JWT_ALG_HS256);
    char *wrong_algorithm = sign(claims, SECRET, JWT_ALG_HS384);
    char *stranger = sign("{\"iss\":\"k3\",\"sub\":\"ann\",\"exp\":1}", SECRET, JWT_ALG_HS256);
    char *anonymous = sign("{\"sub\":\"ann\",\"exp\":1700000100}", SECRET, JWT_ALG_HS256);
    g_autofree char *longer = g_strnfill(LIMIT_TOKEN + 1, 'a');
    (void)state;
    expect_refused(wrong_key, "its signature does not hold");
    expect_refused(wrong_algorithm, "its algorithm is not HS256");
    expect_refused(stranger, "its issuer has no key here");
    expect_refused(anonymous, "it is no signed JWT with an issuer");
    expect_refused(longer, "it is no signed JWT with an issuer");
    expect_refused("", "it is no signed JWT with an issuer");
    expect_refused("a.b.c", "it is no signed JWT with an issuer");
    // {"alg":"none"}.{"iss":"k1","sub":"ann","exp":1700000100}
    expect_refused("eyJhbGciOiJub25lIn0.eyJpc3MiOiJrMSIsInN1YiI6ImFubiIsImV4cCI6MTcwMDAwMDEwMH0.",
                   "its signature does not hold");
    free(wrong_key);
    free(wrong_algorithm);
    free(stranger);
    free(anonymous);
}

static void a_key_that_cannot_be_used_is_named_without_its_secret(void **state)
{
    static const char *const bad[] = {"k1", ":" SECRET, "k1:short", "k1:" SECRET " k1:" SECRET};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(grant_keys_new(bad[i], &error));
        assert_non_null(error);
        assert_null(strstr(error->message, SECRET));
        assert_null(strstr(error->message, "short)"));
    }
}

static void keys_may_be_none_or_many(void **state)
{
    g_autoptr(GrantKeys) none = keys_of(" ");
    g_autoptr(GrantKeys) two = keys_of("a:" SECRET ",b:" OTHER "\n");
    (void)state;
    assert_true(grant_keys_is_empty(none));
    assert_false(grant_keys_is_empty(two));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_grants_what_its_claims_say),
        cmocka_unit_test(
            a_token_without_a_room_covers_every_room_and_without_grants_grants_no_room),
        cmocka_unit_test(clocks_may_differ_by_a_minute),
        cmocka_unit_test(a_subject_is_printable_without_a_slash),
        cmocka_unit_test(a_grant_of_the_wrong_kind_is_not_one_left_out),
        cmocka_unit_test(what_is_forged_is_refused),
        cmocka_unit_test(a_key_that_cannot_be_used_is_named_without_its_secret),
        cmocka_unit_test(keys_may_be_none_or_many),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
