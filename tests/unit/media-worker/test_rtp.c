// SPDX-License-Identifier: MIT
// The examples of RFC 3550 and RFC 8285, and packets that lie about their lengths.
#include "media-worker/rtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const guint8 plain[] = {0x80, 0xE0, 0x12, 0x34, 0,    0,   0,
                               1,    0xCA, 0xFE, 0xBA, 0xBE, 'h', 'i'};

static void a_plain_packet_is_read(void **state)
{
    (void)state;
    RtpPacket packet;
    assert_true(rtp_parse(&packet, plain, sizeof(plain)));
    assert_int_equal(packet.payload_type, 96);
    assert_true(packet.marker);
    assert_int_equal(packet.sequence, 0x1234);
    assert_int_equal(packet.timestamp, 1);
    assert_int_equal(packet.ssrc, 0xCAFEBABE);
    assert_int_equal(packet.n_csrc, 0);
    assert_null(packet.extension);
    assert_int_equal(packet.payload_length, 2);
    assert_memory_equal(packet.payload, "hi", 2);
}

// RFC 8285 section 4.2.1 and 4.3's sample: elements of 1, 2 and 4 bytes, with padding between them.
static void one_byte_elements_of_the_rfc_are_found(void **state)
{
    (void)state;
    guint8 data[] = {0x90, 0, 0,    1,    0,    0,    0,    0,    0,    0,
                     0,    1, 0xBE, 0xDE, 0,    3,    0x10, 0xA1, 0x21, 0xB1,
                     0xB2, 0, 0,    0x33, 0xC1, 0xC2, 0xC3, 0xC4, 'x'};
    RtpPacket packet;
    guint8 length = 0;
    assert_true(rtp_parse(&packet, data, sizeof(data)));
    assert_int_equal(*rtp_extension(&packet, 1, &length), 0xA1);
    assert_int_equal(length, 1);
    assert_int_equal(rtp_extension(&packet, 2, &length)[1], 0xB2);
    assert_int_equal(length, 2);
    assert_int_equal(rtp_extension(&packet, 3, &length)[3], 0xC4);
    assert_int_equal(length, 4);
    assert_null(rtp_extension(&packet, 4, &length));
    assert_null(rtp_extension(&packet, 0, &length));
    assert_null(rtp_extension(&packet, 15, &length));
    assert_int_equal(packet.payload_length, 1);
}

static void two_byte_elements_of_the_rfc_are_found(void **state)
{
    (void)state;
    guint8 data[] = {0x90, 0, 0, 1, 0, 0, 0,    0, 0,   0, 0,    1,    0x10, 0x00,
                     0,    3, 1, 0, 2, 1, 0xB1, 0, 200, 4, 0xC1, 0xC2, 0xC3, 0xC4};
    RtpPacket packet;
    guint8 length = 9;
    assert_true(rtp_parse(&packet, data, sizeof(data)));
    assert_non_null(rtp_extension(&packet, 1, &length));
    assert_int_equal(length, 0);
    assert_int_equal(*rtp_extension(&packet, 2, &length), 0xB1);
    assert_int_equal(*rtp_extension(&packet, 200, &length), 0xC1);
    assert_int_equal(length, 4);
}

static void id_15_ends_a_one_byte_block(void **state)
{
    (void)state;
    guint8 data[] = {0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xBE, 0xDE, 0, 1, 0xF0, 1, 0x10, 2};
    RtpPacket packet;
    guint8 length = 0;
    assert_true(rtp_parse(&packet, data, sizeof(data)));
    assert_null(rtp_extension(&packet, 1, &length));
}

static void an_element_that_leaves_its_block_is_not_found(void **state)
{
    (void)state;
    guint8 data[] = {0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xBE, 0xDE, 0, 1, 0, 0, 0, 0x11, 1, 2};
    RtpPacket packet;
    guint8 length = 0;
    assert_true(rtp_parse(&packet, data, sizeof(data)));
    assert_null(rtp_extension(&packet, 1, &length));
    data[12] = 0x10;
    data[13] = 0;
    data[18] = 1;
    data[19] = 200;
    assert_null(rtp_extension(&packet, 1, &length));
}

static void padding_is_taken_off_and_checked(void **state)
{
    (void)state;
    guint8 data[] = {0xA0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 3};
    RtpPacket packet;
    assert_true(rtp_parse(&packet, data, sizeof(data)));
    assert_int_equal(packet.payload_length, 1);
    assert_int_equal(packet.padding_length, 3);
    data[15] = 4;
    assert_true(rtp_parse(&packet, data, sizeof(data)));
    assert_int_equal(packet.payload_length, 0);
    data[15] = 5;
    assert_false(rtp_parse(&packet, data, sizeof(data)));
    data[15] = 0;
    assert_false(rtp_parse(&packet, data, sizeof(data)));
    assert_true(rtp_parse_protected(&packet, data, sizeof(data)));
    assert_int_equal(packet.payload_length, 4);
}

