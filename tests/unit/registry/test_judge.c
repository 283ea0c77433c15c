// SPDX-License-Identifier: MIT
// Who is judged dead, on what evidence, and when the judge keeps silent.
#include "tests/unit/registry/stage.h"
#include "registry/judge.h"

#define SECOND G_USEC_PER_SEC
#define SELF "registry-1"

static const Presence *worker(const Stage *stage)
{
    return presences_find(stage->registry.presences, "worker-w1");
}

// The judge hears itself at that time.
static void hear_self(Stage *stage, gint64 now_us)
{
    judge_heard(stage->registry.judge, SELF, now_us);
}

static void who_answers_the_ping_lives(void **state)
{
    Stage *stage = *state;
    stage_gone(stage, "bus://events", "worker-w1");
    assert_int_equal(worker(stage)->state, PRESENCE_SUSPECT);
    stage_settle();
    assert_int_equal(stage->ping.asked, 1);
    assert_int_equal(worker(stage)->state, PRESENCE_LIVE);
}

static void any_answer_proves_life_but_that_nobody_listens(void **state)
{
    Stage *stage = *state;
    static const struct {
        guint code;
        PresenceState judged;
    } rows[] = {{405, PRESENCE_LIVE}, {503, PRESENCE_LIVE}, {504, PRESENCE_LOST}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        stage->ping.code = rows[i].code;
        stage_gone(stage, "bus://events", "worker-w1");
        stage_settle();
        assert_int_equal(worker(stage)->state, rows[i].judged);
    }
    stage_hear_worker(stage, "worker-w1", WORKER);
    stage->ping.code = 404;
    stage_gone(stage, "bus://events", "worker-w1");
    stage_settle();
    assert_int_equal(worker(stage)->state, PRESENCE_LOST);
}

static void a_suspect_that_speaks_is_not_convicted_by_a_late_silence(void **state)
{
    Stage *stage = *state;
    stage->ping.code = 504;
    stage_gone(stage, "bus://events", "worker-w1");
    stage_hear_worker(stage, "worker-w1", WORKER);
    stage_settle();
    assert_int_equal(worker(stage)->state, PRESENCE_LIVE);
}

static void a_gateway_is_not_asked(void **state)
{
    Stage *stage = *state;
    Msg__Presence presence = MSG__PRESENCE__INIT;
    presence.process = (char *)"gateway-1";
    presence.role = (char *)"gateway";
    presence.address = (char *)"domain://msg-node.localhost/1";
    stage_hear(stage, &presence);
    stage_gone(stage, "bus://events", "gateway-1");
    stage_gone(stage, "bus://events", "nobody-1");
    stage_settle();
    assert_int_equal(stage->ping.asked, 0);
}

static void five_seconds_of_silence_are_death_while_the_judge_hears_itself(void **state)
{
    Stage *stage = *state;
    gint64 now_us = worker(stage)->heard_us;
    hear_self(stage, now_us);
    for (guint s = 1; s <= 4; s++) {
        hear_self(stage, now_us + s * SECOND);
        judge_tick(stage->registry.judge, now_us + s * SECOND);
        assert_int_equal(worker(stage)->state, PRESENCE_LIVE);
    }
    hear_self(stage, now_us + 5 * SECOND);
    judge_tick(stage->registry.judge, now_us + 5 * SECOND);
    assert_int_equal(worker(stage)->state, PRESENCE_LOST);
}

static void a_deaf_judge_convicts_nobody_and_begins_anew(void **state)
{
    Stage *stage = *state;
    gint64 now_us = worker(stage)->heard_us;
    hear_self(stage, now_us);
    judge_tick(stage->registry.judge, now_us + 60 * SECOND); // stopped for a minute
    assert_int_equal(worker(stage)->state, PRESENCE_LIVE);
    hear_self(stage, now_us + 60 * SECOND);
    judge_tick(stage->registry.judge, now_us + 60 * SECOND);
    assert_int_equal(worker(stage)->state, PRESENCE_LIVE);
    assert_int_equal(worker(stage)->heard_us, now_us + 60 * SECOND);
}

static void a_probe_that_is_under_way_when_the_broker_starts_anew_proves_nothing(void **state)
{
    Stage *stage = *state;
    stage->ping.code = 404;
    stage_gone(stage, "bus://events", "worker-w1");
    judge_restart(stage->registry.judge, g_get_monotonic_time());
    stage_settle();
    assert_int_equal(worker(stage)->state, PRESENCE_LIVE);
}

// Three workers, of which `silent` fall silent at once.
static gint64 hold_after(Stage *stage, guint silent)
{
    gint64 now_us = worker(stage)->heard_us;
    static const char *const others[] = {"worker-w2", "worker-w3"};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        stage_hear_worker(stage, others[i], NULL);
    hear_self(stage, now_us);
    now_us += 6 * SECOND;
    for (guint i = silent - 1; i < G_N_ELEMENTS(others); i++)
        presences_find(stage->registry.presences, others[i])->heard_us = now_us;
    for (gint64 t = now_us - 5 * SECOND; t <= now_us; t += SECOND)
        hear_self(stage, t);
    judge_tick(stage->registry.judge, now_us);
    return judge_hold_left_us(stage->registry.judge, now_us);
}

static void when_most_fall_silent_together_nothing_is_placed_for_half_a_minute(void **state)
{
    Stage *stage = *state;
    assert_int_equal(hold_after(stage, 2), 30 * SECOND);
    gint64 later_us = worker(stage)->heard_us + 40 * SECOND;
    assert_int_equal(judge_hold_left_us(stage->registry.judge, later_us), 0);
}

static void one_of_three_is_not_most(void **state)
{
    Stage *stage = *state;
    assert_int_equal(hold_after(stage, 1), 0);
    assert_int_equal(worker(stage)->state, PRESENCE_LOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(who_answers_the_ping_lives),
        STAGE_TEST(any_answer_proves_life_but_that_nobody_listens),
        STAGE_TEST(a_suspect_that_speaks_is_not_convicted_by_a_late_silence),
        STAGE_TEST(a_gateway_is_not_asked),
        STAGE_TEST(five_seconds_of_silence_are_death_while_the_judge_hears_itself),
        STAGE_TEST(a_deaf_judge_convicts_nobody_and_begins_anew),
        STAGE_TEST(a_probe_that_is_under_way_when_the_broker_starts_anew_proves_nothing),
        STAGE_TEST(when_most_fall_silent_together_nothing_is_placed_for_half_a_minute),
        STAGE_TEST(one_of_three_is_not_most),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
