// SPDX-License-Identifier: MIT
// Two processes that talk through the real broker: what is published arrives, a request is handed
// over once and answered once, and nobody waits for an address at which nobody listens.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "common/bus.h"
#include "common/limits.h"
#include "common/metrics.h"
#include "tests/support/suite.h"

typedef struct {
    Suite *suite;
    Bus *asker, *answerer;
    guint heard, handled, ready, finals;
    gint code;
    char *reason;
    BusRequest *held;
} Story;

static gboolean both_are_linked(gpointer user)
{
    const Story *story = user;
    return bus_is_connected(story->asker, NULL) && bus_is_connected(story->answerer, NULL);
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    story->suite = suite_new();
    suite_start(story->suite, "bus", "bus", NULL);
    story->asker = suite_bus(story->suite);
    story->answerer = bus_new(suite_config(story->suite), "answerer-1", NULL);
    *state = story;
    return suite_until(both_are_linked, story, 5000) ? 0 : -1;
}

static int end(void **state)
{
    Story *story = *state;
    bus_free(story->answerer);
    suite_free(story->suite);
    bus_request_unref(story->held);
    g_free(story->reason);
    g_free(story);
    return 0;
}

static void on_heard(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)message;
    assert_null(request);
    ((Story *)user)->heard++;
}

static void on_ready(gpointer user)
{
    ((Story *)user)->ready++;
}

static gboolean is_ready(gpointer user)
{
    return ((Story *)user)->ready > 0;
}

static void wait_until_routed(Story *story)
{
    story->ready = 0;
    bus_when_routed(story->answerer, on_ready, story);
    assert_true(suite_until(is_ready, story, 900));
}

static gboolean has_heard_a_hundred(gpointer user)
{
    return ((Story *)user)->heard == 100;
}

static void publications_arrive_once_although_two_routes_match(void **state)
{
    Story *story = *state;
    bus_route(story->answerer, "comm://localhost/r1/changes ", on_heard, story);
    bus_route(story->answerer, "comm://localhost/r1/", on_heard, story);
    bus_route(story->answerer, "comm://localhost/r10/changes ", on_heard, story);
    wait_until_routed(story);
    for (guint i = 0; i < 100; i++)
        bus_publish(story->asker, envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "comm://localhost/r1",
                                               "comm://localhost/r1/changes"));
    assert_true(suite_until(has_heard_a_hundred, story, 2000));
    assert_int_equal(metrics_get(METRIC_BUS_HOLES), 0);
}

static void on_request(const Envelope *message, BusRequest *request, gpointer user)
{
    Story *story = user;
    assert_non_null(request);
    assert_string_equal(message->source, bus_process(story->asker));
    story->handled++;
    story->held = bus_request_ref(request);
}

static void on_answered(const Envelope *answer, gpointer user)
{
    Story *story = user;
    story->finals++;
    story->code = envelope_code(answer);
    envelope_set(&story->reason, answer->body->reason);
}

static gboolean is_answered(gpointer user)
{
    return ((Story *)user)->finals > 0;
}

static gboolean was_handled(gpointer user)
{
    return ((Story *)user)->handled > 0;
}

static gboolean was_repeated_twice(gpointer user)
{
    (void)user;
    return metrics_get(METRIC_BUS_REPEATS) >= 2;
}

static void ask(Story *story, const char *address)
{
    bus_request(story->asker,
                envelope_new(MSG__ENVELOPE__TYPE__EXECUTE, "hyperty://localhost/asker", address),
                LIMIT_DEADLINE_SERVICE_MS, on_answered, story);
}

static void a_request_is_handled_once_and_answered_once_under_repeats(void **state)
{
    Story *story = *state;
    g_autoptr(Json) body = json_new_object();
    metrics_reset();
    json_set_number(body, "code", 200);
    bus_route(story->answerer, "hyperty://localhost/service ", on_request, story);
    wait_until_routed(story);
    ask(story, "hyperty://localhost/service");
    assert_true(suite_until(was_repeated_twice, story, 2000));
    assert_int_equal(story->handled, 1);
    bus_answer(story->held, body);
    assert_true(suite_until(is_answered, story, 1000));
    assert_int_equal(story->code, 200);
    assert_int_equal(story->finals, 1);
}

static void a_request_held_to_the_end_is_answered_504(void **state)
{
    Story *story = *state;
    bus_route(story->answerer, "hyperty://localhost/silent ", on_request, story);
    wait_until_routed(story);
    bus_request(story->asker,
                envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/asker",
                             "hyperty://localhost/silent"),
                300, on_answered, story);
    assert_true(suite_until(is_answered, story, 1000));
    assert_int_equal(story->code, 504);
}

// Waits out the broker's first two seconds, in which it refuses nobody.
static void wait_until_it_refuses(Story *story)
{
    while (story->reason == NULL || strcmp(story->reason, "no_route") != 0) {
        story->finals = 0;
        ask(story, "hyperty://localhost/nobody");
        assert_true(suite_until(is_answered, story, 4000));
    }
    story->finals = 0;
}

static void nobody_at_the_address_is_told_within_200_ms(void **state)
{
    Story *story = *state;
    g_autoptr(Bus) monitor = bus_new(suite_config(story->suite), "busmon-1", NULL);
    bus_route(monitor, "", on_heard, story); // watches; must not count as a listener
    wait_until_it_refuses(story);
    ask(story, "hyperty://localhost/nobody");
    assert_true(suite_until(is_answered, story, 200));
    assert_int_equal(story->code, 404);
}

static gboolean was_retried(gpointer user)
{
    (void)user;
    return metrics_get(METRIC_BUS_RETRIES) >= 2;
}

static void a_request_waits_for_a_listener_that_starts_again(void **state)
{
    Story *story = *state;
    bus_route(story->answerer, "hyperty://localhost/service ", on_request, story);
    wait_until_it_refuses(story);
    g_clear_pointer(&story->answerer, bus_free);
    metrics_reset();
    ask(story, "hyperty://localhost/service");
    assert_true(suite_until(was_retried, story, 1000));
    assert_int_equal(story->finals, 0);
    story->answerer = bus_new(suite_config(story->suite), "answerer-2", NULL);
    bus_route(story->answerer, "hyperty://localhost/service ", on_request, story);
    assert_true(suite_until(was_handled, story, 2000));
    bus_refuse(story->held, MSG__REFUSAL__REASON__locked, NULL);
    assert_true(suite_until(is_answered, story, 1000));
    assert_string_equal(story->reason, "locked");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(publications_arrive_once_although_two_routes_match, start,
                                        end),
        cmocka_unit_test_setup_teardown(a_request_is_handled_once_and_answered_once_under_repeats,
                                        start, end),
        cmocka_unit_test_setup_teardown(a_request_held_to_the_end_is_answered_504, start, end),
        cmocka_unit_test_setup_teardown(nobody_at_the_address_is_told_within_200_ms, start, end),
        cmocka_unit_test_setup_teardown(a_request_waits_for_a_listener_that_starts_again, start,
                                        end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
