// SPDX-License-Identifier: MIT
// Arrivals told apart, NACKs in time, reports by the RFC's sums, clocks mapped, RTX unwrapped.
#include "media-worker/receive.h"
#include "media-worker/rtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define START_US (1000 * G_GINT64_CONSTANT(1000000))
static Receive receive;
static gint64 now;
static guint16 asked[RECEIVE_MISSING_MAX];

static int begin(void **state)
{
    (void)state;
    receive_init(&receive, 77, 90000, TRUE);
    now = START_US;
    return 0;
}

// A packet every 10 ms of both clocks.
static ReceiveResult arrive(guint16 sequence)
{
    const ReceiveArrival arrival = {
        .sequence = sequence, .timestamp = 900U * sequence, .now_us = now};
    now += 10000;
    return receive_packet(&receive, &arrival);
}

static ReceiveResult arrive_resent(guint16 sequence)
{
    const ReceiveArrival arrival = {.sequence = sequence, .now_us = now, .resent = TRUE};
    return receive_packet(&receive, &arrival);
}

static void arrivals_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        guint16 sequence;
        ReceiveResult expected;
    } table[] = {
        {65534, RECEIVE_NEXT},      {65534, RECEIVE_DUPLICATE}, {65533, RECEIVE_LATE},
        {65533, RECEIVE_DUPLICATE}, {0, RECEIVE_NEXT},          {65535, RECEIVE_LATE},
        {65535, RECEIVE_DUPLICATE}, {1000, RECEIVE_NEXT},       {1, RECEIVE_LATE},
        {65535, RECEIVE_DUPLICATE}, {999, RECEIVE_LATE},        {1000, RECEIVE_DUPLICATE},
        {2023, RECEIVE_NEXT},       {1000, RECEIVE_DUPLICATE},  {1001, RECEIVE_LATE},
        {999, RECEIVE_OLD},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        assert_int_equal(arrive(table[i].sequence), table[i].expected);
}

static void a_jump_is_believed_when_its_successor_comes(void **state)
{
    (void)state;
    arrive(100);
    assert_int_equal(arrive(30000), RECEIVE_OLD);
    assert_int_equal(arrive(101), RECEIVE_NEXT);
    assert_int_equal(arrive(30001), RECEIVE_OLD); // 101 came in between
    assert_int_equal(arrive(30002), RECEIVE_RESTART);
    assert_int_equal(arrive(30003), RECEIVE_NEXT);
    assert_true(receive_take_given_up(&receive)); // a key frame is needed
    assert_int_equal(arrive_resent(50000), RECEIVE_OLD);
    assert_int_equal(arrive_resent(50001), RECEIVE_OLD);
}

static void missing_packets_are_asked_for_and_asked_for_again(void **state)
{
    (void)state;
    receive_set_rtt(&receive, 40000);
    arrive(10);
    assert_true(receive_nacks_due_us(&receive) == G_MAXINT64);
    gint64 gap = now;
    arrive(13);
    assert_int_equal(receive_nacks(&receive, gap, asked, 100), 0); // may be reordering
    assert_int_equal(receive_nacks_due_us(&receive), gap + 5000);
    assert_int_equal(receive_nacks(&receive, gap + 5000, asked, 100), 2);
    assert_int_equal(asked[0], 11);
    assert_int_equal(asked[1], 12);
    assert_int_equal(receive_nacks(&receive, gap + 50000, asked, 100), 0);
    assert_int_equal(arrive_resent(11), RECEIVE_LATE);
    assert_int_equal(receive_nacks(&receive, gap + 55000, asked, 100), 1);
    assert_int_equal(asked[0], 12);
    assert_false(receive_take_given_up(&receive));
}

static void after_ten_tries_or_a_second_they_are_given_up(void **state)
{
    (void)state;
    for (gint64 rtt = 10000; rtt <= 200000; rtt += 190000) {
        begin(NULL);
        receive_set_rtt(&receive, rtt);
        arrive(1);
        arrive(3);
        guint tries = 0;
        gint64 start = now;
        while (receive.n_missing > 0) {
            tries += receive_nacks(&receive, now, asked, 100);
            now += 1000;
        }
        assert_in_range(tries, 4, RECEIVE_NACK_TRIES);
        assert_in_range(now - start, 150000, 1100000);
        assert_true(receive_take_given_up(&receive));
        assert_false(receive_take_given_up(&receive));
    }
}

