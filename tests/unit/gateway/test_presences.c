// SPDX-License-Identifier: MIT
#include "gateway/presences.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static gboolean hear(Presences *presences, const char *role, const char *process,
                     guint64 incarnation, gint64 now_s)
{
    Msg__Presence message = MSG__PRESENCE__INIT;
    message.role = (char *)role;
    message.process = (char *)process;
    message.has_incarnation = TRUE;
    message.incarnation = incarnation;
    return presences_hear(presences, &message, now_s * G_USEC_PER_SEC);
}

static void an_incarnation_is_new_once(void **state)
{
    g_autoptr(Presences) presences = presences_new();
    (void)state;
    assert_true(hear(presences, "registry", "registry-1", 7, 1));
    assert_false(hear(presences, "registry", "registry-1", 7, 2));
    assert_true(hear(presences, "registry", "registry-1", 8, 3));
    assert_true(hear(presences, "registry", "registry-2", 9, 4));
}

static void a_role_is_there_for_three_seconds(void **state)
{
    g_autoptr(Presences) presences = presences_new();
    (void)state;
    hear(presences, "registry", "registry-1", 7, 10);
    assert_true(presences_has(presences, "registry", 13 * G_USEC_PER_SEC));
    assert_false(presences_has(presences, "registry", 13 * G_USEC_PER_SEC + 1));
    assert_false(presences_has(presences, "worker", 10 * G_USEC_PER_SEC));
}

static void processes_are_shown_for_ten_seconds_and_sorted(void **state)
{
    g_autoptr(Presences) presences = presences_new();
    (void)state;
    hear(presences, "worker", "worker-b", 1, 10);
    hear(presences, "worker", "worker-a", 1, 12);
    hear(presences, "bus", "bus-c", 1, 1);
    g_autoptr(GPtrArray) recent = presences_recent(presences, 15 * G_USEC_PER_SEC);
    assert_int_equal(recent->len, 2);
    assert_string_equal(((Presence *)recent->pdata[0])->process, "worker-a");
    assert_string_equal(((Presence *)recent->pdata[1])->process, "worker-b");
}

static void nameless_ones_are_ignored(void **state)
{
    g_autoptr(Presences) presences = presences_new();
    (void)state;
    assert_false(hear(presences, NULL, "registry-1", 7, 1));
    assert_false(hear(presences, "registry", NULL, 7, 1));
    assert_false(hear(presences, "registry", "a\"b", 7, 1));
    assert_false(presences_has(presences, "registry", G_USEC_PER_SEC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_incarnation_is_new_once),
        cmocka_unit_test(a_role_is_there_for_three_seconds),
        cmocka_unit_test(processes_are_shown_for_ten_seconds_and_sorted),
        cmocka_unit_test(nameless_ones_are_ignored),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
