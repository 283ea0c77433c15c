// SPDX-License-Identifier: MIT
// Connections get names, and lose them with the connection.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <zmq.h>

#include "bus/watcher.h"

typedef struct {
    void *context, *socket, *peer;
    Watcher *watcher;
    char endpoint[64];
    GPtrArray *events; // "what process side"
    guint count;
} Story;

static void on_event(const char *what, const char *process, const char *side, const char *endpoint,
                     gpointer user)
{
    Story *story = user;
    (void)endpoint;
    g_ptr_array_add(story->events, g_strdup_printf("%s %s %s", what, process, side));
    story->count++;
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    size_t size = sizeof story->endpoint;
    int linger = 0;
    story->events = g_ptr_array_new_with_free_func(g_free);
    story->context = zmq_ctx_new();
    story->socket = zmq_socket(story->context, ZMQ_PULL);
    assert_int_equal(zmq_bind(story->socket, "tcp://127.0.0.1:*"), 0);
    zmq_getsockopt(story->socket, ZMQ_LAST_ENDPOINT, story->endpoint, &size);
    story->watcher = watcher_new(story->context, story->socket, "publish", on_event, story);
    story->peer = zmq_socket(story->context, ZMQ_PUSH);
    zmq_setsockopt(story->peer, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_connect(story->peer, story->endpoint), 0);
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    watcher_free(story->watcher);
    zmq_close(story->socket);
    if (story->peer != NULL)
        zmq_close(story->peer);
    zmq_ctx_term(story->context);
    g_ptr_array_unref(story->events);
    g_free(story);
    return 0;
}

// Descriptor of the connection over which the next message comes.
static int receive(Story *story)
{
    zmq_msg_t message;
    zmq_send(story->peer, "x", 1, 0);
    zmq_msg_init(&message);
    assert_int_equal(zmq_msg_recv(&message, story->socket, 0), 1);
    int fd = zmq_msg_get(&message, ZMQ_SRCFD);
    zmq_msg_close(&message);
    return fd;
}

static gboolean give_up(gpointer expired)
{
    *(gboolean *)expired = TRUE;
    return G_SOURCE_CONTINUE;
}

static void run_until_events(Story *story, guint count)
{
    gboolean expired = FALSE;
    guint timer = g_timeout_add(5000, give_up, &expired);
    while (story->count < count && !expired)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    assert_int_equal(story->count, count);
}

static const char *event(const Story *story, guint index)
{
    return story->events->pdata[index];
}

static void a_named_connection_is_told_once_when_it_comes_and_when_it_goes(void **state)
{
    Story *story = *state;
    int fd = receive(story);
    assert_false(watcher_knows(story->watcher, fd));
    watcher_name(story->watcher, fd, "p-1");
    watcher_name(story->watcher, fd, "p-2");
    assert_true(watcher_knows(story->watcher, fd));
    zmq_close(story->peer);
    story->peer = NULL;
    run_until_events(story, 2);
    assert_string_equal(event(story, 0), "connected p-1 publish");
    assert_string_equal(event(story, 1), "disconnected p-1 publish");
    assert_false(watcher_knows(story->watcher, fd));
}

static void what_never_said_a_name_goes_silently(void **state)
{
    Story *story = *state;
    receive(story);
    watcher_name(story->watcher, -1, "p-1");
    zmq_close(story->peer);
    story->peer = NULL;
    for (guint i = 0; i < 20; i++) {
        g_usleep(5000);
        watcher_drain(story->watcher);
    }
    assert_int_equal(story->count, 0);
}

// ZMTP 3.0 with a security mechanism that does not exist.
static void say_a_bad_greeting(void *stranger)
{
    guint8 greeting[64] = {[0] = 0xff, [9] = 0x7f, [10] = 3};
    guint8 id[256];
    int length = zmq_recv(stranger, id, sizeof id, 0);
    zmq_recv(stranger, id + length, 0, 0); // the connection, as an empty frame
    memcpy(greeting + 12, "NONSENSE", 8);
    zmq_send(stranger, id, (size_t)length, ZMQ_SNDMORE);
    zmq_send(stranger, greeting, sizeof greeting, 0);
}

static void a_failed_handshake_is_told(void **state)
{
    Story *story = *state;
    int linger = 0, timeout_ms = 5000;
    receive(story); // a peer that goes before its handshake is done would be told, too
    zmq_close(story->peer);
    story->peer = zmq_socket(story->context, ZMQ_STREAM);
    zmq_setsockopt(story->peer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(story->peer, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    assert_int_equal(zmq_connect(story->peer, story->endpoint), 0);
    say_a_bad_greeting(story->peer);
    run_until_events(story, 1);
    assert_string_equal(event(story, 0), "failed_handshake  publish");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_named_connection_is_told_once_when_it_comes_and_when_it_goes, start, end),
        cmocka_unit_test_setup_teardown(what_never_said_a_name_goes_silently, start, end),
        cmocka_unit_test_setup_teardown(a_failed_handshake_is_told, start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
