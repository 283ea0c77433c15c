// SPDX-License-Identifier: MIT
// Requests of ours: when they are sent again, when they end, and who is told. What would go to the
// bus goes into a list.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/bus_requests.h"
#include "common/limits.h"

typedef struct {
    BusRequests *requests;
    guint sent, answers, timed_out;
    guint64 last_number;
    guint last_ttl_ms;
    gint code;
    gboolean too_large;
} Story;

static gboolean send(Envelope *request, gpointer user)
{
    Story *story = user;
    story->sent++;
    story->last_number = request->request;
    story->last_ttl_ms = request->ttl_ms;
    return !story->too_large;
}

static void on_answered(const Envelope *answer, gpointer user)
{
    Story *story = user;
    story->answers++;
    story->code = envelope_code(answer);
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    story->requests = bus_requests_new(send, story);
    bus_requests_link(story->requests, TRUE);
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    bus_requests_free(story->requests);
    g_free(story);
    return 0;
}

static guint64 add(Story *story, guint deadline_ms)
{
    Envelope *request = envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://d/a", "hyperty://d/b");
    return bus_requests_add(story->requests, request, deadline_ms, on_answered, story);
}

static void answer(Story *story, guint64 number, gint code)
{
    g_autoptr(Envelope) message =
        envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, "hyperty://d/b", "hyperty://d/a");
    message->has_request = TRUE;
    message->request = number;
    if (code != 0) {
        envelope_body(message)->has_code = TRUE;
        message->body->code = code;
    }
    bus_requests_answer(story->requests, message);
}

static gboolean stop(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static void pass_ms(guint ms)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_timeout_add(ms, stop, loop);
    g_main_loop_run(loop);
}

static void numbers_grow_from_one(void **state)
{
    Story *story = *state;
    assert_int_equal(add(story, 1000), 1);
    assert_int_equal(add(story, 1000), 2);
    assert_int_equal(story->last_number, 2);
    assert_int_equal(bus_requests_open(story->requests), 2);
}

static void an_answer_ends_it_once(void **state)
{
    Story *story = *state;
    guint64 number = add(story, 1000);
    answer(story, number, 200);
    answer(story, number, 200);
    assert_int_equal(story->answers, 1);
    assert_int_equal(story->code, 200);
    assert_int_equal(bus_requests_open(story->requests), 0);
}

// Waits until it was sent so often; the time that this took, from `since_us`, in ms.
static gint64 sent_after_ms(const Story *story, guint count, gint64 since_us)
{
    while (story->sent < count)
        g_main_context_iteration(NULL, TRUE);
    return (g_get_monotonic_time() - since_us) / 1000;
}

static void it_is_sent_again_until_answered(void **state)
{
    Story *story = *state;
    gint64 since_us = g_get_monotonic_time();
    guint64 number = add(story, 3000);
    assert_int_equal(story->sent, 1);
    assert_true(story->last_ttl_ms > 2900 && story->last_ttl_ms <= 3000);
    assert_true(sent_after_ms(story, 2, since_us) >= 120);
    assert_true(sent_after_ms(story, 3, since_us) >= 320);
    assert_true(story->last_ttl_ms < 2700);
    answer(story, number, 200);
    pass_ms(600);
    assert_int_equal(story->sent, 3);
}

// The seventh sending is the first one beyond the list of repeats.
static void it_goes_on_being_sent_to_a_listener_that_is_long_away(void **state)
{
    Story *story = *state;
    gint64 since_us = g_get_monotonic_time();
    add(story, 20000);
    gint64 after_ms = sent_after_ms(story, 7, since_us);
    assert_true(after_ms >= 4000 && after_ms < 15000);
}

static void at_the_deadline_it_is_answered_504(void **state)
{
    Story *story = *state;
    add(story, 50);
    pass_ms(100);
    assert_int_equal(story->answers, 1);
    assert_int_equal(story->code, 504);
    assert_int_equal(bus_requests_open(story->requests), 0);
}

static void an_acknowledgement_spaces_repeats_and_is_not_shown(void **state)
{
    Story *story = *state;
    guint64 number = add(story, 5000);
    answer(story, number, 0);
    pass_ms(500);
    assert_int_equal(story->sent, 1);
    assert_int_equal(story->answers, 0);
    pass_ms(900);
    assert_int_equal(story->sent, 2);         // the answer may have been lost alone
    bus_requests_link(story->requests, TRUE); // an outage may have eaten it
    assert_int_equal(story->sent, 3);
}

