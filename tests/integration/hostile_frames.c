// SPDX-License-Identifier: MIT
// Ten thousand bad frames on the bus while two are in a call: each is dropped and counted, by the
// broker or by whom it reaches, and the two do not notice (good_call.h).
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>
#include "common/limits.h"
#include "tests/support/good_call.h"

#define ATTACKS 10000
#define SLICE 50
#define CONFERENCE "hyperty://localhost/conference"

typedef struct {
    void *context, *socket;
    GBytes *envelope;
    const char *media; // topic of the room process
} Stranger;

static void connect_stranger(Stranger *stranger, const GoodCall *call)
{
    int linger = 0, no_limit = 0;
    char subscription[8];
    g_autoptr(Envelope) envelope =
        envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/eve", CONFERENCE);
    stranger->envelope = envelope_pack(envelope);
    stranger->context = zmq_ctx_new();
    stranger->socket = zmq_socket(stranger->context, ZMQ_XPUB);
    zmq_setsockopt(stranger->socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(stranger->socket, ZMQ_SNDHWM, &no_limit, sizeof no_limit);
    assert_int_equal(
        zmq_connect(stranger->socket, suite_get(good_call_suite(call), "PARLEY_BUS_PUBLISH")), 0);
    // The broker wants everything: from now on nothing is lost.
    assert_int_equal(zmq_recv(stranger->socket, subscription, sizeof subscription, 0), 1);
}

static void disconnect_stranger(Stranger *stranger)
{
    zmq_close(stranger->socket);
    zmq_ctx_term(stranger->context);
    g_bytes_unref(stranger->envelope);
}

static void put(const Stranger *stranger, const void *bytes, gsize length, gboolean more)
{
    assert_true(zmq_send(stranger->socket, bytes, length, more ? ZMQ_SNDMORE : 0) >= 0);
}

static void put_two(const Stranger *stranger, const char *topic, const void *bytes, gsize length)
{
    put(stranger, topic, strlen(topic), TRUE);
    put(stranger, bytes, length, FALSE);
}

static void put_one_frame(const Stranger *stranger, guint number)
{
    put(stranger, CONFERENCE " ", strlen(CONFERENCE) + number % 2, FALSE);
}

static void put_three_frames(const Stranger *stranger, guint number)
{
    put(stranger, CONFERENCE " ", strlen(CONFERENCE) + 1, TRUE);
    put(stranger, &number, sizeof number, TRUE);
    put(stranger, &number, sizeof number, FALSE);
}

static void put_topic_of_no_form(const Stranger *stranger, guint number)
{
    g_autofree char *longest = g_strnfill(LIMIT_URL + 2 + number % 100, 'x');
    const char *const topics[] = {"", "x", CONFERENCE, longest};
    put_two(stranger, topics[number % G_N_ELEMENTS(topics)], "7", 1);
}

static void put_nothing(const Stranger *stranger, guint number)
{
    (void)number;
    put_two(stranger, CONFERENCE " ", "", 0);
}

static void put_oversize(const Stranger *stranger, guint number)
{
    gsize length = LIMIT_BUS_MESSAGE + 1 + number % 100;
    g_autofree char *bytes = g_strnfill(length, 'x');
    if (number % 10 == 0)
        put_two(stranger, CONFERENCE " ", bytes, length);
    else
        put_nothing(stranger, number);
}

static void put_garbage(const Stranger *stranger, guint number)
{
    guint32 bytes[32];
    for (guint i = 0; i < G_N_ELEMENTS(bytes); i++)
        bytes[i] = good_call_rubbish(number + i) | 0x07070707; // wire type 7: no field begins so
    put_two(stranger, number % 2 == 0 ? CONFERENCE " " : stranger->media, bytes,
            1 + number % sizeof bytes);
}

// Cut before the address is whole: that one is missing then.
static void put_truncated(const Stranger *stranger, guint number)
{
    gsize length = 0;
    const char *bytes = g_bytes_get_data(stranger->envelope, &length);
    put_two(stranger, CONFERENCE " ", bytes, 1 + number % (length - 1));
}

static void put_under_wrong_topic(const Stranger *stranger, guint number)
{
    gsize length = 0;
    const void *bytes = g_bytes_get_data(stranger->envelope, &length);
    put_two(stranger, number % 2 == 0 ? "hyperty://localhost/sessions " : stranger->media, bytes,
            length);
}

static void (*const bad_frames[])(const Stranger *stranger, guint number) = {
    put_one_frame, put_three_frames, put_topic_of_no_form, put_nothing,
    put_oversize,  put_garbage,      put_truncated,        put_under_wrong_topic,
};

// What is no ZMTP at all, and a frame for which the broker hangs up: not among those counted.
static void shout_at_the_port(const GoodCall *call, const Stranger *stranger)
{
    g_autofree char *huge = g_strnfill(LIMIT_BUS_FRAME + 1, 'x');
    g_autoptr(GSocketClient) client = g_socket_client_new();
    const char *port = strrchr(suite_get(good_call_suite(call), "PARLEY_BUS_SUBSCRIBE"), ':') + 1;
    for (guint i = 0; i < 20; i++) {
        g_autoptr(GSocketConnection) connection =
            g_socket_client_connect_to_host(client, "127.0.0.1", (guint16)atoi(port), NULL, NULL);
        assert_non_null(connection);
        g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)), huge,
                                  1000 + i, NULL, NULL, NULL);
    }
    put_two(stranger, CONFERENCE " ", huge, LIMIT_BUS_FRAME + 1);
}

static void bad_bus_frames_are_dropped_counted_and_harm_nobody(void **state)
{
    GoodCall *call = *state;
    g_autofree char *media = g_strconcat(good_call_media(call), " ", NULL);
    Stranger stranger = {.media = media};
    connect_stranger(&stranger, call);
    good_call_refresh(call);
    GoodCounter malformed = good_counter_new(call, "", "bus_malformed_total", ATTACKS);
    for (guint number = 0; number < ATTACKS; number++) {
        bad_frames[number % G_N_ELEMENTS(bad_frames)](&stranger, good_call_rubbish(number) >> 3);
        if (number % SLICE == 0)
            good_call_breathe();
    }
    good_counter_assert(&malformed);
    shout_at_the_port(call, &stranger);
    good_call_breathe();
    disconnect_stranger(&stranger);
    good_call_assert_unharmed(call, "bad bus frames");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_bus_frames_are_dropped_counted_and_harm_nobody,
                                        good_call_set_up, good_call_tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
