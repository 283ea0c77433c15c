// SPDX-License-Identifier: MIT
// The life of a daemon, written once in common/service: it shows itself each second, answers by its
// table, drains at the first signal and ends at the second. The daemon is this program, started
// again with the word "daemon".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "common/limits.h"
#include "common/service.h"
#include "tests/support/suite.h"

typedef struct {
    Suite *suite;
    GPid daemon;
    guint presences, finals, drains;
    char *process;
    gint code;
    gboolean ended;
    int status;
} Story;

// --- the daemon ---

static void on_echo(Service *service, const Envelope *message, BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    (void)service;
    (void)message;
    json_set_number(body, "code", 200);
    bus_answer(request, body);
}

static void on_presence_made(Service *service, Msg__Presence *presence)
{
    (void)service;
    presence->has_load = TRUE;
    presence->load = 7;
}

static void on_drain(Service *service)
{
    (void)service; // never empty: only a second signal or the deadline ends it
}

static int be_the_daemon(int argc, char **argv)
{
    static const ServiceRow rows[] = {
        {"hyperty://%D/echo", MSG__ENVELOPE__TYPE__EXECUTE, on_echo},
        {"hyperty://%D/by-name/%P", MSG__ENVELOPE__TYPE__UNKNOWN, on_echo},
        {0},
    };
    static const ServiceDefinition definition = {.role = "daemon",
                                                 .summary = "a test",
                                                 .rows = rows,
                                                 .presence = on_presence_made,
                                                 .drain = on_drain};
    return service_main(&definition, argc, argv);
}

// --- the test ---

static void die_with_the_test(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void on_ended(GPid pid, int status, gpointer user)
{
    Story *story = user;
    g_spawn_close_pid(pid);
    story->ended = TRUE;
    story->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void start_daemon(Story *story, const char *flag)
{
    g_autofree char *publish =
        g_strconcat("--bus.publish=", suite_get(story->suite, "PARLEY_BUS_PUBLISH"), NULL);
    g_autofree char *subscribe =
        g_strconcat("--bus.subscribe=", suite_get(story->suite, "PARLEY_BUS_SUBSCRIBE"), NULL);
    char *line[] = {
        (char *)"/proc/self/exe", (char *)"daemon", publish, subscribe, (char *)flag, NULL};
    assert_true(g_spawn_async(NULL, line, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_the_test, NULL,
                              &story->daemon, NULL));
    g_child_watch_add(story->daemon, on_ended, story);
}

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    Story *story = user;
    g_autoptr(Json) value = envelope_value(message);
    assert_null(request);
    if (g_strcmp0(json_get_text(value, "role"), "daemon") != 0)
        return;
    assert_int_equal(json_get_number(value, "load", 0), 7);
    assert_string_equal(json_get_text(value, "process"), message->source);
    envelope_set(&story->process, message->source);
    story->drains += json_truth(json_get(value, "draining"), FALSE);
    story->presences++;
}

static gboolean is_linked(gpointer user)
{
    return bus_is_connected(suite_bus(((Story *)user)->suite), NULL);
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    story->suite = suite_new();
    suite_start(story->suite, "bus", "bus", NULL);
    bus_route(suite_bus(story->suite), "ctxt://localhost/process/", on_presence, story);
    *state = story;
    return suite_until(is_linked, story, 5000) ? 0 : -1;
}

static gboolean has_ended(gpointer user)
{
    return ((Story *)user)->ended;
}

static int end(void **state)
{
    Story *story = *state;
    if (!story->ended) {
        kill(story->daemon, SIGKILL);
        suite_until(has_ended, story, 2000);
    }
    suite_free(story->suite);
    g_free(story->process);
    g_free(story);
    return 0;
}

static gboolean was_present_twice(gpointer user)
{
    return ((Story *)user)->presences >= 2;
}

static gboolean is_draining(gpointer user)
{
    return ((Story *)user)->drains >= 1;
}

static void it_shows_itself_each_second(void **state)
{
    Story *story = *state;
    start_daemon(story, NULL);
    assert_true(suite_until(was_present_twice, story, 4000));
    assert_true(g_str_has_prefix(story->process, "daemon-"));
    assert_int_equal(strlen(story->process), strlen("daemon-") + 8);
}

static void the_first_signal_drains_and_the_second_ends_it(void **state)
{
    Story *story = *state;
    start_daemon(story, NULL);
    assert_true(suite_until(was_present_twice, story, 4000));
    kill(story->daemon, SIGTERM);
    assert_true(suite_until(is_draining, story, 1000));
    assert_false(story->ended);
    kill(story->daemon, SIGTERM);
    assert_true(suite_until(has_ended, story, 2000));
    assert_int_equal(story->status, 0);
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

static gint ask(Story *story, EnvelopeType type, const char *address)
{
    story->finals = 0;
    bus_request(suite_bus(story->suite), envelope_new(type, "hyperty://localhost/test", address),
                LIMIT_DEADLINE_SERVICE_MS, on_answered, story);
    assert_true(suite_until(is_answered, story, 4000));
    return story->code;
}

static void its_table_answers_and_refuses(void **state)
{
    Story *story = *state;
    start_daemon(story, NULL);
    assert_true(suite_until(was_present_twice, story, 4000));
    g_autofree char *by_name = g_strconcat("hyperty://localhost/by-name/", story->process, NULL);
    assert_int_equal(ask(story, MSG__ENVELOPE__TYPE__EXECUTE, "hyperty://localhost/echo"), 200);
    assert_int_equal(ask(story, MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/echo"), 405);
    assert_int_equal(ask(story, MSG__ENVELOPE__TYPE__READ, by_name), 200);
}

static gint64 file_age_s(const Story *story)
{
    GStatBuf status;
    g_autofree char *path = g_build_filename(suite_folder(story->suite), "alive", NULL);
    return g_stat(path, &status) == 0 ? (gint64)time(NULL) - status.st_mtime : G_MAXINT64;
}

static gboolean is_young(gpointer user)
{
    return file_age_s(user) <= 2;
}

static gboolean has_aged(gpointer user)
{
    return file_age_s(user) >= 4;
}

static void its_file_is_young_only_while_it_reaches_the_bus(void **state)
{
    Story *story = *state;
    g_autofree char *flag =
        g_strdup_printf("--suite.alive_file=%s/alive", suite_folder(story->suite));
    start_daemon(story, flag);
    assert_true(suite_until(is_young, story, 4000));
    suite_kill(story->suite, "bus", SIGKILL);
    assert_true(suite_until(has_aged, story, 12000));
    suite_start(story->suite, "bus", "bus", NULL);
    assert_true(suite_until(is_young, story, 8000));
    kill(story->daemon, SIGSTOP);
    assert_true(suite_until(has_aged, story, 8000));
}

static void what_it_cannot_start_with_ends_it_with_1(void **state)
{
    Story *story = *state;
    start_daemon(story, "--log.level=loud");
    assert_true(suite_until(has_ended, story, 2000));
    assert_int_equal(story->status, 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_shows_itself_each_second, start, end),
        cmocka_unit_test_setup_teardown(the_first_signal_drains_and_the_second_ends_it, start, end),
        cmocka_unit_test_setup_teardown(its_table_answers_and_refuses, start, end),
        cmocka_unit_test_setup_teardown(its_file_is_young_only_while_it_reaches_the_bus, start,
                                        end),
        cmocka_unit_test_setup_teardown(what_it_cannot_start_with_ends_it_with_1, start, end),
    };
    if (argc > 1 && strcmp(argv[1], "daemon") == 0)
        return be_the_daemon(argc, argv);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
