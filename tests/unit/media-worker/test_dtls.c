// SPDX-License-Identifier: MIT
// Handshakes between two sessions of ours through queues: clean, lossy, split, disturbed.
#include "media-worker/dtls.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
    DtlsContext *context;
    DtlsSession *session;
    GQueue sent; // of GBytes
    gsize longest;
} Side;
static Side client, server;

static void queue(const guint8 *data, gsize length, gpointer user)
{
    Side *side = user;
    side->longest = MAX(side->longest, length);
    g_queue_push_tail(&side->sent, g_bytes_new(data, length));
}

static void open_side(Side *side, DtlsRole role, const Side *other, gboolean only_cm)
{
    DtlsSettings settings = {.role = role, .send = queue, .user = side, .only_cm = only_cm};
    assert_true(
        dtls_fingerprint_parse(dtls_context_fingerprint(other->context), settings.fingerprint));
    dtls_session_free(side->session);
    side->session = dtls_session_new(side->context, &settings);
}

static void close_side(Side *side)
{
    dtls_session_free(side->session);
    dtls_context_free(side->context);
    g_queue_clear_full(&side->sent, (GDestroyNotify)g_bytes_unref);
    *side = (Side){0};
}

static int begin(void **state)
{
    (void)state;
    g_queue_init(&client.sent);
    g_queue_init(&server.sent);
    client.context = dtls_context_new(NULL);
    server.context = dtls_context_new(NULL);
    assert_true(client.context != NULL && server.context != NULL);
    open_side(&client, DTLS_CLIENT, &server, FALSE);
    open_side(&server, DTLS_SERVER, &client, FALSE);
    return 0;
}

static int end(void **state)
{
    (void)state;
    close_side(&client);
    close_side(&server);
    return 0;
}

// Hands over what `from` has sent; `lose` of 100 datagrams are lost.
static guint hand_over(Side *from, Side *to, guint lose)
{
    guint moved = 0;
    for (GBytes *bytes; (bytes = g_queue_pop_head(&from->sent)) != NULL; moved++) {
        gsize length;
        const guint8 *data = g_bytes_get_data(bytes, &length);
        if (g_random_int_range(0, 100) >= (gint32)lose)
            dtls_session_feed(to->session, data, length);
        g_bytes_unref(bytes);
    }
    return moved;
}

static void exchange(void)
{
    while (hand_over(&client, &server, 0) + hand_over(&server, &client, 0) > 0)
        ;
}

static void assert_keys_match(SrtpProfile profile)
{
    const SrtpKeys *ours = dtls_session_keys(server.session);
    const SrtpKeys *theirs = dtls_session_keys(client.session);
    assert_true(ours != NULL && theirs != NULL);
    assert_int_equal(ours->profile, profile);
    assert_memory_equal(&ours->inbound, &theirs->outbound, sizeof(SrtpMaster));
    assert_memory_equal(&ours->outbound, &theirs->inbound, sizeof(SrtpMaster));
    assert_memory_not_equal(&ours->inbound, &ours->outbound, SRTP_KEY_BYTES);
}

static void both_sides_get_the_same_keys(void **state)
{
    (void)state;
    assert_int_equal(dtls_session_timeout_ms(server.session), -1);
    dtls_session_start(client.session);
    assert_in_range(dtls_session_timeout_ms(client.session), 0, 50);
    exchange();
    assert_int_equal(dtls_session_state(server.session), DTLS_DONE);
    assert_int_equal(dtls_session_state(client.session), DTLS_DONE);
    assert_keys_match(SRTP_PROFILE_AEAD_AES_128_GCM);
    assert_int_equal(dtls_session_timeout_ms(server.session), -1);
    assert_true(server.longest <= DTLS_MTU && client.longest <= DTLS_MTU);
}

static void a_peer_without_gcm_gets_aes_cm(void **state)
{
    (void)state;
    open_side(&client, DTLS_CLIENT, &server, TRUE);
    dtls_session_start(client.session);
    exchange();
    assert_keys_match(SRTP_PROFILE_AES128_CM_SHA1_80);
}

