// SPDX-License-Identifier: MIT
#include "gateway/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/limits.h"

static Json *said(const char *name)
{
    Json *body = json_new_object();
    g_autoptr(Json) identity = json_new_object();
    g_autoptr(Json) profile = json_new_object();
    json_set_text(profile, "preferred_username", name);
    json_set_text(profile, "userURL", "user://example.com/somebody.else");
    json_set(identity, "userProfile", profile);
    json_set_text(identity, "assertion", "trust me");
    json_set(body, "identity", identity);
    return body;
}

static void a_guest_has_a_name_and_our_url(void **state)
{
    g_autoptr(Json) body = said("Ann");
    g_autoptr(Json) identity = identity_assert(body, NULL, "d", "0123");
    g_autofree char *text = json_print(identity, NULL);
    (void)state;
    assert_string_equal(text, "{\"userProfile\":{\"userURL\":\"guest://d/0123\","
                              "\"preferred_username\":\"Ann\"}}");
}

static void whom_a_token_names_nobody_renames(void **state)
{
    Grants grants = {.subject = (char *)"ann", .name = (char *)" Ann\t"};
    Grants nameless = {.subject = (char *)"bob"};
    g_autoptr(Json) user = identity_of_token(&grants, "d");
    g_autoptr(Json) body = said("Eve");
    g_autoptr(Json) other = identity_of_token(&nameless, "d");
    g_autoptr(Json) guest = identity_assert(NULL, NULL, "d", "0123");
    g_autofree char *text = json_print(user, NULL);
    (void)state;
    g_autoptr(Json) after = identity_assert(body, user, "d", "0123");
    assert_string_equal(text, "{\"userProfile\":{\"userURL\":\"user://d/ann\","
                              "\"preferred_username\":\"Ann\"}}");
    assert_true(json_equals(after, user));
    assert_string_equal(json_get_text(json_get(other, "userProfile"), "preferred_username"), "bob");
    assert_true(identity_is_user(user) && !identity_is_user(guest) && !identity_is_user(NULL));
    assert_true(identity_is_same(user, after) && !identity_is_same(user, other));
    assert_false(identity_is_same(NULL, NULL));
}

static void a_name_stays_where_none_is_said(void **state)
{
    g_autoptr(Json) body = said("Ann");
    g_autoptr(Json) before = identity_assert(body, NULL, "d", "0123");
    g_autoptr(Json) after = identity_assert(NULL, before, "d", "0123");
    (void)state;
    assert_true(json_equals(before, after));
}

static void names_are_cleaned_and_cut_at_whole_characters(void **state)
{
    g_autoptr(GString) name = g_string_new("  a\tb\n\xc2\x85");
    (void)state;
    for (guint i = 0; i < LIMIT_NAME; i++)
        g_string_append(name, "\xc3\xa9");
    g_autoptr(Json) body = said(name->str);
    g_autoptr(Json) identity = identity_assert(body, NULL, "d", "0123");
    const char *text = json_get_text(json_get(identity, "userProfile"), "preferred_username");
    assert_true(g_str_has_prefix(text, "ab\xc3\xa9"));
    assert_true(strlen(text) <= LIMIT_NAME);
    assert_true(g_utf8_validate(text, -1, NULL));
}

static void nothing_left_of_a_name_is_no_name(void **state)
{
    g_autoptr(Json) body = said(" \x01 ");
    g_autoptr(Json) identity = identity_assert(body, NULL, "d", "0123");
    (void)state;
    assert_null(json_get(json_get(identity, "userProfile"), "preferred_username"));
}

static void others_see_whose_it_is_and_the_rest_as_it_was_said(void **state)
{
    static const char text[] = "{\"idp\":{\"domain\":\"x\"},\"userProfile\":{\"userURL\":"
                               "\"user://d/bob\",\"guid\":\"bob\",\"picture\":\"p\"}}";
    g_autoptr(Json) said_json = json_parse_bytes((const guint8 *)text, sizeof text - 1);
    g_autoptr(Json) body = said("Ann");
    g_autoptr(Json) asserted = identity_assert(body, NULL, "d", "0123");
    g_autoptr(Json) shown = identity_show(said_json, asserted);
    g_autofree char *printed = json_print_canonical(shown, NULL);
    (void)state;
    assert_string_equal(printed, "{\"idp\":{\"domain\":\"x\"},\"userProfile\":{\"picture\":"
                                 "\"p\",\"preferred_username\":\"Ann\",\"userURL\":"
                                 "\"guest://d/0123\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_has_a_name_and_our_url),
        cmocka_unit_test(a_name_stays_where_none_is_said),
        cmocka_unit_test(whom_a_token_names_nobody_renames),
        cmocka_unit_test(names_are_cleaned_and_cut_at_whole_characters),
        cmocka_unit_test(nothing_left_of_a_name_is_no_name),
        cmocka_unit_test(others_see_whose_it_is_and_the_rest_as_it_was_said),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
