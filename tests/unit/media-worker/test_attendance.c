// SPDX-License-Identifier: MIT
// What the Communication object says, as far as the media needs it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "media-worker/attendance.h"

static const char snapshot[] =
    "{\"url\":\"comm://localhost/r-1\",\"version\":5,\"data\":{\"participants\":{"
    "\"ann\":{\"status\":\"joined\",\"resources\":[{\"type\":\"audio\",\"direction\":\"in\"},"
    "{\"type\":\"video\",\"direction\":\"inout\"}]},"
    "\"bob\":{\"status\":\"invited\"}},"
    "\"placement\":{\"epoch\":3,\"media\":\"hyperty://localhost/media/a\"}}}";

static Attendance *attendance_of(const char *text)
{
    Attendance *attendance = attendance_new();
    g_autoptr(Json) object = json_parse(text, strlen(text), 100000, NULL);
    attendance_read(attendance, object);
    return attendance;
}

static void change(Attendance *attendance, const char *attribute, const char *value)
{
    g_autoptr(Envelope) envelope =
        envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "comm://a/b", "comm://a/b/changes");
    Msg__Body *body = envelope_body(envelope);
    g_autoptr(Json) json = value == NULL ? NULL : json_parse(value, strlen(value), 1000, NULL);
    envelope_set(&body->attribute, attribute);
    if (json != NULL)
        envelope_set_json(&body->value, &body->has_value, json);
    envelope->body = NULL;
    g_autoptr(SyncChange) change = sync_change_new(body, 0);
    attendance_change(attendance, change);
}

static void count(const char *id, Json *participant, gpointer user)
{
    (void)participant;
    g_string_append_printf(user, "%s ", id);
}

static void only_those_who_joined_are_listed(void **state)
{
    (void)state;
    g_autoptr(Attendance) attendance = attendance_of(snapshot);
    g_autoptr(GString) all = g_string_new(NULL);
    assert_true(attendance_is_known(attendance));
    assert_true(attendance_lists(attendance, "ann"));
    assert_false(attendance_lists(attendance, "bob"));
    assert_false(attendance_lists(attendance, "cyd"));
    attendance_each(attendance, count, all);
    assert_string_equal(all->str, "ann ");
}

static void changes_bring_and_take_participants(void **state)
{
    (void)state;
    g_autoptr(Attendance) attendance = attendance_of(snapshot);
    change(attendance, "participants.cyd", "{\"status\":\"joined\"}");
    change(attendance, "participants.ann", NULL);
    assert_true(attendance_lists(attendance, "cyd"));
    assert_false(attendance_lists(attendance, "ann"));
    change(attendance, "", "{\"participants\":{}}");
    assert_false(attendance_lists(attendance, "cyd"));
}

static void changes_before_a_snapshot_are_nothing(void **state)
{
    (void)state;
    g_autoptr(Attendance) attendance = attendance_new();
    change(attendance, "participants.cyd", "{\"status\":\"joined\"}");
    assert_false(attendance_is_known(attendance));
    assert_false(attendance_lists(attendance, "cyd"));
    assert_false(attendance_is_elsewhere(attendance, 1, "hyperty://localhost/media/a"));
}

static void direction_is_read_by_type_and_defaults_to_both(void **state)
{
    (void)state;
    const char *text = "{\"resources\":[{\"type\":\"audio\",\"direction\":\"in\"}]}";
    g_autoptr(Json) ann = json_parse(text, strlen(text), 1000, NULL);
    assert_string_equal(attendance_direction(ann, "audio"), "in");
    assert_string_equal(attendance_direction(ann, "video"), "inout");
    assert_string_equal(attendance_direction(NULL, "video"), "inout");
}

static void a_later_placement_is_elsewhere(void **state)
{
    (void)state;
    g_autoptr(Attendance) attendance = attendance_of(snapshot);
    assert_false(attendance_is_elsewhere(attendance, 3, "hyperty://localhost/media/a"));
    assert_true(attendance_is_elsewhere(attendance, 3, "hyperty://localhost/media/b"));
    assert_true(attendance_is_elsewhere(attendance, 2, "hyperty://localhost/media/a"));
    assert_false(attendance_is_elsewhere(attendance, 4, "hyperty://localhost/media/b"));
    change(attendance, "placement", "{\"epoch\":4,\"media\":\"\"}");
    assert_false(attendance_is_elsewhere(attendance, 4, "hyperty://localhost/media/b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_those_who_joined_are_listed),
        cmocka_unit_test(changes_bring_and_take_participants),
        cmocka_unit_test(changes_before_a_snapshot_are_nothing),
        cmocka_unit_test(direction_is_read_by_type_and_defaults_to_both),
        cmocka_unit_test(a_later_placement_is_elsewhere),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
