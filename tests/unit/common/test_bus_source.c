// SPDX-License-Identifier: MIT
// A ZMQ socket in the main loop loses no wake-up and lets others have their turn.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <zmq.h>

#include "common/bus_source.h"
#include "common/limits.h"

#define MESSAGES 100000

typedef struct {
    void *context, *in, *out;
    GSource *source;
    guint got, most_at_once, at_once;
} Story;

static gboolean read_one(void *socket, gpointer user)
{
    Story *story = user;
    char byte;
    if (zmq_recv(socket, &byte, 1, ZMQ_DONTWAIT) < 0)
        return FALSE;
    story->got++;
    story->at_once++;
    story->most_at_once = MAX(story->most_at_once, story->at_once);
    return TRUE;
}

static int start(void **state)
{
    int no_limit = 0;
    Story *story = g_new0(Story, 1);
    story->context = zmq_ctx_new();
    story->in = zmq_socket(story->context, ZMQ_PULL);
    story->out = zmq_socket(story->context, ZMQ_PUSH);
    zmq_setsockopt(story->in, ZMQ_RCVHWM, &no_limit, sizeof no_limit);
    zmq_setsockopt(story->out, ZMQ_SNDHWM, &no_limit, sizeof no_limit);
    assert_int_equal(zmq_bind(story->in, "inproc://source"), 0);
    assert_int_equal(zmq_connect(story->out, "inproc://source"), 0);
    story->source = bus_source_new(story->in, G_PRIORITY_DEFAULT, read_one, story);
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    bus_source_free(story->source);
    zmq_close(story->in);
    zmq_close(story->out);
    zmq_ctx_term(story->context);
    g_free(story);
    return 0;
}

static gboolean give_up(gpointer expired)
{
    *(gboolean *)expired = TRUE;
    return G_SOURCE_CONTINUE;
}

static void run_until_got(Story *story, guint count)
{
    gboolean expired = FALSE;
    guint timer = g_timeout_add(10000, give_up, &expired);
    while (story->got < count && !expired) {
        story->at_once = 0;
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(timer);
    assert_int_equal(story->got, count);
}

static void none_of_a_flood_is_left_behind(void **state)
{
    Story *story = *state;
    for (guint i = 0; i < MESSAGES; i++)
        zmq_send(story->out, "x", 1, 0);
    run_until_got(story, MESSAGES);
    assert_true(story->most_at_once <= LIMIT_BUS_DISPATCH);
}

static void each_single_message_wakes_the_loop(void **state)
{
    Story *story = *state;
    for (guint i = 1; i <= 1000; i++) {
        zmq_send(story->out, "x", 1, 0);
        run_until_got(story, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(none_of_a_flood_is_left_behind, start, end),
        cmocka_unit_test_setup_teardown(each_single_message_wakes_the_loop, start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
