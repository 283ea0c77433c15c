// SPDX-License-Identifier: MIT
// All rooms: found by id and URL, seats by Connection, seen by those who may see them.
#include "tests/unit/registry/stage.h"
#include "registry/rooms.h"

static void a_room_is_found_by_id_and_url(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "one", "ann");
    stage_join_well(stage, "two", "ben");
    const Rooms *rooms = stage->registry.rooms;
    const Room *one = rooms_find(rooms, "one");
    assert_ptr_equal(rooms_find_url(rooms, room_url(one)), one);
    assert_null(rooms_find(rooms, "three"));
    assert_null(rooms_find_url(rooms, "comm://localhost/one-00000000x"));
    assert_int_equal(rooms_count(rooms), 2);
    g_autoptr(GList) all = rooms_all(rooms);
    assert_int_equal(g_list_length(all), 2);
}

static void a_connection_has_one_seat_also_after_a_restart(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "one", "ann");
    assert_ptr_equal(rooms_seated(stage->registry.rooms, "connection://localhost/ann"),
                     stage_room(stage, "one"));
    stage_restart(stage);
    assert_ptr_equal(rooms_seated(stage->registry.rooms, "connection://localhost/ann"),
                     stage_room(stage, "one"));
    g_autoptr(Answer) left = stage_call(stage, "ann", "leaveRoom", "[\"one\"]");
    assert_null(rooms_seated(stage->registry.rooms, "connection://localhost/ann"));
}

static gint read_as(Stage *stage, const char *session)
{
    Envelope *read = envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/x",
                                  room_url(stage_room(stage, "demo")));
    envelope_set(&read->session, session);
    g_autoptr(Answer) answer = stage_send(stage, read);
    stage_settle();
    return answer->code;
}

static void only_participants_and_our_own_processes_see_a_room(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    assert_int_equal(read_as(stage, NULL), 200);
    assert_int_equal(read_as(stage, "s-ann"), 200);
    assert_int_equal(read_as(stage, "s-eve"), 401);
}

static void a_closed_room_answers_no_more(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autofree char *url = g_strdup(room_url(stage_room(stage, "demo")));
    g_autoptr(Answer) left = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    g_autoptr(Answer) answer =
        stage_send(stage, envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/x", url));
    stage_settle();
    assert_int_equal(answer->code, 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(a_room_is_found_by_id_and_url),
        STAGE_TEST(a_connection_has_one_seat_also_after_a_restart),
        STAGE_TEST(only_participants_and_our_own_processes_see_a_room),
        STAGE_TEST(a_closed_room_answers_no_more),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
