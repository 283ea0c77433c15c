// SPDX-License-Identifier: MIT
// When a room is left without a process, and for how long.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "registry/quarantine.h"

#define SECOND G_USEC_PER_SEC

static void the_second_kill_within_a_minute_is_one_too_many(void **state)
{
    (void)state;
    g_autoptr(Quarantine) quarantine = quarantine_new(60 * SECOND);
    assert_false(quarantine_note(quarantine, "demo", 0));
    assert_int_equal(quarantine_left_us(quarantine, "demo", 0), 0);
    assert_true(quarantine_note(quarantine, "demo", 59 * SECOND));
    assert_int_equal(quarantine_left_us(quarantine, "demo", 60 * SECOND), 59 * SECOND);
    assert_int_equal(quarantine_left_us(quarantine, "other", 60 * SECOND), 0);
}

static void one_kill_a_minute_is_bad_luck(void **state)
{
    (void)state;
    g_autoptr(Quarantine) quarantine = quarantine_new(60 * SECOND);
    for (gint64 minute = 0; minute < 5; minute++)
        assert_false(quarantine_note(quarantine, "demo", minute * 60 * SECOND));
}

static void after_its_rest_a_room_starts_with_a_clean_slate(void **state)
{
    (void)state;
    g_autoptr(Quarantine) quarantine = quarantine_new(10 * SECOND);
    quarantine_note(quarantine, "demo", 0);
    assert_true(quarantine_note(quarantine, "demo", SECOND));
    assert_int_equal(quarantine_left_us(quarantine, "demo", 11 * SECOND), 0);
    assert_false(quarantine_note(quarantine, "demo", 12 * SECOND));
    assert_true(quarantine_note(quarantine, "demo", 13 * SECOND));
}

static void what_no_longer_counts_is_forgotten_and_nothing_else(void **state)
{
    (void)state;
    g_autoptr(Quarantine) quarantine = quarantine_new(100 * SECOND);
    quarantine_note(quarantine, "rests", 0);
    quarantine_note(quarantine, "rests", 1);
    quarantine_note(quarantine, "once", 0);
    quarantine_prune(quarantine, 59 * SECOND);
    assert_true(quarantine_note(quarantine, "once", 59 * SECOND));
    quarantine_prune(quarantine, 99 * SECOND);
    assert_int_not_equal(quarantine_left_us(quarantine, "rests", 99 * SECOND), 0);
}

static void without_a_rest_no_room_is_quarantined(void **state)
{
    (void)state;
    g_autoptr(Quarantine) quarantine = quarantine_new(0);
    for (guint i = 0; i < 10; i++)
        assert_false(quarantine_note(quarantine, "demo", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_kill_within_a_minute_is_one_too_many),
        cmocka_unit_test(one_kill_a_minute_is_bad_luck),
        cmocka_unit_test(after_its_rest_a_room_starts_with_a_clean_slate),
        cmocka_unit_test(what_no_longer_counts_is_forgotten_and_nothing_else),
        cmocka_unit_test(without_a_rest_no_room_is_quarantined),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
