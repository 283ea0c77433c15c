// SPDX-License-Identifier: MIT
// The owner of a DTLS session: states told once, keys with "connected" only, timers run, against a
// client in the same process.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "media-worker/handshake.h"

typedef struct {
    DtlsContext *context;
    DtlsSession *client;
    Handshake *server;
    GString *states;
    SrtpKeys keys;
    GQueue *to_client, *to_server; // of GBytes
    guint lost;                    // datagrams of the server to lose
} Pair;

static void client_sends(const guint8 *data, gsize length, gpointer user)
{
    g_queue_push_tail(((Pair *)user)->to_server, g_bytes_new(data, length));
}

static void server_sends(const guint8 *data, gsize length, gpointer user)
{
    Pair *pair = user;
    if (pair->lost > 0)
        pair->lost--;
    else
        g_queue_push_tail(pair->to_client, g_bytes_new(data, length));
}

static void on_state(const char *state, const SrtpKeys *keys, gpointer user)
{
    Pair *pair = user;
    g_string_append_printf(pair->states, "%s ", state);
    assert_int_equal(keys != NULL, strcmp(state, "connected") == 0);
    if (keys != NULL)
        pair->keys = *keys;
}

// wrong: the client's certificate is not the one that was announced.
static Pair *pair_new(gboolean wrong)
{
    static const HandshakeCalls calls = {.send = server_sends, .on_state = on_state};
    Pair *pair = g_new0(Pair, 1);
    DtlsSettings settings = {.role = DTLS_CLIENT, .send = client_sends, .user = pair};
    pair->context = dtls_context_new(NULL);
    assert_non_null(pair->context);
    assert_true(
        dtls_fingerprint_parse(dtls_context_fingerprint(pair->context), settings.fingerprint));
    pair->states = g_string_new(NULL);
    pair->to_client = g_queue_new();
    pair->to_server = g_queue_new();
    pair->client = dtls_session_new(pair->context, &settings);
    if (wrong)
        settings.fingerprint[0] ^= 1;
    pair->server = handshake_new(pair->context, settings.fingerprint, &calls, pair);
    return pair;
}

static void pair_free(Pair *pair)
{
    handshake_free(pair->server);
    dtls_session_free(pair->client);
    dtls_context_free(pair->context);
    g_queue_free_full(pair->to_client, (GDestroyNotify)g_bytes_unref);
    g_queue_free_full(pair->to_server, (GDestroyNotify)g_bytes_unref);
    g_string_free(pair->states, TRUE);
    g_free(pair);
}

static void carry(Pair *pair)
{
    GBytes *datagram = NULL;
    gsize length = 0;
    if ((datagram = g_queue_pop_head(pair->to_server)) != NULL) {
        const guint8 *data = g_bytes_get_data(datagram, &length);
        handshake_feed(pair->server, data, length);
    } else if ((datagram = g_queue_pop_head(pair->to_client)) != NULL) {
        const guint8 *data = g_bytes_get_data(datagram, &length);
        dtls_session_feed(pair->client, data, length);
    }
    g_bytes_unref(datagram);
}

static gboolean has_datagrams(const Pair *pair)
{
    return !g_queue_is_empty(pair->to_server) || !g_queue_is_empty(pair->to_client);
}

static void both_ends_get_the_same_keys(void **state)
{
    (void)state;
    Pair *pair = pair_new(FALSE);
    assert_string_equal(handshake_state(pair->server), "new");
    dtls_session_start(pair->client);
    while (has_datagrams(pair))
        carry(pair);
    assert_string_equal(pair->states->str, "connecting connected ");
    const SrtpKeys *keys = dtls_session_keys(pair->client);
    assert_non_null(keys);
    assert_memory_equal(keys->inbound.key, pair->keys.outbound.key, SRTP_KEY_BYTES);
    assert_memory_equal(keys->outbound.key, pair->keys.inbound.key, SRTP_KEY_BYTES);
    handshake_trim(pair->server);
    pair_free(pair);
}

static void a_certificate_that_was_not_announced_fails(void **state)
{
    (void)state;
    Pair *pair = pair_new(TRUE);
    dtls_session_start(pair->client);
    while (has_datagrams(pair))
        carry(pair);
    assert_string_equal(pair->states->str, "connecting failed ");
    assert_non_null(handshake_failure(pair->server));
    pair_free(pair);
}

static gboolean wake(gpointer unused)
{
    (void)unused;
    return G_SOURCE_CONTINUE;
}

static void a_lost_flight_is_sent_again_by_the_timer(void **state)
{
    (void)state;
    Pair *pair = pair_new(FALSE);
    gint64 until = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
    guint timer = g_timeout_add(5, wake, NULL);
    pair->lost = 1; // the server's whole first flight fits one or a few; the timer makes it whole
    dtls_session_start(pair->client);
    while (strcmp(handshake_state(pair->server), "connected") != 0 &&
           g_get_monotonic_time() < until) {
        while (has_datagrams(pair))
            carry(pair);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(timer);
    assert_string_equal(pair->states->str, "connecting connected ");
    pair_free(pair);
}

static void garbage_changes_nothing(void **state)
{
    (void)state;
    Pair *pair = pair_new(FALSE);
    const guint8 garbage[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5};
    handshake_feed(pair->server, garbage, sizeof garbage);
    dtls_session_start(pair->client);
    while (has_datagrams(pair))
        carry(pair);
    assert_string_equal(pair->states->str, "connecting connected ");
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_get_the_same_keys),
        cmocka_unit_test(a_certificate_that_was_not_announced_fails),
        cmocka_unit_test(a_lost_flight_is_sent_again_by_the_timer),
        cmocka_unit_test(garbage_changes_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
