// SPDX-License-Identifier: MIT
// The two sockets against a bare XPUB and XSUB that stand for the broker: connections are told,
// messages arrive whole, and what is malformed is counted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <zmq.h>

#include "common/bus_socket.h"
#include "common/limits.h"
#include "common/metrics.h"

typedef struct {
    void *context, *xsub, *xpub;
    BusSocket *socket;
    guint connections, losses, messages;
    char *topic;
    gsize length;
} Story;

static void on_message(const char *topic, const guint8 *data, gsize length, gpointer user)
{
    Story *story = user;
    (void)data;
    story->messages++;
    story->length = length;
    g_free(story->topic);
    story->topic = g_strdup(topic);
}

static void on_connection(gboolean connected, gpointer user)
{
    Story *story = user;
    *(connected ? &story->connections : &story->losses) += 1;
}

static const BusSocketCalls calls = {on_message, on_connection};

static gboolean give_up(gpointer expired)
{
    *(gboolean *)expired = TRUE;
    return G_SOURCE_CONTINUE;
}

static void run_until(const guint *counter, guint count)
{
    gboolean expired = FALSE;
    guint timer = g_timeout_add(5000, give_up, &expired);
    while (*counter < count && !expired)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    assert_true(*counter >= count);
}

static void *bind_any(void *context, int type, char *endpoint, size_t size)
{
    void *socket = zmq_socket(context, type);
    assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    return socket;
}

// What the socket subscribes next, within five seconds.
static void expect_subscription(const Story *story, const char *expected)
{
    char frame[LIMIT_URL + 2];
    int timeout_ms = 5000;
    zmq_setsockopt(story->xpub, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    int length = zmq_recv(story->xpub, frame, sizeof frame, 0);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(frame, expected, (size_t)length);
}

static int start(void **state)
{
    char publish[64], subscribe[64];
    Story *story = g_new0(Story, 1);
    metrics_reset();
    story->context = zmq_ctx_new();
    story->xsub = bind_any(story->context, ZMQ_XSUB, publish, sizeof publish);
    story->xpub = bind_any(story->context, ZMQ_XPUB, subscribe, sizeof subscribe);
    zmq_send(story->xsub, "\1", 1, 0);
    story->socket = bus_socket_new(publish, subscribe, &calls, story, NULL);
    assert_non_null(story->socket);
    bus_socket_subscribe(story->socket, "a://");
    run_until(&story->connections, 1);
    expect_subscription(story, "\1a://");
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    bus_socket_free(story->socket);
    zmq_close(story->xsub);
    zmq_close(story->xpub);
    zmq_ctx_term(story->context);
    g_free(story->topic);
    g_free(story);
    return 0;
}

static void send_frames(const Story *story, const char *topic, gsize length, gboolean third)
{
    g_autofree char *data = g_strnfill(length, 'x');
    zmq_send(story->xpub, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(story->xpub, data, length, third ? ZMQ_SNDMORE : 0);
    if (third)
        zmq_send(story->xpub, "", 0, 0);
}

static void a_message_arrives_with_its_topic(void **state)
{
    Story *story = *state;
    send_frames(story, "a://b ", 7, FALSE);
    run_until(&story->messages, 1);
    assert_string_equal(story->topic, "a://b ");
    assert_int_equal(story->length, 7);
}

static void malformed_messages_are_counted_and_the_next_one_arrives(void **state)
{
    Story *story = *state;
    zmq_send(story->xpub, "a://alone ", 10, 0);
    send_frames(story, "a://no-blank", 7, FALSE);
    send_frames(story, "a://three ", 7, TRUE);
    send_frames(story, "a://empty-and-three ", 0, TRUE);
    send_frames(story, "a://large ", LIMIT_BUS_MESSAGE + 1, FALSE);
    send_frames(story, "a://good ", 7, FALSE);
    run_until(&story->messages, 1);
    assert_string_equal(story->topic, "a://good ");
    assert_int_equal(metrics_get(METRIC_BUS_MALFORMED), 5);
}

static void what_is_sent_has_two_frames(void **state)
{
    Story *story = *state;
    char frame[256];
    int more = 0, timeout_ms = 5000;
    size_t size = sizeof more;
    g_autoptr(Envelope) event = envelope_new(MSG__ENVELOPE__TYPE__EVENT, "a://b", "a://c");
    zmq_setsockopt(story->xsub, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    do { // until the subscription of the other side has arrived here
        assert_true(bus_socket_send(story->socket, "a://c ", event));
        g_usleep(1000);
    } while (zmq_recv(story->xsub, frame, sizeof frame, ZMQ_DONTWAIT) != 6);
    assert_memory_equal(frame, "a://c ", 6);
    int length = zmq_recv(story->xsub, frame, sizeof frame, 0);
    zmq_getsockopt(story->xsub, ZMQ_RCVMORE, &more, &size);
    assert_int_equal(more, 0);
    g_autoptr(Envelope) back = envelope_unpack((guint8 *)frame, (gsize)length, NULL);
    assert_string_equal(back->to, "a://c");
}

static void what_is_too_large_is_not_sent(void **state)
{
    Story *story = *state;
    g_autoptr(Envelope) event = envelope_new(MSG__ENVELOPE__TYPE__EVENT, "a://b", "a://c");
    g_autofree char *text = g_strnfill(LIMIT_BUS_MESSAGE, 'x');
    envelope_set(&envelope_body(event)->desc, text);
    assert_false(bus_socket_send(story->socket, "a://c ", event));
}

static void a_lost_connection_is_told_once(void **state)
{
    Story *story = *state;
    zmq_close(story->xsub);
    zmq_close(story->xpub);
    story->xsub = story->xpub = NULL;
    run_until(&story->losses, 1);
    for (guint i = 0; i < 10; i++)
        g_main_context_iteration(NULL, FALSE);
    assert_int_equal(story->losses, 1);
}

static void a_bad_endpoint_is_an_error_that_names_it(void **state)
{
    g_autoptr(GError) error = NULL;
    (void)state;
    assert_null(bus_socket_new("nonsense", "tcp://127.0.0.1:1", &calls, NULL, &error));
    assert_non_null(strstr(error->message, "bus.publish=nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_arrives_with_its_topic, start, end),
        cmocka_unit_test_setup_teardown(malformed_messages_are_counted_and_the_next_one_arrives,
                                        start, end),
        cmocka_unit_test_setup_teardown(what_is_sent_has_two_frames, start, end),
        cmocka_unit_test_setup_teardown(what_is_too_large_is_not_sent, start, end),
        cmocka_unit_test_setup_teardown(a_lost_connection_is_told_once, start, end),
        cmocka_unit_test(a_bad_endpoint_is_an_error_that_names_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
