// SPDX-License-Identifier: MIT
// Headers of a slot: written once, numbers put in place, read back by the parser.
#include "media-worker/header.h"
#include "media-worker/rtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const MediaSlot slot = {.mid = "12",
                               .kind = MEDIA_AUDIO,
                               .payload_type = 111,
                               .rtx_payload_type = 112,
                               .clock_rate = 48000,
                               .ssrc = 0x01020304,
                               .rtx_ssrc = 0x05060708};
static const HeaderNumbers numbers = {.marker = TRUE,
                                      .sequence = 0xFFFE,
                                      .transport_cc = 0xABCD,
                                      .timestamp = 0x11223344,
                                      .csrc = 77,
                                      .send_time = {1, 2, 3},
                                      .level = 0x80 | 40};

static RtpPacket written(Header *header, const HeaderNumbers *values)
{
    RtpPacket packet;
    header_write(header, values);
    assert_true(rtp_parse(&packet, header->bytes, header->length));
    assert_int_equal(packet.payload_length, 0);
    return packet;
}

static void check_all(const MediaExtensions *extensions)
{
    Header header;
    guint8 length;
    header_init(&header, &slot, extensions, FALSE);
    RtpPacket packet = written(&header, &numbers);
    assert_int_equal(packet.ssrc, slot.ssrc);
    assert_int_equal(packet.payload_type, 111);
    assert_true(packet.marker);
    assert_int_equal(packet.sequence, 0xFFFE);
    assert_int_equal(packet.timestamp, 0x11223344);
    assert_int_equal(rtp_csrc(&packet, 0), 77);
    assert_memory_equal(rtp_extension(&packet, extensions->mid, &length), "12", 2);
    assert_int_equal(length, 2);
    assert_int_equal(rtp_get16(rtp_extension(&packet, extensions->transport_cc, &length)), 0xABCD);
    assert_memory_equal(rtp_extension(&packet, extensions->abs_send_time, &length), "\1\2\3", 3);
    assert_int_equal(rtp_extension(&packet, extensions->audio_level, &length)[0], 0x80 | 40);
}

static void every_element_that_the_receiver_knows_is_written_under_its_ids(void **state)
{
    (void)state;
    check_all(
        &(MediaExtensions){.mid = 4, .audio_level = 1, .abs_send_time = 14, .transport_cc = 3});
    check_all(
        &(MediaExtensions){.mid = 4, .audio_level = 15, .abs_send_time = 200, .transport_cc = 3});
}

static void an_element_that_was_not_negotiated_is_left_out(void **state)
{
    (void)state;
    Header header;
    header_init(&header, &slot, &(MediaExtensions){0}, FALSE);
    assert_int_equal(header.length, RTP_HEADER_MIN + 4);
    assert_null(written(&header, &numbers).extension);
}

static void a_level_that_is_missing_leaves_the_other_elements_alone(void **state)
{
    (void)state;
    static const MediaExtensions forms[] = {{.mid = 4, .audio_level = 1, .transport_cc = 3},
                                            {.mid = 4, .audio_level = 99, .transport_cc = 3}};
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        Header header;
        guint8 length;
        HeaderNumbers silent = numbers;
        silent.level = HEADER_NO_LEVEL;
        header_init(&header, &slot, &forms[i], FALSE);
        RtpPacket packet = written(&header, &silent);
        assert_null(rtp_extension(&packet, forms[i].audio_level, &length));
        assert_non_null(rtp_extension(&packet, 4, &length));
        assert_non_null(rtp_extension(&packet, 3, &length));
        packet = written(&header, &numbers); // and comes back
        assert_int_equal(rtp_extension(&packet, forms[i].audio_level, &length)[0], 0x80 | 40);
    }
}

static void packets_sent_again_bear_the_names_of_rtx_and_no_level(void **state)
{
    (void)state;
    Header header;
    guint8 length;
    header_init(&header, &slot, &(MediaExtensions){.mid = 4, .audio_level = 1}, TRUE);
    RtpPacket packet = written(&header, &numbers);
    assert_int_equal(packet.ssrc, slot.rtx_ssrc);
    assert_int_equal(packet.payload_type, 112);
    assert_null(rtp_extension(&packet, 1, &length));
}

static void the_longest_mid_and_hostile_ids_stay_inside(void **state)
{
    (void)state;
    Header header;
    MediaSlot longest = slot;
    memset(longest.mid, 'm', MEDIA_MID_MAX);
    MediaExtensions equal = {
        .mid = 255, .audio_level = 255, .abs_send_time = 255, .transport_cc = 255};
    header_init(&header, &longest, &equal, FALSE);
    header_write(&header, &numbers);
    assert_true(header.length <= HEADER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_that_the_receiver_knows_is_written_under_its_ids),
        cmocka_unit_test(an_element_that_was_not_negotiated_is_left_out),
        cmocka_unit_test(a_level_that_is_missing_leaves_the_other_elements_alone),
        cmocka_unit_test(packets_sent_again_bear_the_names_of_rtx_and_no_level),
        cmocka_unit_test(the_longest_mid_and_hostile_ids_stay_inside),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
