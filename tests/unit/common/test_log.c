// SPDX-License-Identifier: MIT
// Log lines: one an event, in both forms, and none that a peer can forge. Standard error is turned
// into a pipe for each line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"

static int saved, ends[2];

static void catch_stderr(void)
{
    assert_int_equal(pipe(ends), 0);
    saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
}

// What was written since catch_stderr; "" if nothing was.
static char *release_stderr(void)
{
    static char text[8192];
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    text[length < 0 ? 0 : length] = '\0';
    return text;
}

static void a_line_has_time_level_process_event_and_trace(void **state)
{
    (void)state;
    log_open("registry-1f", LOG_INFO, FALSE);
    log_set_trace("t1");
    catch_stderr();
    log_event(LOG_INFO, "room.joined", "room=%s", "demo");
    const char *line = release_stderr();
    log_set_trace(NULL);
    assert_true(g_regex_match_simple("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z INFO "
                                     "registry-1f room\\.joined room=demo trace=t1\\n$",
                                     line, 0, 0));
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_open("p", LOG_WARNING, FALSE);
    catch_stderr();
    log_event(LOG_INFO, "a.b", "c=1");
    assert_string_equal(release_stderr(), "");
}

static void json_lines_carry_the_same_members(void **state)
{
    (void)state;
    log_open("p-1", LOG_DEBUG, TRUE);
    catch_stderr();
    log_event(LOG_ERROR, "a.b", "name=%s count=%d empty=%s", log_quote("Ann \"B\" = \n"), 7,
              log_quote(""));
    const char *line = release_stderr();
    g_autoptr(Json) json = json_parse(line, strlen(line), 8192, NULL);
    assert_non_null(json);
    assert_string_equal(json_get_text(json, "level"), "ERROR");
    assert_string_equal(json_get_text(json, "process"), "p-1");
    assert_string_equal(json_get_text(json, "event"), "a.b");
    assert_string_equal(json_get_text(json, "name"), "Ann \"B\" = \n");
    assert_string_equal(json_get_text(json, "count"), "7");
    assert_string_equal(json_get_text(json, "empty"), "");
}

static void nobody_can_forge_a_line(void **state)
{
    (void)state;
    log_open("p", LOG_INFO, FALSE);
    catch_stderr();
    log_event(LOG_INFO, "a.b", "good=%s bad=%s", log_quote("x\nERROR forged"), "y\nz");
    const char *line = release_stderr();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "good=\"x\\u000aERROR forged\" bad=y?z"));
}

static void values_are_quoted_only_where_needed(void **state)
{
    (void)state;
    assert_string_equal(log_quote("plain"), "plain");
    assert_string_equal(log_quote(NULL), "\"\"");
    assert_string_equal(log_quote("a b"), "\"a b\"");
    assert_string_equal(log_quote("a=b"), "\"a=b\"");
    assert_string_equal(log_quote("\"\\"), "\"\\\"\\\\\"");
    assert_string_equal(log_quote("\xc3\xa9"), "\"\xc3\xa9\"");
    assert_string_equal(log_quote("\xff\xfe"), "\"??\"");
}

static void long_values_are_cut(void **state)
{
    g_autofree char *text = g_strnfill(5000, '\1');
    (void)state;
    assert_int_equal(strlen(log_quote(text)), 200 * 6 + 2);
}

static void eight_quoted_values_live_at_once(void **state)
{
    const char *first = log_quote("first");
    (void)state;
    for (guint i = 0; i < 7; i++)
        log_quote("other");
    assert_string_equal(first, "first");
}

static void the_trace_is_the_threads_own(void **state)
{
    (void)state;
    assert_null(log_trace());
    log_set_trace("abc");
    assert_string_equal(log_trace(), "abc");
    log_set_trace(NULL);
    assert_null(log_trace());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_process_event_and_trace),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(json_lines_carry_the_same_members),
        cmocka_unit_test(nobody_can_forge_a_line),
        cmocka_unit_test(values_are_quoted_only_where_needed),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(eight_quoted_values_live_at_once),
        cmocka_unit_test(the_trace_is_the_threads_own),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
