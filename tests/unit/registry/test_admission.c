// SPDX-License-Identifier: MIT
// A join on its way: what it needs, what can go wrong at each link, and what must never happen.
#include "tests/unit/registry/stage.h"
#include "registry/admission.h"

static void a_join_makes_room_process_and_participant(void **state)
{
    Stage *stage = *state;
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_int_equal(answer->code, 200);
    assert_string_equal(json_get_text(answer->body, "participant"), "ann");
    const Json *value = json_get(answer->body, "value");
    assert_string_equal(json_get_text(value, "url"), room_url(stage_room(stage, "demo")));
    assert_non_null(json_get_path(value, "data.participants.ann"));
    assert_string_equal(json_get_text(json_get(answer->body, "answer"), "url"),
                        "connection://localhost/media-x");
    assert_int_equal(stage->start.asked, 1);
    assert_int_equal(stage->last_number, 1);
    assert_false(admissions_are_under_way(stage->registry.admissions, "demo"));
}

static void many_at_once_make_one_room_and_one_placement(void **state)
{
    Stage *stage = *state;
    Answer *answers[20];
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autofree char *id = g_strdup_printf("p%u", i);
        answers[i] = stage_send(stage, stage_join_request("demo", id));
    }
    stage_settle();
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        assert_int_equal(answers[i]->code, 200);
        answer_free(answers[i]);
    }
    assert_int_equal(stage->start.asked, 1);
    assert_int_equal(rooms_count(stage->registry.rooms), 1);
    assert_int_equal(room_size(stage_room(stage, "demo")), 20);
}

static void a_second_offer_of_a_participant_replaces(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    guint64 version = sync_object_version(room_object(stage_room(stage, "demo")));
    stage_join_well(stage, "demo", "ann");
    assert_int_equal(stage->admit.asked, 2);
    assert_int_equal(stage->last_number, 1);
    assert_int_equal(room_size(stage_room(stage, "demo")), 1);
    assert_int_equal(sync_object_version(room_object(stage_room(stage, "demo"))), version);
}

static void two_offers_at_once_have_one_number(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ben");
    g_autoptr(Answer) first = stage_send(stage, stage_join_request("demo", "ann"));
    g_autoptr(Answer) second = stage_send(stage, stage_join_request("demo", "ann"));
    stage_settle();
    assert_int_equal(first->code, 200);
    assert_int_equal(second->code, 200);
    assert_int_equal(room_member(stage_room(stage, "demo"), "ann")->number, 2);
    assert_int_equal(stage->last_number, 2);
}

static void what_the_room_process_refuses_is_refused_with_its_reason(void **state)
{
    Stage *stage = *state;
    stage->admit = (Conduct){400, "bad_offer", 0};
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_refused(answer, "bad_offer");
    assert_int_equal(room_size(stage_room(stage, "demo")), 0);
}

static void a_room_whose_process_is_gone_is_placed_anew_once(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_end_media(stage, "demo");
    stage_join_well(stage, "demo", "ben");
    assert_int_equal(stage->start.asked, 2);
    assert_int_equal(room_placement(stage_room(stage, "demo")).epoch, 2);
    assert_int_equal(room_size(stage_room(stage, "demo")), 2);
}

static void a_join_does_not_place_a_room_for_ever(void **state)
{
    Stage *stage = *state;
    stage->admit = (Conduct){404, "no_such_room", 0};
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_refused(answer, "timeout");
    assert_int_equal(stage->start.asked, 2);
}

static void a_slow_room_process_that_lives_is_asked_again_and_not_replaced(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_hear_media(stage, "demo", (const char *[]){NULL});
    stage->admit = (Conduct){504, "timeout", 0};
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ben");
    assert_refused(answer, "timeout");
    assert_int_equal(stage->admit.asked, LIMIT_ADMISSION_TRIES);
    assert_int_equal(stage->start.asked, 1);
}

static void a_join_ends_when_its_asker_waits_no_longer(void **state)
{
    Stage *stage = *state;
    stage->admit.code = 0;
    Envelope *request = stage_join_request("demo", "ann");
    request->has_ttl_ms = TRUE;
    request->ttl_ms = 50;
    g_autoptr(Answer) answer = stage_send(stage, request);
    stage_let_pass(100);
    assert_refused(answer, "timeout");
    assert_int_equal(stage->drop.asked, 1); // it may have been let in
}

static void without_a_worker_a_join_waits_for_one(void **state)
{
    Stage *stage = *state;
    stage->ping.code = 404;
    stage_gone(stage, "bus://events", "worker-w1");
    stage_settle();
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_int_equal(answer->code, 0);
    stage_hear_worker(stage, "worker-w1", WORKER);
    stage_settle();
    assert_int_equal(answer->code, 200);
}

static void who_is_in_another_room_by_this_connection_is_refused(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "one", "ann");
    g_autoptr(Answer) answer = stage_join(stage, "two", "ann");
    assert_refused(answer, "bad_address");
    assert_null(stage_room(stage, "two"));
}

static void a_connection_of_another_session_is_refused(void **state)
{
    Stage *stage = *state;
    Msg__Session session = MSG__SESSION__INIT;
    char *address = (char *)"connection://localhost/ann";
    session.session = (char *)"s-other";
    session.status = (char *)"live";
    session.n_addresses = 1;
    session.addresses = &address;
    sessions_tell(stage->registry.sessions, &session, "gateway-1");
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_refused(answer, "not_owner");
}

