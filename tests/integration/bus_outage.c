// SPDX-License-Identifier: MIT
// The broker is killed and comes back: both ends notice, requests made meanwhile are answered, and
// every one of 20,000 subscriptions is in force again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>

#include "common/limits.h"
#include "common/metrics.h"
#include "tests/support/suite.h"

#define SUBSCRIPTIONS 20000

typedef struct {
    Suite *suite;
    Bus *asker, *answerer;
    guint ups, downs, handled, finals, ready, heard;
    gint code;
} Story;

static void on_link(gboolean connected, gpointer user)
{
    Story *story = user;
    *(connected ? &story->ups : &story->downs) += 1;
}

static gboolean both_are_linked(gpointer user)
{
    const Story *story = user;
    return bus_is_connected(story->asker, NULL) && bus_is_connected(story->answerer, NULL);
}

static gboolean neither_is_linked(gpointer user)
{
    const Story *story = user;
    return !bus_is_connected(story->asker, NULL) && !bus_is_connected(story->answerer, NULL);
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    story->suite = suite_new();
    story->asker = suite_bus(story->suite);
    story->answerer = bus_new(suite_config(story->suite), "answerer-1", NULL);
    bus_watch_link(story->asker, on_link, story);
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    bus_free(story->answerer);
    suite_free(story->suite);
    g_free(story);
    return 0;
}

static void start_broker(Story *story)
{
    suite_start(story->suite, "bus", "bus", NULL);
    assert_true(suite_until(both_are_linked, story, 5000));
}

static void kill_broker(Story *story)
{
    suite_kill(story->suite, "bus", SIGKILL);
    assert_true(suite_until(neither_is_linked, story, 1000));
}

static void on_request(const Envelope *message, BusRequest *request, gpointer user)
{
    Story *story = user;
    g_autoptr(Json) body = json_new_object();
    (void)message;
    json_set_number(body, "code", 200);
    story->handled++;
    bus_answer(request, body);
}

static void on_answered(const Envelope *answer, gpointer user)
{
    Story *story = user;
    story->finals++;
    story->code = envelope_code(answer);
}

static gboolean is_answered(gpointer user)
{
    return ((Story *)user)->finals > 0;
}

static void ask(Story *story)
{
    story->finals = 0;
    bus_request(story->asker,
                envelope_new(MSG__ENVELOPE__TYPE__EXECUTE, "hyperty://localhost/asker",
                             "hyperty://localhost/service"),
                LIMIT_DEADLINE_CLIENT_MS, on_answered, story);
}

static void a_request_made_before_there_is_a_broker_is_answered_once_it_is_there(void **state)
{
    Story *story = *state;
    bus_route(story->answerer, "hyperty://localhost/service ", on_request, story);
    ask(story);
    assert_false(suite_until(is_answered, story, 100));
    start_broker(story);
    assert_true(suite_until(is_answered, story, 2000));
    assert_int_equal(story->code, 200);
    assert_int_equal(story->handled, 1);
}

static void requests_ride_out_a_restart_and_both_ends_notice_it(void **state)
{
    Story *story = *state;
    bus_route(story->answerer, "hyperty://localhost/service ", on_request, story);
    start_broker(story);
    for (guint round = 1; round <= 3; round++) {
        kill_broker(story);
        ask(story);
        start_broker(story);
        assert_true(suite_until(is_answered, story, 3000));
        assert_int_equal(story->code, 200);
        assert_int_equal(story->handled, round);
        assert_int_equal(story->ups, round + 1);
        assert_int_equal(story->downs, round);
    }
}

static int start_without_clients(void **state)
{
    Story *story = g_new0(Story, 1);
    story->suite = suite_new();
    *state = story;
    return 0;
}

static int end_without_clients(void **state)
{
    Story *story = *state;
    bus_free(story->asker);
    return end(state);
}

static void connect_asker(Story *story)
{
    story->asker = bus_new(suite_config(story->suite), "asker-1", NULL);
}

static gboolean asker_is_linked(gpointer user)
{
    return bus_is_connected(((Story *)user)->asker, NULL);
}

// After a long cut of the broker's network those who are back first ask for the others, who are as
// alive as they are.
static void whoever_is_back_first_is_not_refused(void **state)
{
    Story *story = *state;
    connect_asker(story);
    suite_start(story->suite, "bus", "bus", NULL);
    ask(story);
    assert_true(suite_until(is_answered, story, 6000));
    assert_int_equal(story->code, 404); // the broker is there for long enough
    bus_free(story->asker);
    assert_true(suite_until_logged(story->suite, "bus", "what=gone peer=asker-1", 1, 2000));
    connect_asker(story);
    assert_true(suite_until(asker_is_linked, story, 2000));
    ask(story);
    assert_false(suite_until(is_answered, story, 400));
    story->answerer = bus_new(suite_config(story->suite), "answerer-1", NULL);
    bus_route(story->answerer, "hyperty://localhost/service ", on_request, story);
    assert_true(suite_until(is_answered, story, 2000));
    assert_int_equal(story->code, 200);
}

static gboolean is_unlinked(gpointer user)
{
    return !bus_is_connected(((Story *)user)->asker, NULL);
}

static void a_broker_that_stands_still_is_noticed(void **state)
{
    Story *story = *state;
    start_broker(story);
    suite_kill(story->suite, "bus", SIGSTOP);
    assert_true(suite_until(is_unlinked, story, 5500));
    suite_kill(story->suite, "bus", SIGCONT);
    assert_true(suite_until(both_are_linked, story, 5000));
}

static void on_ready(gpointer user)
{
    ((Story *)user)->ready++;
}

static gboolean is_ready(gpointer user)
{
    return ((Story *)user)->ready > 0;
}

static void on_heard(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)message;
    (void)request;
    ((Story *)user)->heard++;
}

static gboolean has_heard_all(gpointer user)
{
    return ((Story *)user)->heard == SUBSCRIPTIONS;
}

static void publish_to_all(Story *story)
{
    story->heard = 0;
    for (guint i = 0; i < SUBSCRIPTIONS; i++) {
        g_autofree char *url = g_strdup_printf("comm://localhost/room-%u/changes", i);
        bus_publish(story->asker,
                    envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "comm://localhost/x", url));
        if (i % 4000 == 3999) // a burst stays below the high-water marks
            suite_until(has_heard_all, story, 100);
    }
    suite_until(has_heard_all, story, 5000);
    assert_int_equal(story->heard, SUBSCRIPTIONS);
}

static void twenty_thousand_subscriptions_are_kept(void **state)
{
    Story *story = *state;
    start_broker(story);
    for (guint i = 0; i < SUBSCRIPTIONS; i++) {
        g_autofree char *topic = g_strdup_printf("comm://localhost/room-%u/changes ", i);
        bus_route(story->answerer, topic, on_heard, story);
    }
    bus_when_routed(story->answerer, on_ready, story);
    assert_true(suite_until(is_ready, story, 900));
    publish_to_all(story);
    kill_broker(story);
    start_broker(story); // linked means: all of them are in force again
    publish_to_all(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_request_made_before_there_is_a_broker_is_answered_once_it_is_there, start, end),
        cmocka_unit_test_setup_teardown(requests_ride_out_a_restart_and_both_ends_notice_it, start,
                                        end),
        cmocka_unit_test_setup_teardown(whoever_is_back_first_is_not_refused, start_without_clients,
                                        end_without_clients),
        cmocka_unit_test_setup_teardown(a_broker_that_stands_still_is_noticed, start, end),
        cmocka_unit_test_setup_teardown(twenty_thousand_subscriptions_are_kept, start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
