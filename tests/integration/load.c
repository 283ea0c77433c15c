// SPDX-License-Identifier: MIT
// parley-load against a real suite, as an operator runs it: everything comes and all leave, Ctrl-C
// ends it early with the table, and what goes wrong is said and told by the exit status. Covers
// load/crew.h, load/participant.h, load/session.h, load/websocket.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/json.h"
#include "tests/support/caller.h"
#include "tests/support/suite.h"

#define RUN_MS 40000
#define WRONG_OPTIONS 2

typedef struct {
    Suite *suite;
    GSubprocess *process;
    char *out_path, *err_path;
    char *out, *err;
    const char *awaited; // in err
    gboolean ended;
} Run;

static void die_with_the_test(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void on_ended(GObject *process, GAsyncResult *result, gpointer user)
{
    ((Run *)user)->ended = g_subprocess_wait_finish(G_SUBPROCESS(process), result, NULL);
}

static void read_outputs(Run *run)
{
    g_clear_pointer(&run->out, g_free);
    g_clear_pointer(&run->err, g_free);
    g_file_get_contents(run->out_path, &run->out, NULL, NULL);
    g_file_get_contents(run->err_path, &run->err, NULL, NULL);
}

// arguments: words with blanks between.
static Run *run_start(Suite *suite, const char *arguments)
{
    const char *bin = g_getenv("PARLEY_BIN");
    Run *run = g_new0(Run, 1);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autofree char *binary =
        g_build_filename(bin != NULL ? bin : "build/debug/bin", "parley-load", NULL);
    g_autofree char *line = g_strdup_printf("%s --url ws://127.0.0.1:%u/ws %s", binary,
                                            suite_gateway_port(suite), arguments);
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    run->suite = suite;
    run->out_path = g_build_filename(suite_folder(suite), "load.out", NULL);
    run->err_path = g_build_filename(suite_folder(suite), "load.log", NULL);
    g_subprocess_launcher_set_stdout_file_path(launcher, run->out_path);
    g_subprocess_launcher_set_stderr_file_path(launcher, run->err_path);
    g_subprocess_launcher_set_child_setup(launcher, die_with_the_test, NULL, NULL);
    run->process = g_subprocess_launcher_spawnv(launcher, (const char *const *)words, NULL);
    assert_non_null(run->process);
    g_subprocess_wait_async(run->process, NULL, on_ended, run);
    return run;
}

static gboolean has_ended(gpointer user)
{
    return ((Run *)user)->ended;
}

// The exit status.
static int run_wait(Run *run)
{
    if (!suite_until(has_ended, run, RUN_MS))
        fail_msg("parley-load does not end");
    read_outputs(run);
    if (!g_subprocess_get_if_exited(run->process))
        fail_msg("parley-load died by a signal: %s", run->err);
    return g_subprocess_get_exit_status(run->process);
}

static gboolean says(gpointer user)
{
    Run *run = user;
    read_outputs(run);
    return run->err != NULL && strstr(run->err, run->awaited) != NULL;
}

static void run_await(Run *run, const char *text)
{
    run->awaited = text;
    if (!suite_until(says, run, RUN_MS))
        fail_msg("parley-load does not say \"%s\": %s", text, run->err);
}

static void run_free(Run *run)
{
    if (!run->ended)
        g_subprocess_force_exit(run->process);
    suite_until(has_ended, run, RUN_MS);
    g_object_unref(run->process);
    g_free(run->out_path);
    g_free(run->err_path);
    g_free(run->out);
    g_free(run->err);
    g_free(run);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Run, run_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_free)

static int begin(void **state)
{
    Suite *suite = suite_new();
    *state = suite;
    suite_start_all(suite);
    return 0;
}

static int begin_without_worker(void **state)
{
    static const char *const programs[] = {"bus", "registry", "gateway"};
    Suite *suite = suite_new();
    *state = suite;
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
        suite_start(suite, programs[i], programs[i], NULL);
    assert_true(suite_until_logged(suite, "gateway", "bus.linked", 1, RUN_MS));
    return 0;
}

static int end(void **state)
{
    suite_free(*state);
    return 0;
}

static gint64 number(const Json *json, const char *path)
{
    return json_number(json_get_path(json, path), -1);
}

static void everybody_gets_everything_and_all_leave(void **state)
{
    Suite *suite = *state;
    g_autoptr(Run) run = run_start(
        suite, "--room r --publishers 1 --participants 2 --subscribers 2 --duration 2 --json");
    int status = run_wait(run);
    if (status != 0)
        fail_msg("exit status %d: %s", status, run->err);
    g_autoptr(Json) json = json_parse(run->out, strlen(run->out), strlen(run->out), NULL);
    assert_non_null(json);
    assert_true(json_truth(json_get(json, "ok"), FALSE));
    assert_int_equal(number(json, "all.joined"), 5);
    assert_int_equal(number(json, "all.sending"), 3);
    assert_int_equal(number(json, "all.receiving"), 4);
    // Two receive two senders, two receive three, each with microphone and camera.
    assert_int_equal(number(json, "all.sources"), 2 * 2 * 2 + 2 * 3 * 2);
    assert_int_equal(number(json, "all.lost"), 0);
    // 150 packets a second of each sender; a busy machine may stretch the time.
    assert_in_range(number(json, "all.sent"), 600, 2000);
    assert_in_range(number(json, "all.packets"), 2 * 600, 10 * 2000);
    const Json *clients = json_get(json, "clients");
    assert_int_equal(json_size(clients), 5);
    for (guint i = 0; i < 5; i++)
        assert_int_equal(json_get_number(json_at(clients, i), "misnamed", 0) +
                             json_get_number(json_at(clients, i), "faults", 0),
                         0);
    assert_true(suite_until_logged(suite, "registry", "room.destroyed", 1, RUN_MS));
    assert_int_equal(suite_logged(suite, "registry", "reason=lost"), 0);
}

static void slots_follow_when_there_are_fewer_than_senders(void **state)
{
    Suite *suite = *state;
    g_autoptr(Run) run = run_start(
        suite, "--publishers 4 --subscribers 1 --slots 2 --duration 1 --video-kbps 500 --json");
    assert_int_equal(run_wait(run), 0);
    g_autoptr(Json) json = json_parse(run->out, strlen(run->out), strlen(run->out), NULL);
    assert_int_equal(number(json, "all.sources"), 4);
}

static void an_interrupt_ends_it_early_with_the_table(void **state)
{
    Suite *suite = *state;
    g_autoptr(Run) run = run_start(suite, "--rooms 2 --participants 4 --duration 0");
    run_await(run, "running");
    g_subprocess_send_signal(run->process, SIGINT);
    assert_int_equal(run_wait(run), 0);
    assert_non_null(strstr(run->out, "load-1           load-both-1"));
    assert_non_null(strstr(run->out, "load-2           load-both-4"));
    assert_non_null(strstr(run->out, "4 in, 0 failed; 4 sent"));
    assert_non_null(strstr(run->out, "0 problems"));
    assert_true(suite_until_logged(suite, "registry", "room.destroyed", 2, RUN_MS));
}

static void a_refused_join_is_told_with_its_reason(void **state)
{
    Suite *suite = *state;
    g_autoptr(Run) run = run_start(suite, "--publishers 1 --subscribers 1 --duration 1 --json");
    assert_int_equal(run_wait(run), 1);
    g_autoptr(Json) json = json_parse(run->out, strlen(run->out), strlen(run->out), NULL);
    const Json *first = json_at(json_get(json, "clients"), 0);
    assert_false(json_truth(json_get(json, "ok"), TRUE));
    assert_int_equal(number(json, "all.failed"), 2);
    assert_string_equal(json_get_text(first, "reason"), "no_capacity");
    assert_int_equal(json_get_number(first, "code", 0), 503);
    assert_true(json_get_number(first, "retry_after", 0) > 0);
    assert_non_null(strstr(run->err, "(no_capacity, 503); try again in"));
}

static void a_gateway_that_goes_ends_it_with_the_reason(void **state)
{
    Suite *suite = *state;
    g_autoptr(Run) run = run_start(suite, "--publishers 1 --subscribers 1 --duration 0");
    run_await(run, "running");
    suite_kill(suite, "gateway", SIGKILL);
    assert_int_equal(run_wait(run), 1);
    assert_non_null(strstr(run->err, "the connection to the gateway was lost"));
    assert_non_null(strstr(run->out, "2 failed"));
}

// Somebody else is in the room, too, which is no fault.
static void a_room_process_that_dies_is_noticed(void **state)
{
    Suite *suite = *state;
    g_autoptr(Caller) other = caller_new(suite, "load", 77);
    g_autoptr(Run) run =
        run_start(suite, "--publishers 1 --subscribers 1 --slots 2 --duration 4 --json");
    run_await(run, "running");
    kill(suite_media_pid(suite, caller_media(other)), SIGKILL);
    assert_int_equal(run_wait(run), 1);
    assert_non_null(strstr(run->err, "packets are missing"));
    assert_null(strstr(run->err, "somebody else"));
    assert_null(strstr(run->err, "nobody has sent"));
}

static void nobody_there_is_said_in_words(void **state)
{
    Suite *suite = suite_new();
    *state = suite;
    g_autoptr(Run) run = run_start(suite, "--quiet --subscribers 2");
    assert_int_equal(run_wait(run), 1);
    assert_non_null(strstr(run->err, "nobody answers there"));
    assert_non_null(strstr(run->err, "and 1 more"));
}

static void wrong_options_are_refused_at_once(void **state)
{
    Suite *suite = suite_new();
    *state = suite;
    g_autoptr(Run) run = run_start(suite, "--rooms 7");
    assert_int_equal(run_wait(run), WRONG_OPTIONS);
    assert_non_null(strstr(run->err, "--rooms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everybody_gets_everything_and_all_leave, begin, end),
        cmocka_unit_test_setup_teardown(slots_follow_when_there_are_fewer_than_senders, begin, end),
        cmocka_unit_test_setup_teardown(an_interrupt_ends_it_early_with_the_table, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_join_is_told_with_its_reason,
                                        begin_without_worker, end),
        cmocka_unit_test_setup_teardown(a_gateway_that_goes_ends_it_with_the_reason, begin, end),
        cmocka_unit_test_setup_teardown(a_room_process_that_dies_is_noticed, begin, end),
        cmocka_unit_test_setup_teardown(nobody_there_is_said_in_words, NULL, end),
        cmocka_unit_test_setup_teardown(wrong_options_are_refused_at_once, NULL, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
