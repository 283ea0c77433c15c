// SPDX-License-Identifier: MIT
// From figures to sentences, table and JSON: load/verdict.h and load/report.h.
#include "load/report.h"
#include "load/verdict.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static Histogram delays;

static ParticipantFigures good(const char *name)
{
    return (ParticipantFigures){.room = "r",
                                .name = name,
                                .id = "p",
                                .receives = TRUE,
                                .joined = TRUE,
                                .answer_us = 5000,
                                .ready_us = 9000,
                                .packets = 990,
                                .octets = 1250000,
                                .sources = 2,
                                .sources_wanted = 2,
                                .delays = &delays};
}

static GPtrArray *judge(const ParticipantFigures *one)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof *one);
    g_array_append_vals(all, one, 1);
    return verdict_problems(all, 1);
}

static void a_good_run_has_no_problems(void **state)
{
    (void)state;
    ParticipantFigures one = good("a");
    one.lost = 10; // 1 %: no more than may be
    g_autoptr(GPtrArray) problems = judge(&one);
    assert_int_equal(problems->len, 0);
}

static void each_wrong_thing_is_a_sentence(void **state)
{
    (void)state;
    ParticipantFigures table[5];
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        table[i] = good("a");
    static const char *const words[] = {"nobody has sent", "somebody else", "only 1 of 2", "1.10 %",
                                        "socket buffer"};
    table[0].faults = 1;
    table[1].misnamed = 1;
    table[2].sources = 1;
    table[3].lost = 11;
    table[4].overflowed = 1;
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(GPtrArray) problems = judge(&table[i]);
        assert_int_equal(problems->len, 1);
        assert_non_null(strstr(g_ptr_array_index(problems, 0), words[i]));
    }
}

static void equal_failures_share_a_sentence(void **state)
{
    (void)state;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(ParticipantFigures));
    for (guint i = 0; i < 3; i++) {
        ParticipantFigures one = good(i == 0 ? "a" : "b");
        one.failure = "join: the room is full";
        one.reason = "room_full";
        one.code = 486;
        one.retry_after_s = 2;
        one.sources = 0;
        g_array_append_val(all, one);
    }
    g_autoptr(GPtrArray) problems = verdict_problems(all, 1);
    assert_int_equal(problems->len, 1);
    assert_string_equal(g_ptr_array_index(problems, 0),
                        "a in r and 2 more: join: the room is full (room_full, 486); try again in "
                        "2 s");
}

static void table_and_json_say_the_same(void **state)
{
    (void)state;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(ParticipantFigures));
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    const ParticipantFigures receiver = good("a");
    ParticipantFigures sender = good("b");
    const Options options = {.url = (char *)"ws://x/ws"};
    const ReportRun run = {&options, all, problems, 10};
    sender.receives = FALSE;
    sender.sends = TRUE;
    sender.packets = sender.octets = sender.sources = 0;
    sender.sent = 990;
    g_array_append_val(all, receiver);
    g_array_append_val(all, sender);
    g_autofree char *table = report_table(&run);
    g_autoptr(Json) json = report_json(&run);
    assert_non_null(strstr(table, "1000.0       990"));
    assert_null(strstr(table, "b  "));
    assert_non_null(strstr(table, "2 in, 0 failed; 1 sent 990 packets in 10.0 s, 1 received"));
    assert_true(json_truth(json_get(json, "ok"), FALSE));
    assert_int_equal(json_number(json_get_path(json, "all.packets"), 0), 990);
    assert_int_equal(json_number(json_get_path(json, "all.kbps"), 0), 1000);
    assert_int_equal(json_size(json_get(json, "clients")), 2);
    const Json *second = json_at(json_get(json, "clients"), 1);
    assert_int_equal(json_get_number(second, "sent", 0), 990);
    assert_null(json_get(second, "packets"));
}

static void of_many_problems_the_first_are_shown(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) problems = g_ptr_array_new();
    for (guint i = 0; i < 25; i++)
        g_ptr_array_add(problems, (gpointer) "bad");
    g_autofree char *text = report_problems(problems);
    assert_non_null(strstr(text, "and 5 more"));
}

static void progress_is_a_line(void **state)
{
    (void)state;
    const CrewProgress progress = {
        .phase = "running", .seconds = 3, .joined = 4, .failed = 1, .wanted = 5, .kbps = 2500};
    g_autofree char *line = report_progress(&progress);
    assert_non_null(strstr(line, "in 4 of 5, failed 1"));
    assert_non_null(strstr(line, "2.5 Mbit/s"));
    assert_null(strchr(line, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run_has_no_problems),
        cmocka_unit_test(each_wrong_thing_is_a_sentence),
        cmocka_unit_test(equal_failures_share_a_sentence),
        cmocka_unit_test(table_and_json_say_the_same),
        cmocka_unit_test(of_many_problems_the_first_are_shown),
        cmocka_unit_test(progress_is_a_line),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
