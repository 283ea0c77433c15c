// SPDX-License-Identifier: MIT
// The ring between two threads: order, what a full one refuses and what it keeps, the waker.
#include "media-worker/ring.h"
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static gboolean is_readable(const Ring *ring)
{
    struct pollfd fd = {.fd = ring_fd(ring), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void a_half_full_ring_refuses_what_may_be_lost_and_keeps_the_rest_in_order(void **state)
{
    (void)state;
    g_autoptr(Ring) ring = ring_new(4, g_free, NULL);
    gpointer lost = GUINT_TO_POINTER(99);
    for (guint i = 1; i <= 2; i++)
        assert_true(ring_push(ring, GUINT_TO_POINTER(i)));
    assert_false(ring_push(ring, lost));
    for (guint i = 3; i <= 10; i++)
        ring_keep(ring, GUINT_TO_POINTER(i));
    for (guint i = 1; i <= 10; i++) {
        assert_ptr_equal(ring_pop(ring), GUINT_TO_POINTER(i));
        ring_flush(ring);
    }
    assert_null(ring_pop(ring));
}

static void a_ring_frees_what_nobody_popped(void **state)
{
    (void)state;
    Ring *ring = ring_new(2, g_free, NULL);
    for (guint i = 0; i < 5; i++)
        ring_keep(ring, g_malloc(16)); // the leak checker sees to the rest
    ring_free(ring);
}

static void the_waker_is_readable_once_until_it_has_been_read(void **state)
{
    (void)state;
    g_autoptr(Ring) ring = ring_new(2, g_free, NULL);
    assert_false(is_readable(ring));
    ring_wake(ring);
    ring_wake(ring);
    assert_true(is_readable(ring));
    ring_slept(ring);
    assert_false(is_readable(ring));
    ring_wake(ring);
    assert_true(is_readable(ring));
}

#define MANY 200000
static gpointer pop_all(gpointer data)
{
    Ring *ring = data;
    guint expected = 1;
    while (expected <= MANY) {
        struct pollfd fd = {.fd = ring_fd(ring), .events = POLLIN};
        if (poll(&fd, 1, 10000) != 1)
            return GUINT_TO_POINTER(0);
        ring_slept(ring);
        for (gpointer item; (item = ring_pop(ring)) != NULL; expected++)
            if (item != GUINT_TO_POINTER(expected))
                return GUINT_TO_POINTER(0);
    }
    return GUINT_TO_POINTER(1);
}

static void two_threads_pass_everything_in_order_and_no_wake_up_is_lost(void **state)
{
    (void)state;
    g_autoptr(Ring) ring = ring_new(64, NULL, NULL);
    GThread *thread = g_thread_new("pop", pop_all, ring);
    for (guint i = 1; i <= MANY; i++) {
        ring_keep(ring, GUINT_TO_POINTER(i));
        ring_wake(ring);
        if (i % 1000 == 0)
            g_thread_yield();
    }
    for (guint i = 0; i < 10000; i++) { // what was kept
        ring_flush(ring);
        ring_wake(ring);
        g_usleep(100);
    }
    assert_ptr_equal(g_thread_join(thread), GUINT_TO_POINTER(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_half_full_ring_refuses_what_may_be_lost_and_keeps_the_rest_in_order),
        cmocka_unit_test(a_ring_frees_what_nobody_popped),
        cmocka_unit_test(the_waker_is_readable_once_until_it_has_been_read),
        cmocka_unit_test(two_threads_pass_everything_in_order_and_no_wake_up_is_lost),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