static void packets_that_lie_about_their_length_are_refused(void **state)
{
    (void)state;
    guint8 data[64] = {0x9F, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    RtpPacket packet;
    for (gsize length = 0; length < sizeof(data); length++)
        assert_false(rtp_parse(&packet, data, length));
    data[0] = 0x40; // version 1
    assert_false(rtp_parse(&packet, data, sizeof(data)));
    data[0] = 0x90;
    data[14] = 0xFF; // an extension of 261 KB
    data[15] = 0xFF;
    assert_false(rtp_parse(&packet, data, sizeof(data)));
}

static void a_built_header_is_read_back(void **state)
{
    (void)state;
    const guint32 csrc[] = {7};
    const guint8 level[] = {0x85}, counter[] = {1, 2}, time[] = {3, 4, 5};
    RtpExtension extensions[] = {{1, 1, level}, {0, 1, level}, {4, 2, counter}, {2, 3, time}};
    RtpHeader header = {.payload_type = 111,
                        .marker = TRUE,
                        .sequence = 65535,
                        .timestamp = 0xFFFFFFFF,
                        .ssrc = 0x01020304,
                        .n_csrc = 1,
                        .csrc = csrc,
                        .n_extensions = 4,
                        .extensions = extensions};
    for (guint form = 0; form < 2; form++) {
        guint8 out[RTP_HEADER_MAX];
        RtpPacket packet;
        gboolean voice = FALSE;
        guint8 length = 0;
        gsize size = rtp_header_build(out, &header);
        assert_int_equal(size % 4, 0);
        assert_true(rtp_parse(&packet, out, size));
        assert_int_equal(packet.sequence, 65535);
        assert_int_equal(rtp_csrc(&packet, 0), 7);
        assert_int_equal(packet.payload_length, 0);
        const guint8 *element = rtp_extension(&packet, 1, &length);
        assert_int_equal(rtp_audio_level(element, length, &voice), 5);
        assert_true(voice);
        assert_memory_equal(rtp_extension(&packet, 4, &length), counter, 2);
        assert_memory_equal(rtp_extension(&packet, extensions[3].id, &length), time, 3);
        assert_int_equal(packet.extension_profile, form == 0 ? 0xBEDE : 0x1000);
        extensions[3].id = 15;
    }
}

static void a_header_without_elements_has_no_extension(void **state)
{
    (void)state;
    const guint8 value = 1;
    const RtpExtension unused = {0, 1, &value};
    RtpHeader header = {.payload_type = 96, .n_extensions = 1, .extensions = &unused};
    guint8 out[RTP_HEADER_MAX];
    assert_int_equal(rtp_header_build(out, &header), RTP_HEADER_MIN);
    assert_int_equal(out[0], 0x80);
}

static void numbers_wrap(void **state)
{
    (void)state;
    assert_int_equal(rtp_sequence_after(1, 65535), 2);
    assert_int_equal(rtp_sequence_after(65535, 1), -2);
    assert_int_equal(rtp_timestamp_after(0, 0xFFFFFFFF), 1);
}

static void send_times_are_6_18_seconds(void **state)
{
    (void)state;
    static const struct {
        gint64 us;
        guint32 expected;
    } table[] = {{0, 0}, {1000000, 1 << 18}, {500000, 1 << 17}, {64000000, 0}, {65000000, 1 << 18}};
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        guint8 out[3];
        rtp_write_abs_send_time(out, table[i].us);
        assert_int_equal(out[0] << 16 | out[1] << 8 | out[2], table[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_packet_is_read),
        cmocka_unit_test(one_byte_elements_of_the_rfc_are_found),
        cmocka_unit_test(two_byte_elements_of_the_rfc_are_found),
        cmocka_unit_test(id_15_ends_a_one_byte_block),
        cmocka_unit_test(an_element_that_leaves_its_block_is_not_found),
        cmocka_unit_test(padding_is_taken_off_and_checked),
        cmocka_unit_test(packets_that_lie_about_their_length_are_refused),
        cmocka_unit_test(a_built_header_is_read_back),
        cmocka_unit_test(a_header_without_elements_has_no_extension),
        cmocka_unit_test(numbers_wrap),
        cmocka_unit_test(send_times_are_6_18_seconds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