static void no_keys_leave_for_another_certificate(void **state)
{
    (void)state;
    open_side(&server, DTLS_SERVER, &server, FALSE); // expects its own certificate
    dtls_session_start(client.session);
    exchange();
    assert_int_equal(dtls_session_state(server.session), DTLS_FAILED);
    assert_null(dtls_session_keys(server.session));
    assert_non_null(dtls_session_failure(server.session));
    assert_int_equal(dtls_session_feed(server.session, (const guint8 *)"", 0), DTLS_FAILED);
}

static void wait_for_timers(void)
{
    for (;;) {
        gint ours = dtls_session_timeout_ms(server.session);
        gint theirs = dtls_session_timeout_ms(client.session);
        guint wait = (guint)MIN(ours < 0 ? G_MAXINT : ours, theirs < 0 ? G_MAXINT : theirs);
        if (wait == 0 || wait == G_MAXINT)
            break;
        g_usleep(wait * 1000);
    }
    dtls_session_on_timer(client.session);
    dtls_session_on_timer(server.session);
}

static void lost_datagrams_are_sent_again(void **state)
{
    (void)state;
    g_random_set_seed(7);
    dtls_session_start(client.session);
    for (guint round = 0; round < 12; round++) {
        while (hand_over(&client, &server, 30) + hand_over(&server, &client, 30) > 0)
            ;
        if (dtls_session_state(client.session) == DTLS_DONE)
            break;
        wait_for_timers();
    }
    assert_int_equal(dtls_session_state(client.session), DTLS_DONE);
    assert_keys_match(SRTP_PROFILE_AEAD_AES_128_GCM);
}

static void the_last_flight_is_repeated_until_trimmed(void **state)
{
    (void)state;
    dtls_session_start(client.session);
    hand_over(&client, &server, 0);
    hand_over(&server, &client, 0);
    hand_over(&client, &server, 0);
    assert_int_equal(dtls_session_state(server.session), DTLS_DONE);
    hand_over(&server, &client, 100); // lost
    assert_int_equal(dtls_session_state(client.session), DTLS_HANDSHAKING);
    wait_for_timers();
    exchange();
    assert_int_equal(dtls_session_state(client.session), DTLS_DONE);
    dtls_session_trim(server.session);
    assert_int_equal(dtls_session_state(server.session), DTLS_DONE);
    assert_int_equal(dtls_session_timeout_ms(server.session), -1);
    assert_keys_match(SRTP_PROFILE_AEAD_AES_128_GCM);
}

// A ClientHello as two fragments in two datagrams, made from the real one.
static void a_hello_in_two_datagrams_is_put_together(void **state)
{
    (void)state;
    guint8 parts[2][2048];
    gsize lengths[2], size;
    dtls_session_start(client.session);
    GBytes *bytes = g_queue_pop_head(&client.sent);
    const guint8 *hello = g_bytes_get_data(bytes, &size);
    gsize body = size - 25, cut = body / 2;
    for (guint i = 0; i < 2; i++) {
        gsize offset = i == 0 ? 0 : cut, length = i == 0 ? cut : body - cut;
        memcpy(parts[i], hello, 25);
        parts[i][10] += 40 * i; // the record's number: none that the client will use
        parts[i][11] = (guint8)((length + 12) >> 8);
        parts[i][12] = (guint8)(length + 12);
        parts[i][20] = (guint8)(offset >> 8);
        parts[i][21] = (guint8)offset;
        parts[i][23] = (guint8)(length >> 8);
        parts[i][24] = (guint8)length;
        memcpy(parts[i] + 25, hello + 25 + offset, length);
        lengths[i] = 25 + length;
    }
    g_bytes_unref(bytes);
    dtls_session_feed(server.session, parts[1], lengths[1]); // out of order, too
    dtls_session_feed(server.session, parts[0], lengths[0]);
    exchange();
    assert_keys_match(SRTP_PROFILE_AEAD_AES_128_GCM);
    assert_int_equal(dtls_session_dropped(server.session), 0);
}

