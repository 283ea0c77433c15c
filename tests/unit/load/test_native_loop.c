// SPDX-License-Identifier: MIT
// Tasks run in the order of their times and for their sockets, and may go at any moment.
#include "load/native_loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define TASKS 50

typedef struct {
    NativeTask task;
    guint number;
    gboolean removes_next;
    int ends[2]; // a pair of sockets
    guint readings;
} Item;

static Item items[TASKS];
static guint order[2 * TASKS], n_order;

static void run(gpointer user, gboolean readable, gint64 now_us)
{
    Item *item = user;
    char byte;
    (void)now_us;
    if (readable)
        item->readings += read(item->ends[0], &byte, 1) == 1;
    else
        order[n_order++] = item->number;
    if (item->removes_next)
        native_loop_remove(&item[1].task);
}

static void add(guint count)
{
    n_order = 0;
    for (guint i = 0; i < count; i++) {
        items[i] = (Item){.task = {.run = run, .user = &items[i]}, .number = i, .ends = {-1, -1}};
        native_loop_add(&items[i].task);
    }
}

static void connect_item(Item *item)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, item->ends), 0);
    native_loop_watch(&item->task, item->ends[0]);
    assert_int_equal(write(item->ends[1], "x", 1), 1);
}

static void disconnect_item(Item *item)
{
    close(item->ends[0]);
    close(item->ends[1]);
}

static void tasks_run_in_the_order_of_their_times(void **state)
{
    (void)state;
    gint64 now_us = g_get_monotonic_time();
    add(TASKS);
    for (guint i = 0; i < TASKS; i++) // each time twice, the second one counts
        native_loop_schedule(&items[i].task, now_us + 1000);
    for (guint i = 0; i < TASKS; i++)
        native_loop_schedule(&items[i].task, now_us - (i * 7) % TASKS);
    while (n_order < TASKS)
        g_main_context_iteration(NULL, TRUE);
    for (guint i = 1; i < TASKS; i++)
        assert_true((order[i - 1] * 7) % TASKS > (order[i] * 7) % TASKS);
    for (guint i = 0; i < TASKS; i++)
        native_loop_remove(&items[i].task);
}

static void a_removed_task_never_runs(void **state)
{
    (void)state;
    gint64 now_us = g_get_monotonic_time();
    add(3);
    for (guint i = 0; i < 3; i++)
        native_loop_schedule(&items[i].task, now_us);
    native_loop_remove(&items[1].task);
    while (n_order < 2)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(order[0] + order[1], 2);
    native_loop_remove(&items[0].task);
    native_loop_remove(&items[2].task);
    assert_false(g_main_context_iteration(NULL, FALSE));
}

static void a_socket_wakes_its_task(void **state)
{
    (void)state;
    add(2);
    connect_item(&items[1]);
    while (items[1].readings == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(items[0].readings, 0);
    native_loop_remove(&items[0].task);
    native_loop_remove(&items[1].task);
    disconnect_item(&items[1]);
}

static void a_task_may_remove_another_one_whose_socket_is_readable(void **state)
{
    (void)state;
    add(2);
    items[0].removes_next = TRUE;
    connect_item(&items[0]);
    connect_item(&items[1]);
    while (items[0].readings == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(items[1].readings, 0);
    items[0].removes_next = FALSE;
    disconnect_item(&items[1]);
    native_loop_remove(&items[0].task);
    disconnect_item(&items[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_in_the_order_of_their_times),
        cmocka_unit_test(a_removed_task_never_runs),
        cmocka_unit_test(a_socket_wakes_its_task),
        cmocka_unit_test(a_task_may_remove_another_one_whose_socket_is_readable),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
