// SPDX-License-Identifier: MIT
// Changes made durable together: stored, then seen, then answered; or none of it, except leaves.
#include "tests/unit/registry/stage.h"
#include "registry/batch.h"
#include "registry/conference.h"

typedef struct {
    Stage *stage;
    const char *room;
    guint applied;
    gboolean done;
    Refusal result;
    const Room *seen; // the live room when it was answered
} Step;

static Refusal apply_create(Batch *batch, gpointer user)
{
    Step *step = user;
    Room *room = NULL;
    step->applied++;
    return conference_create_room(batch, step->room, "localhost", &room);
}

static Refusal apply_epoch(Batch *batch, gpointer user)
{
    Step *step = user;
    Room *room = batch_draft(batch, step->room);
    step->applied++;
    if (room == NULL)
        return MSG__REFUSAL__REASON__no_such_room;
    room_spend_epoch(room);
    return MSG__REFUSAL__REASON__none;
}

static Refusal apply_close(Batch *batch, gpointer user)
{
    Step *step = user;
    step->applied++;
    return conference_close(batch, step->room);
}

static void on_done(Refusal result, gpointer user)
{
    Step *step = user;
    step->done = TRUE;
    step->result = result;
    step->seen = rooms_find(step->stage->registry.rooms, step->room);
}

static Step *add(Stage *stage, const char *room, Refusal (*apply)(Batch *, gpointer),
                 gboolean even_unstored)
{
    Step *step = g_new0(Step, 1);
    step->stage = stage;
    step->room = room;
    batch_add(stage->registry.batch, &(BatchStep){apply, on_done, step, even_unstored});
    return step;
}

// A transaction that is open already: the batch's own cannot begin.
static void fail_next_commit(Stage *stage)
{
    store_begin(stage->registry.store);
}

static guint stored_rooms(Stage *stage)
{
    stage_restart(stage);
    return rooms_count(stage->registry.rooms);
}

static void a_step_is_stored_and_seen_before_it_is_answered(void **state)
{
    Stage *stage = *state;
    g_autofree Step *step = add(stage, "demo", apply_create, FALSE);
    assert_false(batch_is_idle(stage->registry.batch));
    assert_false(step->done); // not from within
    stage_settle();
    assert_true(step->done);
    assert_int_equal(step->result, MSG__REFUSAL__REASON__none);
    assert_non_null(step->seen);
    assert_int_equal(stored_rooms(stage), 1);
}

static void steps_of_a_turn_see_each_other_and_share_a_draft(void **state)
{
    Stage *stage = *state;
    g_autofree Step *first = add(stage, "demo", apply_create, FALSE);
    g_autofree Step *second = add(stage, "demo", apply_create, FALSE);
    g_autofree Step *third = add(stage, "demo", apply_epoch, FALSE);
    stage_settle();
    assert_int_equal(rooms_count(stage->registry.rooms), 1);
    assert_int_equal(third->result, MSG__REFUSAL__REASON__none);
    assert_int_equal(room_last_epoch(stage_room(stage, "demo")), 1);
}

static void a_refused_step_spoils_nothing_for_the_others(void **state)
{
    Stage *stage = *state;
    g_autofree Step *refused = add(stage, "nowhere", apply_epoch, FALSE);
    g_autofree Step *good = add(stage, "demo", apply_create, FALSE);
    stage_settle();
    assert_int_equal(refused->result, MSG__REFUSAL__REASON__no_such_room);
    assert_int_equal(good->result, MSG__REFUSAL__REASON__none);
    assert_non_null(stage_room(stage, "demo"));
}

static void what_cannot_be_stored_is_refused_and_undone_except_what_must_happen(void **state)
{
    Stage *stage = *state;
    g_autofree Step *before = add(stage, "one", apply_create, FALSE);
    stage_settle();
    fail_next_commit(stage);
    g_autofree Step *lost = add(stage, "two", apply_create, FALSE);
    g_autofree Step *kept = add(stage, "one", apply_close, TRUE);
    stage_settle();
    assert_int_equal(lost->result, MSG__REFUSAL__REASON__not_stored);
    assert_null(stage_room(stage, "two"));
    assert_int_equal(kept->result, MSG__REFUSAL__REASON__none);
    assert_int_equal(kept->applied, 2);
    assert_null(stage_room(stage, "one"));
    assert_int_equal(stage->service.stopped, 2); // no lack of space: start anew
}

static void what_could_not_be_stored_is_stored_later(void **state)
{
    Stage *stage = *state;
    g_autofree Step *one = add(stage, "one", apply_create, FALSE);
    g_autofree Step *two = add(stage, "two", apply_create, FALSE);
    stage_settle();
    fail_next_commit(stage);
    g_autofree Step *closed = add(stage, "one", apply_close, TRUE);
    g_autofree Step *spent = add(stage, "two", apply_epoch, TRUE);
    stage_settle();
    assert_true(room_is_unstored(stage_room(stage, "two")));
    batch_catch_up(stage->registry.batch);
    stage_settle();
    assert_false(room_is_unstored(stage_room(stage, "two")));
    assert_int_equal(stored_rooms(stage), 1);
    assert_int_equal(room_last_epoch(stage_room(stage, "two")), 1);
}

static void what_could_not_be_stored_goes_with_the_next_commit(void **state)
{
    Stage *stage = *state;
    g_autofree Step *one = add(stage, "one", apply_create, FALSE);
    stage_settle();
    fail_next_commit(stage);
    g_autofree Step *spent = add(stage, "one", apply_epoch, TRUE);
    stage_settle();
    g_autofree Step *other = add(stage, "two", apply_create, FALSE);
    stage_settle();
    assert_int_equal(other->result, MSG__REFUSAL__REASON__none);
    assert_false(room_is_unstored(stage_room(stage, "one")));
    assert_int_equal(stored_rooms(stage), 2);
}

static void more_than_a_batch_holds_is_done_in_several(void **state)
{
    Stage *stage = *state;
    Step *steps[3 * LIMIT_BATCH];
    g_autofree Step *first = add(stage, "demo", apply_create, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++)
        steps[i] = add(stage, "demo", apply_epoch, FALSE);
    batch_flush(stage->registry.batch);
    assert_true(batch_is_idle(stage->registry.batch));
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        assert_int_equal(steps[i]->applied, 1);
        assert_true(steps[i]->done);
        g_free(steps[i]);
    }
    assert_int_equal(room_last_epoch(stage_room(stage, "demo")), G_N_ELEMENTS(steps));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(a_step_is_stored_and_seen_before_it_is_answered),
        STAGE_TEST(steps_of_a_turn_see_each_other_and_share_a_draft),
        STAGE_TEST(a_refused_step_spoils_nothing_for_the_others),
        STAGE_TEST(what_cannot_be_stored_is_refused_and_undone_except_what_must_happen),
        STAGE_TEST(what_could_not_be_stored_is_stored_later),
        STAGE_TEST(what_could_not_be_stored_goes_with_the_next_commit),
        STAGE_TEST(more_than_a_batch_holds_is_done_in_several),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
