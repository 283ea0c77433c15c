// SPDX-License-Identifier: MIT
#include "common/deadlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

typedef struct {
    Deadlines *deadlines;
    GString *order;
    GMainLoop *loop;
    guint64 other;
} Fixture;

static void note_a(gpointer user)
{
    g_string_append_c(((Fixture *)user)->order, 'a');
}

static void note_b(gpointer user)
{
    g_string_append_c(((Fixture *)user)->order, 'b');
}

static void end(gpointer user)
{
    g_main_loop_quit(((Fixture *)user)->loop);
}

static void cancel_other(gpointer user)
{
    Fixture *fixture = user;
    deadlines_cancel(fixture->deadlines, &fixture->other);
}

static Fixture setup(void)
{
    return (Fixture){deadlines_new(), g_string_new(NULL), g_main_loop_new(NULL, FALSE), 0};
}

static void teardown(Fixture *fixture)
{
    deadlines_free(fixture->deadlines);
    g_string_free(fixture->order, TRUE);
    g_main_loop_unref(fixture->loop);
}

static void calls_come_in_the_order_of_their_times(void **state)
{
    Fixture fixture = setup();
    (void)state;
    deadlines_add(fixture.deadlines, 20, note_b, &fixture);
    deadlines_add(fixture.deadlines, 30, end, &fixture);
    deadlines_add(fixture.deadlines, 5, note_a, &fixture);
    deadlines_add(fixture.deadlines, 0, note_b, &fixture);
    g_main_loop_run(fixture.loop);
    assert_string_equal(fixture.order->str, "bab");
    assert_int_equal(deadlines_waiting(fixture.deadlines), 0);
    teardown(&fixture);
}

static void a_cancelled_one_is_never_called(void **state)
{
    Fixture fixture = setup();
    (void)state;
    fixture.other = deadlines_add(fixture.deadlines, 5, note_a, &fixture);
    deadlines_add(fixture.deadlines, 10, end, &fixture);
    deadlines_cancel(fixture.deadlines, &fixture.other);
    deadlines_cancel(fixture.deadlines, &fixture.other);
    g_main_loop_run(fixture.loop);
    assert_string_equal(fixture.order->str, "");
    assert_int_equal(fixture.other, 0);
    teardown(&fixture);
}

static void a_call_may_cancel_another_that_is_due_as_well(void **state)
{
    Fixture fixture = setup();
    (void)state;
    deadlines_add(fixture.deadlines, 0, cancel_other, &fixture);
    fixture.other = deadlines_add(fixture.deadlines, 0, note_a, &fixture);
    deadlines_add(fixture.deadlines, 2, end, &fixture);
    g_main_loop_run(fixture.loop);
    assert_string_equal(fixture.order->str, "");
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_come_in_the_order_of_their_times),
        cmocka_unit_test(a_cancelled_one_is_never_called),
        cmocka_unit_test(a_call_may_cancel_another_that_is_due_as_well),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
