// SPDX-License-Identifier: MIT
// The broker tells on bus://events who connects and who disappears, by process name, also when a
// process was killed. The killed process is this program, started again with the word "client".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/support/suite.h"

#define VICTIM "victim-1f2e3d4c"

typedef struct {
    Suite *suite;
    GHashTable *events; // "event process socket"
    GPid client;
    const char *awaited;
} Story;

static void on_event(const Envelope *message, BusRequest *request, gpointer user)
{
    Story *story = user;
    g_autoptr(Json) value = envelope_value(message);
    assert_null(request);
    assert_int_equal(message->type, MSG__ENVELOPE__TYPE__EVENT);
    assert_string_equal(message->from, "bus://events");
    g_hash_table_add(story->events, g_strdup_printf("%s %s %s", json_get_text(value, "event"),
                                                    json_get_text(value, "process"),
                                                    json_get_text(value, "socket")));
}

static gboolean is_linked(gpointer user)
{
    return bus_is_connected(suite_bus(((Story *)user)->suite), NULL);
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    story->events = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    story->suite = suite_new();
    suite_start(story->suite, "bus", "bus", NULL);
    bus_route(suite_bus(story->suite), "bus://events ", on_event, story);
    *state = story;
    return suite_until(is_linked, story, 5000) ? 0 : -1;
}

static void kill_client(Story *story)
{
    kill(story->client, SIGKILL);
    waitpid(story->client, NULL, 0);
    story->client = 0;
}

static int end(void **state)
{
    Story *story = *state;
    if (story->client != 0)
        kill_client(story);
    suite_free(story->suite);
    g_hash_table_unref(story->events);
    g_free(story);
    return 0;
}

static void die_with_the_test(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void start_client(Story *story)
{
    char *line[] = {(char *)"/proc/self/exe", (char *)"client",
                    (char *)suite_get(story->suite, "PARLEY_BUS_PUBLISH"),
                    (char *)suite_get(story->suite, "PARLEY_BUS_SUBSCRIBE"), NULL};
    assert_true(g_spawn_async(NULL, line, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_the_test, NULL,
                              &story->client, NULL));
}

static int be_the_client(const char *publish, const char *subscribe)
{
    int argc = 1;
    char *arguments[] = {(char *)"client", NULL};
    char **argv = arguments;
    Config *config = config_new(&argc, &argv, NULL);
    config_set(config, CONFIG_BUS_PUBLISH, publish);
    config_set(config, CONFIG_BUS_SUBSCRIBE, subscribe);
    Bus *bus = bus_new(config, VICTIM, NULL);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    bus_free(bus);
    return 0;
}

static gboolean has_happened(gpointer user)
{
    const Story *story = user;
    return g_hash_table_contains(story->events, story->awaited);
}

static void wait_for(Story *story, const char *event, guint timeout_ms)
{
    story->awaited = event;
    if (!suite_until(has_happened, story, timeout_ms))
        fail_msg("never heard: %s", event);
}

static void a_process_is_named_when_it_connects_and_when_it_is_killed(void **state)
{
    Story *story = *state;
    start_client(story);
    wait_for(story, "connected " VICTIM " subscribe", 3000);
    wait_for(story, "connected " VICTIM " publish", 3000);
    kill_client(story);
    wait_for(story, "gone " VICTIM " subscribe", 500);
    wait_for(story, "disconnected " VICTIM " subscribe", 500);
    wait_for(story, "disconnected " VICTIM " publish", 500);
}

static void a_process_that_goes_in_good_order_is_named_too(void **state)
{
    Story *story = *state;
    Bus *visitor = bus_new(suite_config(story->suite), "visitor-1", NULL);
    wait_for(story, "connected visitor-1 publish", 3000);
    bus_free(visitor);
    wait_for(story, "gone visitor-1 subscribe", 500);
    wait_for(story, "disconnected visitor-1 publish", 500);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_process_is_named_when_it_connects_and_when_it_is_killed,
                                        start, end),
        cmocka_unit_test_setup_teardown(a_process_that_goes_in_good_order_is_named_too, start, end),
    };
    if (argc == 4 && strcmp(argv[1], "client") == 0)
        return be_the_client(argv[2], argv[3]);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
