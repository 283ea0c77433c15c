// SPDX-License-Identifier: MIT
// Who gets which video slot.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "media-worker/assign.h"

#define CAMERA 1
#define SCREEN 2

static AssignSource camera(guint32 number)
{
    return (AssignSource){.number = number, .source = CAMERA};
}

static AssignSource screen(guint32 number)
{
    return (AssignSource){.number = number, .source = SCREEN, .screen = TRUE};
}

static void every_camera_gets_a_slot_in_the_order_of_arrival(void **state)
{
    (void)state;
    const AssignSource sources[] = {camera(1), camera(2), camera(4)};
    const AssignWishes wishes = {.sources = sources, .n_sources = 3};
    AssignSlot slots[4] = {0};
    assign_slots(&wishes, slots, 4);
    assert_int_equal(slots[0].number, 1);
    assert_int_equal(slots[1].number, 2);
    assert_int_equal(slots[2].number, 4);
    assert_int_equal(slots[2].source, CAMERA);
    assert_int_equal(slots[3].number, 0);
}

static void nobody_moves_when_somebody_leaves_and_another_comes(void **state)
{
    (void)state;
    const AssignSource sources[] = {camera(2), camera(3), camera(9)};
    const AssignWishes wishes = {.sources = sources, .n_sources = 3};
    AssignSlot slots[3] = {{.number = 1, .source = CAMERA},
                           {.number = 2, .source = CAMERA},
                           {.number = 3, .source = CAMERA}};
    assign_slots(&wishes, slots, 3);
    assert_int_equal(slots[0].number, 9);
    assert_int_equal(slots[1].number, 2);
    assert_int_equal(slots[2].number, 3);
}

static void a_screen_takes_the_slot_of_the_last_camera(void **state)
{
    (void)state;
    const AssignSource sources[] = {camera(1), camera(2), camera(3), screen(3)};
    const AssignWishes wishes = {.sources = sources, .n_sources = 4};
    AssignSlot slots[2] = {{.number = 1, .source = CAMERA}, {.number = 2, .source = CAMERA}};
    assign_slots(&wishes, slots, 2);
    assert_int_equal(slots[0].number, 1);
    assert_int_equal(slots[1].number, 3);
    assert_int_equal(slots[1].source, SCREEN);
}

static void the_newest_wish_gets_the_only_slot(void **state)
{
    (void)state;
    const AssignSource sources[] = {camera(1), camera(2), screen(2), camera(3)};
    const guint32 watched[] = {2, 3};
    const AssignWishes wishes = {
        .sources = sources, .n_sources = 4, .watched = watched, .n_watched = 2};
    AssignSlot slots[1] = {{.number = 2, .source = SCREEN}};
    assign_slots(&wishes, slots, 1);
    assert_int_equal(slots[0].number, 3);
    assert_int_equal(slots[0].source, CAMERA);
}

static void watched_come_before_screens_and_speakers(void **state)
{
    (void)state;
    const AssignSource sources[] = {screen(1), camera(2), camera(3), camera(4)};
    const guint32 watched[] = {4};
    const guint32 recent[] = {3};
    const AssignWishes wishes = {.sources = sources,
                                 .n_sources = 4,
                                 .watched = watched,
                                 .n_watched = 1,
                                 .recent = recent,
                                 .n_recent = 1};
    AssignSlot slots[3] = {0};
    assign_slots(&wishes, slots, 3);
    assert_int_equal(slots[0].number, 4);
    assert_int_equal(slots[1].number, 1);
    assert_int_equal(slots[2].number, 3);
}

static void who_spoke_last_stays_longest(void **state)
{
    (void)state;
    const AssignSource sources[] = {camera(1), camera(2), camera(3), camera(4)};
    const guint32 recent[] = {4, 2, 3};
    const AssignWishes wishes = {
        .sources = sources, .n_sources = 4, .recent = recent, .n_recent = 3};
    AssignSlot slots[2] = {{.number = 3, .source = CAMERA}, {.number = 2, .source = CAMERA}};
    assign_slots(&wishes, slots, 2);
    assert_int_equal(slots[0].number, 4);
    assert_int_equal(slots[1].number, 2);
}

static void spare_slots_go_to_those_that_nobody_asked_for(void **state)
{
    (void)state;
    const AssignSource sources[] = {camera(1), camera(2), camera(3)};
    const guint32 watched[] = {3};
    const AssignWishes wishes = {
        .sources = sources, .n_sources = 3, .watched = watched, .n_watched = 1};
    AssignSlot slots[3] = {0};
    assign_slots(&wishes, slots, 3);
    assert_int_equal(slots[0].number, 3);
    assert_int_equal(slots[1].number, 1);
    assert_int_equal(slots[2].number, 2);
}

