// SPDX-License-Identifier: MIT
#include "gateway/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/limits.h"

typedef struct {
    Sessions *sessions;
    Session *ann, *bob;
    Routes *routes;
    GString *used;
} Fixture;

static void on_used(const char *topic, gboolean used, gpointer user)
{
    g_string_append_printf(((Fixture *)user)->used, "%c%s ", used ? '+' : '-', topic);
}

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    Refusal reason;
    fixture->sessions = sessions_new("d");
    fixture->ann = sessions_add(fixture->sessions, "a", "a.t", "runtime://d/ann", &reason);
    fixture->bob = sessions_add(fixture->sessions, "b", "b.t", "runtime://d/bob", &reason);
    fixture->used = g_string_new(NULL);
    fixture->routes = routes_new(on_used, fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    routes_remove_under(fixture->routes, fixture->ann, NULL);
    routes_remove_under(fixture->routes, fixture->bob, NULL);
    routes_free(fixture->routes);
    sessions_free(fixture->sessions);
    g_string_free(fixture->used, TRUE);
    g_free(fixture);
    return 0;
}

static guint reached(Fixture *fixture, const char *to)
{
    g_autoptr(GPtrArray) sessions = routes_match(fixture->routes, to);
    return sessions->len;
}

static void a_topic_is_used_from_its_first_session_to_its_last(void **state)
{
    Fixture *fixture = *state;
    assert_true(routes_add(fixture->routes, fixture->ann, "o://d/1/changes"));
    assert_true(routes_add(fixture->routes, fixture->bob, "o://d/1/changes"));
    assert_true(routes_add(fixture->routes, fixture->bob, "o://d/1/changes"));
    routes_remove(fixture->routes, fixture->ann, "o://d/1/changes");
    assert_string_equal(fixture->used->str, "+o://d/1/changes ");
    routes_remove(fixture->routes, fixture->bob, "o://d/1/changes");
    routes_remove(fixture->routes, fixture->bob, "o://d/1/changes");
    assert_string_equal(fixture->used->str, "+o://d/1/changes -o://d/1/changes ");
}

static void a_publication_reaches_a_session_once(void **state)
{
    Fixture *fixture = *state;
    routes_add(fixture->routes, fixture->ann, "o://d/1/children/");
    routes_add(fixture->routes, fixture->ann, "o://d/1/children/chat");
    routes_add(fixture->routes, fixture->ann, "o://d/1/");
    routes_add(fixture->routes, fixture->bob, "o://d/1/children/chat/");
    assert_int_equal(reached(fixture, "o://d/1/children/chat"), 1);
    assert_int_equal(reached(fixture, "o://d/1/children/chat/5"), 2);
    assert_int_equal(reached(fixture, "o://d/1/children/"), 1);
    assert_int_equal(reached(fixture, "o://d/10/changes"), 0);
    assert_int_equal(reached(fixture, "o://d/1"), 0);
}

static void all_below_an_object_can_be_dropped(void **state)
{
    Fixture *fixture = *state;
    routes_add(fixture->routes, fixture->ann, "o://d/1/changes");
    routes_add(fixture->routes, fixture->ann, "o://d/1/children/");
    routes_add(fixture->routes, fixture->ann, "o://d/10/changes");
    routes_remove_under(fixture->routes, fixture->ann, "o://d/1");
    assert_false(routes_has(fixture->ann, "o://d/1/changes"));
    assert_false(routes_has(fixture->ann, "o://d/1/children/"));
    assert_true(routes_has(fixture->ann, "o://d/10/changes"));
}

static void routes_of_a_session_are_bounded(void **state)
{
    Fixture *fixture = *state;
    for (guint i = 0; i < LIMIT_SESSION_ROUTES; i++) {
        g_autofree char *topic = g_strdup_printf("o://d/%u/changes", i);
        assert_true(routes_add(fixture->routes, fixture->ann, topic));
    }
    assert_false(routes_add(fixture->routes, fixture->ann, "o://d/x/changes"));
    assert_true(routes_add(fixture->routes, fixture->ann, "o://d/0/changes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_topic_is_used_from_its_first_session_to_its_last, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_publication_reaches_a_session_once, setup, teardown),
        cmocka_unit_test_setup_teardown(all_below_an_object_can_be_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(routes_of_a_session_are_bounded, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
