// SPDX-License-Identifier: MIT
// When the link is believed, and when routes are in force. The bus is a list of what was sent; the
// test decides what comes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/bus_pulse.h"

#define SELF "bus://process/p-1"

typedef struct {
    BusPulse *pulse;
    char *barrier, *subscribed; // the last ones
    guint sent, ups, downs, ready;
} Story;

static void subscribe(const char *topic, gpointer user)
{
    envelope_set(&((Story *)user)->subscribed, topic);
}

static void unsubscribe(const char *topic, gpointer user)
{
    assert_string_equal(topic, ((Story *)user)->subscribed);
}

static void send(const char *url, gpointer user)
{
    Story *story = user;
    story->sent++;
    envelope_set(&story->barrier, url);
}

static void on_change(gboolean up, gpointer user)
{
    Story *story = user;
    *(up ? &story->ups : &story->downs) += 1;
}

static void on_ready(gpointer user)
{
    ((Story *)user)->ready++;
}

static int start(void **state)
{
    static const BusPulseCalls calls = {subscribe, unsubscribe, send, on_change};
    Story *story = g_new0(Story, 1);
    story->pulse = bus_pulse_new(SELF, &calls, story);
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    bus_pulse_free(story->pulse);
    g_free(story->barrier);
    g_free(story->subscribed);
    g_free(story);
    return 0;
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

static void echo(Story *story)
{
    g_autofree char *url = g_strdup(story->barrier);
    bus_pulse_heard(story->pulse, url);
}

static void a_connection_alone_is_no_link(void **state)
{
    Story *story = *state;
    gint64 since_us = -1;
    bus_pulse_connection(story->pulse, TRUE);
    assert_false(bus_pulse_is_up(story->pulse, &since_us));
    assert_int_equal(since_us, -1);
    echo(story);
    assert_true(bus_pulse_is_up(story->pulse, &since_us));
    assert_true(since_us > 0);
    assert_int_equal(story->ups, 1);
}

static void an_event_that_was_lost_is_sent_again(void **state)
{
    Story *story = *state;
    bus_pulse_connection(story->pulse, TRUE);
    pass_ms(100);
    assert_true(story->sent >= 3);
    echo(story);
    guint sent = story->sent;
    pass_ms(100);
    assert_int_equal(story->sent, sent);
}

static void an_echo_of_an_older_barrier_proves_nothing(void **state)
{
    Story *story = *state;
    bus_pulse_connection(story->pulse, TRUE);
    g_autofree char *older = g_strdup(story->barrier);
    bus_pulse_connection(story->pulse, TRUE); // a new connection: subscriptions go again
    bus_pulse_heard(story->pulse, older);
    assert_false(bus_pulse_is_up(story->pulse, NULL));
    echo(story);
    assert_true(bus_pulse_is_up(story->pulse, NULL));
}

static void a_lost_connection_is_a_lost_link(void **state)
{
    Story *story = *state;
    bus_pulse_connection(story->pulse, TRUE);
    echo(story);
    bus_pulse_connection(story->pulse, FALSE);
    assert_false(bus_pulse_is_up(story->pulse, NULL));
    assert_int_equal(story->downs, 1);
}

static void who_asks_during_a_barrier_waits_for_the_next(void **state)
{
    Story *story = *state;
    bus_pulse_connection(story->pulse, TRUE);
    bus_pulse_when_routed(story->pulse, on_ready, story);
    echo(story);
    assert_int_equal(story->ready, 0);
    echo(story);
    assert_int_equal(story->ready, 1);
}

static void many_askers_share_a_barrier(void **state)
{
    Story *story = *state;
    bus_pulse_connection(story->pulse, TRUE);
    for (guint i = 0; i < 1000; i++)
        bus_pulse_when_routed(story->pulse, on_ready, story);
    echo(story);
    echo(story);
    assert_int_equal(story->ready, 1000);
    assert_int_equal(story->sent, 2);
}

static void nobody_waits_longer_than_a_second(void **state)
{
    Story *story = *state;
    bus_pulse_when_routed(story->pulse, on_ready, story);
    pass_ms(900);
    assert_int_equal(story->ready, 0);
    pass_ms(200);
    assert_int_equal(story->ready, 1);
}

static void silence_of_four_beats_is_a_lost_link(void **state)
{
    Story *story = *state;
    bus_pulse_connection(story->pulse, TRUE);
    echo(story);
    pass_ms(3800);
    assert_true(bus_pulse_is_up(story->pulse, NULL));
    assert_string_equal(story->barrier, SELF);
    pass_ms(400);
    assert_false(bus_pulse_is_up(story->pulse, NULL));
    echo(story);
    assert_true(bus_pulse_is_up(story->pulse, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_alone_is_no_link, start, end),
        cmocka_unit_test_setup_teardown(an_event_that_was_lost_is_sent_again, start, end),
        cmocka_unit_test_setup_teardown(an_echo_of_an_older_barrier_proves_nothing, start, end),
        cmocka_unit_test_setup_teardown(a_lost_connection_is_a_lost_link, start, end),
        cmocka_unit_test_setup_teardown(who_asks_during_a_barrier_waits_for_the_next, start, end),
        cmocka_unit_test_setup_teardown(many_askers_share_a_barrier, start, end),
        cmocka_unit_test_setup_teardown(nobody_waits_longer_than_a_second, start, end),
        cmocka_unit_test_setup_teardown(silence_of_four_beats_is_a_lost_link, start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
