// SPDX-License-Identifier: MIT
// A room whose process is dead: who gets another one, when, and who does not.
#include "tests/unit/registry/stage.h"
#include "registry/failover.h"

#define SECOND G_USEC_PER_SEC

static void end(Stage *stage, const char *reason)
{
    Room *room = rooms_find(stage->registry.rooms, "demo");
    RoomPlacement placement = room_placement(room);
    g_autofree char *media = g_strdup(placement.media);
    stage_end_media(stage, "demo");
    failover_ended(stage->registry.failover, room, media, placement.epoch, reason);
    stage_settle();
}

static guint64 epoch(const Stage *stage)
{
    return room_placement(stage_room(stage, "demo")).epoch;
}

// The room's process leaves the bus without a word, and answers nothing.
static void vanish(Stage *stage)
{
    const char *media = stage_media(stage, "demo");
    g_autofree char *process = g_strconcat("media-", strrchr(media, '/') + 1, NULL);
    stage_end_media(stage, "demo");
    stage_gone(stage, "bus://events", process);
    stage_settle();
}

static gint64 look_later(Stage *stage, gint64 seconds)
{
    gint64 now_us = g_get_monotonic_time() + seconds * SECOND;
    failover_look(stage->registry.failover, now_us);
    stage_settle();
    return now_us;
}

static void a_room_with_people_gets_another_process_by_itself(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    end(stage, "crashed");
    assert_int_equal(epoch(stage), 2);
    assert_true(room_is_housed(stage_room(stage, "demo")));
    assert_string_equal(stage_media(stage, "demo"), "hyperty://localhost/media/m1");
    assert_int_equal(metrics_get(METRIC_ROOMS_REPLACED), 1);
    assert_int_equal(metrics_get(METRIC_ROOMS_HOMELESS), 0);
}

static void an_empty_room_needs_none(void **state)
{
    Stage *stage = *state;
    stage->admit = (Conduct){400, "bad_offer", 0};
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    end(stage, "crashed");
    assert_int_equal(epoch(stage), 1);
}

static void a_room_in_which_nobody_sends_waits_for_the_next_join(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    end(stage, "idle");
    look_later(stage, 60);
    assert_int_equal(epoch(stage), 1);
    stage_join_well(stage, "demo", "ann");
    assert_int_equal(epoch(stage), 2);
    end(stage, "ended");
    assert_int_equal(epoch(stage), 3);
}

static void what_an_old_process_does_is_of_no_interest(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autofree char *old = g_strdup(stage_media(stage, "demo"));
    end(stage, "ended");
    failover_ended(stage->registry.failover, rooms_find(stage->registry.rooms, "demo"), old, 1,
                   "crashed");
    stage_settle();
    assert_int_equal(epoch(stage), 2);
}

static void who_leaves_the_bus_and_does_not_answer_is_replaced(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    vanish(stage);
    assert_int_equal(epoch(stage), 2);
}

static void the_death_of_a_host_alone_ends_nothing(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage->ping.code = 504;
    stage_gone(stage, "bus://events", "worker-w1");
    stage_settle();
    look_later(stage, 1);
    assert_true(presence_is_dead(presences_find(stage->registry.presences, "worker-w1")));
    assert_true(room_is_housed(stage_room(stage, "demo")));
    stage_join_well(stage, "demo", "ben"); // the process can be asked all the same
    assert_int_equal(epoch(stage), 1);
}

static void joins_under_way_ask_the_new_process_instead_of_waiting_in_vain(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage->admit.code = 0;
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ben");
    assert_int_equal(answer->code, 0);
    stage->admit.code = 200;
    end(stage, "crashed");
    assert_int_equal(answer->code, 200);
    assert_int_equal(stage->start.asked, 2);
}

static void a_room_that_kills_two_processes_rests(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    end(stage, "crashed");
    end(stage, "crashed");
    assert_int_equal(epoch(stage), 2);
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ben");
    assert_refused(answer, "quarantined");
    assert_in_range(json_get_number(answer->body, "retry_after", 0), 59, 61);
    assert_int_equal(metrics_get(METRIC_QUARANTINES), 1);
    stage_join_well(stage, "other", "cas");
    look_later(stage, 61); // its people are still there
    assert_int_equal(epoch(stage), 3);
}

static void a_room_that_dies_with_its_machine_has_killed_nothing(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage->ping.code = 504;
    for (guint i = 0; i < 4; i++) {
        stage_gone(stage, "bus://events", "worker-w1");
        vanish(stage);
        stage_hear_worker(stage, "worker-w1", WORKER);
        stage_settle();
        assert_int_equal(epoch(stage), 2 + i);
    }
}

static void a_room_that_hangs_process_after_process_rests_too(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    vanish(stage);
    vanish(stage);
    assert_int_equal(epoch(stage), 2);
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ben");
    assert_refused(answer, "quarantined");
}

static void a_lost_process_that_speaks_again_keeps_its_room(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autofree char *media = g_strdup(stage_media(stage, "demo"));
    stage->start = (Conduct){503, "no_capacity", 0};
    vanish(stage);
    assert_false(room_is_housed(stage_room(stage, "demo")));
    bus_route(stage->registry.bus, g_hash_table_lookup(stage->media, media), stage_on_media, stage);
    stage_hear_media(stage, "demo", (const char *[]){NULL});
    stage_settle();
    assert_true(room_is_housed(stage_room(stage, "demo")));
    assert_string_equal(stage_media(stage, "demo"), media);
    stage_join_well(stage, "demo", "ben");
}

