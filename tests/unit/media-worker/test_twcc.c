// SPDX-License-Identifier: MIT
// Feedback written from arrivals and read back: loss, reordering, wraps, gaps in number and time.
#include "media-worker/twcc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static TwccRecorder recorder;
static guint8 memory[1200];
static RtcpWriter writer;
static TwccArrival got[70000];

static int begin(void **state)
{
    (void)state;
    twcc_recorder_init(&recorder);
    return 0;
}

// One feedback packet of at most `size` bytes, read; returns how many statuses it tells.
static guint next_feedback(gsize size)
{
    RtcpReader reader;
    RtcpPacket packet;
    guint32 media = 0;
    writer = (RtcpWriter){memory, size, 0};
    if (!twcc_recorder_write(&recorder, &writer, 1, 2))
        return 0;
    assert_true(rtcp_reader_init(&reader, memory, writer.length));
    assert_true(rtcp_next(&reader, &packet));
    assert_true(rtcp_is_twcc(&packet, &media));
    assert_int_equal(media, 2);
    return twcc_parse(&packet, got, G_N_ELEMENTS(got));
}

static void nothing_is_told_of_nothing(void **state)
{
    (void)state;
    assert_false(twcc_recorder_is_pending(&recorder));
    assert_int_equal(next_feedback(1200), 0);
}

static void arrivals_are_told_to_a_quarter_of_a_millisecond(void **state)
{
    (void)state;
    gint64 start = 5000000;
    for (guint i = 0; i < 20; i++)
        twcc_recorder_add(&recorder, (guint16)(65530 + i), start + i * 3210);
    assert_int_equal(next_feedback(1200), 20);
    for (guint i = 0; i < 20; i++) {
        assert_int_equal(got[i].sequence, (guint16)(65530 + i));
        assert_true(got[i].received);
        assert_true(start + i * 3210 - got[i].arrival_us < 250);
        assert_true(start + i * 3210 >= got[i].arrival_us);
    }
    assert_false(twcc_recorder_is_pending(&recorder));
    assert_int_equal(memory[19], 0); // feedback count
    twcc_recorder_add(&recorder, 14, start + 100000);
    assert_int_equal(next_feedback(1200), 1);
    assert_int_equal(memory[19], 1);
}

// The bytes of the draft's formats: a run of 3 small deltas; reference 64 ms * 0x10.
static void the_bytes_are_those_of_the_draft(void **state)
{
    (void)state;
    writer = (RtcpWriter){memory, sizeof(memory), 0};
    twcc_recorder_add(&recorder, 7, 1024000 + 1000);
    twcc_recorder_add(&recorder, 8, 1024000 + 3000);
    twcc_recorder_add(&recorder, 9, 1024000 + 4000);
    assert_true(twcc_recorder_write(&recorder, &writer, 1, 2));
    // bytes 8 to 11: media SSRC; 12, 13: base number; 14, 15: count; 16 to 19: reference and count
    static const guint8 exact[] = {0x8F, 205, 0, 6, 0,  0, 0,    1,    0, 0, 0, 2, 0, 7,
                                   0,    3,   0, 0, 16, 0, 0x20, 0x03, 4, 8, 4, 0, 0, 0};
    assert_int_equal(writer.length, sizeof(exact));
    assert_memory_equal(memory, exact, sizeof(exact));
}

static void loss_and_reordering_are_told(void **state)
{
    (void)state;
    twcc_recorder_add(&recorder, 100, 1000000);
    twcc_recorder_add(&recorder, 103, 1001000);
    twcc_recorder_add(&recorder, 102, 1002000); // a negative difference follows
    twcc_recorder_add(&recorder, 110, 1300000); // and a large one
    twcc_recorder_add(&recorder, 110, 1400000); // a duplicate
    assert_int_equal(next_feedback(1200), 11);
    for (guint i = 0; i < 11; i++)
        assert_int_equal(got[i].received, i == 0 || i == 2 || i == 3 || i == 10);
    assert_int_equal(got[3].arrival_us - got[2].arrival_us, -1000);
    assert_int_equal(got[10].arrival_us, 1300000);
    twcc_recorder_add(&recorder, 101, 1410000); // late, behind what was told
    assert_true(twcc_recorder_is_pending(&recorder));
    assert_int_equal(next_feedback(1200), 10);
    assert_int_equal(got[0].sequence, 101);
    assert_true(got[0].received);
}

static void a_gap_in_time_begins_another_feedback(void **state)
{
    (void)state;
    twcc_recorder_add(&recorder, 1, 1000000);
    twcc_recorder_add(&recorder, 2, 11000000);
    assert_int_equal(next_feedback(1200), 1);
    assert_int_equal(next_feedback(1200), 1);
    assert_int_equal(got[0].arrival_us, 11000000);
    assert_int_equal(next_feedback(1200), 0);
}

