// SPDX-License-Identifier: MIT
// Which handlers a topic reaches, in which order, and what happens when they change the routes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/bus_routes.h"

typedef struct {
    BusRoutes *routes;
    GPtrArray *matches;
} Table;

static char one, two; // addresses that stand for users

static int start(void **state)
{
    Table *table = g_new0(Table, 1);
    table->routes = bus_routes_new();
    table->matches = g_ptr_array_new_with_free_func(bus_route_unref);
    *state = table;
    return 0;
}

static int end(void **state)
{
    Table *table = *state;
    bus_routes_free(table->routes);
    g_ptr_array_unref(table->matches);
    g_free(table);
    return 0;
}

static void handle_a(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)message;
    (void)request;
    (void)user;
}

static void handle_b(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)message;
    (void)request;
    (void)user;
}

static guint match(Table *table, const char *topic)
{
    g_ptr_array_set_size(table->matches, 0);
    bus_routes_match(table->routes, topic, table->matches);
    return table->matches->len;
}

static const BusRoute *matched(const Table *table, guint index)
{
    return table->matches->pdata[index];
}

static void the_first_and_the_last_of_a_topic_are_told(void **state)
{
    Table *table = *state;
    assert_true(bus_routes_add(table->routes, "a://b ", handle_a, &one));
    assert_false(bus_routes_add(table->routes, "a://b ", handle_b, &one));
    assert_false(bus_routes_add(table->routes, "a://b ", handle_b, &one));
    assert_false(bus_routes_remove(table->routes, "a://b ", handle_a, &two));
    assert_false(bus_routes_remove(table->routes, "a://b ", handle_b, &one));
    assert_true(bus_routes_remove(table->routes, "a://b ", handle_a, &one));
    assert_false(bus_routes_remove(table->routes, "a://b ", handle_a, &one));
    assert_int_equal(match(table, "a://b "), 0);
}

static void an_address_is_not_the_beginning_of_another(void **state)
{
    Table *table = *state;
    bus_routes_add(table->routes, "a://b/room1 ", handle_a, &one);
    assert_int_equal(match(table, "a://b/room1 "), 1);
    assert_int_equal(match(table, "a://b/room10 "), 0);
    assert_int_equal(match(table, "a://b/room1/changes "), 0);
}

static void the_address_comes_first_then_prefixes_then_watchers(void **state)
{
    Table *table = *state;
    bus_routes_add(table->routes, "", handle_b, &two);
    bus_routes_add(table->routes, "a://", handle_b, &one);
    bus_routes_add(table->routes, "a://b/", handle_a, &two);
    bus_routes_add(table->routes, "a://b/c ", handle_a, &one);
    assert_int_equal(match(table, "a://b/c "), 4);
    assert_true(matched(table, 0)->handler == handle_a && matched(table, 0)->user == &one);
    assert_true(matched(table, 1)->handler == handle_a && matched(table, 1)->user == &two);
    assert_true(matched(table, 2)->user == &one); // "a://" ends in a slash: no watcher
    assert_false(matched(table, 2)->watches);
    assert_true(matched(table, 3)->watches);
}

static void one_handler_and_user_is_matched_once(void **state)
{
    Table *table = *state;
    bus_routes_add(table->routes, "a://b/c ", handle_a, &one);
    bus_routes_add(table->routes, "a://b/", handle_a, &one);
    bus_routes_add(table->routes, "a://", handle_a, &one);
    bus_routes_add(table->routes, "", handle_a, &one);
    assert_int_equal(match(table, "a://b/c "), 1);
    assert_false(matched(table, 0)->watches);
}

static void a_route_removed_after_the_match_is_marked(void **state)
{
    Table *table = *state;
    bus_routes_add(table->routes, "a://b ", handle_a, &one);
    bus_routes_add(table->routes, "a://b ", handle_b, &one);
    assert_int_equal(match(table, "a://b "), 2);
    bus_routes_remove(table->routes, "a://b ", handle_b, &one);
    assert_false(matched(table, 0)->removed);
    assert_true(matched(table, 1)->removed);
}

static gboolean hole(Table *table, const char *source, guint64 sequence, guint64 previous)
{
    g_autoptr(Envelope) message = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "a://b", "a://b");
    envelope_set(&message->source, source);
    message->sequence = sequence;
    message->previous = previous;
    return bus_routes_hole(table->routes, "a://b ", message);
}

static void a_hole_shows_in_the_numbers_of_one_source(void **state)
{
    Table *table = *state;
    bus_routes_add(table->routes, "a://b ", handle_a, &one);
    assert_false(hole(table, "p", 10, 4)); // the first one heard
    assert_false(hole(table, "p", 17, 10));
    assert_true(hole(table, "p", 30, 21));
    assert_false(hole(table, "p", 31, 0)); // it forgot what it had sent
    assert_false(hole(table, "q", 5, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_and_the_last_of_a_topic_are_told, start, end),
        cmocka_unit_test_setup_teardown(an_address_is_not_the_beginning_of_another, start, end),
        cmocka_unit_test_setup_teardown(the_address_comes_first_then_prefixes_then_watchers, start,
                                        end),
        cmocka_unit_test_setup_teardown(one_handler_and_user_is_matched_once, start, end),
        cmocka_unit_test_setup_teardown(a_route_removed_after_the_match_is_marked, start, end),
        cmocka_unit_test_setup_teardown(a_hole_shows_in_the_numbers_of_one_source, start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
