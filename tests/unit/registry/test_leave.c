// SPDX-License-Identifier: MIT
// Who goes is gone, whatever the store says, and the room with the last one.
#include "tests/unit/registry/stage.h"
#include "registry/leave.h"

static void leave_now(Stage *stage, const char *participant)
{
    const Room *room = stage_room(stage, "demo");
    leave_start(&stage->registry, room, room_member(room, participant), "lost", NULL);
    stage_settle();
}

static void the_others_stay_and_the_room_process_drops_the_peer(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_join_well(stage, "demo", "ben");
    leave_now(stage, "ann");
    assert_int_equal(room_size(stage_room(stage, "demo")), 1);
    assert_int_equal(stage->drop.asked, 1);
    assert_int_equal(stage->close.asked, 0);
    assert_null(rooms_seated(stage->registry.rooms, "connection://localhost/ann"));
}

static void the_last_one_takes_the_room_along(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    leave_now(stage, "ann");
    assert_null(stage_room(stage, "demo"));
    assert_int_equal(stage->close.asked, 1);
    stage_restart(stage);
    assert_int_equal(rooms_count(stage->registry.rooms), 0);
}

static void a_room_that_somebody_is_about_to_join_stays(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autofree char *url = g_strdup(room_url(stage_room(stage, "demo")));
    stage->admit.code = 0;
    g_autoptr(Answer) joining = stage_join(stage, "demo", "ben");
    leave_now(stage, "ann");
    assert_int_equal(room_size(stage_room(stage, "demo")), 0);
    leave_empty(&stage->registry, stage_room(stage, "demo"));
    stage_settle();
    assert_string_equal(room_url(stage_room(stage, "demo")), url);
}

static void who_leaves_goes_although_nothing_can_be_stored(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    store_begin(stage->registry.store); // so that the next commit fails
    g_autoptr(Answer) answer = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    assert_int_equal(answer->code, 200);
    assert_null(stage_room(stage, "demo"));
}

static void an_empty_room_can_be_closed(void **state)
{
    Stage *stage = *state;
    stage->admit = (Conduct){400, "bad_offer", 0};
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_non_null(stage_room(stage, "demo"));
    leave_empty(&stage->registry, stage_room(stage, "demo"));
    stage_settle();
    assert_null(stage_room(stage, "demo"));
    assert_int_equal(stage->close.asked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(the_others_stay_and_the_room_process_drops_the_peer),
        STAGE_TEST(the_last_one_takes_the_room_along),
        STAGE_TEST(a_room_that_somebody_is_about_to_join_stays),
        STAGE_TEST(who_leaves_goes_although_nothing_can_be_stored),
        STAGE_TEST(an_empty_room_can_be_closed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
