// SPDX-License-Identifier: MIT
// Lines through a pipe: at once, all of them, in order; a reader that stops costs lines, not
// memory; a reader that goes ends it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "busmon/output.h"
#include "common/limits.h"

typedef struct {
    int ends[2];
    Output *output;
    guint64 missed;
    gboolean is_closed;
    GString *read;
} World;

static char *on_missed(guint64 lines, gpointer user)
{
    World *world = user;
    world->missed += lines;
    return g_strdup("missed\n");
}

static void on_closed(gpointer user)
{
    ((World *)user)->is_closed = TRUE;
}

static int set_up(void **state)
{
    static const OutputCalls calls = {on_missed, on_closed};
    World *world = g_new0(World, 1);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(world->ends), 0);
    world->output = output_new(world->ends[1], &calls, world);
    world->read = g_string_new(NULL);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    World *world = *state;
    output_free(world->output);
    close(world->ends[0]);
    close(world->ends[1]);
    g_string_free(world->read, TRUE);
    g_free(world);
    return 0;
}

static void read_some(World *world, gsize length)
{
    g_autofree char *buffer = g_malloc(length);
    gssize got = read(world->ends[0], buffer, length);
    assert_true(got > 0);
    g_string_append_len(world->read, buffer, got);
}

static void a_line_is_written_at_once(void **state)
{
    World *world = *state;
    output_line(world->output, "one\n");
    read_some(world, 100);
    assert_string_equal(world->read->str, "one\n");
}

static void a_slow_reader_gets_everything_in_order(void **state)
{
    World *world = *state;
    g_autoptr(GString) sent = g_string_new(NULL);
    for (guint i = 0; i < 20000; i++) {
        g_autofree char *line = g_strdup_printf("this is line number %u\n", i);
        g_string_append(sent, line);
        output_line(world->output, line);
    }
    while (world->read->len < sent->len) {
        read_some(world, 50000);
        while (g_main_context_iteration(NULL, FALSE))
            continue;
    }
    assert_string_equal(world->read->str, sent->str);
    assert_int_equal(world->missed, 0);
}

static void a_reader_that_stops_costs_lines_and_no_memory(void **state)
{
    World *world = *state;
    g_autofree char *line = g_strnfill(64 * 1024, 'x');
    line[64 * 1024 - 1] = '\n';
    guint lines = 2 * LIMIT_MONITOR_QUEUE / (64 * 1024);
    for (guint i = 0; i < lines; i++)
        output_line(world->output, line);
    assert_int_equal(world->missed, 0);
    while (world->missed == 0) {
        read_some(world, 65536);
        while (g_main_context_iteration(NULL, FALSE))
            continue;
    }
    assert_true(world->missed > lines / 4 && world->missed < lines);
}

static void a_reader_that_goes_is_noticed(void **state)
{
    World *world = *state;
    close(world->ends[0]);
    world->ends[0] = -1;
    while (!world->is_closed)
        g_main_context_iteration(NULL, TRUE);
    output_line(world->output, "nobody\n");
}

static void a_reader_that_went_is_noticed_by_writing(void **state)
{
    World *world = *state;
    close(world->ends[0]);
    world->ends[0] = -1;
    output_line(world->output, "nobody\n");
    assert_true(world->is_closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_written_at_once),
        TEST(a_slow_reader_gets_everything_in_order),
        TEST(a_reader_that_stops_costs_lines_and_no_memory),
        TEST(a_reader_that_goes_is_noticed),
        TEST(a_reader_that_went_is_noticed_by_writing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
