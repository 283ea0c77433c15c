// SPDX-License-Identifier: MIT
// Who is lost, and above all who is not: no evidence, no eviction. Grace time here: one second.
#include "tests/unit/registry/stage.h"
#include "registry/loss.h"

static gint64 now_us; // of the next tick

static void tell_session(Stage *stage, const char *id, const char *status)
{
    Msg__Session session = MSG__SESSION__INIT;
    session.session = (char *)id;
    session.status = (char *)status;
    sessions_tell(stage->registry.sessions, &session, "gateway-1");
}

static void hear_gateway(Stage *stage)
{
    Msg__Presence presence = MSG__PRESENCE__INIT;
    presence.process = (char *)"gateway-1";
    presence.role = (char *)"gateway";
    presences_hear(stage->registry.presences, &presence, "gateway-1", now_us);
}

// Half a second passes.
static void tick(Stage *stage)
{
    now_us += G_USEC_PER_SEC / 2;
    loss_tick(stage->registry.loss, now_us);
    stage_settle();
}

static void let_pass(Stage *stage, guint ticks)
{
    while (ticks-- > 0)
        tick(stage);
}

static gboolean is_in(Stage *stage, const char *participant)
{
    const Room *room = stage_room(stage, "demo");
    return room != NULL && room_member(room, participant) != NULL;
}

static void set_room(Stage *stage)
{
    now_us = g_get_monotonic_time();
    stage_join_well(stage, "demo", "ann");
    tell_session(stage, "s-ann", "live");
    hear_gateway(stage);
}

static void who_is_away_and_silent_for_the_grace_time_is_lost(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    tell_session(stage, "s-ann", "disconnected");
    stage_hear_media(stage, "demo", (const char *[]){"ann", NULL});
    tick(stage);
    tick(stage);
    assert_true(is_in(stage, "ann"));
    tick(stage);
    assert_false(is_in(stage, "ann"));
    assert_null(stage_room(stage, "demo"));
}

static void who_is_connected_stays_although_silent(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    stage_hear_media(stage, "demo", (const char *[]){"ann", NULL});
    let_pass(stage, 4);
    assert_true(is_in(stage, "ann"));
}

static void who_has_media_stays_although_away(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    tell_session(stage, "s-ann", "disconnected");
    stage_hear_media(stage, "demo", (const char *[]){"ben", NULL});
    let_pass(stage, 5);
    assert_true(is_in(stage, "ann"));
}

static void without_a_word_of_the_room_process_nobody_is_lost(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    tell_session(stage, "s-ann", "disconnected");
    let_pass(stage, 20);
    assert_true(is_in(stage, "ann"));
    stage_hear_media(stage, "demo", (const char *[]){"ann", NULL});
    now_us += 3 * G_USEC_PER_SEC; // what it said is old by now
    let_pass(stage, 5);
    assert_true(is_in(stage, "ann"));
}

static void an_earlier_process_of_the_room_proves_nothing(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    tell_session(stage, "s-ann", "disconnected");
    stage_hear_media(stage, "demo", (const char *[]){"ann", NULL});
    Presence *media = presences_find(stage->registry.presences, "media-m0");
    media->room->epoch--;
    let_pass(stage, 5);
    assert_true(is_in(stage, "ann"));
}

static void a_process_that_is_known_to_have_ended_has_no_media(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    tell_session(stage, "s-ann", "disconnected");
    Room *room = rooms_find(stage->registry.rooms, "demo");
    room_unhouse(room, room_placement(room).media, 1);
    let_pass(stage, 3);
    assert_false(is_in(stage, "ann"));
}

static void a_gateway_that_falls_silent_takes_its_sessions_along(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    gint64 heard_us = now_us;
    Presences *presences = stage->registry.presences;
    Sessions *sessions = stage->registry.sessions;
    assert_true(loss_session_is_present(sessions, presences, "s-ann", heard_us));
    assert_false(
        loss_session_is_present(sessions, presences, "s-ann", heard_us + 6 * G_USEC_PER_SEC));
    assert_false(loss_session_is_present(sessions, presences, "s-nobody", heard_us));
    assert_false(loss_session_is_present(sessions, presences, NULL, heard_us));
}

static void coming_back_within_the_grace_time_resets_it(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    stage_hear_media(stage, "demo", (const char *[]){"ann", NULL});
    tell_session(stage, "s-ann", "disconnected");
    let_pass(stage, 2);
    tell_session(stage, "s-ann", "live");
    tick(stage);
    tell_session(stage, "s-ann", "disconnected");
    let_pass(stage, 2);
    assert_true(is_in(stage, "ann"));
}

static void a_link_that_returns_starts_all_timers_anew(void **state)
{
    Stage *stage = *state;
    set_room(stage);
    stage_hear_media(stage, "demo", (const char *[]){"ann", NULL});
    tell_session(stage, "s-ann", "disconnected");
    let_pass(stage, 2);
    loss_restart(stage->registry.loss);
    let_pass(stage, 2);
    assert_true(is_in(stage, "ann"));
}

static void a_room_that_nobody_comes_to_is_closed(void **state)
{
    Stage *stage = *state;
    now_us = g_get_monotonic_time();
    stage->admit = (Conduct){400, "bad_offer", 0};
    g_autoptr(Answer) answer = stage_join(stage, "demo", "ann");
    let_pass(stage, 10);
    assert_non_null(stage_room(stage, "demo"));
    let_pass(stage, 12);
    assert_null(stage_room(stage, "demo"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(who_is_away_and_silent_for_the_grace_time_is_lost),
        STAGE_TEST(who_is_connected_stays_although_silent),
        STAGE_TEST(who_has_media_stays_although_away),
        STAGE_TEST(without_a_word_of_the_room_process_nobody_is_lost),
        STAGE_TEST(an_earlier_process_of_the_room_proves_nothing),
        STAGE_TEST(a_process_that_is_known_to_have_ended_has_no_media),
        STAGE_TEST(a_gateway_that_falls_silent_takes_its_sessions_along),
        STAGE_TEST(coming_back_within_the_grace_time_resets_it),
        STAGE_TEST(a_link_that_returns_starts_all_timers_anew),
        STAGE_TEST(a_room_that_nobody_comes_to_is_closed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