static void what_cannot_be_stored_has_not_happened(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    store_set_most_pages(stage->registry.store, 1);
    Answer *answers[200]; // more than fits into what the pages have left
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autofree char *id = g_strdup_printf("participant-%u", i);
        answers[i] = stage_send(stage, stage_join_request("demo", id));
    }
    stage_settle();
    guint in = 1;
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        in += answers[i]->code == 200;
        assert_true(answers[i]->code == 200 || answers[i]->code == 503);
        answer_free(answers[i]);
    }
    assert_in_range(in, 1, 200);
    assert_int_equal(room_size(stage_room(stage, "demo")), in);
    assert_int_equal(stage->drop.asked, 201 - in); // let in by the room process, put out again
    stage_restart(stage);
    assert_int_equal(room_size(stage_room(stage, "demo")), in);
}

static void a_repeat_after_a_restart_is_answered_and_doubles_nothing(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    fake_numbers--; // the gateway repeats the same request
    stage_restart(stage);
    stage_join_well(stage, "demo", "ann");
    assert_int_equal(room_size(stage_room(stage, "demo")), 1);
}

static void a_repeat_after_a_leave_does_not_let_in_again(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ben");
    guint64 number = fake_numbers;
    stage_join_well(stage, "demo", "ann");
    g_autoptr(Answer) left = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    assert_int_equal(left->code, 200);
    stage_restart(stage);
    for (fake_numbers = number; fake_numbers < number + 20; fake_numbers++) {
        g_autoptr(Json) kept = store_answer(stage->registry.store, "gateway-1", fake_numbers + 1);
        if (json_get_text(kept, "participant") != NULL)
            break;
    }
    g_autoptr(Answer) again = stage_join(stage, "demo", "ann");
    assert_refused(again, "no_such_participant");
    assert_null(room_member(stage_room(stage, "demo"), "ann"));
}

static void a_join_without_home_survives_that_its_room_was_only_made(void **state)
{
    Stage *stage = *state;
    stage->start.code = 0; // the registry dies while the worker is asked
    g_autoptr(Answer) lost = stage_join(stage, "demo", "ann");
    assert_int_equal(lost->code, 0);
    g_autofree char *url = g_strdup(room_url(stage_room(stage, "demo")));
    g_hash_table_remove_all(fake_open);
    stage_restart(stage);
    stage->start.code = 200;
    stage_join_well(stage, "demo", "ann");
    assert_string_equal(room_url(stage_room(stage, "demo")), url);
    assert_int_equal(room_placement(stage_room(stage, "demo")).epoch, 2);
}

static void an_admission_that_was_never_stored_is_forgotten_before_the_next(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ben");
    stage_restart(stage);
    stage_join_well(stage, "demo", "ann"); // under a number that the process may not know yet
    assert_int_equal(stage->drop.asked, 1);
    stage_join_well(stage, "demo", "ann");
    stage_join_well(stage, "demo", "ben"); // whose numbers are stored
    assert_int_equal(stage->drop.asked, 1);
    stage_end_media(stage, "demo");
    stage_join_well(stage, "demo", "cas"); // a process of this registry's
    assert_int_equal(stage->start.asked, 2);
    stage_join_well(stage, "demo", "dan");
    assert_int_equal(stage->drop.asked, 1);
}

static void who_leaves_before_being_in_does_not_come_in(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ben");
    stage->admit.code = 0;
    g_autoptr(Answer) joining = stage_join(stage, "demo", "ann");
    assert_int_equal(joining->code, 0);
    g_autoptr(Answer) leaving = stage_call(stage, "ann", "leaveRoom", "[\"demo\"]");
    assert_int_equal(leaving->code, 200);
    assert_refused(joining, "not_participating");
    assert_int_equal(stage->drop.asked, 1);
    assert_int_equal(room_size(stage_room(stage, "demo")), 1);
}

static void a_draining_registry_lets_nobody_new_in(void **state)
{
    Stage *stage = *state;
    stage->service.draining = TRUE;
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    assert_refused(answer, "draining");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(a_join_makes_room_process_and_participant),
        STAGE_TEST(many_at_once_make_one_room_and_one_placement),
        STAGE_TEST(a_second_offer_of_a_participant_replaces),
        STAGE_TEST(two_offers_at_once_have_one_number),
        STAGE_TEST(what_the_room_process_refuses_is_refused_with_its_reason),
        STAGE_TEST(a_room_whose_process_is_gone_is_placed_anew_once),
        STAGE_TEST(a_join_does_not_place_a_room_for_ever),
        STAGE_TEST(a_slow_room_process_that_lives_is_asked_again_and_not_replaced),
        STAGE_TEST(a_join_ends_when_its_asker_waits_no_longer),
        STAGE_TEST(without_a_worker_a_join_waits_for_one),
        STAGE_TEST(who_is_in_another_room_by_this_connection_is_refused),
        STAGE_TEST(a_connection_of_another_session_is_refused),
        STAGE_TEST(what_cannot_be_stored_has_not_happened),
        STAGE_TEST(a_repeat_after_a_restart_is_answered_and_doubles_nothing),
        STAGE_TEST(a_repeat_after_a_leave_does_not_let_in_again),
        STAGE_TEST(a_join_without_home_survives_that_its_room_was_only_made),
        STAGE_TEST(an_admission_that_was_never_stored_is_forgotten_before_the_next),
        STAGE_TEST(who_leaves_before_being_in_does_not_come_in),
        STAGE_TEST(a_draining_registry_lets_nobody_new_in),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