static void a_key_frame_ends_the_asking(void **state)
{
    (void)state;
    arrive(65530);
    arrive(65533);
    arrive(3);
    receive_key_frame(&receive, 1);
    assert_int_equal(receive_nacks(&receive, now + 100000, asked, 100), 1);
    assert_int_equal(asked[0], 2);
}

static void too_much_missing_is_given_up_at_once(void **state)
{
    (void)state;
    arrive(1);
    arrive(2 + RECEIVE_MISSING_MAX);
    assert_int_equal(receive.n_missing, RECEIVE_MISSING_MAX);
    arrive(4 + RECEIVE_MISSING_MAX);
    assert_int_equal(receive.n_missing, 0);
    assert_true(receive_take_given_up(&receive));
    receive_init(&receive, 77, 48000, FALSE);
    arrive(1);
    arrive(3);
    assert_true(receive_nacks_due_us(&receive) == G_MAXINT64);
}

static void reports_count_as_the_rfc_does(void **state)
{
    (void)state;
    RtcpReport report;
    assert_false(receive_report(&receive, now, &report));
    for (guint i = 0; i < 100; i++)
        if (i % 4 != 1)
            arrive((guint16)(65500 + i));
    arrive_resent(65501); // recovered, but lost on the way
    assert_true(receive_report(&receive, now, &report));
    assert_int_equal(report.ssrc, 77);
    assert_int_equal(report.fraction_lost, 64);
    assert_int_equal(report.cumulative_lost, 25);
    assert_int_equal(report.highest_sequence, 0x10000 + 63);
    assert_int_equal(report.last_sr, 0);
    assert_false(receive_report(&receive, now, &report));
    for (guint i = 100; i < 200; i++)
        arrive((guint16)(65500 + i));
    assert_true(receive_report(&receive, now, &report));
    assert_int_equal(report.fraction_lost, 0);
    assert_int_equal(report.cumulative_lost, 25);
}

static void jitter_is_the_mean_deviation(void **state)
{
    (void)state;
    RtcpReport report;
    for (guint i = 0; i < 2000; i++) {
        now += i % 2 == 0 ? 2000 : -2000; // every packet 2 ms late or early
        arrive((guint16)i);
    }
    receive_report(&receive, now, &report);
    assert_in_range(report.jitter, 170, 180); // a change of 2 ms = 180 ticks each time
}

static void a_sender_report_is_told_back(void **state)
{
    (void)state;
    RtcpReport report;
    ReceiveClock clock = {0};
    const RtcpSenderInfo info = {.ntp = G_GUINT64_CONSTANT(0x1122334455667788)};
    arrive(1);
    receive_sender_report(&receive, &clock, &info, now);
    receive_report(&receive, now + 1500000, &report);
    assert_int_equal(report.last_sr, 0x33445566);
    assert_int_equal(report.delay_since_last_sr, 0x18000);
}

static void timestamps_are_mapped_by_the_least_delay_before_a_report(void **state)
{
    (void)state;
    const ReceiveClock clock = {0};
    static const gint64 delays[] = {30000, 5000, 20000, 9000, 50000};
    for (guint i = 0; i < 500; i++) {
        now = START_US + 10000 * i + delays[i % G_N_ELEMENTS(delays)];
        arrive((guint16)i);
    }
    gint64 mapped = receive_server_us(&receive, &clock, 900 * 499);
    assert_in_range(mapped, START_US + 4990000 + 4900, START_US + 4990000 + 5100);
    mapped = receive_server_us(&receive, &clock, 900 * 400);
    assert_in_range(mapped, START_US + 4000000 + 4900, START_US + 4000000 + 5100);
}

