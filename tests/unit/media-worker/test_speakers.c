// SPDX-License-Identifier: MIT
// Who is loudest, and who keeps a slot.
#include "media-worker/speakers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define PEOPLE 5
static Voice people[PEOPLE];
static Voice *pointers[PEOPLE];
static gint64 now_us;

static int all_open_and_silent(void **state)
{
    (void)state;
    now_us = 1000000;
    for (guint i = 0; i < PEOPLE; i++) {
        people[i] = (Voice){.number = i + 1, .open = TRUE, .active = TRUE};
        pointers[i] = &people[i];
    }
    return 0;
}

// Everybody sends 50 packets/s at a level of its own for so long.
static void talk(const guint8 levels[PEOPLE], gint milliseconds)
{
    for (gint passed = 0; passed < milliseconds; passed += 20) {
        now_us += 20000;
        for (guint i = 0; i < PEOPLE; i++)
            voice_heard(&people[i], levels[i], now_us);
    }
}

static guint order(Voice **ret_order, guint max)
{
    SpeakersRoom room = {.voices = pointers, .n = PEOPLE, .n_front = 3, .now_us = now_us};
    return speakers_order(&room, ret_order, max);
}

static void a_voice_is_in_front_100_ms_after_it_begins(void **state)
{
    (void)state;
    Voice *loudest[SPEAKERS_MAX];
    talk((guint8[]){127, 127, 127, 127, 127}, 1000);
    assert_int_equal(order(loudest, 3), 3);
    assert_false(voice_is_speaking(&people[4], now_us));
    talk((guint8[]){127, 127, 127, 127, 25}, 100);
    order(loudest, 3);
    assert_ptr_equal(loudest[0], &people[4]);
    assert_true(voice_is_speaking(&people[4], now_us));
}

static void a_breath_moves_nobody(void **state)
{
    (void)state;
    Voice *loudest[SPEAKERS_MAX];
    talk((guint8[]){25, 30, 28, 127, 127}, 1000);
    order(loudest, 3);
    talk((guint8[]){127, 30, 28, 75, 127}, 300); // ann breathes, dan rustles
    order(loudest, 3);
    for (guint i = 0; i < 3; i++)
        assert_ptr_not_equal(loudest[i], &people[3]);
    talk((guint8[]){127, 30, 28, 30, 127}, 1500); // ann is silent, dan speaks
    order(loudest, 3);
    for (guint i = 0; i < 3; i++)
        assert_ptr_not_equal(loudest[i], &people[0]);
}

static void closed_microphones_are_no_voices(void **state)
{
    (void)state;
    Voice *loudest[SPEAKERS_MAX];
    people[0].open = people[2].open = FALSE;
    talk((guint8[]){1, 30, 1, 30, 127}, 200);
    assert_int_equal(order(loudest, 5), 3);
    assert_ptr_equal(loudest[2], &people[4]);
}

static gboolean fill(guint32 own, Voice **slots, guint n_slots)
{
    Voice *loudest[SPEAKERS_MAX];
    guint n = order(loudest, PEOPLE);
    return speakers_fill(&(SpeakersChoice){.order = loudest, .n = n, .own = own}, slots, n_slots);
}

static void everybody_else_keeps_a_slot_while_there_are_enough(void **state)
{
    (void)state;
    Voice *slots[4] = {NULL};
    talk((guint8[]){127, 20, 127, 127, 127}, 200);
    assert_true(fill(1, slots, 4));
    for (guint i = 0; i < 4; i++)
        assert_non_null(slots[i]);
    talk((guint8[]){127, 127, 20, 30, 127}, 2000);
    assert_false(fill(1, slots, 4)); // nothing moves, whoever speaks
}

static void the_loudest_take_slots_from_the_quietest_only(void **state)
{
    (void)state;
    Voice *slots[2] = {NULL};
    talk((guint8[]){127, 20, 30, 127, 127}, 500);
    assert_true(fill(1, slots, 2));
    assert_ptr_equal(slots[0], &people[1]);
    assert_ptr_equal(slots[1], &people[2]);
    talk((guint8[]){127, 20, 127, 20, 127}, 2000);
    assert_true(fill(1, slots, 2));
    assert_ptr_equal(slots[0], &people[1]); // bob has not moved
    assert_ptr_equal(slots[1], &people[3]);
}

static void who_closes_its_microphone_leaves_its_slot(void **state)
{
    (void)state;
    Voice *slots[4] = {NULL};
    talk((guint8[]){127, 20, 30, 127, 127}, 500);
    fill(1, slots, 4);
    people[1].open = FALSE;
    assert_true(fill(1, slots, 4));
    guint empty = 0;
    for (guint i = 0; i < 4; i++) {
        assert_ptr_not_equal(slots[i], &people[1]);
        empty += slots[i] == NULL;
    }
    assert_int_equal(empty, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_voice_is_in_front_100_ms_after_it_begins, all_open_and_silent),
        cmocka_unit_test_setup(a_breath_moves_nobody, all_open_and_silent),
        cmocka_unit_test_setup(closed_microphones_are_no_voices, all_open_and_silent),
        cmocka_unit_test_setup(everybody_else_keeps_a_slot_while_there_are_enough,
                               all_open_and_silent),
        cmocka_unit_test_setup(the_loudest_take_slots_from_the_quietest_only, all_open_and_silent),
        cmocka_unit_test_setup(who_closes_its_microphone_leaves_its_slot, all_open_and_silent),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
