// SPDX-License-Identifier: MIT
// A room's life at the registry: it is made and placed by the first join, seen by everybody, left,
// and gone with its last participant. Bus and registry are real; gateway and worker are played.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include "tests/support/fake_gateway.h"
#include "tests/support/fake_worker.h"

typedef struct {
    Suite *suite;
    FakeWorker *worker;
    FakeGateway *gateway;
} Stage;

static int set_up(void **state)
{
    Stage *stage = g_new0(Stage, 1);
    stage->suite = suite_new();
    suite_set(stage->suite, "PARLEY_REGISTRY_GRACE_S", "1");
    suite_start(stage->suite, "bus", "bus", NULL);
    suite_start(stage->suite, "registry", "registry", NULL);
    stage->worker = fake_worker_new(stage->suite, 100);
    stage->gateway = fake_gateway_new(stage->suite);
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    Stage *stage = *state;
    fake_gateway_free(stage->gateway);
    fake_worker_free(stage->worker);
    suite_free(stage->suite);
    g_free(stage);
    return 0;
}

static const char *join(Stage *stage, const char *room, const char *participant)
{
    fake_gateway_session(stage->gateway, participant, "live");
    const FakeAnswer *answer = fake_gateway_join(stage->gateway, room, participant);
    assert_int_equal(fake_gateway_wait(answer), 200);
    assert_string_equal(answer->participant, participant);
    fake_gateway_observe(stage->gateway, answer->url);
    return answer->url;
}

static gint leave(Stage *stage, const char *room, const char *participant)
{
    return fake_gateway_wait(fake_gateway_execute(stage->gateway, participant, "leaveRoom",
                                                  (const char *[]){room, NULL}));
}

static gboolean has_no_rooms(gpointer user)
{
    return fake_worker_rooms(user) == 0;
}

static void two_meet_and_part(void **state)
{
    Stage *stage = *state;
    const char *url = join(stage, "demo", "ann");
    assert_true(fake_gateway_until_participants(stage->gateway, url, 1));
    assert_string_equal(join(stage, "demo", "ben"), url);
    assert_true(fake_gateway_until_participants(stage->gateway, url, 2));
    const Json *data = fake_gateway_communication(stage->gateway, url);
    assert_string_equal(json_get_text(data, "status"), "open");
    assert_int_equal(fake_worker_peers(stage->worker, "demo"), 2);
    assert_int_equal(leave(stage, "demo", "ben"), 200);
    assert_true(fake_gateway_until_participants(stage->gateway, url, 1));
    assert_string_equal(fake_gateway_last_reason(stage->gateway, url), "left");
    assert_int_equal(leave(stage, "demo", "ann"), 200);
    assert_true(suite_until(has_no_rooms, stage->worker, 5000));
    assert_null(fake_gateway_communication(stage->gateway, url));
    assert_string_not_equal(join(stage, "demo", "ann"), url);
}

static void a_muted_microphone_is_seen_by_all(void **state)
{
    Stage *stage = *state;
    const char *url = join(stage, "demo", "ann");
    assert_true(fake_gateway_until_participants(stage->gateway, url, 1));
    guint64 before = fake_gateway_version(stage->gateway, url);
    const FakeAnswer *answer = fake_gateway_execute(stage->gateway, "ann", "setDirection",
                                                    (const char *[]){"demo", "audio", "in", NULL});
    assert_int_equal(fake_gateway_wait(answer), 200);
    assert_int_equal(fake_gateway_version(stage->gateway, url), before + 1);
    const Json *data = fake_gateway_communication(stage->gateway, url);
    const Json *resources = json_get_path(data, "participants.ann.resources");
    assert_string_equal(json_get_text(json_at(resources, 0), "direction"), "in");
}

static void what_does_not_fit_is_refused_with_a_reason(void **state)
{
    Stage *stage = *state;
    join(stage, "demo", "ann");
    const FakeAnswer *answer = fake_gateway_join_as(stage->gateway, "demo", "ann", "s-other");
    assert_int_equal(fake_gateway_wait(answer), 403);
    assert_string_equal(answer->reason, "not_owner");
    answer = fake_gateway_join(stage->gateway, "a room", "ben");
    assert_int_equal(fake_gateway_wait(answer), 400);
    assert_string_equal(answer->reason, "malformed");
    answer = fake_gateway_execute(stage->gateway, "ann", "mute", (const char *[]){"demo", NULL});
    assert_int_equal(fake_gateway_wait(answer), 405);
    assert_int_equal(leave(stage, "nowhere", "ann"), 404);
    assert_int_equal(leave(stage, "demo", "eve"), 401);
}

static void rooms_go_to_the_less_loaded_worker(void **state)
{
    Stage *stage = *state;
    join(stage, "one", "ann");
    FakeWorker *second = fake_worker_new(stage->suite, 100);
    assert_true(suite_until_logged(stage->suite, "registry", "worker.heard", 2, 5000));
    join(stage, "two", "ben");
    guint rooms[] = {fake_worker_rooms(stage->worker), fake_worker_rooms(second)};
    fake_worker_set_start_code(second, 503); // the other one is asked then
    join(stage, "three", "cas");
    join(stage, "four", "dan");
    guint of_first = fake_worker_rooms(stage->worker);
    fake_worker_free(second);
    assert_int_equal(rooms[0], 1);
    assert_int_equal(rooms[1], 1);
    assert_int_equal(of_first, 3);
}

