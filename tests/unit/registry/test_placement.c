// SPDX-License-Identifier: MIT
// Where a room goes, and what happens when a worker cannot take it.
#include "tests/unit/registry/stage.h"
#include "common/limits.h"
#include "registry/placement.h"

#define SECOND_WORKER "hyperty://localhost/worker/w2"

typedef struct {
    guint count;
    Refusal reason;
} Placed;

static void on_placed(const char *room, Refusal reason, gpointer user)
{
    Placed *placed = user;
    (void)room;
    placed->count++;
    placed->reason = reason;
}

static const char *place(Stage *stage, Placed *placed)
{
    placements_place(stage->registry.placements, "demo", on_placed, placed);
    assert_int_equal(placed->count, 0); // not from within
    stage_settle();
    return refusal_name(placed->reason);
}

static void a_room_is_made_and_placed(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    assert_string_equal(place(stage, &placed), "none");
    assert_int_equal(placed.count, 1);
    RoomPlacement placement = room_placement(stage_room(stage, "demo"));
    assert_int_equal(placement.epoch, 1);
    assert_string_equal(placement.worker, WORKER);
    assert_string_equal(placement.media, "hyperty://localhost/media/m0");
}

static void a_placement_outlives_the_registry(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    place(stage, &placed);
    stage_restart(stage);
    assert_true(room_is_housed(stage_room(stage, "demo")));
    assert_int_equal(room_placement(stage_room(stage, "demo")).epoch, 1);
}

static void on_other_worker(const Envelope *message, BusRequest *request, gpointer user)
{
    Stage *stage = user;
    stage->start.code = 200;
    stage_on_worker(message, request, user);
}

static void a_worker_that_refuses_leads_to_the_next_with_a_new_epoch(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    bus_route(stage->registry.bus, SECOND_WORKER " ", on_other_worker, stage);
    stage_hear_worker(stage, "worker-w2", SECOND_WORKER);
    stage->start.code = 503;
    assert_string_equal(place(stage, &placed), "none");
    RoomPlacement placement = room_placement(stage_room(stage, "demo"));
    assert_int_equal(placement.epoch, 2);
    assert_string_equal(placement.worker, SECOND_WORKER);
    bus_unroute(stage->registry.bus, SECOND_WORKER " ", on_other_worker, stage);
}

static void when_all_refuse_there_is_no_capacity(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    stage->start.code = 503;
    assert_string_equal(place(stage, &placed), "no_capacity");
    assert_int_equal(stage->start.asked, 1);
    assert_int_equal(presences_find(stage->registry.presences, "worker-w1")->asked, 0);
}

static void when_none_answers_it_is_a_timeout(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    stage->start.code = 504;
    assert_string_equal(place(stage, &placed), "timeout");
}

static void a_grant_that_makes_no_sense_is_none(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    bus_unroute(stage->registry.bus, WORKER " ", stage_on_worker, stage);
    assert_string_equal(place(stage, &placed), "no_capacity"); // 404: nobody listens
    bus_route(stage->registry.bus, WORKER " ", stage_on_worker, stage);
}

static void a_worker_that_appears_is_asked(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    stage->ping.code = 404;
    stage_gone(stage, "bus://events", "worker-w1");
    stage_settle();
    place(stage, &placed);
    assert_int_equal(placed.count, 0);
    stage_hear_worker(stage, "worker-w1", WORKER);
    stage_settle();
    assert_int_equal(placed.count, 1);
    assert_int_equal(placed.reason, MSG__REFUSAL__REASON__none);
}

// Rooms named r0, r1, …
static void place_many(Stage *stage, guint count, Placed *placed)
{
    for (guint i = 0; i < count; i++) {
        g_autofree char *room = g_strdup_printf("r%u", i);
        placements_place(stage->registry.placements, room, on_placed, placed);
    }
    stage_settle();
}

static void only_a_few_are_under_way_at_a_time(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    stage->start.code = 0; // takes its time
    place_many(stage, 3 * LIMIT_PLACEMENTS_UNDER_WAY, &placed);
    assert_int_equal(stage->start.asked, LIMIT_PLACEMENTS_UNDER_WAY);
    assert_int_equal(metrics_get(METRIC_PLACEMENTS_WAITING), 2 * LIMIT_PLACEMENTS_UNDER_WAY);
    stage->start.code = 200;
    placements_forsake(stage->registry.placements, "worker-w1"); // dead: others are asked, in turn
    stage_hear_worker(stage, "worker-w2", WORKER);
    stage_settle();
    assert_int_equal(placed.count, 3 * LIMIT_PLACEMENTS_UNDER_WAY);
    assert_int_equal(metrics_get(METRIC_PLACEMENTS_WAITING), 0);
}

static void the_others_get_their_turn_in_order(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    place_many(stage, 3 * LIMIT_PLACEMENTS_UNDER_WAY, &placed);
    assert_int_equal(placed.count, 3 * LIMIT_PLACEMENTS_UNDER_WAY);
    assert_int_equal(placed.reason, MSG__REFUSAL__REASON__none);
    for (guint i = 0; i < placed.count; i++) {
        g_autofree char *room = g_strdup_printf("r%u", i);
        g_autofree char *media = g_strdup_printf("hyperty://localhost/media/m%u", i);
        assert_string_equal(stage_media(stage, room), media);
    }
}

static void who_wants_the_same_room_waits_for_the_same_placement(void **state)
{
    Stage *stage = *state;
    Placed first = {0}, second = {0};
    placements_place(stage->registry.placements, "demo", on_placed, &first);
    placements_place(stage->registry.placements, "demo", on_placed, &second);
    stage_settle();
    assert_int_equal(first.count + second.count, 2);
    assert_int_equal(stage->start.asked, 1);
}

static void a_room_that_has_a_process_gets_another_one(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    place(stage, &placed);
    placed.count = 0;
    assert_string_equal(place(stage, &placed), "none");
    assert_int_equal(room_placement(stage_room(stage, "demo")).epoch, 2);
}

static void where_all_are_full_nobody_waits(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    presences_find(stage->registry.presences, "worker-w1")->capacity = 0;
    assert_string_equal(place(stage, &placed), "no_capacity");
    assert_int_equal(stage->start.asked, 0);
}

static void a_long_queue_is_told(void **state)
{
    Stage *stage = *state;
    Placed placed = {0};
    stage->start.code = 0;
    assert_false(placements_are_crowded(stage->registry.placements));
    presences_find(stage->registry.presences, "worker-w1")->capacity = 1000;
    place_many(stage, LIMIT_PLACEMENTS_UNDER_WAY + LIMIT_PLACEMENTS_WAITING, &placed);
    assert_true(placements_are_crowded(stage->registry.placements));
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_refused(answer, "overloaded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(a_room_is_made_and_placed),
        STAGE_TEST(a_placement_outlives_the_registry),
        STAGE_TEST(a_worker_that_refuses_leads_to_the_next_with_a_new_epoch),
        STAGE_TEST(when_all_refuse_there_is_no_capacity),
        STAGE_TEST(when_none_answers_it_is_a_timeout),
        STAGE_TEST(a_grant_that_makes_no_sense_is_none),
        STAGE_TEST(a_worker_that_appears_is_asked),
        STAGE_TEST(only_a_few_are_under_way_at_a_time),
        STAGE_TEST(the_others_get_their_turn_in_order),
        STAGE_TEST(who_wants_the_same_room_waits_for_the_same_placement),
        STAGE_TEST(a_room_that_has_a_process_gets_another_one),
        STAGE_TEST(where_all_are_full_nobody_waits),
        STAGE_TEST(a_long_queue_is_told),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
