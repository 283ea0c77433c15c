// SPDX-License-Identifier: MIT
// The monitor over the real broker: it shows a message and its answer, changes neither, and tells
// by name who was killed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>

#include "tests/support/suite.h"

typedef struct {
    Suite *suite;
    gint code;
} Story;

static int start(void **state)
{
    static const char *const json[] = {"--json", "--events", "--all", NULL};
    static const char *const events[] = {"--events", NULL};
    Story *story = g_new0(Story, 1);
    story->suite = suite_new();
    *state = story;
    suite_start(story->suite, "bus", "bus", NULL);
    suite_start(story->suite, "all", "busmon", json);
    suite_start(story->suite, "events", "busmon", events);
    // Each shows its own connection, and then what the broker says of it.
    return suite_until_logged(story->suite, "all", "\"own\"", 1, 5000) &&
                   suite_until_logged(story->suite, "events", "\"own\"", 1, 5000)
               ? 0
               : -1;
}

static int end(void **state)
{
    Story *story = *state;
    suite_free(story->suite);
    g_free(story);
    return 0;
}

static gboolean is_connected(gpointer user)
{
    return bus_is_connected(user, NULL);
}

static void on_answer(const Envelope *answer, gpointer user)
{
    ((Story *)user)->code = envelope_code(answer);
}

static gboolean is_answered(gpointer user)
{
    return ((Story *)user)->code != 0;
}

static void a_request_without_a_route_is_seen_and_still_answered_404(void **state)
{
    Story *story = *state;
    Bus *bus = suite_bus(story->suite);
    Envelope *request =
        envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/a", "hyperty://localhost/b");
    envelope_set(&request->trace, "trace-1");
    envelope_set(&envelope_body(request)->token, "not-to-be-seen");
    assert_true(suite_until(is_connected, bus, 5000));
    bus_request(bus, request, 5000, on_answer, story);
    assert_true(suite_until(is_answered, story, 6000));
    assert_int_equal(story->code, 404);
    assert_true(suite_until_logged(story->suite, "all", "\"type\":\"read\"", 1, 2000));
    assert_true(suite_until_logged(story->suite, "all", "\"code\":404", 1, 2000));
    assert_true(suite_logged(story->suite, "all", "\"trace\":\"trace-1\"") >= 2);
    assert_int_equal(suite_logged(story->suite, "all", "not-to-be-seen"), 0);
}

static void who_was_killed_is_told_by_name(void **state)
{
    Story *story = *state;
    assert_true(suite_until_logged(story->suite, "events", "\"connected\"", 2, 5000));
    suite_kill(story->suite, "all", SIGKILL);
    assert_true(suite_until_logged(story->suite, "events", "\"disconnected\",\"process\":\"busmon-",
                                   1, 3000));
}

static void it_ends_cleanly_when_it_is_asked(void **state)
{
    Story *story = *state;
    suite_kill(story->suite, "all", SIGTERM);
    assert_true(suite_until_logged(story->suite, "all", "service.stopped", 1, 3000));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_request_without_a_route_is_seen_and_still_answered_404),
        STORY(who_was_killed_is_told_by_name),
        STORY(it_ends_cleanly_when_it_is_asked),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
