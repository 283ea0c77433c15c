// SPDX-License-Identifier: MIT
// A media-worker host and its room processes: placed, placed again, ended in every way there is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include "media-worker/children.h"
#include "media-worker/host.h"
#include "media-worker/room.h"
#include "tests/support/stage.h"

#define WAIT_MS 5000

typedef struct {
    Stage *stage;
    const char *media;
} Watched;

static gboolean has_ended(gpointer user)
{
    const Watched *watched = user;
    return stage_ended(watched->stage, watched->media) != NULL;
}

static gboolean has_process_gone(gpointer user)
{
    return kill(*(pid_t *)user, 0) != 0;
}

static const char *placed_at(const Json *answer)
{
    assert_int_equal(json_get_number(answer, "code", 0), 200);
    return json_get_text(json_get(answer, "value"), "media");
}

static void a_room_is_one_process_however_often_it_is_asked_for(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    const char *media = stage_place(stage, "demo", 7);
    g_autoptr(Json) again = stage_start_room(stage, "demo", 7);
    g_autoptr(Json) older = stage_start_room(stage, "demo", 6);
    const char *other = stage_place(stage, "other", 1);
    assert_string_equal(placed_at(again), media);
    assert_int_equal(json_get_number(json_get(again, "value"), "epoch", 0), 7);
    assert_string_equal(json_get_text(json_get(again, "value"), "worker"), stage_worker(stage));
    assert_string_equal(json_get_text(older, "reason"), "stale_epoch");
    assert_string_not_equal(other, media);
    assert_int_not_equal(stage_pid(stage, media), stage_pid(stage, other));
}

static void a_killed_room_is_reported_at_once_and_the_other_lives(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *media = g_strdup(stage_place(stage, "demo", 1));
    const char *other = stage_place(stage, "other", 1);
    Watched watched = {.stage = stage, .media = media};
    kill(stage_pid(stage, media), SIGKILL);
    assert_true(suite_until(has_ended, &watched, WAIT_MS));
    const Json *ended = stage_ended(stage, media);
    assert_string_equal(json_get_text(ended, "reason"), "crashed");
    assert_string_equal(json_get_text(ended, "roomId"), "demo");
    assert_string_equal(json_get_text(ended, "url"), "comm://localhost/demo-1");
    assert_int_equal(json_get_number(ended, "epoch", 0), 1);
    assert_string_not_equal(stage_place(stage, "demo", 2), media);
    g_autoptr(Json) again = stage_start_room(stage, "other", 1);
    assert_string_equal(placed_at(again), other);
}

static void a_closed_room_ends_without_a_report(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    const char *media = stage_place(stage, "demo", 3);
    pid_t pid = stage_pid(stage, media);
    Json *stale = json_new_object();
    json_set_number(stale, "version", 2);
    g_autoptr(Json) refused = stage_ask(stage, MSG__ENVELOPE__TYPE__CLOSE, media, stale);
    assert_string_equal(json_get_text(refused, "reason"), "stale_epoch");
    g_autoptr(Json) answer = stage_ask(stage, MSG__ENVELOPE__TYPE__CLOSE, media, NULL);
    assert_int_equal(json_get_number(answer, "code", 0), 200);
    assert_true(suite_until(has_process_gone, &pid, WAIT_MS));
    assert_true(suite_until_logged(suite, "media-worker", "reason=closed", 2, WAIT_MS));
    assert_null(stage_ended(stage, media));
}

static void a_room_that_has_been_placed_elsewhere_ends(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    const char *media = stage_place(stage, "demo", 1);
    Watched watched = {.stage = stage, .media = media};
    Json *placement = json_new_object();
    json_unref(stage_join(stage, "demo", "ann", 1, sdp));
    json_set_number(placement, "epoch", 2);
    json_set_text(placement, "media", "hyperty://localhost/media/another");
    stage_change(stage, "demo", "placement", placement);
    assert_true(suite_until(has_ended, &watched, WAIT_MS));
    assert_string_equal(json_get_text(stage_ended(stage, media), "reason"), "stale_epoch");
    assert_non_null(stage_answer(stage, "ann")); // its next process takes the object over
}

static void rooms_over_the_capacity_are_refused(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    suite_set(suite, "PARLEY_MEDIA_CAPACITY", "1");
    g_autoptr(Stage) stage = stage_new(suite);
    stage_place(stage, "demo", 1);
    g_autoptr(Json) answer = stage_start_room(stage, "other", 1);
    assert_string_equal(json_get_text(answer, "reason"), "no_capacity");
}

static void rooms_go_on_without_their_host(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    stage_place(stage, "demo", 1);
    suite_kill(suite, "media-worker", SIGKILL);
    g_autoptr(Json) answer = stage_join(stage, "demo", "ann", 1, sdp);
    assert_int_equal(json_get_number(answer, "code", 0), 200);
    assert_true(suite_until_logged(suite, "media-worker", "room.host_gone", 1, WAIT_MS));
}

static void a_draining_host_takes_no_room_and_ends_with_its_last_one(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    const char *media = stage_place(stage, "demo", 1);
    pid_t host = suite_pid(suite, "media-worker");
    kill(host, SIGTERM);
    assert_true(suite_until_logged(suite, "media-worker", "service.draining", 1, WAIT_MS));
    g_autoptr(Json) refused = stage_start_room(stage, "other", 1);
    assert_string_equal(json_get_text(refused, "reason"), "draining");
    g_autoptr(Json) answer = stage_ask(stage, MSG__ENVELOPE__TYPE__CLOSE, media, NULL);
    assert_int_equal(json_get_number(answer, "code", 0), 200);
    assert_true(suite_until(has_process_gone, &host, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_is_one_process_however_often_it_is_asked_for),
        cmocka_unit_test(a_killed_room_is_reported_at_once_and_the_other_lives),
        cmocka_unit_test(a_closed_room_ends_without_a_report),
        cmocka_unit_test(a_room_that_has_been_placed_elsewhere_ends),
        cmocka_unit_test(rooms_over_the_capacity_are_refused),
        cmocka_unit_test(rooms_go_on_without_their_host),
        cmocka_unit_test(a_draining_host_takes_no_room_and_ends_with_its_last_one),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
