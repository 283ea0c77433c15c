// SPDX-License-Identifier: MIT
#include "gateway/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void add(Exposition *exposition, const char *process, const char *text)
{
    g_autoptr(Json) counters = json_parse_bytes((const guint8 *)text, strlen(text));
    exposition_add(exposition, process, counters);
}

static void each_family_has_its_head_once_and_a_line_a_process(void **state)
{
    Exposition *exposition = exposition_new();
    (void)state;
    add(exposition, "a-1", "{\"z_total\":1,\"refused_total{reason=\\\"locked\\\"}\":2}");
    add(exposition, "b-2", "{\"z_total\":3}");
    exposition_add_one(exposition, "b-2", "load", 4);
    g_autofree char *text = exposition_finish(exposition);
    g_autofree char *without_help = g_strdup(text);
    char *help = strstr(without_help, "# HELP parley_refused_total");
    if (help != NULL) {
        char *end = strchr(help, '\n') + 1;
        memmove(help, end, strlen(end) + 1);
    }
    assert_string_equal(without_help, "# TYPE parley_load gauge\n"
                                      "parley_load{process=\"b-2\"} 4\n"
                                      "# TYPE parley_refused_total counter\n"
                                      "parley_refused_total{process=\"a-1\",reason=\"locked\"} 2\n"
                                      "# TYPE parley_z_total counter\n"
                                      "parley_z_total{process=\"a-1\"} 1\n"
                                      "parley_z_total{process=\"b-2\"} 3\n");
}

static void known_names_are_explained(void **state)
{
    Exposition *exposition = exposition_new();
    (void)state;
    add(exposition, "a", "{\"bus_sent_total\":1}");
    g_autofree char *text = exposition_finish(exposition);
    assert_true(g_str_has_prefix(text, "# HELP parley_bus_sent_total messages put on the bus\n"));
}

static void names_that_could_break_the_text_are_left_out(void **state)
{
    Exposition *exposition = exposition_new();
    (void)state;
    add(exposition, "a",
        "{\"\":1,\"1x\":1,\"a b\":1,\"a\\nb\":1,\"a{\":1,\"a{x=\\\"\\n\\\"}\":1,"
        "\"text\":\"x\",\"a}\":1}");
    g_autofree char *text = exposition_finish(exposition);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_family_has_its_head_once_and_a_line_a_process),
        cmocka_unit_test(known_names_are_explained),
        cmocka_unit_test(names_that_could_break_the_text_are_left_out),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
