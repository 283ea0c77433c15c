// SPDX-License-Identifier: MIT
// The rules of a slot, one after the other, each with packets made up on the spot.
#include "media-worker/slot.h"
#include "media-worker/rtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char ann[] = "ann", bob[] = "bob"; // sources
#define START_US 5000000
#define RATE 90000

static Slot new_slot(void)
{
    Slot slot;
    slot_init(&slot, &(SlotSettings){.clock_rate = RATE,
                                     .first_sequence = 1000,
                                     .first_timestamp = 70000,
                                     .first_picture = 0x7FFE,
                                     .now_us = START_US});
    return slot;
}

// A packet `index` of a source whose timestamps are 3600 an index, sent 40 ms apart.
static SlotPacket packet_of(guint64 index, gboolean entry)
{
    return (SlotPacket){.index = 65536 + index,
                        .timestamp = (guint32)(index * 3600),
                        .server_us = START_US + (gint64)index * 40000,
                        .entry = entry};
}

static SlotVerdict take(Slot *slot, SlotSource source, SlotPacket packet, SlotHeader *header)
{
    return slot_take(slot, source, &packet, header);
}

static void nothing_goes_out_before_a_key_frame(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    assert_int_equal(take(&slot, ann, packet_of(1, TRUE), &header), SLOT_DROP);
    assert_true(slot_request(&slot, ann));
    assert_int_equal(take(&slot, ann, packet_of(2, FALSE), &header), SLOT_DROP);
    assert_int_equal(take(&slot, ann, packet_of(3, TRUE), &header), SLOT_SWITCHED);
    assert_int_equal(header.sequence, 1000);
    assert_int_equal(header.timestamp, 70000 + 3 * 3600); // 120 ms after the slot was made
    assert_int_equal(take(&slot, ann, packet_of(4, FALSE), &header), SLOT_FORWARD);
    assert_int_equal(header.sequence, 1001);
    assert_int_equal(header.timestamp, 70000 + 4 * 3600);
}

static void the_old_source_stays_until_the_key_frame_of_the_new_one(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(10, TRUE), &header);
    assert_true(slot_request(&slot, bob));
    assert_int_equal(take(&slot, ann, packet_of(11, FALSE), &header), SLOT_FORWARD);
    assert_int_equal(take(&slot, bob, packet_of(5000, FALSE), &header), SLOT_DROP);
    assert_int_equal(take(&slot, ann, packet_of(12, FALSE), &header), SLOT_FORWARD);
    assert_int_equal(header.sequence, 1002);
    assert_int_equal(take(&slot, bob, packet_of(5001, TRUE), &header), SLOT_SWITCHED);
    assert_int_equal(header.sequence, 1003);
    assert_int_equal(take(&slot, ann, packet_of(13, FALSE), &header), SLOT_DROP);
    assert_int_equal(take(&slot, bob, packet_of(5000, FALSE), &header), SLOT_DROP); // late
    assert_int_equal(take(&slot, bob, packet_of(5002, FALSE), &header), SLOT_FORWARD);
    assert_int_equal(header.sequence, 1004);
}

static void a_wish_for_what_it_carries_takes_a_pending_switch_back(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(10, TRUE), &header);
    slot_request(&slot, bob);
    assert_false(slot_request(&slot, ann));
    assert_int_equal(take(&slot, bob, packet_of(1, TRUE), &header), SLOT_DROP);
    assert_int_equal(take(&slot, ann, packet_of(11, FALSE), &header), SLOT_FORWARD);
}

static void late_packets_of_the_same_stretch_fill_their_holes(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(10, TRUE), &header);
    take(&slot, ann, packet_of(13, FALSE), &header);
    assert_int_equal(header.sequence, 1003);
    assert_int_equal(take(&slot, ann, packet_of(11, FALSE), &header), SLOT_FORWARD);
    assert_int_equal(header.sequence, 1001);
    slot_request(&slot, bob); // goes on behind the newest, not behind the last
    take(&slot, bob, packet_of(0, TRUE), &header);
    assert_int_equal(header.sequence, 1004);
}

static void sequence_numbers_wrap_and_go_on(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(65530, TRUE), &header);
    for (guint i = 1; i < 70000; i++)
        take(&slot, ann, packet_of(65530 + i, FALSE), &header);
    assert_int_equal(header.sequence, (1000 + 69999) % 65536);
    slot_request(&slot, bob);
    take(&slot, bob, packet_of(3, TRUE), &header);
    assert_int_equal(header.sequence, (1000 + 70000) % 65536);
}

