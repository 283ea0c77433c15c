// SPDX-License-Identifier: MIT
// A data object between two processes over the real broker, which dies while the object changes:
// the observer ends with the reporter's version, chain and data. A large object arrives in parts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>

#include "common/sync_observer.h"
#include "common/sync_reporter.h"
#include "tests/support/suite.h"

#define URL "comm://localhost/demo-3fa9c1d2"

typedef struct {
    Suite *suite;
    Bus *near, *far;
    SyncReporter *reporter;
    SyncObserver *observer;
    SyncObject *copy;
    guint snapshots;
} Story;

static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    Story *story = user;
    (void)observer;
    sync_object_free(story->copy);
    story->copy = sync_object_from_json(object, NULL);
    story->snapshots++;
}

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    (void)observer;
    assert_int_equal(sync_object_apply(((Story *)user)->copy, change), SYNC_APPLIED);
}

static int start(void **state)
{
    static const SyncObserverCalls calls = {on_snapshot, on_change, NULL};
    Story *story = g_new0(Story, 1);
    story->suite = suite_new();
    suite_start(story->suite, "bus", "bus", NULL);
    story->near = suite_bus(story->suite);
    story->far = bus_new(suite_config(story->suite), "observer-1", NULL);
    story->reporter = sync_reporter_new(
        story->near, sync_object_new(URL, "schema", "hyperty://localhost/x", 0, NULL), NULL, NULL);
    story->observer =
        sync_observer_new(story->far, URL, "hyperty://localhost/y", NULL, &calls, story);
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    sync_observer_free(story->observer);
    sync_reporter_free(story->reporter);
    sync_object_free(story->copy);
    bus_free(story->far);
    suite_free(story->suite);
    g_free(story);
    return 0;
}

static gboolean is_same(gpointer user)
{
    const Story *story = user;
    const SyncObject *object = sync_reporter_object(story->reporter);
    return story->copy != NULL && sync_observer_is_current(story->observer) &&
           g_str_equal(sync_object_chain(object), sync_object_chain(story->copy)) &&
           json_equals(sync_object_data(object), sync_object_data(story->copy));
}

static void change(Story *story, const char *attribute, guint bytes)
{
    g_autofree char *text = g_strnfill(bytes, 'x');
    g_autoptr(Json) value = json_new_text(text);
    assert_true(sync_reporter_change(story->reporter, attribute, value));
}

static void an_observer_follows_over_the_broker(void **state)
{
    Story *story = *state;
    change(story, "before", 1);
    assert_true(suite_until(is_same, story, 10000));
    for (guint i = 0; i < 1000; i++)
        change(story, "n", i % 50);
    assert_true(suite_until(is_same, story, 10000));
    assert_int_equal(story->snapshots, 1);
}

static gboolean has_no_link(gpointer user)
{
    return !bus_is_connected(((Story *)user)->near, NULL);
}

static void what_changed_while_the_broker_was_away_arrives(void **state)
{
    Story *story = *state;
    assert_true(suite_until(is_same, story, 10000));
    suite_kill(story->suite, "bus", SIGKILL);
    assert_true(suite_until(has_no_link, story, 5000));
    change(story, "lost", 3);
    suite_start(story->suite, "bus", "bus", NULL);
    assert_true(suite_until(is_same, story, 15000));
    assert_int_equal(sync_object_version(story->copy), 1);
}

static void a_large_object_arrives_in_parts(void **state)
{
    Story *story = *state;
    for (guint i = 0; i < 10; i++) {
        g_autofree char *name = g_strdup_printf("part%u", i);
        change(story, name, 100 * 1000);
    }
    assert_true(suite_until(is_same, story, 10000));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(an_observer_follows_over_the_broker),
        STORY(what_changed_while_the_broker_was_away_arrives),
        STORY(a_large_object_arrives_in_parts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
