// SPDX-License-Identifier: MIT
// References are held and given back exactly once; copies survive until their bytes are taken
// again.
#include "media-worker/history.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define NOW 1000000
static gint held[0x10000];

static void release(gpointer reference)
{
    held[GPOINTER_TO_UINT(reference)]--;
}

static void put(History *history, guint16 sequence)
{
    const HistoryPacket packet = {.reference = GUINT_TO_POINTER(sequence),
                                  .timestamp = sequence * 10U,
                                  .sequence = sequence,
                                  .prefix = {1, 2, 3},
                                  .prefix_length = 3,
                                  .marker = 1};
    held[sequence]++;
    history_put(history, &packet, NOW);
}

static guint held_in_all(void)
{
    guint all = 0;
    for (guint i = 0; i < G_N_ELEMENTS(held); i++)
        all += (guint)held[i];
    return all;
}

static void the_last_packets_are_held_and_the_rest_released(void **state)
{
    (void)state;
    History *history = history_new(64, release);
    for (guint i = 0; i < 1000; i++)
        put(history, (guint16)(65000 + i));
    assert_int_equal(held_in_all(), 64);
    const HistoryPacket *packet = history_resend(history, (guint16)(65000 + 999), NOW, 0);
    assert_non_null(packet);
    assert_int_equal(packet->timestamp, (guint16)(65000 + 999) * 10);
    assert_true(packet->marker && packet->prefix_length == 3 && packet->prefix[2] == 3);
    assert_non_null(history_resend(history, (guint16)(65000 + 999 - 63), NOW, 0));
    assert_null(history_resend(history, (guint16)(65000 + 999 - 64), NOW, 0));
    assert_null(history_resend(history, (guint16)(65000 + 1000), NOW, 0));
    history_clear(history);
    assert_int_equal(held_in_all(), 0);
    assert_null(history_resend(history, (guint16)(65000 + 999), NOW, 0));
    put(history, 5);
    history_free(history);
    assert_int_equal(held_in_all(), 0);
    history_free(NULL);
}

static void the_same_number_again_replaces(void **state)
{
    (void)state;
    g_autoptr(History) history = history_new(4, release);
    put(history, 3);
    put(history, 3);
    assert_int_equal(held[3], 1);
    assert_null(history_resend(history, 7, NOW, 0));
}

static void a_packet_is_not_sent_again_within_a_round_trip(void **state)
{
    (void)state;
    g_autoptr(History) history = history_new(4, release);
    put(history, 3);
    assert_null(history_resend(history, 3, NOW + 40000, 50000));
    assert_non_null(history_resend(history, 3, NOW + 50000, 50000));
    assert_null(history_resend(history, 3, NOW + 90000, 50000));
    assert_non_null(history_resend(history, 3, NOW + 100000, 50000));
}

static void copies_last_until_their_bytes_are_needed(void **state)
{
    (void)state;
    g_autoptr(History) history = history_new_copies(256, 10000);
    guint8 bytes[1200];
    for (guint i = 0; i < 2000; i++) {
        gsize length = 100 + i * 37 % 1100;
        memset(bytes, (guint8)i, length);
        history_put_copy(history, (guint16)i, bytes, length, NOW);
        guint found = 0;
        for (guint k = 0; k <= MIN(i, 300); k++) {
            const HistoryPacket *packet = history_resend(history, (guint16)(i - k), NOW, 0);
            if (packet == NULL)
                continue;
            found++;
            assert_int_equal(packet->payload_length, 100 + (i - k) * 37 % 1100);
            assert_int_equal(packet->payload[0], (guint8)(i - k));
            assert_int_equal(packet->payload[packet->payload_length - 1], (guint8)(i - k));
        }
        assert_true(found >= MIN(i + 1, 6));
    }
    history_put_copy(history, 2000, bytes, 20000, NOW); // more than all
    assert_null(history_resend(history, 2000, NOW, 0));
}

static void few_packets_bound_copies_too(void **state)
{
    (void)state;
    g_autoptr(History) history = history_new_copies(8, 100000);
    for (guint16 i = 0; i < 20; i++)
        history_put_copy(history, i, (const guint8 *)&i, 2, NOW);
    assert_non_null(history_resend(history, 12, NOW, 0));
    assert_null(history_resend(history, 11, NOW, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_packets_are_held_and_the_rest_released),
        cmocka_unit_test(the_same_number_again_replaces),
        cmocka_unit_test(a_packet_is_not_sent_again_within_a_round_trip),
        cmocka_unit_test(copies_last_until_their_bytes_are_needed),
        cmocka_unit_test(few_packets_bound_copies_too),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
