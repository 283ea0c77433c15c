// SPDX-License-Identifier: MIT
// What the writer writes the reader reads; bytes by hand where the RFC draws them; lies refused.
#include "media-worker/rtcp.h"
#include "media-worker/rtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static guint8 memory[1500];
static RtcpWriter writer;
static RtcpReader reader;
static RtcpPacket packet;

static int begin(void **state)
{
    (void)state;
    writer = (RtcpWriter){memory, sizeof(memory), 0};
    return 0;
}

static void read_first(void)
{
    assert_true(rtcp_reader_init(&reader, writer.data, writer.length));
    assert_true(rtcp_next(&reader, &packet));
}

static const RtcpReport report = {.ssrc = 5,
                                  .fraction_lost = 13,
                                  .cumulative_lost = -2,
                                  .highest_sequence = 0x10002,
                                  .jitter = 99,
                                  .last_sr = 7,
                                  .delay_since_last_sr = 8};
static const RtcpSenderInfo info = {0xE0000001C0000002, 11, 12, 13};

static void a_sender_report_is_read_back(void **state)
{
    (void)state;
    RtcpReport reports[] = {report, report};
    RtcpSenderInfo got;
    RtcpReport block;
    assert_true(rtcp_write_sr(&writer, 3, &info, reports, 2));
    assert_int_equal(writer.length, 8 + 20 + 48);
    read_first();
    assert_int_equal(packet.sender, 3);
    assert_true(rtcp_sender_info(&packet, &got));
    assert_true(got.ntp == info.ntp && got.rtp_timestamp == 11 && got.packets == 12);
    assert_int_equal(got.octets, 13);
    assert_true(rtcp_report(&packet, 1, &block));
    assert_int_equal(block.ssrc, 5);
    assert_int_equal(block.fraction_lost, 13);
    assert_int_equal(block.cumulative_lost, -2);
    assert_memory_equal(&block.highest_sequence, &report.highest_sequence, 16);
    assert_false(rtcp_report(&packet, 2, &block));
    assert_false(rtcp_next(&reader, &packet));
}

static void a_compound_is_walked_in_order(void **state)
{
    (void)state;
    guint32 media = 0;
    RtcpCname cname;
    rtcp_write_rr(&writer, 1, &report, 1);
    rtcp_write_cname(&writer, 1, "someone@somewhere");
    rtcp_write_pli(&writer, 1, 77);
    rtcp_write_bye(&writer, 1);
    read_first();
    assert_int_equal(packet.type, RTCP_RR);
    assert_true(rtcp_next(&reader, &packet));
    assert_true(rtcp_cname(&packet, 0, &cname));
    assert_int_equal(cname.length, strlen("someone@somewhere"));
    assert_memory_equal(cname.text, "someone@somewhere", cname.length);
    assert_false(rtcp_cname(&packet, 1, &cname));
    assert_true(rtcp_next(&reader, &packet));
    assert_true(rtcp_is_pli(&packet, &media));
    assert_int_equal(media, 77);
    assert_true(rtcp_next(&reader, &packet));
    assert_true(rtcp_bye(&packet, 0, &media));
    assert_int_equal(media, 1);
    assert_false(rtcp_next(&reader, &packet));
}

static void the_second_chunk_of_an_sdes_is_found(void **state)
{
    (void)state;
    static const guint8 bytes[] = {0x82, 202, 0, 6, 0, 0, 0, 1, 1,   2, 'a', 'b', 0, 0,
                                   0,    0,   0, 0, 0, 2, 2, 1, 'n', 1, 1,   'c', 0, 0};
    RtcpCname cname;
    assert_true(rtcp_reader_init(&reader, bytes, sizeof(bytes)));
    assert_true(rtcp_next(&reader, &packet));
    assert_true(rtcp_cname(&packet, 1, &cname));
    assert_int_equal(cname.ssrc, 2);
    assert_int_equal(cname.length, 1);
    assert_int_equal(cname.text[0], 'c');
}

static void nacks_are_packed_and_unpacked_over_the_wrap(void **state)
{
    (void)state;
    const guint16 lost[] = {65530, 65531, 65535, 0, 10, 11, 27, 300};
    guint16 got[16];
    guint32 media = 0;
    assert_true(rtcp_write_nack(&writer, 1, 2, lost, G_N_ELEMENTS(lost)));
    assert_int_equal(writer.length, 12 + 3 * 4); // 65530 + 16 takes 10; 11 + 16 takes 27
    read_first();
    assert_true(rtcp_is_nack(&packet, &media));
    assert_int_equal(media, 2);
    assert_int_equal(rtcp_nack_sequences(&packet, got, 16), G_N_ELEMENTS(lost));
    assert_memory_equal(got, lost, sizeof(lost));
    assert_int_equal(rtcp_nack_sequences(&packet, got, 3), 3);
    assert_false(rtcp_write_nack(&writer, 1, 2, lost, 0));
}

static void fir_and_remb_are_read_back(void **state)
{
    (void)state;
    guint32 ssrc = 0, ssrcs[] = {1, 2};
    guint8 number = 0;
    static const guint64 rates[] = {0, 1, 262143, 262144, 1000000, 2500000000};
    rtcp_write_fir(&writer, 1, 9, 4);
    read_first();
    assert_true(rtcp_fir(&packet, 0, &ssrc, &number));
    assert_int_equal(ssrc, 9);
    assert_int_equal(number, 4);
    assert_false(rtcp_fir(&packet, 1, &ssrc, &number));
    for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
        guint64 rate = 1;
        writer.length = 0;
        rtcp_write_remb(&writer, 1, rates[i], ssrcs, 2);
        read_first();
        assert_true(rtcp_remb(&packet, &rate));
        assert_true(rate <= rates[i] && rates[i] - rate <= rates[i] / 100000);
    }
}

