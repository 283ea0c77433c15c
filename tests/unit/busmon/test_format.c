// SPDX-License-Identifier: MIT
// The two printed forms of a message, and what a terminal must not get to see.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "busmon/format.h"

#define TIME 1769860800123456 // 2026-01-31T12:00:00.123456Z

static Envelope *message(EnvelopeType type, const char *body)
{
    Envelope *envelope = envelope_new(type, "comm://localhost/a", "comm://localhost/a/changes");
    g_autoptr(Json) json = json_parse(body, strlen(body), 10000, NULL);
    assert_non_null(json);
    envelope_set_body(envelope, json);
    envelope_set(&envelope->source, "registry-1");
    envelope_set(&envelope->trace, "t1");
    return envelope;
}

static Json *record_of(const Envelope *envelope)
{
    g_autoptr(Json) body = envelope_body_json(envelope);
    return format_record(TIME, "comm://localhost/a/changes", envelope, body);
}

static void assert_summary(EnvelopeType type, const char *body, const char *wanted)
{
    g_autoptr(Envelope) envelope = message(type, body);
    g_autoptr(Json) record = record_of(envelope);
    g_autofree char *line = format_line(record);
    g_autofree char *whole =
        g_strdup_printf("2026-01-31T12:00:00.123456Z comm://localhost/a/changes %s "
                        "comm://localhost/a -> comm://localhost/a/changes%s trace=t1\n",
                        envelope_type_text(envelope), wanted);
    assert_string_equal(line, whole);
}

static void people_read_what_happened(void **state)
{
    (void)state;
    assert_summary(MSG__ENVELOPE__TYPE__UPDATE,
                   "{\"version\":5,\"attribute\":\"status\",\"value\":\"open\"}",
                   " v5 status = open");
    assert_summary(MSG__ENVELOPE__TYPE__UPDATE,
                   "{\"version\":6,\"attribute\":\"participants.p1\",\"reason\":\"left\"}",
                   " left v6 participants.p1 removed");
    assert_summary(MSG__ENVELOPE__TYPE__RESPONSE,
                   "{\"code\":403,\"reason\":\"locked\",\"desc\":\"the room takes nobody in\"}",
                   " 403 locked the room takes nobody in");
    assert_summary(MSG__ENVELOPE__TYPE__EXECUTE, "{\"method\":\"leaveRoom\",\"params\":[\"demo\"]}",
                   " leaveRoom [\"demo\"]");
    assert_summary(MSG__ENVELOPE__TYPE__CREATE, "{\"roomId\":\"demo\",\"value\":{\"url\":\"x\"}}",
                   " room=demo {\"url\":\"x\"}");
    assert_summary(MSG__ENVELOPE__TYPE__PING, "{\"other\":1}", " {\"other\":1}");
    assert_summary(MSG__ENVELOPE__TYPE__PING, "{}", "");
}

static void long_values_are_clipped(void **state)
{
    (void)state;
    g_autofree char *text = g_strnfill(500, 'x');
    g_autofree char *body = g_strdup_printf("{\"value\":\"%s\"}", text);
    g_autoptr(Envelope) envelope = message(MSG__ENVELOPE__TYPE__EVENT, body);
    g_autoptr(Json) record = record_of(envelope);
    g_autofree char *line = format_line(record);
    assert_non_null(strstr(line, "xxx… trace=t1"));
    assert_true(strlen(line) < 400);
}

static void programs_read_json_in_a_fixed_order(void **state)
{
    (void)state;
    g_autoptr(Envelope) envelope = message(MSG__ENVELOPE__TYPE__CREATE, "{\"roomId\":\"a\\nb\"}");
    g_autoptr(Json) id = json_new_text("7");
    envelope_set_json(&envelope->id, &envelope->has_id, id);
    g_autoptr(Json) record = record_of(envelope);
    g_autofree char *line = format_json_line(record);
    assert_string_equal(
        line, "{\"time\":\"2026-01-31T12:00:00.123456Z\",\"topic\":\"comm://localhost/a/changes\","
              "\"source\":\"registry-1\",\"trace\":\"t1\",\"id\":\"7\",\"type\":\"create\","
              "\"from\":\"comm://localhost/a\",\"to\":\"comm://localhost/a/changes\","
              "\"body\":{\"roomId\":\"a\\nb\"}}\n");
}

static void a_note_has_the_same_members(void **state)
{
    (void)state;
    Json *body = json_new_object();
    json_set_number(body, "count", 3);
    g_autoptr(Json) record = format_note(TIME, "", "dropped", body);
    g_autofree char *json = format_json_line(record);
    assert_string_equal(json, "{\"time\":\"2026-01-31T12:00:00.123456Z\",\"topic\":\"\","
                              "\"source\":null,\"trace\":null,\"id\":null,\"type\":\"dropped\","
                              "\"from\":null,\"to\":null,\"body\":{\"count\":3}}\n");
    g_autofree char *line = format_line(record);
    assert_string_equal(line, "2026-01-31T12:00:00.123456Z - dropped - -> - {\"count\":3}\n");
}

static void a_terminal_is_told_nothing(void **state)
{
    (void)state;
    g_autoptr(Envelope) envelope = message(
        MSG__ENVELOPE__TYPE__UNKNOWN, "{\"desc\":\"\\u001b[2J\\n\xc2\x9b\xe2\x80\xae\\u007f\"}");
    envelope_set(&envelope->type_text, "x\x1b]0;a\x07");
    g_autoptr(Json) record = record_of(envelope);
    g_autofree char *line = format_line(record);
    for (const char *at = line; *at != '\0'; at++)
        assert_true((guint8)*at >= 0x20 || strcmp(at, "\n") == 0);
    assert_null(strstr(line, "\xc2\x9b"));
    assert_null(strstr(line, "\xe2\x80\xae"));
    assert_non_null(strstr(line, "\\x1b[2J\\x0a\\x9b\\x202e\\x7f"));
}

static void a_body_that_is_no_object_is_shown(void **state)
{
    (void)state;
    assert_summary(MSG__ENVELOPE__TYPE__PING, "[1,2]", " [1,2]");
    assert_summary(MSG__ENVELOPE__TYPE__PING, "\"text\"", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_read_what_happened),
        cmocka_unit_test(long_values_are_clipped),
        cmocka_unit_test(programs_read_json_in_a_fixed_order),
        cmocka_unit_test(a_note_has_the_same_members),
        cmocka_unit_test(a_terminal_is_told_nothing),
        cmocka_unit_test(a_body_that_is_no_object_is_shown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
