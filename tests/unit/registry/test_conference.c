// SPDX-License-Identifier: MIT
// The conference hyperty's functions, by the specification's names.
#include "tests/unit/registry/stage.h"
#include "registry/conference.h"

typedef struct {
    const char *text;
    guint64 epoch;
    Room *room;
    Join join;
    Refusal result;
} Call;

static Refusal apply_create(Batch *batch, gpointer user)
{
    Call *call = user;
    return conference_create_room(batch, "demo", "localhost", &call->room);
}

static Refusal apply_place(Batch *batch, gpointer user)
{
    (void)user;
    Room *room = batch_draft(batch, "demo");
    RoomPlacement placement = {room_spend_epoch(room), "hyperty://localhost/media/m", "w"};
    return room_place(room, &placement);
}

static Refusal apply_add(Batch *batch, gpointer user)
{
    const Call *call = user;
    return conference_add_participant(batch, &call->join, call->epoch);
}

static Refusal apply_remove(Batch *batch, gpointer user)
{
    const Call *call = user;
    return conference_remove_participant(batch, "demo", call->text, "removed");
}

static Refusal apply_close(Batch *batch, gpointer user)
{
    (void)user;
    return conference_close(batch, "demo");
}

static Refusal apply_close_and_create(Batch *batch, gpointer user)
{
    conference_close(batch, "demo");
    return apply_create(batch, user);
}

static void on_done(Refusal result, gpointer user)
{
    ((Call *)user)->result = result;
}

static const char *outcome(Stage *stage, Refusal (*apply)(Batch *, gpointer), Call *call)
{
    batch_add(stage->registry.batch, &(BatchStep){apply, on_done, call, FALSE});
    stage_settle();
    return refusal_name(call->result);
}

static Call joining(const char *participant, guint64 epoch)
{
    return (Call){
        .epoch = epoch,
        .text = participant,
        .join = {(char *)"demo", (char *)participant, (char *)"connection://localhost/x",
                 (char *)"hyperty://localhost/h", (char *)"s", NULL, NULL, NULL, NULL, NULL, 1},
    };
}

static Policy *policy_of(gboolean guests)
{
    return policy_new(grant_keys_new("k1:0123456789abcdef0123456789abcdef", NULL), guests,
                      "localhost");
}

static void everybody_may_join_an_open_room(void **state)
{
    (void)state;
    g_autoptr(Policy) policy = policy_of(TRUE);
    const char *detail = NULL;
    Call call = joining("ann", 1);
    assert_int_equal(conference_on_join_room(policy, &call.join, NULL, &detail),
                     MSG__REFUSAL__REASON__none);
}

static Room *room_with_ann(void)
{
    Room *room = room_new("demo", "comm://localhost/demo-01234567", "localhost");
    g_autoptr(Json) identity = json_new_object();
    g_autoptr(Json) profile = json_new_object();
    json_set_text(profile, "userURL", "user://localhost/ann");
    json_set_text(profile, "preferred_username", "Ann");
    json_set(identity, "userProfile", profile);
    Newcomer ann = {"ann",    "s", "hyperty://localhost/h", "connection://localhost/ann", 1,
                    identity, NULL};
    assert_int_equal(room_join(room, &ann), MSG__REFUSAL__REASON__none);
    return room;
}

static void who_is_in_comes_in_again_without_a_token_as_the_same(void **state)
{
    (void)state;
    g_autoptr(Policy) policy = policy_of(FALSE);
    g_autoptr(Room) room = room_with_ann();
    const char *detail = NULL;
    Call again = joining("ann", 1), thief = joining("ann", 1);
    again.join.identity = json_new_object();
    thief.join.session = (char *)"t";
    assert_int_equal(conference_on_join_room(policy, &again.join, room, &detail),
                     MSG__REFUSAL__REASON__none);
    assert_string_equal(join_user_url(&again.join), "user://localhost/ann");
    assert_int_equal(conference_on_join_room(policy, &thief.join, room, &detail),
                     MSG__REFUSAL__REASON__forbidden);
    json_unref(again.join.identity);
}

static void the_same_id_gives_the_same_room(void **state)
{
    Stage *stage = *state;
    Call call = {0};
    assert_string_equal(outcome(stage, apply_create, &call), "none");
    g_autofree char *url = g_strdup(room_url(stage_room(stage, "demo")));
    assert_true(g_str_has_prefix(url, "comm://localhost/demo-"));
    assert_int_equal(strlen(url), strlen("comm://localhost/demo-01234567"));
    assert_string_equal(outcome(stage, apply_create, &call), "none");
    assert_string_equal(room_url(stage_room(stage, "demo")), url);
}

static void a_closed_room_is_made_anew_only_by_a_later_batch(void **state)
{
    Stage *stage = *state;
    Call call = {0};
    outcome(stage, apply_create, &call);
    assert_string_equal(outcome(stage, apply_close_and_create, &call), "no_such_room");
    assert_null(stage_room(stage, "demo"));
    assert_string_equal(outcome(stage, apply_create, &call), "none");
}

static void a_participant_is_added_under_the_present_placement_only(void **state)
{
    Stage *stage = *state;
    Call call = joining("ann", 1);
    assert_string_equal(outcome(stage, apply_add, &call), "no_such_room");
    outcome(stage, apply_create, &call);
    assert_string_equal(outcome(stage, apply_add, &call), "stale_epoch");
    outcome(stage, apply_place, &call);
    assert_string_equal(outcome(stage, apply_add, &call), "none");
    assert_non_null(room_member(stage_room(stage, "demo"), "ann"));
}

static void only_an_empty_room_is_closed(void **state)
{
    Stage *stage = *state;
    Call call = joining("ann", 1);
    assert_string_equal(outcome(stage, apply_close, &call), "no_such_room");
    outcome(stage, apply_create, &call);
    outcome(stage, apply_place, &call);
    outcome(stage, apply_add, &call);
    assert_string_equal(outcome(stage, apply_close, &call), "forbidden");
    assert_string_equal(outcome(stage, apply_remove, &call), "none");
    assert_string_equal(outcome(stage, apply_remove, &call), "no_such_participant");
    assert_string_equal(outcome(stage, apply_close, &call), "none");
    assert_string_equal(outcome(stage, apply_remove, &call), "no_such_room");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_may_join_an_open_room),
        cmocka_unit_test(who_is_in_comes_in_again_without_a_token_as_the_same),
        STAGE_TEST(the_same_id_gives_the_same_room),
        STAGE_TEST(a_closed_room_is_made_anew_only_by_a_later_batch),
        STAGE_TEST(a_participant_is_added_under_the_present_placement_only),
        STAGE_TEST(only_an_empty_room_is_closed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