static void a_packet_that_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    for (writer.size = 0; writer.size < 28; writer.size++) {
        assert_false(rtcp_write_sr(&writer, 3, &info, NULL, 0));
        assert_int_equal(writer.length, 0);
    }
    assert_true(rtcp_write_sr(&writer, 3, &info, NULL, 0));
    assert_false(rtcp_write_pli(&writer, 3, 4));
    assert_int_equal(writer.length, 28);
}

static void compounds_that_do_not_add_up_are_refused(void **state)
{
    (void)state;
    rtcp_write_rr(&writer, 1, &report, 1);
    rtcp_write_pli(&writer, 1, 2);
    for (gsize length = 0; length < writer.length; length++)
        assert_int_equal(rtcp_reader_init(&reader, memory, length), length == 32);
    memory[32] = 0x41; // version 1
    assert_false(rtcp_reader_init(&reader, memory, writer.length));
    assert_false(rtcp_next(&reader, &packet));
}

static void padding_is_allowed_only_at_the_end(void **state)
{
    (void)state;
    rtcp_write_pli(&writer, 1, 2);
    memory[0] |= 0x20;
    memory[11] = 4;
    assert_true(rtcp_reader_init(&reader, memory, 12));
    assert_true(rtcp_next(&reader, &packet));
    assert_int_equal(packet.length, 4); // too short to be a PLI now
    guint32 media;
    assert_false(rtcp_is_pli(&packet, &media));
    rtcp_write_bye(&writer, 1);
    assert_false(rtcp_reader_init(&reader, memory, writer.length));
    memory[11] = 12;
    assert_false(rtcp_reader_init(&reader, memory, 12));
    memory[11] = 0;
    assert_false(rtcp_reader_init(&reader, memory, 12));
}

// A report and feedback about three packets, as Chromium pads it.
static void feedback_padded_by_less_than_a_word_is_read(void **state)
{
    (void)state;
    static const guint8 bytes[] = {0x80, 201, 0, 1, 0, 0, 0, 1, 0xAF, 205, 0, 5, 0,    0, 0, 1,
                                   0,    0,   0, 2, 0, 7, 0, 3, 0,    0,   1, 0, 0x20, 3, 4, 1};
    assert_true(rtcp_reader_init(&reader, bytes, sizeof(bytes)));
    assert_true(rtcp_next(&reader, &packet));
    assert_int_equal(packet.type, RTCP_RR);
    assert_true(rtcp_next(&reader, &packet));
    assert_int_equal(packet.type, RTCP_TRANSPORT_FEEDBACK);
    assert_int_equal(packet.length, 19);
    assert_false(rtcp_next(&reader, &packet));
}

static void counts_beyond_the_body_are_not_believed(void **state)
{
    (void)state;
    static const guint8 bytes[] = {0x9F, 201, 0, 1, 0, 0, 0, 1, 0x9F, 203, 0, 0};
    RtcpReport block;
    guint32 ssrc;
    assert_true(rtcp_reader_init(&reader, bytes, sizeof(bytes)));
    assert_true(rtcp_next(&reader, &packet));
    assert_false(rtcp_report(&packet, 0, &block));
    assert_true(rtcp_next(&reader, &packet));
    assert_false(rtcp_bye(&packet, 0, &ssrc));
    assert_int_equal(packet.sender, 0);
}

static void ntp_time_goes_there_and_back(void **state)
{
    (void)state;
    static const gint64 times[] = {0, 1, 999999, 1769817600123456};
    for (guint i = 0; i < G_N_ELEMENTS(times); i++)
        assert_int_equal(rtcp_ntp_to_us(rtcp_ntp_from_us(times[i])), times[i]);
    assert_true(rtcp_ntp_from_us(500000) == (G_GUINT64_CONSTANT(2208988800) << 32 | 0x80000000));
}

// The example of RFC 3550 section 6.4.1, figure 2: 6.125 s round trip.
static void the_round_trip_of_the_rfc_is_found(void **state)
{
    (void)state;
    RtcpReport block = {.last_sr = 0xB7052000, .delay_since_last_sr = 0x00054000};
    const guint64 now = G_GUINT64_CONSTANT(0xB44DB71080000000);
    assert_int_equal(rtcp_round_trip_us(&block, now), 6125000);
    block.last_sr = 0;
    assert_int_equal(rtcp_round_trip_us(&block, now), -1);
    block.last_sr = rtcp_ntp_middle(now) + 1;
    assert_int_equal(rtcp_round_trip_us(&block, now), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_sender_report_is_read_back, begin),
        cmocka_unit_test_setup(a_compound_is_walked_in_order, begin),
        cmocka_unit_test_setup(the_second_chunk_of_an_sdes_is_found, begin),
        cmocka_unit_test_setup(nacks_are_packed_and_unpacked_over_the_wrap, begin),
        cmocka_unit_test_setup(fir_and_remb_are_read_back, begin),
        cmocka_unit_test_setup(a_packet_that_does_not_fit_is_not_begun, begin),
        cmocka_unit_test_setup(compounds_that_do_not_add_up_are_refused, begin),
        cmocka_unit_test_setup(padding_is_allowed_only_at_the_end, begin),
        cmocka_unit_test_setup(feedback_padded_by_less_than_a_word_is_read, begin),
        cmocka_unit_test_setup(counts_beyond_the_body_are_not_believed, begin),
        cmocka_unit_test_setup(ntp_time_goes_there_and_back, begin),
        cmocka_unit_test_setup(the_round_trip_of_the_rfc_is_found, begin),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