static void without_a_worker_a_join_is_refused_in_time(void **state)
{
    Stage *stage = *state;
    fake_worker_set_start_code(stage->worker, 503);
    const FakeAnswer *answer = fake_gateway_join(stage->gateway, "demo", "ann");
    assert_int_equal(fake_gateway_wait(answer), 503);
    assert_string_equal(answer->reason, "no_capacity");
    assert_int_not_equal(answer->retry_after, 0);
    fake_worker_set_start_code(stage->worker, 200);
    join(stage, "demo", "ann");
}

static void a_room_whose_process_is_gone_is_placed_anew(void **state)
{
    Stage *stage = *state;
    const char *url = join(stage, "demo", "ann");
    assert_int_equal(fake_worker_epoch(stage->worker, "demo"), 1);
    fake_worker_end(stage->worker, "demo", TRUE);
    assert_true(suite_until_logged(stage->suite, "registry", "room.replaced", 1, 5000));
    assert_int_equal(fake_worker_epoch(stage->worker, "demo"), 2);
    fake_worker_end(stage->worker, "demo", FALSE); // nobody says so: found out
    assert_true(suite_until_logged(stage->suite, "registry", "room.replaced", 2, 5000));
    assert_string_equal(join(stage, "demo", "ben"), url);
    assert_int_equal(fake_worker_epoch(stage->worker, "demo"), 3);
}

static void where_all_workers_are_full_a_join_is_refused_at_once(void **state)
{
    Stage *stage = *state;
    g_autoptr(FakeWorker) small = fake_worker_new(stage->suite, 1);
    fake_worker_set_start_code(stage->worker, 503);
    assert_true(suite_until_logged(stage->suite, "registry", "worker.heard", 2, 5000));
    join(stage, "one", "ann");
    gint64 asked_us = g_get_monotonic_time();
    const FakeAnswer *answer = fake_gateway_join(stage->gateway, "two", "ben");
    assert_int_equal(fake_gateway_wait(answer), 503);
    assert_string_equal(answer->reason, "no_capacity");
    assert_int_not_equal(answer->retry_after, 0);
    assert_true(g_get_monotonic_time() - asked_us < G_USEC_PER_SEC);
}

static void who_is_away_and_silent_is_lost(void **state)
{
    Stage *stage = *state;
    const char *url = join(stage, "demo", "ann");
    join(stage, "demo", "ben");
    fake_worker_silence(stage->worker, "demo", "ann");
    fake_worker_silence(stage->worker, "demo", "ben");
    fake_gateway_session(stage->gateway, "ben", "disconnected");
    assert_true(fake_gateway_until_participants(stage->gateway, url, 2));
    assert_true(fake_gateway_until_participants(stage->gateway, url, 1));
    assert_string_equal(fake_gateway_last_reason(stage->gateway, url), "lost");
    assert_non_null(
        json_get_path(fake_gateway_communication(stage->gateway, url), "participants.ann"));
    fake_gateway_session(stage->gateway, "ann", NULL);
    assert_true(suite_until(has_no_rooms, stage->worker, 10000));
}

static void who_is_away_but_has_media_stays(void **state)
{
    Stage *stage = *state;
    const char *url = join(stage, "demo", "ann");
    join(stage, "demo", "ben");
    fake_worker_silence(stage->worker, "demo", "ben");
    fake_gateway_session(stage->gateway, "ann", "disconnected");
    fake_gateway_session(stage->gateway, "ben", "disconnected"); // the clock by which ann stays
    assert_true(fake_gateway_until_participants(stage->gateway, url, 1));
    assert_non_null(
        json_get_path(fake_gateway_communication(stage->gateway, url), "participants.ann"));
}

static void rooms_can_be_found(void **state)
{
    Stage *stage = *state;
    const char *url = join(stage, "demo", "ann");
    Envelope *read = envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/h-ben",
                                  "domain://registry.localhost");
    envelope_set(&envelope_body(read)->resource, "demo");
    const FakeAnswer *answer = fake_gateway_send(stage->gateway, read);
    assert_int_equal(fake_gateway_wait(answer), 200);
    const Json *entry = json_get(json_get(answer->body, "value"), url);
    assert_string_equal(json_get_text(entry, "name"), "demo");
    read = envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/h-ben",
                        "domain://registry.localhost");
    envelope_set(&envelope_body(read)->resource, "elsewhere");
    assert_int_equal(fake_gateway_wait(fake_gateway_send(stage->gateway, read)), 404);
}

int main(void)
{
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(two_meet_and_part),
        STORY(a_muted_microphone_is_seen_by_all),
        STORY(what_does_not_fit_is_refused_with_a_reason),
        STORY(rooms_go_to_the_less_loaded_worker),
        STORY(without_a_worker_a_join_is_refused_in_time),
        STORY(a_room_whose_process_is_gone_is_placed_anew),
        STORY(where_all_workers_are_full_a_join_is_refused_at_once),
        STORY(who_is_away_and_silent_is_lost),
        STORY(who_is_away_but_has_media_stays),
        STORY(rooms_can_be_found),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