static void a_gap_in_numbers_keeps_the_window(void **state)
{
    (void)state;
    twcc_recorder_add(&recorder, 1, 1000000);
    twcc_recorder_add(&recorder, 9001, 1001000);
    guint told = 0, received = 0, last = 0;
    for (guint count; (count = next_feedback(1200)) > 0; told += count)
        for (guint i = 0; i < count; i++) {
            received += got[i].received;
            last = got[i].sequence;
        }
    assert_int_equal(told, TWCC_WINDOW);
    assert_int_equal(received, 1);
    assert_int_equal(last, 9001);
    twcc_recorder_add(&recorder, 1000, 1002000); // the sender counts anew
    assert_int_equal(next_feedback(1200), 1);
    assert_int_equal(got[0].sequence, 1000);
}

static void what_does_not_fit_is_told_next_time(void **state)
{
    (void)state;
    for (guint i = 0; i < 500; i++)
        if (i % 3 != 1)
            twcc_recorder_add(&recorder, (guint16)i, 1000000 + (i * 7919 % 4000) * 250);
    guint expected = 0;
    for (guint count; (count = next_feedback(100)) > 0;)
        for (guint i = 0; i < count; i++, expected++) {
            assert_int_equal(got[i].sequence, expected);
            assert_int_equal(got[i].received, expected % 3 != 1);
            if (got[i].received)
                assert_int_equal(got[i].arrival_us, 1000000 + (expected * 7919 % 4000) * 250);
        }
    assert_int_equal(expected, 499); // the last was lost
    twcc_recorder_add(&recorder, 501, 1);
    assert_int_equal(next_feedback(20), 0);
    assert_true(twcc_recorder_is_pending(&recorder));
}

static void random_traffic_is_told_exactly(void **state)
{
    (void)state;
    g_autoptr(GRand) random = g_rand_new_with_seed(3);
    guint32 sequence = 60000;
    gint64 now = (gint64)G_MAXUINT32 * 250 - 2000000, arrived[70000] = {0}; // ticks wrap on the way
    for (guint round = 0; round < 400; round++) {
        guint first = sequence;
        for (guint i = 0; i < 50; i++, sequence++) {
            now += g_rand_int_range(random, 0, 30) * 250;
            arrived[sequence % 70000] = g_rand_int_range(random, 0, 10) == 0 ? 0 : now;
            if (arrived[sequence % 70000] != 0)
                twcc_recorder_add(&recorder, (guint16)sequence, now);
        }
        guint at = 0;
        for (guint count; (count = next_feedback(300)) > 0;)
            for (guint i = 0; i < count; i++, at++) {
                while ((guint16)(first + at) != got[i].sequence)
                    first--; // what was lost at the end of the last round is told now
                gint64 expected = arrived[(first + at) % 70000];
                assert_int_equal(got[i].received, expected != 0);
                if (expected != 0)
                    assert_int_equal((guint32)(got[i].arrival_us / 250), (guint32)(expected / 250));
            }
    }
}

static void malformed_feedback_is_refused(void **state)
{
    (void)state;
    for (guint i = 0; i < 30; i++)
        twcc_recorder_add(&recorder, (guint16)(i * 2), 1000000 + i * 100000);
    writer = (RtcpWriter){memory, sizeof(memory), 0};
    assert_true(twcc_recorder_write(&recorder, &writer, 1, 2));
    for (gsize length = 0; length <= writer.length - 4; length++) {
        g_autofree guint8 *exact = g_memdup2(memory + 4, length);
        const RtcpPacket packet = {RTCP_TRANSPORT_FEEDBACK, RTCP_TRANSPORT_TWCC, 1, exact,
                                   (guint16)length};
        guint count = twcc_parse(&packet, got, G_N_ELEMENTS(got));
        assert_true(count == 0 || length + 8 >= writer.length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_told_of_nothing, begin),
        cmocka_unit_test_setup(arrivals_are_told_to_a_quarter_of_a_millisecond, begin),
        cmocka_unit_test_setup(the_bytes_are_those_of_the_draft, begin),
        cmocka_unit_test_setup(loss_and_reordering_are_told, begin),
        cmocka_unit_test_setup(a_gap_in_time_begins_another_feedback, begin),
        cmocka_unit_test_setup(a_gap_in_numbers_keeps_the_window, begin),
        cmocka_unit_test_setup(what_does_not_fit_is_told_next_time, begin),
        cmocka_unit_test_setup(random_traffic_is_told_exactly, begin),
        cmocka_unit_test_setup(malformed_feedback_is_refused, begin),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
