// SPDX-License-Identifier: MIT
// Addresses as tables: what is one, what it is made of, what is published to it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "common/limits.h"
#include "common/url.h"

static void an_address_is_printable_ascii_without_blanks(void **state)
{
    static const char *const bad[] = {"", "a b", "a\tb", "a\x7f", "caf\xc3\xa9", "a\n"};
    (void)state;
    assert_true(url_is_valid("hyperty://localhost/conference"));
    assert_true(url_is_valid("runtime:/x"));
    assert_true(url_is_valid("mn:/session"));
    assert_false(url_is_valid(NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(url_is_valid(bad[i]));
}

static void an_address_has_at_most_its_limit_of_bytes(void **state)
{
    g_autofree char *most = g_strnfill(LIMIT_URL, 'a');
    g_autofree char *over = g_strnfill(LIMIT_URL + 1, 'a');
    (void)state;
    assert_true(url_is_valid(most));
    assert_false(url_is_valid(over));
}

static void a_key_is_letters_digits_and_two_signs(void **state)
{
    g_autofree char *most = g_strnfill(LIMIT_KEY, 'k');
    g_autofree char *over = g_strnfill(LIMIT_KEY + 1, 'k');
    static const char *const bad[] = {"", "a.b", "a/b", "a b", "\xc3\xa9", "a:b"};
    (void)state;
    assert_true(url_is_key("Room_1-a"));
    assert_true(url_is_key(most));
    assert_false(url_is_key(over));
    assert_false(url_is_key(NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(url_is_key(bad[i]));
}

static void an_address_has_scheme_authority_and_last_segment(void **state)
{
    static const struct {
        const char *url, *scheme, *authority, *last;
    } table[] = {
        {"comm://localhost/room-1", "comm", "localhost", "room-1"},
        {"domain://registry.localhost", "domain", "registry.localhost", "registry.localhost"},
        {"domain://registry.localhost/", "domain", "registry.localhost", ""},
        {"runtime:/x", NULL, NULL, "x"},
        {"mn:/session", NULL, NULL, "session"},
        {"://a/b", NULL, "a", "b"},
        {"plain", NULL, NULL, "plain"},
        {"a:///b", "a", NULL, "b"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *scheme = url_scheme(table[i].url);
        g_autofree char *authority = url_authority(table[i].url);
        assert_true(g_strcmp0(scheme, table[i].scheme) == 0);
        assert_true(g_strcmp0(authority, table[i].authority) == 0);
        assert_string_equal(url_last_segment(table[i].url), table[i].last);
    }
}

static void below_means_a_whole_segment_more(void **state)
{
    (void)state;
    assert_true(url_is_under("a://b/c", "a://b/c"));
    assert_true(url_is_under("a://b/c/d", "a://b/c"));
    assert_false(url_is_under("a://b/cd", "a://b/c"));
    assert_false(url_is_under("a://b", "a://b/c"));
}

static void an_object_is_the_address_without_its_suffix(void **state)
{
    static const struct {
        const char *url, *object;
        gboolean publication;
    } table[] = {
        {"comm://d/r/changes", "comm://d/r", TRUE},
        {"comm://d/r/registration", "comm://d/r", TRUE},
        {"comm://d/r/children", "comm://d/r", TRUE},
        {"comm://d/r/children/", "comm://d/r", TRUE},
        {"comm://d/r/children/chat/c1", "comm://d/r", TRUE},
        {"comm://d/r/subscription", "comm://d/r", FALSE},
        {"comm://d/r/read", "comm://d/r", FALSE},
        {"comm://d/r", "comm://d/r", FALSE},
        {"comm://d/childrenroom", "comm://d/childrenroom", FALSE},
        {"comm://children/r", "comm://children/r", FALSE},
        {"comm://changes", "comm://changes", FALSE},
        {"comm://d/r/changes/x", "comm://d/r/changes/x", FALSE},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *object = url_object(table[i].url);
        assert_string_equal(object, table[i].object);
        assert_int_equal(url_is_publication(table[i].url), table[i].publication);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_printable_ascii_without_blanks),
        cmocka_unit_test(an_address_has_at_most_its_limit_of_bytes),
        cmocka_unit_test(a_key_is_letters_digits_and_two_signs),
        cmocka_unit_test(an_address_has_scheme_authority_and_last_segment),
        cmocka_unit_test(below_means_a_whole_segment_more),
        cmocka_unit_test(an_object_is_the_address_without_its_suffix),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