// Audio and video of one peer, whose clock is a day behind ours, are put on one time line although
// the first report of the video was held up.
static void sender_reports_put_streams_of_a_peer_in_step(void **state)
{
    (void)state;
    Receive audio;
    ReceiveClock clock = {0};
    gint64 peers_us = START_US + 1600000000000000 - 86400000000;
    RtcpSenderInfo info = {.ntp = rtcp_ntp_from_us(peers_us), .rtp_timestamp = 4000};
    receive_init(&audio, 5, 48000, FALSE);
    arrive(1);
    receive_sender_report(&audio, &clock, &info, START_US + 10000);
    info.rtp_timestamp = 0xFFFFFF00;
    info.ntp = rtcp_ntp_from_us(peers_us + 100000);
    receive_sender_report(&receive, &clock, &info, START_US + 100000 + 90000);
    gint64 of_audio = receive_server_us(&audio, &clock, 4000 + 48000);
    gint64 of_video = receive_server_us(&receive, &clock, 0xFFFFFF00 + 81000);
    assert_in_range(of_audio - START_US, 1010000 - 50, 1010000 + 50);
    assert_in_range(of_video - of_audio, 0, 2);
}

static void rtx_is_unwrapped_in_place(void **state)
{
    (void)state;
    guint8 packet[] = {0x90, 0xE1, 0, 9, 1,    2, 3, 4, 9,    9,    9,   9,
                       0xBE, 0xDE, 0, 1, 0x10, 5, 0, 0, 0x12, 0x34, 'a', 'b'};
    gsize length = sizeof(packet);
    RtpPacket view;
    guint8 value = 0;
    guint8 *start = receive_unwrap_rtx(packet, &length, (ReceiveOriginal){0xCAFE, 96});
    assert_ptr_equal(start, packet + 2);
    assert_true(rtp_parse(&view, start, length));
    assert_int_equal(view.payload_type, 96);
    assert_true(view.marker);
    assert_int_equal(view.sequence, 0x1234);
    assert_int_equal(view.timestamp, 0x01020304);
    assert_int_equal(view.ssrc, 0xCAFE);
    assert_int_equal(view.payload_length, 2);
    assert_int_equal(*rtp_extension(&view, 1, &value), 5);
}

static void rtx_without_an_original_is_nothing(void **state)
{
    (void)state;
    guint8 probe[] = {0xA0, 97, 0, 9, 1, 2, 3, 4, 9, 9, 9, 9, 0, 0, 0, 4};
    guint8 bare[] = {0x80, 97, 0, 9, 1, 2, 3, 4, 9, 9, 9, 9, 1, 2};
    gsize length = sizeof(probe);
    const ReceiveOriginal original = {1, 96};
    assert_null(receive_unwrap_rtx(probe, &length, original));
    assert_int_equal(length, sizeof(probe));
    length = sizeof(bare);
    assert_null(receive_unwrap_rtx(bare, &length, original));
    length = 5;
    assert_null(receive_unwrap_rtx(bare, &length, original));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(arrivals_are_told_apart, begin),
        cmocka_unit_test_setup(a_jump_is_believed_when_its_successor_comes, begin),
        cmocka_unit_test_setup(missing_packets_are_asked_for_and_asked_for_again, begin),
        cmocka_unit_test_setup(after_ten_tries_or_a_second_they_are_given_up, begin),
        cmocka_unit_test_setup(a_key_frame_ends_the_asking, begin),
        cmocka_unit_test_setup(too_much_missing_is_given_up_at_once, begin),
        cmocka_unit_test_setup(reports_count_as_the_rfc_does, begin),
        cmocka_unit_test_setup(jitter_is_the_mean_deviation, begin),
        cmocka_unit_test_setup(a_sender_report_is_told_back, begin),
        cmocka_unit_test_setup(timestamps_are_mapped_by_the_least_delay_before_a_report, begin),
        cmocka_unit_test_setup(sender_reports_put_streams_of_a_peer_in_step, begin),
        cmocka_unit_test_setup(rtx_is_unwrapped_in_place, begin),
        cmocka_unit_test_setup(rtx_without_an_original_is_nothing, begin),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