static void timestamps_never_go_back_at_a_switch(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(100, TRUE), &header);
    guint32 last = header.timestamp;
    slot_request(&slot, bob); // bob's packet was sent earlier, over a longer way
    take(&slot, bob, packet_of(90, TRUE), &header);
    assert_int_equal(header.timestamp, last + 1);
    slot_request(&slot, ann); // ten seconds later the clock has caught up
    take(&slot, ann, packet_of(350, TRUE), &header);
    assert_int_equal(header.timestamp, 70000 + 350 * 3600);
}

static void timestamps_stay_in_order_over_a_day_of_silence(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(0, TRUE), &header);
    slot_request(&slot, NULL);
    slot_request(&slot, bob);
    SlotPacket tomorrow = packet_of(1, TRUE);
    tomorrow.server_us = START_US + G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC;
    assert_int_equal(take(&slot, bob, tomorrow, &header), SLOT_SWITCHED);
    assert_int_equal(header.timestamp, (guint32)(70000 + G_GINT64_CONSTANT(86400) * RATE));
}

static void a_jump_in_the_source_starts_anew_at_a_key_frame(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(10, TRUE), &header);
    assert_int_equal(take(&slot, ann, packet_of(80000, FALSE), &header), SLOT_DROP);
    assert_int_equal(take(&slot, ann, packet_of(80001, TRUE), &header), SLOT_SWITCHED);
    assert_int_equal(header.sequence, 1001);
}

static void picture_ids_stay_continuous(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    Vp8Descriptor vp8 = {.has_picture_id = TRUE,
                         .long_picture_id = TRUE,
                         .has_tl0picidx = TRUE,
                         .picture_id = 0x7FFF,
                         .tl0picidx = 200};
    SlotPacket packet = packet_of(1, TRUE);
    packet.vp8 = &vp8;
    slot_request(&slot, ann);
    take(&slot, ann, packet, &header);
    assert_int_equal(header.numbers.picture_id, 0x7FFF);
    guint8 tl0picidx = header.numbers.tl0picidx;
    packet.index++;
    vp8.picture_id = 0; // wraps
    vp8.tl0picidx++;
    take(&slot, ann, packet, &header);
    assert_int_equal(header.numbers.picture_id, 0);
    assert_int_equal(header.numbers.tl0picidx, (guint8)(tl0picidx + 1));
    vp8 = (Vp8Descriptor){.has_picture_id = TRUE, .picture_id = 0x7F, .tl0picidx = 3}; // 7 bits
    slot_request(&slot, bob);
    take(&slot, bob, packet, &header);
    assert_int_equal(header.numbers.picture_id, 1);
    assert_int_equal(header.numbers.tl0picidx, (guint8)(tl0picidx + 2));
    vp8.picture_id = 0;
    packet.index++;
    take(&slot, bob, packet, &header);
    assert_int_equal(header.numbers.picture_id, 2);
}

static void a_number_leads_back_to_the_source_within_the_stretch(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    guint64 index = 0;
    assert_false(slot_source_index(&slot, 1000, &index));
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(10, TRUE), &header);
    slot_request(&slot, bob);
    for (guint i = 0; i < 5; i++)
        take(&slot, bob, packet_of(500 + i, i == 0), &header);
    assert_true(slot_source_index(&slot, 1003, &index));
    assert_int_equal(index, 65536 + 502);
    SlotPacket again = packet_of(502, FALSE);
    slot_header(&slot, &again, &header);
    assert_int_equal(header.sequence, 1003);
    assert_false(slot_source_index(&slot, 1000, &index)); // ann's
    assert_false(slot_source_index(&slot, 1006, &index)); // not yet
}

static void a_source_that_goes_empties_the_slot(void **state)
{
    (void)state;
    Slot slot = new_slot();
    SlotHeader header;
    slot_request(&slot, ann);
    take(&slot, ann, packet_of(10, TRUE), &header);
    slot_request(&slot, bob);
    assert_false(slot_forget(&slot, bob));
    assert_true(slot_forget(&slot, ann));
    assert_int_equal(take(&slot, ann, packet_of(11, TRUE), &header), SLOT_DROP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_out_before_a_key_frame),
        cmocka_unit_test(the_old_source_stays_until_the_key_frame_of_the_new_one),
        cmocka_unit_test(a_wish_for_what_it_carries_takes_a_pending_switch_back),
        cmocka_unit_test(late_packets_of_the_same_stretch_fill_their_holes),
        cmocka_unit_test(sequence_numbers_wrap_and_go_on),
        cmocka_unit_test(timestamps_never_go_back_at_a_switch),
        cmocka_unit_test(timestamps_stay_in_order_over_a_day_of_silence),
        cmocka_unit_test(a_jump_in_the_source_starts_anew_at_a_key_frame),
        cmocka_unit_test(picture_ids_stay_continuous),
        cmocka_unit_test(a_number_leads_back_to_the_source_within_the_stretch),
        cmocka_unit_test(a_source_that_goes_empties_the_slot),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
