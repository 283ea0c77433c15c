// SPDX-License-Identifier: MIT
// Packets in the rhythm of frames, key frames when wanted, and the same packet again when asked.
#include "load/native_source.h"
#include "load/native_payload.h"
#include "media-worker/vp8.h"
#include "native_stream.h"

static Stream stream;
static NativeSource source;

static int begin(void **state)
{
    (void)state;
    stream_open(&stream);
    source = stream_video_source();
    return 0;
}

static int end(void **state)
{
    (void)state;
    native_source_clear(&source);
    stream_close(&stream);
    return 0;
}

static void a_frame_is_a_burst_of_its_packets(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 3);
    assert_int_equal(stream.n_packets, 12);
    for (guint i = 0; i < 12; i++) {
        const RtpPacket *packet = &stream.packets[i].rtp;
        assert_int_equal(packet->ssrc, STREAM_SSRC);
        assert_int_equal(packet->payload_length, 1188);
        assert_int_equal(packet->marker, i % 4 == 3);
        assert_int_equal((guint16)(packet->sequence - stream.packets[0].rtp.sequence), i);
        assert_int_equal(packet->timestamp - stream.packets[0].rtp.timestamp, i / 4 * 3600);
    }
}

static void paced_packets_are_spread_over_the_frame(void **state)
{
    (void)state;
    source.paced = TRUE;
    native_source_switch(&source, TRUE, stream.now_us);
    stream.now_us = source.due_us;
    native_source_run(&source, &stream.wire, stream.now_us);
    assert_int_equal(stream.n_packets, 1);
    assert_true(source.due_us == stream.now_us + 10000);
    native_source_run(&source, &stream.wire, stream.now_us + 30000);
    assert_int_equal(stream.n_packets, 4);
    assert_int_equal(stream.packets[0].rtp.timestamp, stream.packets[3].rtp.timestamp);
}

static void only_wanted_frames_are_key_frames(void **state)
{
    (void)state;
    Vp8Descriptor vp8;
    stream_frames(&stream, &source, 2);
    source.key_wanted = TRUE;
    stream_frames(&stream, &source, 1);
    for (guint i = 0; i < 12; i += 4) {
        const RtpPacket *packet = &stream.packets[i].rtp;
        assert_true(vp8_parse(&vp8, packet->payload, packet->payload_length));
        assert_int_equal(vp8.key_frame, i != 4);
    }
    assert_int_equal(source.key_frames, 2);
}

static void a_resent_packet_comes_by_rtx_with_its_own_number(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 1);
    const RtpPacket *first = &stream.packets[0].rtp;
    native_source_resend(&source, &stream.wire, first->sequence, stream.now_us);
    const RtpPacket *again = &stream.packets[4].rtp;
    assert_int_equal(stream.n_packets, 5);
    assert_int_equal(again->ssrc, STREAM_RTX_SSRC);
    assert_int_equal(rtp_get16(again->payload), first->sequence);
    assert_int_equal(again->payload_length, first->payload_length + 2);
    assert_memory_equal(again->payload + 2, first->payload, first->payload_length);
}

static void what_was_never_sent_is_not_resent(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 1);
    native_source_resend(&source, &stream.wire, (guint16)(source.sequence + 1), stream.now_us);
    assert_int_equal(stream.n_packets, 4);
    assert_int_equal(source.resent, 0);
}

static void nothing_is_made_up_for_after_a_long_pause(void **state)
{
    (void)state;
    stream_frames(&stream, &source, 1);
    native_source_run(&source, &stream.wire, stream.now_us + 5000000);
    assert_int_equal(stream.n_packets, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_frame_is_a_burst_of_its_packets, begin, end),
        cmocka_unit_test_setup_teardown(paced_packets_are_spread_over_the_frame, begin, end),
        cmocka_unit_test_setup_teardown(only_wanted_frames_are_key_frames, begin, end),
        cmocka_unit_test_setup_teardown(a_resent_packet_comes_by_rtx_with_its_own_number, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_was_never_sent_is_not_resent, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_made_up_for_after_a_long_pause, begin, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
