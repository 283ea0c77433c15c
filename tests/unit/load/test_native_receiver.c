// SPDX-License-Identifier: MIT
// One slot's counters, and each of the faults that must never happen in a slot, planted.
#include "load/native_receiver.h"
#include "load/native_payload.h"
#include "native_stream.h"

static Stream stream;
static NativeSource source;
static NativeSettings settings;
static NativeReceiver receiver;

static int begin(void **state)
{
    (void)state;
    stream_open(&stream);
    source = stream_video_source();
    settings = (NativeSettings){0};
    receiver = (NativeReceiver){
        .slot = {.is_video = TRUE, .ssrc = STREAM_SSRC, .rtx_ssrc = STREAM_RTX_SSRC, .mid = "1"},
        .settings = &settings,
        .names = g_hash_table_new(NULL, NULL),
        .unreadable = g_hash_table_new(NULL, NULL)};
    native_receiver_init(&receiver);
    return 0;
}

static int end(void **state)
{
    (void)state;
    g_hash_table_unref(receiver.names);
    g_hash_table_unref(receiver.unreadable);
    native_source_clear(&source);
    stream_close(&stream);
    return 0;
}

static void give(guint index)
{
    native_receiver_packet(&receiver, &stream.packets[index].rtp, FALSE, stream.now_us);
}

// The room names who sent a packet by its CSRC.
static void give_from(guint index, guint32 csrc)
{
    guint8 bytes[4];
    RtpPacket packet = stream.packets[index].rtp;
    rtp_put32(bytes, csrc);
    packet.n_csrc = 1;
    packet.csrc = bytes;
    native_receiver_packet(&receiver, &packet, FALSE, stream.now_us);
}

static guint faults(void)
{
    const NativeSlot *slot = &receiver.slot;
    return slot->bad_payloads + slot->bad_names + slot->bad_entries + slot->bad_pictures +
           slot->bad_timestamps + slot->bad_extensions;
}

static void a_whole_stream_has_no_faults(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 5);
    for (guint i = 0; i < stream.n_packets; i++)
        give_from(i, 3);
    assert_int_equal(receiver.slot.packets, 20);
    assert_int_equal(receiver.slot.frames, 5);
    assert_int_equal(receiver.slot.key_frames, 1);
    assert_int_equal(receiver.slot.label, 7);
    assert_int_equal(receiver.slot.csrc, 3);
    assert_int_equal(receiver.slot.switches, 0);
    assert_int_equal(faults() + receiver.slot.lost, 0);
}

static void order_loss_and_repeats_are_counted(void **state)
{
    (void)state;
    static const guint order[] = {0, 2, 1, 1, 3, 5, 6, 7};
    stream_frames(&stream, &source, 2);
    for (guint i = 0; i < G_N_ELEMENTS(order); i++)
        give(order[i]);
    assert_int_equal(receiver.slot.packets, 7);
    assert_int_equal(receiver.slot.reordered, 1);
    assert_int_equal(receiver.slot.duplicates, 1);
    assert_int_equal(receiver.slot.lost, 1);
    assert_int_equal(faults(), 0);
}

static void a_foreign_payload_is_a_fault(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 1);
    ((guint8 *)stream.packets[1].rtp.payload)[600] ^= 1;
    give_from(0, 3);
    give_from(1, 3);
    assert_int_equal(receiver.slot.bad_payloads, 1);
    gpointer three = GUINT_TO_POINTER(3);
    assert_int_equal(GPOINTER_TO_UINT(g_hash_table_lookup(receiver.unreadable, three)), 1);
}

static void one_name_for_two_people_is_a_fault(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 1);
    stream.wire.label = 8;
    stream_frames(&stream, &source, 1);
    for (guint i = 0; i < 8; i++)
        give_from(i, 3);
    assert_int_equal(receiver.slot.bad_names, 4);
}

static void a_source_that_begins_without_a_key_frame_is_a_fault(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 2);
    for (guint i = 0; i < 8; i++)
        give_from(i, i < 4 ? 3 : 4);
    assert_int_equal(receiver.slot.bad_entries, 1);
    assert_int_equal(receiver.slot.switches, 1);
}

static void a_picture_id_that_jumps_is_a_fault(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 1);
    source.picture_id += 5;
    stream_frames(&stream, &source, 1);
    for (guint i = 0; i < 8; i++)
        give(i);
    assert_int_equal(receiver.slot.bad_pictures, 1);
}

static void another_lines_mid_is_a_fault(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 1);
    g_strlcpy(receiver.slot.mid, "2", sizeof receiver.slot.mid);
    give(0);
    assert_int_equal(receiver.slot.bad_extensions, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_stream_has_no_faults, begin, end),
        cmocka_unit_test_setup_teardown(order_loss_and_repeats_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(a_foreign_payload_is_a_fault, begin, end),
        cmocka_unit_test_setup_teardown(one_name_for_two_people_is_a_fault, begin, end),
        cmocka_unit_test_setup_teardown(a_source_that_begins_without_a_key_frame_is_a_fault, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_picture_id_that_jumps_is_a_fault, begin, end),
        cmocka_unit_test_setup_teardown(another_lines_mid_is_a_fault, begin, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
