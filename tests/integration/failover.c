// SPDX-License-Identifier: MIT
// Processes that carry media die, hang and fall silent, and the calls go on: in another process
// where it was the room's own, untouched where it was not. The whole suite is real; two workers.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "tests/support/caller.h"

#define BACK_US (3 * G_USEC_PER_SEC) // people see and hear each other again
#define PAUSE_US (200 * 1000)        // in a room that is not concerned
#define ALIVE_US (800 * 1000)        // a longer pause is no busy machine any more
#define TURN_MS 10
#define WAIT_MS 15000
#define DRAIN_MS 12000

typedef struct {
    Caller *a, *b;
    char *media; // before anything happened
    pid_t pid;
} Call;

typedef struct {
    Suite *suite;
    Call demo, other;
    guint ticker;
    gint64 turned_us, stalled_us; // of this process' own loop, which sends for all
} Story;

static gboolean on_turn(gpointer user)
{
    Story *story = user;
    gint64 now_us = g_get_monotonic_time();
    story->stalled_us = MAX(story->stalled_us, now_us - story->turned_us - TURN_MS * 1000);
    story->turned_us = now_us;
    return G_SOURCE_CONTINUE;
}

static void note_place(const Story *story, Call *call)
{
    g_free(call->media);
    call->media = g_strdup(caller_media(call->a));
    call->pid = suite_media_pid(story->suite, call->media);
    assert_int_not_equal(call->pid, 0);
}

static void start_call(const Story *story, Call *call, const char *room, guint label)
{
    call->a = caller_new(story->suite, room, label);
    call->b = caller_new(story->suite, room, label + 1);
    caller_wait_media(call->a, 1);
    caller_wait_media(call->b, 1);
    note_place(story, call);
}

static void end_call(Call *call)
{
    caller_free(call->a);
    caller_free(call->b);
    g_free(call->media);
}

static int set_up(void **state)
{
    Story *story = g_new0(Story, 1);
    *state = story;
    story->suite = suite_new();
    suite_set(story->suite, "PARLEY_REGISTRY_QUARANTINE_S", "2");
    suite_set(story->suite, "PARLEY_SERVICE_DRAIN_S", "12"); // rooms move in the last ten
    suite_start_all(story->suite);
    story->turned_us = g_get_monotonic_time();
    story->ticker = g_timeout_add(TURN_MS, on_turn, story);
    return 0;
}

static int tear_down(void **state)
{
    Story *story = *state;
    g_source_remove(story->ticker);
    end_call(&story->demo);
    end_call(&story->other);
    suite_free(story->suite);
    g_free(story);
    return 0;
}

// A second worker, with rooms of its own; known to the registry.
static void start_second_worker(const Story *story)
{
    guint heard = suite_logged(story->suite, "registry", "worker.heard");
    suite_start(story->suite, "media-worker2", "media-worker", NULL);
    assert_true(suite_until_logged(story->suite, "registry", "worker.heard", heard + 1, WAIT_MS));
}

static void start_both_calls(Story *story)
{
    start_call(story, &story->demo, "demo", 1);
    start_call(story, &story->other, "other", 3);
}

// Both have followed the room to this epoch and see each other; returns how long after since_us.
static gint64 meet_again(Call *call, guint64 epoch, gint64 since_us)
{
    g_autofree char *a = g_strdup(ws_client_participant(caller_ws(call->a)));
    caller_follow(call->a, epoch);
    caller_follow(call->b, epoch);
    caller_wait_media(call->a, 1);
    caller_wait_media(call->b, 1);
    const Json *data = sync_object_data(ws_client_communication(caller_ws(call->b)));
    assert_int_equal(json_size(json_get(data, "participants")), 2);
    assert_non_null(json_get(json_get(data, "participants"), a)); // the same people
    assert_int_equal(native_peer_faults(caller_peer(call->a)), 0);
    return g_get_monotonic_time() - since_us;
}

static void reset_pauses(Story *story, const Call *call)
{
    caller_reset_pauses(call->a);
    caller_reset_pauses(call->b);
    story->stalled_us = 0;
}

static void assert_untouched(const Story *story, const Call *call, gint64 most_us)
{
    gint64 pause_us = MAX(caller_longest_pause_us(call->a), caller_longest_pause_us(call->b));
    if (pause_us > most_us + story->stalled_us)
        fail_msg("a room that is not concerned paused for %d ms", (int)(pause_us / 1000));
    assert_string_equal(caller_media(call->a), call->media);
}

static gboolean is_gone(gpointer pid)
{
    return kill(*(pid_t *)pid, 0) != 0 && errno == ESRCH;
}

