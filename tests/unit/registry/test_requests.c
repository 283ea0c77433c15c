// SPDX-License-Identifier: MIT
// What clients ask of the conference besides joining, and what is not theirs to ask.
#include "tests/unit/registry/stage.h"
#include "registry/requests.h"
#include "registry/reply.h"

static Answer *delete_as(Stage *stage, const char *participant, const char *connection)
{
    Envelope *request = stage_request(participant, MSG__ENVELOPE__TYPE__DELETE);
    envelope_set(&envelope_body(request)->resource, connection);
    Answer *answer = stage_send(stage, request);
    stage_settle();
    return answer;
}

static void leave_room_leaves(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_join_well(stage, "demo", "ben");
    g_autoptr(Answer) answer = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    assert_int_equal(answer->code, 200);
    assert_int_equal(room_size(stage_room(stage, "demo")), 1);
    g_autoptr(Answer) again = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    assert_refused(again, "not_participating");
}

static void deleting_the_connection_leaves_too(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autoptr(Answer) other = delete_as(stage, "eve", "connection://localhost/ann");
    assert_refused(other, "not_owner");
    g_autoptr(Answer) nobody = delete_as(stage, "ann", "connection://localhost/eve");
    assert_refused(nobody, "no_such_participant");
    g_autoptr(Answer) answer = delete_as(stage, "ann", "connection://localhost/ann");
    assert_int_equal(answer->code, 200);
    assert_null(stage_room(stage, "demo"));
    g_autoptr(Answer) nothing = delete_as(stage, "ann", NULL);
    assert_refused(nothing, "malformed");
}

static void a_connection_that_is_deleted_while_it_joins_does_not_come_in(void **state)
{
    Stage *stage = *state;
    stage->admit.code = 0;
    g_autoptr(Answer) joining = stage_join(stage, "demo", "ann");
    g_autoptr(Answer) answer = delete_as(stage, "ann", "connection://localhost/ann");
    assert_int_equal(answer->code, 200);
    assert_refused(joining, "not_participating");
}

static void set_direction_mutes(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autoptr(Answer) answer =
        stage_call(stage, "ann", "setDirection", "[\"demo\",\"audio\",\"in\"]");
    assert_int_equal(answer->code, 200);
    g_autoptr(Answer) wrong = stage_call(stage, "ann", "setDirection", "[\"demo\",\"audio\",7]");
    assert_refused(wrong, "malformed");
    g_autoptr(Answer) other =
        stage_call(stage, "eve", "setDirection", "[\"demo\",\"audio\",\"in\"]");
    assert_refused(other, "not_participating");
}

static void a_change_that_was_answered_before_a_restart_is_answered_again(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_join_well(stage, "demo", "ben");
    guint64 number = fake_numbers;
    g_autoptr(Answer) left = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    stage_restart(stage);
    fake_numbers = number;
    g_autoptr(Answer) again = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    assert_int_equal(again->code, 200);
}

static void what_is_not_offered_is_refused(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    static const char *const methods[] = {"createRoom", "removeParticipant", "close", "", "%n"};
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(Answer) answer = stage_call(stage, "ann", methods[i], "[\"demo\"]");
        assert_refused(answer, "unsupported");
    }
    static const char *const params[] = {"[]", "{}", "7", "[7]", "[[]]", "[null]", "[\"nowhere\"]"};
    for (guint i = 0; i < G_N_ELEMENTS(params); i++) {
        g_autoptr(Answer) answer = stage_call(stage, "ann", "leaveRoom", params[i]);
        assert_refused(answer, "no_such_room");
    }
    Envelope *empty = stage_request("ann", MSG__ENVELOPE__TYPE__EXECUTE);
    g_autoptr(Answer) answer = stage_send(stage, empty);
    stage_settle();
    assert_refused(answer, "malformed");
}

static Answer *tell_params(Stage *stage, const char *method, const char *params, const char *from,
                           const char *session)
{
    Envelope *request = stage_call_request("ann", method, params);
    envelope_set(&request->from, from);
    envelope_set(&request->session, session);
    Answer *answer = stage_send(stage, request);
    stage_settle();
    return answer;
}

// Of the room's process under epoch 1.
static Answer *tell(Stage *stage, const char *method, const char *from, const char *session)
{
    const Room *room = stage_room(stage, "demo");
    g_autofree char *params =
        g_strdup_printf("[{\"url\":\"%s\",\"epoch\":1,\"media\":\"%s\",\"reason\":\"killed\"}]",
                        room_url(room), room_placement(room).media);
    return tell_params(stage, method, params, from, session);
}

static void only_a_host_says_that_a_room_has_ended(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autoptr(Answer) client = tell(stage, "roomEnded", WORKER, "s-ann");
    assert_refused(client, "forbidden");
    g_autoptr(Answer) other = tell(stage, "roomEnded", "hyperty://localhost/h-ann", NULL);
    assert_refused(other, "forbidden");
    assert_true(room_is_housed(stage_room(stage, "demo")));
    g_autoptr(Answer) host = tell(stage, "roomEnded", WORKER, NULL);
    assert_int_equal(host->code, 200);
    assert_int_equal(room_placement(stage_room(stage, "demo")).epoch, 2);
}

static void a_host_that_ends_has_its_rooms_moved(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    g_autoptr(Answer) client = tell(stage, "moveRoom", WORKER, "s-ann");
    assert_refused(client, "forbidden");
    g_autoptr(Answer) host = tell(stage, "moveRoom", WORKER, NULL);
    assert_int_equal(host->code, 200);
    assert_int_equal(room_placement(stage_room(stage, "demo")).epoch, 2);
    assert_int_equal(stage->close.asked, 0); // it ends by itself, when people had time to follow
    g_autoptr(Answer) again = tell(stage, "moveRoom", WORKER, NULL);
    assert_refused(again, "stale_epoch");
}

static void what_a_host_says_of_no_room_moves_none(void **state)
{
    static const char *const params[] = {
        "[]", "[{}]", "[7]", "[{\"epoch\":0,\"url\":\"comm://localhost/none\"}]",
        "[{\"epoch\":1,\"url\":\"comm://localhost/none\",\"media\":\"hyperty://localhost/m\"}]"};
    Stage *stage = *state;
    for (guint i = 0; i < G_N_ELEMENTS(params); i++) {
        g_autoptr(Answer) answer = tell_params(stage, "moveRoom", params[i], WORKER, NULL);
        assert_refused(answer, "stale_epoch");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(leave_room_leaves),
        STAGE_TEST(deleting_the_connection_leaves_too),
        STAGE_TEST(a_connection_that_is_deleted_while_it_joins_does_not_come_in),
        STAGE_TEST(set_direction_mutes),
        STAGE_TEST(a_change_that_was_answered_before_a_restart_is_answered_again),
        STAGE_TEST(what_is_not_offered_is_refused),
        STAGE_TEST(only_a_host_says_that_a_room_has_ended),
        STAGE_TEST(a_host_that_ends_has_its_rooms_moved),
        STAGE_TEST(what_a_host_says_of_no_room_moves_none),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