// Every byte of the first flight spoiled, one at a time; noise; forged alerts.
static void bad_datagrams_do_not_end_a_session(void **state)
{
    (void)state;
    static const guint8 alert[] = {21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    static const guint8 data[] = {23, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    gsize size;
    dtls_session_start(client.session);
    GBytes *bytes = g_queue_peek_head(&client.sent);
    g_autofree guint8 *hello = g_memdup2(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    size = g_bytes_get_size(bytes);
    for (gsize i = 0; i < size; i++) {
        hello[i] ^= 0x5A;
        dtls_session_feed(server.session, hello, size);
        hello[i] ^= 0x5A;
        dtls_session_feed(server.session, hello, i);
    }
    assert_true(dtls_session_dropped(server.session) > 0);
    for (GBytes *sent; (sent = g_queue_pop_head(&server.sent)) != NULL;) {
        assert_int_not_equal(((const guint8 *)g_bytes_get_data(sent, NULL))[0], 21);
        g_bytes_unref(sent);
    }
    // OpenSSL may sit in the middle of a spoiled handshake now; what is certain is that a session
    // lives and that a new one, disturbed by alerts and data in plain, comes through.
    assert_int_equal(dtls_session_state(server.session), DTLS_HANDSHAKING);
    open_side(&server, DTLS_SERVER, &client, FALSE);
    do {
        dtls_session_feed(server.session, alert, sizeof(alert));
        dtls_session_feed(client.session, alert, sizeof(alert));
        dtls_session_feed(server.session, data, sizeof(data));
    } while (hand_over(&client, &server, 0) + hand_over(&server, &client, 0) > 0);
    assert_keys_match(SRTP_PROFILE_AEAD_AES_128_GCM);
    assert_int_equal(dtls_session_state(server.session), DTLS_DONE);
}

static void a_spoiled_hello_before_the_right_one_does_no_harm(void **state)
{
    (void)state;
    dtls_session_start(client.session);
    GBytes *bytes = g_queue_peek_head(&client.sent);
    gsize size = g_bytes_get_size(bytes);
    g_autofree guint8 *hello = g_memdup2(g_bytes_get_data(bytes, NULL), size);
    hello[25 + 34] = 0xFF; // a session id that is longer than the message
    dtls_session_feed(server.session, hello, size);
    assert_int_equal(dtls_session_dropped(server.session), 1);
    exchange();
    assert_keys_match(SRTP_PROFILE_AEAD_AES_128_GCM);
}

static void a_silent_peer_is_given_up(void **state)
{
    (void)state;
    dtls_session_start(client.session);
    hand_over(&client, &server, 0);
    guint flights = 0;
    gint last = 0;
    // Four of the twelve timers, to save time: 50, 100, 200, 400 ms.
    for (guint i = 0; i < 4; i++) {
        gint wait = dtls_session_timeout_ms(server.session);
        assert_true(wait >= last);
        last = wait;
        g_usleep((gulong)wait * 1000);
        while (dtls_session_timeout_ms(server.session) > 0)
            g_usleep(1000);
        flights += dtls_session_on_timer(server.session) == DTLS_HANDSHAKING;
    }
    assert_int_equal(flights, 4);
    assert_true(last > 300);
    assert_true(g_queue_get_length(&server.sent) >= 5);
}

static void fingerprints_are_parsed_strictly(void **state)
{
    (void)state;
    guint8 bytes[DTLS_FINGERPRINT_BYTES] = {0};
    g_autofree char *text = g_strdup(dtls_context_fingerprint(client.context));
    assert_int_equal(strlen(text), 95);
    assert_true(dtls_fingerprint_parse(text, bytes));
    g_autofree char *lower = g_ascii_strdown(text, -1);
    guint8 again[DTLS_FINGERPRINT_BYTES];
    assert_true(dtls_fingerprint_parse(lower, again));
    assert_memory_equal(bytes, again, sizeof(bytes));
    assert_false(dtls_fingerprint_parse(text + 1, bytes));
    text[2] = '-';
    assert_false(dtls_fingerprint_parse(text, bytes));
    text[2] = ':';
    text[94] = 'G';
    assert_false(dtls_fingerprint_parse(text, bytes));
    assert_false(dtls_fingerprint_parse("", bytes));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_get_the_same_keys),
        TEST(a_peer_without_gcm_gets_aes_cm),
        TEST(no_keys_leave_for_another_certificate),
        TEST(lost_datagrams_are_sent_again),
        TEST(the_last_flight_is_repeated_until_trimmed),
        TEST(a_hello_in_two_datagrams_is_put_together),
        TEST(bad_datagrams_do_not_end_a_session),
        TEST(a_spoiled_hello_before_the_right_one_does_no_harm),
        TEST(a_silent_peer_is_given_up),
        TEST(fingerprints_are_parsed_strictly),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