static gboolean has_passed(gpointer until)
{
    return g_get_monotonic_time() >= *(const gint64 *)until;
}

static void let_pass(guint ms)
{
    gint64 until = g_get_monotonic_time() + (gint64)ms * 1000;
    suite_until(has_passed, &until, ms + 1000);
}

static void a_killed_room_process_is_replaced_and_other_rooms_go_on(void **state)
{
    Story *story = *state;
    start_both_calls(story);
    reset_pauses(story, &story->other);
    gint64 killed_us = g_get_monotonic_time();
    kill(story->demo.pid, SIGKILL);
    gint64 took_us = meet_again(&story->demo, 2, killed_us);
    print_message("# back %d ms after the kill\n", (int)(took_us / 1000));
    assert_true(took_us < BACK_US);
    assert_untouched(story, &story->other, PAUSE_US);
}

static void a_killed_host_ends_no_call_and_its_rooms_take_people_in(void **state)
{
    Story *story = *state;
    start_call(story, &story->demo, "demo", 1);
    reset_pauses(story, &story->demo);
    suite_kill(story->suite, "media-worker", SIGKILL);
    assert_true(suite_until_logged(story->suite, "registry", "process.lost", 1, WAIT_MS));
    Caller *late = caller_new(story->suite, "demo", 3);
    caller_wait_media(late, 2);
    let_pass(2000); // longer than a suspicion and its probe
    assert_untouched(story, &story->demo, ALIVE_US);
    caller_free(late);
}

static void rooms_of_a_machine_that_dies_come_back_on_another_one(void **state)
{
    Story *story = *state;
    start_both_calls(story);
    start_second_worker(story);
    gint64 killed_us = g_get_monotonic_time();
    suite_kill(story->suite, "media-worker", SIGKILL);
    kill(story->demo.pid, SIGKILL);
    kill(story->other.pid, SIGKILL);
    meet_again(&story->demo, 2, killed_us);
    gint64 took_us = meet_again(&story->other, 2, killed_us);
    print_message("# both back %d ms after the kill\n", (int)(took_us / 1000));
    assert_true(took_us < BACK_US);
    assert_int_equal(suite_logged(story->suite, "registry", "room.quarantined"), 0);
}

static void a_hanging_room_process_is_replaced_and_ends_when_it_wakes(void **state)
{
    Story *story = *state;
    start_both_calls(story);
    start_second_worker(story);
    gint64 stopped_us = g_get_monotonic_time();
    kill(story->demo.pid, SIGSTOP);
    gint64 took_us = meet_again(&story->demo, 2, stopped_us);
    print_message("# back %d ms after the stop\n", (int)(took_us / 1000));
    assert_true(took_us < 8 * G_USEC_PER_SEC); // 5 s of silence, and what a kill takes
    assert_false(is_gone(&story->demo.pid));
    gint64 woken_us = g_get_monotonic_time();
    kill(story->demo.pid, SIGCONT);
    assert_true(suite_until(is_gone, &story->demo.pid, WAIT_MS));
    print_message("# gone %d ms after it was woken\n",
                  (int)((g_get_monotonic_time() - woken_us) / 1000));
    assert_string_equal(caller_media(story->other.a), story->other.media);
}

static void when_most_fall_silent_together_they_keep_their_rooms(void **state)
{
    Story *story = *state;
    start_both_calls(story);
    const pid_t all[] = {suite_pid(story->suite, "media-worker"), story->demo.pid,
                         story->other.pid};
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        kill(all[i], SIGSTOP);
    assert_true(suite_until_logged(story->suite, "registry", "placement.held", 1, WAIT_MS));
    start_second_worker(story); // there would be somewhere to go
    let_pass(3000);
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        kill(all[i], SIGCONT);
    let_pass(3000);
    Caller *late = caller_new(story->suite, "demo", 5);
    caller_wait_media(late, 2);
    assert_int_equal(caller_epoch(story->demo.b), 1);
    assert_int_equal(caller_epoch(story->other.b), 1);
    assert_string_equal(caller_media(late), story->demo.media);
    caller_free(late);
}

static gint join(const Story *story, const char *room, Json **ret_body)
{
    const NativeSettings settings = {.label = 9};
    g_autoptr(NativePeer) peer = native_peer_new(&settings);
    g_autoptr(WsClient) ws = ws_client_new(suite_gateway_port(story->suite));
    assert_true(ws_client_open(ws, "late"));
    *ret_body = ws_client_join(ws, room, "late", native_peer_offer(peer));
    return ws_code(*ret_body);
}

