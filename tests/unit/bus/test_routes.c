// SPDX-License-Identifier: MIT
// Which subscriptions are routes, and which messages they reach.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "bus/routes.h"

static gboolean match(const Routes *routes, const char *topic)
{
    return routes_match(routes, topic, strlen(topic));
}

static void an_address_reaches_only_itself(void **state)
{
    (void)state;
    g_autoptr(Routes) routes = routes_new();
    routes_add(routes, "hyperty://d/room1 ", 18);
    assert_true(match(routes, "hyperty://d/room1 "));
    assert_false(match(routes, "hyperty://d/room10 "));
    assert_false(match(routes, "hyperty://d/room1/sm "));
    assert_false(match(routes, "hyperty://d/room1"));
}

static void a_prefix_reaches_everything_below(void **state)
{
    (void)state;
    g_autoptr(Routes) routes = routes_new();
    routes_add(routes, "ctxt://d/process/", 17);
    assert_true(match(routes, "ctxt://d/process/bus-1/changes "));
    assert_true(match(routes, "ctxt://d/process/bus-1 "));
    assert_false(match(routes, "ctxt://d/process "));
    assert_false(match(routes, "ctxt://d/room/r/changes "));
}

static void a_watcher_is_no_route(void **state)
{
    (void)state;
    g_autoptr(Routes) routes = routes_new();
    routes_add(routes, "", 0);
    routes_add(routes, "hyperty:", 8);
    assert_int_equal(routes_count(routes), 0);
    assert_false(match(routes, "hyperty://d/x "));
}

static void the_last_subscription_takes_the_route_away(void **state)
{
    (void)state;
    g_autoptr(Routes) routes = routes_new();
    routes_add(routes, "a://b ", 6);
    routes_remove(routes, "a://b ", 6, 1000);
    routes_remove(routes, "never://there ", 14, 1000);
    assert_false(match(routes, "a://b "));
    assert_int_equal(routes_count(routes), 0);
}

static void a_lost_route_is_remembered_until_forgotten(void **state)
{
    (void)state;
    g_autoptr(Routes) routes = routes_new();
    routes_add(routes, "a://b/", 6);
    assert_false(routes_was_lost(routes, "a://b/c ", 8));
    routes_remove(routes, "a://b/", 6, 1000);
    routes_forget(routes, 1000);
    assert_true(routes_was_lost(routes, "a://b/c ", 8));
    assert_false(routes_was_lost(routes, "a://x/c ", 8));
    routes_forget(routes, 1001);
    assert_false(routes_was_lost(routes, "a://b/c ", 8));
}

static void a_route_that_came_back_is_not_lost(void **state)
{
    (void)state;
    g_autoptr(Routes) routes = routes_new();
    routes_add(routes, "a://b ", 6);
    routes_remove(routes, "a://b ", 6, 1000);
    routes_add(routes, "a://b ", 6);
    routes_forget(routes, 2000);
    assert_true(match(routes, "a://b "));
    assert_false(routes_was_lost(routes, "a://b ", 6));
    assert_int_equal(routes_count(routes), 1);
}

static void hostile_topics_are_ignored(void **state)
{
    (void)state;
    g_autoptr(Routes) routes = routes_new();
    char longest[400];
    memset(longest, '/', sizeof longest);
    routes_add(routes, longest, sizeof longest);
    routes_add(routes, "a\0b ", 4);
    assert_int_equal(routes_count(routes), 0);
    assert_false(routes_match(routes, longest, sizeof longest));
    assert_false(routes_match(routes, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_reaches_only_itself),
        cmocka_unit_test(a_prefix_reaches_everything_below),
        cmocka_unit_test(a_watcher_is_no_route),
        cmocka_unit_test(the_last_subscription_takes_the_route_away),
        cmocka_unit_test(a_lost_route_is_remembered_until_forgotten),
        cmocka_unit_test(a_route_that_came_back_is_not_lost),
        cmocka_unit_test(hostile_topics_are_ignored),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
