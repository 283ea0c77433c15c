// SPDX-License-Identifier: MIT
// What a native peer writes into its packets is read back; anything else is told apart.
#include "load/native_payload.h"
#include "media-worker/vp8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const NativePayload sent = {.label = 7, .counter = 4000000000U, .sent_us = 1LL << 40};

static void assert_is_sent(const NativePayload *read)
{
    assert_int_equal(read->label, sent.label);
    assert_int_equal(read->counter, sent.counter);
    assert_true(read->sent_us == sent.sent_us);
}

static void audio_is_read_back(void **state)
{
    (void)state;
    guint8 bytes[148];
    NativePayload read;
    native_payload_write(bytes, sizeof bytes, &sent, NULL);
    assert_true(native_payload_read(bytes, sizeof bytes, 0, &read));
    assert_is_sent(&read);
}

static void video_is_vp8_for_whoever_looks(void **state)
{
    (void)state;
    const NativeFrame frame = {
        .start = TRUE, .key_frame = TRUE, .picture_id = 300, .tl0picidx = 200};
    guint8 bytes[1188];
    NativePayload read;
    Vp8Descriptor vp8;
    native_payload_write(bytes, sizeof bytes, &sent, &frame);
    assert_true(vp8_parse(&vp8, bytes, sizeof bytes));
    assert_true(vp8.key_frame);
    assert_int_equal(vp8.picture_id, 300);
    assert_int_equal(vp8.tl0picidx, 200);
    assert_true(native_payload_read(bytes, sizeof bytes, vp8.length, &read));
    assert_is_sent(&read);
}

static void one_changed_or_missing_byte_is_noticed(void **state)
{
    (void)state;
    guint8 bytes[148];
    NativePayload read;
    native_payload_write(bytes, sizeof bytes, &sent, NULL);
    bytes[147] ^= 1;
    assert_false(native_payload_read(bytes, sizeof bytes, 0, &read));
    bytes[147] ^= 1;
    assert_false(native_payload_read(bytes + 1, sizeof bytes - 1, 0, &read));
    assert_false(native_payload_read(bytes, 10, 0, &read));
    bytes[12] ^= 1; // the counter, by which all that follows is known
    assert_false(native_payload_read(bytes, sizeof bytes, 0, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audio_is_read_back),
        cmocka_unit_test(video_is_vp8_for_whoever_looks),
        cmocka_unit_test(one_changed_or_missing_byte_is_noticed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
