// SPDX-License-Identifier: MIT
// A worker on another machine takes rooms, told where the bus is and under which address it can be
// reached; it is cut off, and its room comes back elsewhere. The other machine is a network
// namespace behind a pair of virtual interfaces, made here and taken down at the end (needs root).
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/caller.h"

#define PUBLIC_IP "203.0.113.7" // of nobody
#define WAIT_MS 20000
#define BACK_US (10 * G_USEC_PER_SEC) // 3 to 4 s until the broker misses it, or 5 s of silence

typedef struct {
    Suite *suite;
    char *space, *here, *there; // the namespace; interfaces
    char *our_ip, *their_ip;
    Caller *a, *b;
} Story;

// "ip …"; FALSE and the reason in the log of the test.
static gboolean ip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *rest = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *command = g_strconcat("ip ", rest, NULL);
    g_autofree char *complaint = NULL;
    gint status = 0;
    if (!g_spawn_command_line_sync(command, NULL, &complaint, &status, NULL))
        complaint = g_strdup("no such program");
    if (status != 0 || (complaint != NULL && *complaint != '\0'))
        print_message("# %s: %s\n", command, g_strstrip(complaint));
    return status == 0;
}

static gboolean make_network(const Story *story)
{
    return geteuid() == 0 && ip("netns add %s", story->space) &&
           ip("link add %s type veth peer name %s netns %s", story->here, story->there,
              story->space) &&
           ip("addr add %s/30 dev %s", story->our_ip, story->here) &&
           ip("link set %s up", story->here) &&
           ip("-n %s addr add %s/30 dev %s", story->space, story->their_ip, story->there) &&
           ip("-n %s link set %s up", story->space, story->there) &&
           ip("-n %s link set lo up", story->space);
}

static void set_bus(const Story *story, const char *variable)
{
    const char *port = strrchr(suite_get(story->suite, variable), ':');
    g_autofree char *endpoint = g_strconcat("tcp://", story->our_ip, port, NULL);
    suite_set(story->suite, variable, endpoint);
}

static int set_up(void **state)
{
    Story *story = g_new0(Story, 1);
    guint id = (guint)getpid() & 0x3fff; // of a /30 in 198.18.0.0/16, which is for tests
    *state = story;
    story->suite = suite_new();
    story->space = g_strdup_printf("parley-test-%d", (int)getpid());
    story->here = g_strdup_printf("pt%dh", (int)getpid());
    story->there = g_strdup_printf("pt%dt", (int)getpid());
    story->our_ip = g_strdup_printf("198.18.%u.%u", id >> 6, (id & 0x3f) * 4 + 1);
    story->their_ip = g_strdup_printf("198.18.%u.%u", id >> 6, (id & 0x3f) * 4 + 2);
    set_bus(story, "PARLEY_BUS_PUBLISH");
    set_bus(story, "PARLEY_BUS_SUBSCRIBE");
    return 0;
}

static int tear_down(void **state)
{
    Story *story = *state;
    caller_free(story->a);
    caller_free(story->b);
    suite_free(story->suite);
    if (geteuid() == 0)
        ip("netns del %s", story->space); // and the interfaces with it
    g_free(story->space);
    g_free(story->here);
    g_free(story->there);
    g_free(story->our_ip);
    g_free(story->their_ip);
    g_free(story);
    return 0;
}

static void start_suite(const Story *story)
{
    static const char *const programs[] = {"bus", "registry", "gateway"};
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
        suite_start(story->suite, programs[i], programs[i], NULL);
        if (i > 0)
            assert_true(suite_until_logged(story->suite, programs[i], "bus.linked", 1, WAIT_MS));
    }
}

static void start_worker(const Story *story, const char *name, const char *const *launcher)
{
    guint heard = suite_logged(story->suite, "registry", "worker.heard");
    suite_set_launcher(story->suite, launcher);
    suite_start(story->suite, name, "media-worker", NULL);
    suite_set_launcher(story->suite, NULL);
    assert_true(suite_until_logged(story->suite, "registry", "worker.heard", heard + 1, WAIT_MS));
}

// On the other machine, which offers its interfaces, and what it is known by outside.
static void start_remote_worker(const Story *story)
{
    const char *const launcher[] = {"ip", "netns", "exec", story->space, NULL};
    suite_set(story->suite, "PARLEY_MEDIA_ADVERTISE_IP", PUBLIC_IP);
    start_worker(story, "remote", launcher);
    suite_set(story->suite, "PARLEY_MEDIA_ADVERTISE_IP", "");
}

static void start_call(Story *story)
{
    story->a = caller_new(story->suite, "demo", 1);
    story->b = caller_new(story->suite, "demo", 2);
    caller_wait_media(story->a, 1);
    caller_wait_media(story->b, 1);
}

static gboolean is_gone(gpointer pid)
{
    return kill(*(pid_t *)pid, 0) != 0 && errno == ESRCH;
}

static void takes_rooms(Story *story)
{
    start_suite(story);
    start_remote_worker(story);
    start_call(story);
    assert_non_null(strstr(caller_answer_sdp(story->a), story->their_ip));
    assert_non_null(strstr(caller_answer_sdp(story->a), PUBLIC_IP));
    assert_int_equal(native_peer_faults(caller_peer(story->a)), 0);
}

static void comes_back_elsewhere(Story *story)
{
    pid_t cut_off = suite_media_pid(story->suite, caller_media(story->a));
    start_worker(story, "local", NULL);
    gint64 cut_us = g_get_monotonic_time();
    assert_true(ip("link set %s down", story->here));
    caller_follow(story->a, 2);
    caller_follow(story->b, 2);
    caller_wait_media(story->a, 1);
    caller_wait_media(story->b, 1);
    gint64 took_us = g_get_monotonic_time() - cut_us;
    print_message("# back %d ms after the cut\n", (int)(took_us / 1000));
    assert_true(took_us < BACK_US);
    assert_int_equal(kill(cut_off, 0), 0); // it does not end for silence of the bus
    assert_true(ip("link set %s up", story->here));
    assert_true(suite_until(is_gone, &cut_off, WAIT_MS));
    assert_int_equal(caller_epoch(story->a), 2);
}

static void a_worker_on_another_machine_takes_rooms_and_may_be_cut_off(void **state)
{
    Story *story = *state;
    if (!make_network(story)) {
        print_message("# no network of its own: needs root, and ip netns\n");
        skip();
    }
    takes_rooms(story);
    comes_back_elsewhere(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_worker_on_another_machine_takes_rooms_and_may_be_cut_off,
                                        set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
