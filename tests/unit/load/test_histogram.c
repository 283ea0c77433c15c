// SPDX-License-Identifier: MIT
// Small values exactly, large ones to 3 %, and the sum of two.
#include "load/histogram.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static Histogram histogram, other;

static int begin(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    memset(&other, 0, sizeof other);
    return 0;
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(histogram_at(&histogram, 0.5), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (gint64 value = 0; value < 60; value++)
        histogram_add(&histogram, value);
    assert_int_equal(histogram_at(&histogram, 0.5), 29);
    assert_int_equal(histogram_at(&histogram, 1), 59);
}

static void large_values_are_right_to_three_per_cent(void **state)
{
    (void)state;
    for (gint64 value = 64; value < 100000000; value = value * 5 / 4 + 1) {
        begin(NULL);
        histogram_add(&histogram, value);
        histogram_add(&histogram, 200000000);
        gint64 told = histogram_at(&histogram, 0.5);
        assert_in_range(told, value, value + value / 31 + 1);
    }
}

static void what_is_beyond_all_bounds_counts(void **state)
{
    (void)state;
    histogram_add(&histogram, -5);
    histogram_add(&histogram, G_MAXINT64);
    assert_int_equal(histogram.count, 2);
    assert_int_equal(histogram_at(&histogram, 0.5), 0);
    assert_true(histogram.most == G_MAXINT64);
}

static void two_are_merged(void **state)
{
    (void)state;
    for (guint i = 0; i < 99; i++)
        histogram_add(&histogram, 10);
    histogram_add(&other, 50);
    histogram_merge(&histogram, &other);
    assert_int_equal(histogram.count, 100);
    assert_int_equal(histogram_at(&histogram, 0.99), 10);
    assert_int_equal(histogram_at(&histogram, 1), 50);
    assert_int_equal(histogram.most, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_nothing, begin),
        cmocka_unit_test_setup(small_values_are_exact, begin),
        cmocka_unit_test_setup(large_values_are_right_to_three_per_cent, begin),
        cmocka_unit_test_setup(what_is_beyond_all_bounds_counts, begin),
        cmocka_unit_test_setup(two_are_merged, begin),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
