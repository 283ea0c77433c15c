// SPDX-License-Identifier: MIT
// A native peer's RTCP: what it asks for, what it reports, and what it does when it is asked.
#include "load/native_feedback.h"
#include "native_stream.h"

static Stream stream;
static NativeSource audio, video;
static NativeReceiver receiver;
static NativeSettings settings;
static NativeCounts counts;
static NativeFeedback feedback;

static int begin(void **state)
{
    (void)state;
    stream_open(&stream);
    video = stream_video_source();
    audio = (NativeSource){
        .mid = "0", .ssrc = 900, .packets_a_frame = 1, .bytes = 148, .frame_us = 20000};
    native_source_init(&audio);
    settings = (NativeSettings){0};
    counts = (NativeCounts){0};
    receiver = (NativeReceiver){.slot = {.is_video = TRUE, .ssrc = STREAM_SSRC, .mid = "1"},
                                .settings = &settings,
                                .names = g_hash_table_new(NULL, NULL),
                                .unreadable = g_hash_table_new(NULL, NULL)};
    native_receiver_init(&receiver);
    feedback = (NativeFeedback){.audio = &audio,
                                .video = &video,
                                .receivers = &receiver,
                                .n_receivers = 1,
                                .wire = &stream.wire,
                                .counts = &counts,
                                .cname = "me",
                                .report_due_us = G_MAXINT64};
    return 0;
}

static int end(void **state)
{
    (void)state;
    g_hash_table_unref(receiver.names);
    g_hash_table_unref(receiver.unreadable);
    native_source_clear(&audio);
    native_source_clear(&video);
    stream_close(&stream);
    return 0;
}

static RtcpPacket first_of(const StreamPacket *compound)
{
    RtcpReader reader;
    RtcpPacket packet;
    assert_true(rtcp_reader_init(&reader, compound->bytes, compound->length));
    assert_true(rtcp_next(&reader, &packet));
    return packet;
}

static void a_missing_packet_is_asked_for(void **state)
{
    (void)state;
    guint16 missing[4];
    stream_frames(&stream, &video, 1);
    for (guint i = 0; i < 4; i++)
        if (i != 1)
            native_receiver_packet(&receiver, &stream.packets[i].rtp, FALSE, stream.now_us);
    native_feedback_run(&feedback, native_feedback_due_us(&feedback));
    const RtcpPacket packet = first_of(&stream.compounds[0]);
    assert_int_equal(rtcp_nack_sequences(&packet, missing, 4), 1);
    assert_int_equal(missing[0], stream.packets[1].rtp.sequence);
    assert_int_equal(receiver.slot.asked, 1);
}

static void a_key_frame_is_asked_for_until_one_comes(void **state)
{
    (void)state;
    guint32 media = 0;
    video.key_wanted = FALSE;
    stream_frames(&stream, &video, 1);
    native_receiver_packet(&receiver, &stream.packets[0].rtp, FALSE, stream.now_us);
    assert_int_equal(receiver.slot.key_frames, 1); // the first frame of a source is one
    receiver.key_due_us = stream.now_us;
    native_feedback_run(&feedback, stream.now_us);
    const RtcpPacket packet = first_of(&stream.compounds[0]);
    assert_true(rtcp_is_pli(&packet, &media));
    assert_int_equal(media, STREAM_SSRC);
    assert_true(receiver.key_due_us == stream.now_us + 300000);
}

static void being_asked_makes_a_source_send_again(void **state)
{
    (void)state;
    guint8 bytes[256];
    RtcpWriter writer = {bytes, sizeof bytes, 0};
    stream_frames(&stream, &video, 1);
    guint16 sequence = stream.packets[2].rtp.sequence;
    assert_true(rtcp_write_nack(&writer, 1, STREAM_SSRC, &sequence, 1));
    rtcp_write_pli(&writer, 1, STREAM_SSRC);
    native_feedback_read(&feedback, bytes, writer.length, stream.now_us);
    assert_int_equal(stream.n_packets, 5);
    assert_int_equal(counts.nacked, 1);
    assert_int_equal(counts.plis, 1);
    assert_true(video.key_wanted);
}

static void a_report_tells_what_came_and_what_went(void **state)
{
    (void)state;
    RtcpSenderInfo info;
    stream_frames(&stream, &audio, 1);
    native_receiver_packet(&receiver, &stream.packets[0].rtp, FALSE, stream.now_us);
    feedback.report_due_us = stream.now_us;
    native_feedback_run(&feedback, stream.now_us);
    const RtcpPacket packet = first_of(&stream.compounds[stream.n_compounds - 1]);
    assert_true(rtcp_sender_info(&packet, &info));
    assert_int_equal(packet.sender, 900);
    assert_int_equal(info.packets, 1);
    assert_true(feedback.report_due_us > stream.now_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_packet_is_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(a_key_frame_is_asked_for_until_one_comes, begin, end),
        cmocka_unit_test_setup_teardown(being_asked_makes_a_source_send_again, begin, end),
        cmocka_unit_test_setup_teardown(a_report_tells_what_came_and_what_went, begin, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
