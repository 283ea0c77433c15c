// SPDX-License-Identifier: MIT
// Payload descriptors of RFC 7741 section 4.5 and beyond: every combination of fields.
#include "media-worker/vp8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

// Section 4.5.1: S set, no extension; 4.5.2: picture id 0x11; 4.5.4: picture id of 15 bits.
static void the_examples_of_the_rfc_are_read(void **state)
{
    (void)state;
    static const struct {
        guint8 bytes[16];
        gsize length;
        guint8 descriptor_length;
        gboolean start, key_frame;
        gint picture_id; // -1: none
    } table[] = {
        {{0x10, 0x00, 0, 0}, 4, 1, TRUE, TRUE, -1},
        {{0x10, 0x01, 0, 0}, 4, 1, TRUE, FALSE, -1},
        {{0x90, 0x80, 0x11, 0x00}, 4, 3, TRUE, TRUE, 0x11},
        {{0x81, 0x80, 0x11, 0x00}, 4, 3, FALSE, FALSE, 0x11},
        {{0x90, 0x80, 0x92, 0x34, 0x00}, 5, 4, TRUE, TRUE, 0x1234},
        {{0x11, 0x00}, 2, 1, FALSE, FALSE, -1}, // starts partition 1, not the frame
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        Vp8Descriptor read;
        assert_true(vp8_parse(&read, table[i].bytes, table[i].length));
        assert_int_equal(read.length, table[i].descriptor_length);
        assert_int_equal(read.start, table[i].start);
        assert_int_equal(read.key_frame, table[i].key_frame);
        assert_int_equal(read.has_picture_id, table[i].picture_id >= 0);
        assert_int_equal(read.picture_id, MAX(table[i].picture_id, 0));
    }
}

static void a_full_descriptor_as_chromium_sends_it_is_read(void **state)
{
    (void)state;
    static const guint8 payload[] = {0xB0, 0xF0, 0x80, 0x07, 0x42, 0x65, 0x50, 0x42,
                                     0x00, 0x9D, 0x01, 0x2A, 0x80, 0x42, 0x68, 0x01};
    Vp8Descriptor read;
    assert_true(vp8_parse(&read, payload, sizeof(payload)));
    assert_int_equal(read.length, 6);
    assert_true(read.start && read.key_frame && read.non_reference && read.long_picture_id);
    assert_int_equal(read.picture_id, 7);
    assert_int_equal(read.tl0picidx, 0x42);
    assert_int_equal(read.temporal_id, 1);
    assert_true(read.layer_sync);
    assert_int_equal(read.key_index, 5);
    assert_int_equal(read.width, 640); // the scaling bits are not part of it
    assert_int_equal(read.height, 360);
}

static void truncated_descriptors_are_refused(void **state)
{
    (void)state;
    static const guint8 payload[] = {0x90, 0xF0, 0x80, 0x07, 0x42, 0x65, 0x50};
    Vp8Descriptor read;
    for (gsize length = 0; length < sizeof(payload) - 1; length++) {
        g_autofree guint8 *exact = g_memdup2(payload, length);
        assert_false(vp8_parse(&read, exact, length));
    }
    assert_true(vp8_parse(&read, payload, sizeof(payload)));
}

static void assert_same(const Vp8Descriptor *a, const Vp8Descriptor *b)
{
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->start, b->start);
    assert_int_equal(a->non_reference, b->non_reference);
    assert_int_equal(a->long_picture_id, b->long_picture_id);
    assert_int_equal(a->picture_id, b->picture_id);
    assert_int_equal(a->tl0picidx, b->tl0picidx);
    assert_int_equal(a->temporal_id, b->temporal_id);
    assert_int_equal(a->layer_sync, b->layer_sync);
    assert_int_equal(a->key_index, b->key_index);
}

static void rewriting_changes_only_the_numbers(void **state)
{
    (void)state;
    const Vp8Numbers numbers = {.picture_id = 0x7FFE, .tl0picidx = 9};
    for (guint flags = 0; flags < 0x200; flags += 8) {
        // 0x100: long picture id
        guint8 payload[] = {0xB3, flags & 0xFF, flags & 0x100 ? 0x81 : 0x01, 2, 3, 4, 5, 6};
        guint8 out[VP8_DESCRIPTOR_MAX];
        Vp8Descriptor before, after;
        assert_true(vp8_parse(&before, payload, sizeof(payload)));
        assert_int_equal(vp8_descriptor_write(out, payload, &before, numbers), before.length);
        memcpy(payload, out, before.length);
        assert_true(vp8_parse(&after, payload, sizeof(payload)));
        if (before.has_picture_id)
            before.picture_id = before.long_picture_id ? 0x7FFE : 0x7E;
        if (before.has_tl0picidx)
            before.tl0picidx = 9;
        assert_same(&before, &after);
    }
}

static void a_descriptor_without_extension_is_copied(void **state)
{
    (void)state;
    static const guint8 payload[] = {0x10, 0x01, 0x02};
    guint8 out[VP8_DESCRIPTOR_MAX] = {0};
    Vp8Descriptor read;
    assert_true(vp8_parse(&read, payload, sizeof(payload)));
    assert_int_equal(vp8_descriptor_write(out, payload, &read, (Vp8Numbers){1, 2}), 1);
    assert_int_equal(out[0], 0x10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_are_read),
        cmocka_unit_test(a_full_descriptor_as_chromium_sends_it_is_read),
        cmocka_unit_test(truncated_descriptors_are_refused),
        cmocka_unit_test(rewriting_changes_only_the_numbers),
        cmocka_unit_test(a_descriptor_without_extension_is_copied),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