static void a_camera_goes_beside_its_voice(void **state)
{
    (void)state;
    const AssignSource sources[] = {camera(1), camera(2)};
    const AssignWishes wishes = {.sources = sources, .n_sources = 2};
    AssignSlot slots[3] = {{.paired = 2}, {.paired = 0}, {.paired = 0}};
    assign_slots(&wishes, slots, 3);
    assert_int_equal(slots[0].number, 2);
    assert_int_equal(slots[1].number, 1);
}

static void a_silent_camera_keeps_its_slot_only_while_nobody_needs_it(void **state)
{
    (void)state;
    AssignSource sources[] = {camera(1), camera(2), camera(3)};
    AssignWishes wishes = {.sources = sources, .n_sources = 2};
    AssignSlot slots[2] = {{.number = 1, .source = CAMERA}, {.number = 2, .source = CAMERA}};
    sources[0].idle = TRUE;
    assign_slots(&wishes, slots, 2);
    assert_int_equal(slots[0].number, 1);
    wishes.n_sources = 3;
    assign_slots(&wishes, slots, 2);
    assert_int_equal(slots[0].number, 3);
    assert_int_equal(slots[1].number, 2);
}

static void a_silent_screen_and_one_never_shown_get_nothing(void **state)
{
    (void)state;
    AssignSource sources[] = {screen(1), camera(2)};
    const AssignWishes wishes = {.sources = sources, .n_sources = 2};
    AssignSlot slots[2] = {{.number = 1, .source = SCREEN}};
    sources[0].idle = sources[1].idle = TRUE;
    assign_slots(&wishes, slots, 2);
    assert_int_equal(slots[0].number, 0);
    assert_int_equal(slots[1].number, 0);
}

static void a_cough_makes_nobody_a_speaker(void **state)
{
    (void)state;
    AssignRecent recent = {0};
    assert_false(assign_recent_heard(&recent, 5, 0));
    assert_false(assign_recent_heard(&recent, 6, ASSIGN_DWELL_US - 1));
    assert_false(assign_recent_heard(&recent, 5, ASSIGN_DWELL_US));
    assert_true(assign_recent_heard(&recent, 5, 2 * ASSIGN_DWELL_US));
    assert_int_equal(recent.n, 1);
    assert_int_equal(recent.numbers[0], 5);
    assert_false(assign_recent_heard(&recent, 5, 3 * ASSIGN_DWELL_US));
}

static void speakers_are_kept_last_one_first_within_a_bound(void **state)
{
    (void)state;
    AssignRecent recent = {0};
    gint64 now = 0;
    for (guint32 number = 1; number <= ASSIGN_WISHES_MAX + 3; number++) {
        assign_recent_heard(&recent, number, now);
        now += ASSIGN_DWELL_US;
        assert_true(assign_recent_heard(&recent, number, now));
    }
    assert_int_equal(recent.n, ASSIGN_WISHES_MAX);
    assert_int_equal(recent.numbers[0], ASSIGN_WISHES_MAX + 3);
    assert_int_equal(recent.numbers[ASSIGN_WISHES_MAX - 1], 4);
    assign_recent_heard(&recent, 4, now);
    assert_true(assign_recent_heard(&recent, 4, now + ASSIGN_DWELL_US));
    assert_int_equal(recent.n, ASSIGN_WISHES_MAX);
    assert_int_equal(recent.numbers[0], 4);
    assert_int_equal(recent.numbers[ASSIGN_WISHES_MAX - 1], 5);
    assign_recent_forget(&recent, 4);
    assert_int_equal(recent.numbers[0], ASSIGN_WISHES_MAX + 3);
    assert_int_equal(recent.n, ASSIGN_WISHES_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_camera_gets_a_slot_in_the_order_of_arrival),
        cmocka_unit_test(nobody_moves_when_somebody_leaves_and_another_comes),
        cmocka_unit_test(a_screen_takes_the_slot_of_the_last_camera),
        cmocka_unit_test(the_newest_wish_gets_the_only_slot),
        cmocka_unit_test(watched_come_before_screens_and_speakers),
        cmocka_unit_test(who_spoke_last_stays_longest),
        cmocka_unit_test(spare_slots_go_to_those_that_nobody_asked_for),
        cmocka_unit_test(a_camera_goes_beside_its_voice),
        cmocka_unit_test(a_silent_camera_keeps_its_slot_only_while_nobody_needs_it),
        cmocka_unit_test(a_silent_screen_and_one_never_shown_get_nothing),
        cmocka_unit_test(a_cough_makes_nobody_a_speaker),
        cmocka_unit_test(speakers_are_kept_last_one_first_within_a_bound),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
