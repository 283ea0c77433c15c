// SPDX-License-Identifier: MIT
// Frames that are no message: broker and processes drop them, count them, and go on. The stranger
// is a bare ZMQ socket on the broker's port.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <zmq.h>

#include "common/limits.h"
#include "common/metrics.h"
#include "tests/support/suite.h"

#define ROUNDS 1000
#define KINDS 7

typedef struct {
    Suite *suite;
    void *context, *stranger;
    guint64 malformed; // as the broker counts
    guint64 expected;
    guint heard;
} Story;

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    Story *story = user;
    g_autoptr(Json) value = envelope_value(message);
    assert_null(request);
    if (g_str_has_prefix(message->source, "bus-"))
        story->malformed =
            (guint64)json_get_number(json_get(value, "counters"), "bus_malformed_total", 0);
}

static void on_heard(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)request;
    assert_string_equal(message->from, "comm://localhost/good");
    ((Story *)user)->heard++;
}

static gboolean is_linked(gpointer user)
{
    return bus_is_connected(suite_bus(((Story *)user)->suite), NULL);
}

static void connect_stranger(Story *story)
{
    int linger = 0, no_limit = 0;
    story->context = zmq_ctx_new();
    story->stranger = zmq_socket(story->context, ZMQ_XPUB);
    zmq_setsockopt(story->stranger, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(story->stranger, ZMQ_SNDHWM, &no_limit, sizeof no_limit);
    int failed = zmq_connect(story->stranger, suite_get(story->suite, "PARLEY_BUS_PUBLISH"));
    assert_int_equal(failed, 0);
    char subscription[8]; // the broker wants everything: from now on nothing is lost
    assert_int_equal(zmq_recv(story->stranger, subscription, sizeof subscription, 0), 1);
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    story->suite = suite_new();
    suite_start(story->suite, "bus", "bus", NULL);
    Bus *bus = suite_bus(story->suite);
    bus_route(bus, "ctxt://localhost/process/", on_presence, story);
    bus_route(bus, "comm://localhost/good/changes ", on_heard, story);
    *state = story;
    if (!suite_until(is_linked, story, 5000))
        return -1;
    connect_stranger(story);
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    zmq_close(story->stranger);
    zmq_ctx_term(story->context);
    suite_free(story->suite);
    g_free(story);
    return 0;
}

static void say(const Story *story, const char *topic, gsize topic_length, gsize length)
{
    g_autofree char *data = g_malloc(length + 1);
    memset(data, 'x', length);
    zmq_send(story->stranger, topic, topic_length, ZMQ_SNDMORE);
    zmq_send(story->stranger, data, length, 0);
}

// Seven messages that the broker drops.
static void say_all_that_is_malformed(const Story *story)
{
    static const char topic[] = "comm://localhost/good/changes ";
    char longest[LIMIT_URL + 2];
    memset(longest, ' ', sizeof longest);
    zmq_send(story->stranger, "alone ", 6, 0);
    say(story, "", 0, 10);
    say(story, "no-blank", 8, 10);
    say(story, longest, sizeof longest, 10);
    say(story, topic, strlen(topic), 0);
    zmq_send(story->stranger, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(story->stranger, "", 0, ZMQ_SNDMORE);
    zmq_send(story->stranger, "third", 5, 0);
    zmq_send(story->stranger, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(story->stranger, "second", 6, ZMQ_SNDMORE);
    zmq_send(story->stranger, "third", 5, 0);
}

static gboolean broker_has_counted(gpointer user)
{
    const Story *story = user;
    return story->malformed >= story->expected;
}

static gboolean has_heard(gpointer user)
{
    return ((Story *)user)->heard > 0;
}

static void good_messages_still_pass(Story *story)
{
    story->heard = 0;
    bus_publish(suite_bus(story->suite),
                envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "comm://localhost/good",
                             "comm://localhost/good/changes"));
    assert_true(suite_until(has_heard, story, 1000));
}

static void malformed_frames_are_dropped_and_counted_by_the_broker(void **state)
{
    Story *story = *state;
    story->expected = ROUNDS * KINDS;
    for (guint i = 0; i < ROUNDS; i++)
        say_all_that_is_malformed(story);
    assert_true(suite_until(broker_has_counted, story, 5000));
    assert_int_equal(story->malformed, story->expected);
    good_messages_still_pass(story);
}

static gboolean all_are_counted_here(gpointer user)
{
    return metrics_get(METRIC_BUS_MALFORMED) >= ((Story *)user)->expected;
}

static void what_is_no_envelope_is_dropped_and_counted_by_its_receiver(void **state)
{
    static const char topic[] = "comm://localhost/good/changes ";
    Story *story = *state;
    metrics_reset();
    story->expected = ROUNDS;
    for (guint i = 0; i < ROUNDS; i++)
        say(story, topic, strlen(topic), 1 + i);
    assert_true(suite_until(all_are_counted_here, story, 5000));
    good_messages_still_pass(story);
}

static void an_envelope_under_a_topic_of_another_is_dropped(void **state)
{
    static const char topic[] = "comm://localhost/good/changes ";
    Story *story = *state;
    g_autoptr(Envelope) forged = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "comm://localhost/x",
                                              "comm://localhost/x/changes");
    g_autoptr(GBytes) bytes = envelope_pack(forged);
    metrics_reset();
    story->expected = 1;
    zmq_send(story->stranger, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(story->stranger, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 0);
    assert_true(suite_until(all_are_counted_here, story, 1000));
    assert_int_equal(story->heard, 0);
}

static void an_oversize_frame_costs_its_sender_the_connection(void **state)
{
    static const char topic[] = "comm://localhost/good/changes ";
    Story *story = *state;
    story->expected = 1;
    say(story, topic, strlen(topic), LIMIT_BUS_MESSAGE + 1); // within the frame limit: counted
    assert_true(suite_until(broker_has_counted, story, 3000));
    say(story, topic, strlen(topic), LIMIT_BUS_FRAME + 1);
    good_messages_still_pass(story);
    assert_true(suite_is_running(story->suite, "bus"));
}

static gboolean is_counted_as_refused(gpointer user)
{
    (void)user;
    return metrics_refused_count(MSG__REFUSAL__REASON__too_large) == 1;
}

static void an_oversize_message_of_ours_is_refused_before_it_is_sent(void **state)
{
    Story *story = *state;
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "comm://localhost/good",
                                    "comm://localhost/good/changes");
    g_autofree char *text = g_strnfill(LIMIT_BUS_MESSAGE, 'x');
    envelope_set(&envelope_body(update)->desc, text);
    metrics_reset();
    assert_false(bus_publish(suite_bus(story->suite), update));
    assert_true(is_counted_as_refused(NULL));
    good_messages_still_pass(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(malformed_frames_are_dropped_and_counted_by_the_broker,
                                        start, end),
        cmocka_unit_test_setup_teardown(what_is_no_envelope_is_dropped_and_counted_by_its_receiver,
                                        start, end),
        cmocka_unit_test_setup_teardown(an_envelope_under_a_topic_of_another_is_dropped, start,
                                        end),
        cmocka_unit_test_setup_teardown(an_oversize_frame_costs_its_sender_the_connection, start,
                                        end),
        cmocka_unit_test_setup_teardown(an_oversize_message_of_ours_is_refused_before_it_is_sent,
                                        start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