static void provisional_answers_are_shown_and_end_nothing(void **state)
{
    Story *story = *state;
    guint64 number = add(story, 1000);
    answer(story, number, 100);
    answer(story, number, 180);
    assert_int_equal(story->answers, 2);
    answer(story, number, 200);
    assert_int_equal(story->answers, 3);
    assert_int_equal(bus_requests_open(story->requests), 0);
}

static void without_a_link_nothing_is_sent_until_it_returns(void **state)
{
    Story *story = *state;
    bus_requests_link(story->requests, FALSE);
    add(story, 1000);
    add(story, 1000);
    pass_ms(200);
    assert_int_equal(story->sent, 0);
    bus_requests_link(story->requests, TRUE);
    assert_int_equal(story->sent, 2);
}

static void after_an_outage_repeats_begin_anew(void **state)
{
    Story *story = *state;
    guint64 number = add(story, 3000);
    answer(story, number, 0);
    bus_requests_link(story->requests, FALSE);
    bus_requests_link(story->requests, TRUE); // its listener may be back later than we
    gint64 since_us = g_get_monotonic_time();
    assert_int_equal(story->sent, 2);
    assert_true(sent_after_ms(story, 3, since_us) < 400);
    assert_true(sent_after_ms(story, 4, since_us) < 800);
}

static void whoever_dies_between_two_parts_of_its_answer_is_asked_again(void **state)
{
    Story *story = *state;
    guint64 number = add(story, 1000);
    answer(story, number, 100);
    sent_after_ms(story, 2, g_get_monotonic_time());
    answer(story, number, 200);
    assert_int_equal(story->answers, 2);
}

static void a_cancelled_request_calls_nobody(void **state)
{
    Story *story = *state;
    guint64 number = add(story, 50);
    bus_requests_cancel(story->requests, number);
    bus_requests_cancel(story->requests, number);
    answer(story, number, 200);
    pass_ms(80);
    assert_int_equal(story->answers, 0);
}

static void what_is_too_large_is_answered_but_not_from_within(void **state)
{
    Story *story = *state;
    story->too_large = TRUE;
    add(story, 1000);
    assert_int_equal(story->answers, 0);
    pass_ms(20);
    assert_int_equal(story->answers, 1);
    assert_int_equal(story->code, 413);
}

static void one_too_many_is_answered_429(void **state)
{
    Story *story = *state;
    bus_requests_link(story->requests, FALSE);
    for (guint i = 0; i <= LIMIT_BUS_REQUESTS_OPEN; i++)
        add(story, 60000);
    pass_ms(20);
    assert_int_equal(story->answers, 1);
    assert_int_equal(story->code, 429);
    assert_int_equal(bus_requests_open(story->requests), LIMIT_BUS_REQUESTS_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_grow_from_one, start, end),
        cmocka_unit_test_setup_teardown(an_answer_ends_it_once, start, end),
        cmocka_unit_test_setup_teardown(it_is_sent_again_until_answered, start, end),
        cmocka_unit_test_setup_teardown(it_goes_on_being_sent_to_a_listener_that_is_long_away,
                                        start, end),
        cmocka_unit_test_setup_teardown(at_the_deadline_it_is_answered_504, start, end),
        cmocka_unit_test_setup_teardown(an_acknowledgement_spaces_repeats_and_is_not_shown, start,
                                        end),
        cmocka_unit_test_setup_teardown(provisional_answers_are_shown_and_end_nothing, start, end),
        cmocka_unit_test_setup_teardown(without_a_link_nothing_is_sent_until_it_returns, start,
                                        end),
        cmocka_unit_test_setup_teardown(after_an_outage_repeats_begin_anew, start, end),
        cmocka_unit_test_setup_teardown(whoever_dies_between_two_parts_of_its_answer_is_asked_again,
                                        start, end),
        cmocka_unit_test_setup_teardown(a_cancelled_request_calls_nobody, start, end),
        cmocka_unit_test_setup_teardown(what_is_too_large_is_answered_but_not_from_within, start,
                                        end),
        cmocka_unit_test_setup_teardown(one_too_many_is_answered_429, start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
