// SPDX-License-Identifier: MIT
#include "gateway/allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/limits.h"
#include "gateway/resources.h"

typedef struct {
    Sessions *sessions;
    Session *ann;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    Refusal reason;
    fixture->sessions = sessions_new("d");
    fixture->ann = sessions_add(fixture->sessions, "a", "a.t", "runtime://d/ann", &reason);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    sessions_free(fixture->sessions);
    g_free(fixture);
    return 0;
}

static Json *parse(const char *text)
{
    return json_parse_bytes((const guint8 *)text, strlen(text));
}

static Json *create(Fixture *fixture, const char *text)
{
    g_autoptr(Json) body = parse(text);
    return allocation_create(fixture->sessions, fixture->ann, body);
}

static const Json *allocated(const Json *answer)
{
    return json_get(json_get(answer, "value"), "allocated");
}

static gint code(const Json *answer)
{
    return (gint)json_get_number(answer, "code", 0);
}

static void five_hyperties_by_default_and_the_session_owns_them(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Json) answer = create(fixture, "{}");
    assert_int_equal(code(answer), 200);
    assert_int_equal(json_size(allocated(answer)), 5);
    const char *first = json_text(json_at(allocated(answer), 0));
    assert_true(g_str_has_prefix(first, "hyperty://d/"));
    assert_true(session_owns(fixture->ann, first));
}

static void scheme_and_number_are_as_asked(void **state)
{
    g_autoptr(Json) answer = create(*state, "{\"scheme\":\"connection\",\"value\":{\"number\":2}}");
    assert_int_equal(json_size(allocated(answer)), 2);
    assert_true(g_str_has_prefix(json_text(json_at(allocated(answer), 1)), "connection://d/"));
}

static void the_same_key_gives_the_same_block(void **state)
{
    static const char text[] = "{\"value\":{\"number\":2,\"allocationKey\":\"k\"}}";
    g_autoptr(Json) first = create(*state, text);
    g_autoptr(Json) second = create(*state, text);
    assert_true(json_equals(first, second));
}

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *text;
        gint code;
    } table[] = {{"{\"value\":{\"number\":0}}", 413},  {"{\"value\":{\"number\":33}}", 413},
                 {"{\"value\":{\"number\":-1}}", 413}, {"{\"scheme\":\"a b\"}", 400},
                 {"{\"scheme\":\"\"}", 400},           {"{\"scheme\":\"://\"}", 400},
                 {"{\"scheme\":\"bus\"}", 403},        {"{\"scheme\":\"domain\"}", 403}};
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(Json) answer = create(*state, table[i].text);
        if (code(answer) != table[i].code)
            fail_msg("%s: %d", table[i].text, code(answer));
    }
}

static void what_does_not_fit_is_not_half_allocated(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Json) one = create(fixture, "{\"value\":{\"number\":32}}");
    g_autoptr(Json) two = create(fixture, "{\"value\":{\"number\":32}}");
    assert_int_equal(code(one), 200);
    assert_int_equal(code(two), 429);
    g_autoptr(Json) three = create(fixture, "{\"value\":{\"number\":31}}");
    assert_int_equal(code(three), 200);
}

static void addresses_come_back_nested_or_by_key(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Json) answer = create(fixture, "{\"value\":{\"number\":2,\"allocationKey\":\"k\"}}");
    const char *one = json_text(json_at(allocated(answer), 0));
    const char *two = json_text(json_at(allocated(answer), 1));
    g_autofree char *nested =
        g_strdup_printf("{\"childrenResources\":[[\"%s\"],\"unknown://d/x\"]}", one);
    g_autoptr(Json) body = parse(nested);
    g_autoptr(Json) first = allocation_delete(fixture->sessions, fixture->ann, body);
    assert_int_equal(code(first), 200);
    assert_false(session_owns(fixture->ann, one));
    assert_true(session_owns(fixture->ann, two));
    g_autoptr(Json) key = parse("{\"resource\":\"k\"}");
    g_autoptr(Json) second = allocation_delete(fixture->sessions, fixture->ann, key);
    assert_int_equal(code(second), 200);
    assert_false(session_owns(fixture->ann, two));
}

static void resources_are_read_under_all_their_names(void **state)
{
    g_autoptr(Json) body = parse("{\"resources\":[\"a\"],\"subscribe\":\"b\",\"unsubscribe\":[],"
                                 "\"resource\":\"c\",\"childrenResources\":[[[\"d\"]],\"e\"]}");
    g_autoptr(GPtrArray) found = resources_of(body);
    (void)state;
    assert_int_equal(found->len, 5);
    for (guint i = 0; i < 5; i++)
        assert_int_equal(((const char *)found->pdata[i])[0], 'a' + (int)i);
    g_autoptr(Json) wrong = parse("{\"resources\":[7]}");
    assert_null(resources_of(wrong));
    g_autoptr(GPtrArray) none = resources_of(NULL);
    assert_int_equal(none->len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(five_hyperties_by_default_and_the_session_owns_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(scheme_and_number_are_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_key_gives_the_same_block, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_not_half_allocated, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_come_back_nested_or_by_key, setup, teardown),
        cmocka_unit_test(resources_are_read_under_all_their_names),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