static void a_room_that_kills_its_processes_rests_and_comes_back(void **state)
{
    Story *story = *state;
    start_both_calls(story);
    gint64 killed_us = g_get_monotonic_time();
    kill(story->demo.pid, SIGKILL);
    meet_again(&story->demo, 2, killed_us);
    note_place(story, &story->demo);
    killed_us = g_get_monotonic_time();
    kill(story->demo.pid, SIGKILL);
    assert_true(suite_until_logged(story->suite, "registry", "room.quarantined", 1, WAIT_MS));
    g_autoptr(Json) refused = NULL;
    g_autoptr(Json) elsewhere = NULL;
    assert_int_equal(join(story, "demo", &refused), 503);
    assert_string_equal(json_get_text(refused, "reason"), "quarantined");
    assert_in_range(json_get_number(refused, "retry_after", 0), 1, 3);
    assert_int_equal(join(story, "third", &elsewhere), 200);
    gint64 took_us = meet_again(&story->demo, 3, killed_us);
    assert_true(took_us > 2 * G_USEC_PER_SEC);
    assert_string_equal(caller_media(story->other.a), story->other.media);
}

static void a_room_whose_process_dies_while_the_registry_is_away_comes_back_with_it(void **state)
{
    Story *story = *state;
    start_both_calls(story);
    start_second_worker(story);
    suite_kill(story->suite, "registry", SIGKILL);
    suite_kill(story->suite, "media-worker", SIGKILL); // nobody will report it
    kill(story->demo.pid, SIGKILL);
    gint64 started_us = g_get_monotonic_time();
    suite_start(story->suite, "registry", "registry", NULL);
    gint64 took_us = meet_again(&story->demo, 2, started_us);
    print_message("# back %d ms after the registry's start\n", (int)(took_us / 1000));
    assert_true(took_us < 9 * G_USEC_PER_SEC);
    assert_int_equal(caller_epoch(story->other.a), 1);
}

static const char *worker_of(const Caller *caller)
{
    const Json *data = sync_object_data(ws_client_communication(caller_ws(caller)));
    return json_text(json_get_path(data, "placement.worker"));
}

static gboolean has_ended(gpointer user)
{
    const Story *story = user;
    return !suite_is_running(story->suite, "media-worker");
}

static void a_draining_worker_takes_no_rooms_and_moves_its_own_before_it_ends(void **state)
{
    Story *story = *state;
    start_both_calls(story);
    start_second_worker(story);
    kill(suite_pid(story->suite, "media-worker"), SIGTERM);
    assert_true(suite_until_logged(story->suite, "media-worker", "service.draining", 1, WAIT_MS));
    Caller *third = caller_new(story->suite, "third", 5);
    assert_string_not_equal(worker_of(third), worker_of(story->demo.a));
    caller_free(third);
    assert_true(suite_until_logged(story->suite, "media-worker", "worker.moves_rooms", 1, WAIT_MS));
    gint64 moved_us = g_get_monotonic_time();
    gint64 took_us = meet_again(&story->demo, 2, moved_us);
    assert_false(is_gone(&story->demo.pid)); // it goes on until people had time to follow
    meet_again(&story->other, 2, moved_us);
    assert_true(took_us < BACK_US);
    assert_true(suite_until(has_ended, story, DRAIN_MS));
    assert_true(suite_until(is_gone, &story->demo.pid, WAIT_MS));
    assert_true(suite_until(is_gone, &story->other.pid, WAIT_MS));
    assert_int_equal(suite_logged(story->suite, "media-worker", "service.drain_deadline"), 0);
}

static void rooms_that_can_go_nowhere_outlive_their_draining_worker(void **state)
{
    Story *story = *state;
    start_call(story, &story->demo, "demo", 1);
    reset_pauses(story, &story->demo);
    kill(suite_pid(story->suite, "media-worker"), SIGTERM);
    assert_true(suite_until(has_ended, story, DRAIN_MS + WAIT_MS));
    let_pass(1000);
    assert_untouched(story, &story->demo, ALIVE_US);
    assert_int_equal(caller_epoch(story->demo.a), 1);
}

int main(void)
{
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(a_killed_room_process_is_replaced_and_other_rooms_go_on),
        STORY(a_killed_host_ends_no_call_and_its_rooms_take_people_in),
        STORY(rooms_of_a_machine_that_dies_come_back_on_another_one),
        STORY(a_hanging_room_process_is_replaced_and_ends_when_it_wakes),
        STORY(when_most_fall_silent_together_they_keep_their_rooms),
        STORY(a_room_that_kills_its_processes_rests_and_comes_back),
        STORY(a_draining_worker_takes_no_rooms_and_moves_its_own_before_it_ends),
        STORY(rooms_that_can_go_nowhere_outlive_their_draining_worker),
        STORY(a_room_whose_process_dies_while_the_registry_is_away_comes_back_with_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
