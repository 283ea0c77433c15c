// SPDX-License-Identifier: MIT
#include "gateway/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void a_token_gives_its_session_back(void **state)
{
    (void)state;
    g_autofree char *session = token_new_session();
    g_autofree char *token = token_make("secret", session);
    g_autofree char *found = token_session("secret", token);
    assert_int_equal(strlen(session), 16);
    assert_string_equal(found, session);
    assert_true(strlen(token) <= 100);
    assert_int_equal(
        strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"),
        strlen(token));
}

// openssl: printf 0123456789abcdef | openssl dgst -sha256 -hmac secret -binary | basenc --base64url
static void the_signature_is_hmac_sha256(void **state)
{
    (void)state;
    g_autofree char *token = token_make("secret", "0123456789abcdef");
    assert_string_equal(token, "0123456789abcdef.q4A3MWDZaJmzogkpH85_VRao2yUMeT7yhJv7jqpq3j8");
}

static void another_secret_refuses_it(void **state)
{
    (void)state;
    g_autofree char *token = token_make("secret", "0123456789abcdef");
    assert_null(token_session("Secret", token));
    assert_null(token_session("", token));
}

static void every_changed_character_refuses_it(void **state)
{
    (void)state;
    g_autofree char *token = token_make("secret", "0123456789abcdef");
    for (gsize i = 0; token[i] != '\0'; i++) {
        g_autofree char *changed = g_strdup(token);
        changed[i] = changed[i] == '0' ? '1' : '0';
        g_autofree char *found = token_session("secret", changed);
        assert_null(found);
    }
}

static void other_texts_have_no_token_form(void **state)
{
    static const char *const texts[] = {"", ".", "x", "0123456789abcdef.",
                                        "0123456789ABCDEF."
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        assert_false(token_has_form(texts[i]));
        assert_null(token_session("secret", texts[i]));
    }
}

static void sessions_and_secrets_are_never_the_same(void **state)
{
    (void)state;
    g_autofree char *one = token_new_session(), *two = token_new_session();
    g_autofree char *three = token_new_secret(), *four = token_new_secret();
    assert_string_not_equal(one, two);
    assert_string_not_equal(three, four);
    assert_int_equal(strlen(three), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_gives_its_session_back),
        cmocka_unit_test(the_signature_is_hmac_sha256),
        cmocka_unit_test(another_secret_refuses_it),
        cmocka_unit_test(every_changed_character_refuses_it),
        cmocka_unit_test(other_texts_have_no_token_form),
        cmocka_unit_test(sessions_and_secrets_are_never_the_same),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