static void a_room_that_nobody_can_take_is_tried_again(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage->start = (Conduct){503, "no_capacity", 0};
    end(stage, "crashed");
    assert_int_equal(stage->start.asked, 1);
    assert_int_equal(metrics_get(METRIC_ROOMS_HOMELESS), 1);
    look_later(stage, 0);
    assert_int_equal(stage->start.asked, 1); // not in a circle
    look_later(stage, 2);
    assert_int_equal(stage->start.asked, 2);
    stage->start.code = 200;
    failover_hurry(stage->registry.failover);
    stage_settle();
    assert_true(room_is_housed(stage_room(stage, "demo")));
}

static void on_move(const Envelope *message, BusRequest *request, gpointer user)
{
    Stage *stage = user;
    (void)message;
    g_ptr_array_add(stage->requests, bus_request_ref(request));
    failover_move(stage->registry.failover, rooms_find(stage->registry.rooms, "demo"), request);
}

static Answer *move(Stage *stage)
{
    bus_route(stage->registry.bus, "test://move ", on_move, stage);
    Answer *answer =
        stage_send(stage, envelope_new(MSG__ENVELOPE__TYPE__EXECUTE, WORKER, "test://move"));
    stage_settle();
    bus_unroute(stage->registry.bus, "test://move ", on_move, stage);
    return answer;
}

static void a_room_that_cannot_be_moved_stays_where_it_is(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage->start = (Conduct){503, "no_capacity", 0};
    g_autoptr(Answer) refused = move(stage);
    assert_refused(refused, "no_capacity");
    assert_true(room_is_housed(stage_room(stage, "demo")));
    assert_int_equal(epoch(stage), 1);
    stage->start.code = 200;
    g_autoptr(Answer) moved = move(stage);
    assert_int_equal(moved->code, 200);
    assert_true(epoch(stage) > 1);
}

static void an_empty_room_is_closed_instead_of_moved(void **state)
{
    Stage *stage = *state;
    stage->admit = (Conduct){400, "bad_offer", 0};
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    g_autoptr(Answer) moved = move(stage);
    assert_int_equal(moved->code, 200);
    assert_int_equal(stage->close.asked, 1);
    assert_int_equal(stage->start.asked, 1);
    stage->admit.code = 200;
    stage_join_well(stage, "demo", "ann");
    assert_int_equal(stage->start.asked, 2);
}

static void while_most_are_silent_nothing_is_placed_again(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_hear_media(stage, "demo", (const char *[]){NULL});
    static const char *const silent[] = {"worker-w1", "media-m0"};
    gint64 now_us = g_get_monotonic_time();
    stage_hear_worker(stage, "worker-w1", WORKER);
    for (guint i = 0; i < G_N_ELEMENTS(silent); i++)
        presences_find(stage->registry.presences, silent[i])->heard_us = now_us - 6 * SECOND;
    judge_heard(stage->registry.judge, "registry-1", now_us - SECOND);
    for (guint i = 0; i < G_N_ELEMENTS(silent); i++)
        presences_find(stage->registry.presences, silent[i])->heard_us = now_us - 6 * SECOND;
    judge_tick(stage->registry.judge, now_us);
    stage_hear_worker(stage, "worker-w2", WORKER);
    stage_settle();
    assert_int_equal(epoch(stage), 1);
    end(stage, "ended"); // not even what its host reports
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ben");
    assert_refused(answer, "no_capacity");
    assert_in_range(json_get_number(answer->body, "retry_after", 0), 29, 31);
    stage_join_well(stage, "other", "cas"); // a new room is no second placement
    look_later(stage, 31);
    assert_int_equal(epoch(stage), 2);
}

static void a_registry_that_starts_anew_waits_for_the_rooms_that_it_finds(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_restart(stage);
    look_later(stage, 0);
    assert_true(room_is_housed(stage_room(stage, "demo")));
    Presence *media = presences_find(stage->registry.presences, "media-m0");
    media->heard_us -= 6 * SECOND;
    judge_heard(stage->registry.judge, "registry-1", g_get_monotonic_time());
    media->heard_us -= 6 * SECOND;
    judge_tick(stage->registry.judge, g_get_monotonic_time());
    stage_settle();
    assert_int_equal(epoch(stage), 2);
}

static int set_up(void **state)
{
    metrics_reset();
    return stage_set_up(state);
}

int main(void)
{
#define FAILOVER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, stage_tear_down)
    const struct CMUnitTest tests[] = {
        FAILOVER_TEST(a_room_with_people_gets_another_process_by_itself),
        FAILOVER_TEST(an_empty_room_needs_none),
        FAILOVER_TEST(a_room_in_which_nobody_sends_waits_for_the_next_join),
        FAILOVER_TEST(what_an_old_process_does_is_of_no_interest),
        FAILOVER_TEST(who_leaves_the_bus_and_does_not_answer_is_replaced),
        FAILOVER_TEST(the_death_of_a_host_alone_ends_nothing),
        FAILOVER_TEST(joins_under_way_ask_the_new_process_instead_of_waiting_in_vain),
        FAILOVER_TEST(a_room_that_kills_two_processes_rests),
        FAILOVER_TEST(a_room_that_dies_with_its_machine_has_killed_nothing),
        FAILOVER_TEST(a_room_that_hangs_process_after_process_rests_too),
        FAILOVER_TEST(a_lost_process_that_speaks_again_keeps_its_room),
        FAILOVER_TEST(a_room_that_nobody_can_take_is_tried_again),
        FAILOVER_TEST(a_room_that_cannot_be_moved_stays_where_it_is),
        FAILOVER_TEST(an_empty_room_is_closed_instead_of_moved),
        FAILOVER_TEST(while_most_are_silent_nothing_is_placed_again),
        FAILOVER_TEST(a_registry_that_starts_anew_waits_for_the_rooms_that_it_finds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
