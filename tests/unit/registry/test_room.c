// SPDX-License-Identifier: MIT
// The rules of one room, as an operator or a participant would put them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/limits.h"
#include "registry/room.h"

#define URL "comm://localhost/demo-0123abcd"
#define ACCEPTED MSG__REFUSAL__REASON__none

static Room *new_room(void)
{
    return room_new("demo", URL, "localhost");
}

static Refusal join_as(Room *room, const char *participant, const char *session)
{
    g_autofree char *hyperty = g_strconcat("hyperty://localhost/h-", participant, NULL);
    g_autofree char *connection = g_strconcat("connection://localhost/", participant, NULL);
    return room_join(room, &(Newcomer){
                               .participant = participant,
                               .session = session,
                               .hyperty = hyperty,
                               .connection = connection,
                               .number = room_reserve_number(room, participant),
                           });
}

static guint64 version(const Room *room)
{
    return sync_object_version(room_object(room));
}

static const char *text_at(const Room *room, const char *path)
{
    return json_text(json_get_path(sync_object_data(room_object(room)), path));
}

static const char *direction_of(const Room *room, const char *participant, guint index)
{
    return json_get_text(json_at(json_get(room_participant(room, participant), "resources"), index),
                         "direction");
}

static void new_room_is_pending_and_empty(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    assert_string_equal(room_id(room), "demo");
    assert_string_equal(room_url(room), URL);
    assert_string_equal(text_at(room, "status"), "pending");
    assert_string_equal(text_at(room, "mode"), "forward");
    assert_int_equal(version(room), 0);
    assert_int_equal(room_size(room), 0);
    assert_true(room_is_unstored(room));
    assert_false(room_is_housed(room));
}

static void first_participant_opens_the_room(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    assert_int_equal(join_as(room, "ann", "s1"), ACCEPTED);
    assert_string_equal(text_at(room, "status"), "open");
    assert_string_equal(text_at(room, "participants.ann.hypertyURL"), "hyperty://localhost/h-ann");
    assert_string_equal(text_at(room, "participants.ann.domain"), "localhost");
    assert_string_equal(text_at(room, "participants.ann.status"), "joined");
    assert_string_equal(room_member(room, "ann")->session, "s1");
    assert_int_equal(version(room), 2);
}

static void the_session_is_nowhere_in_the_communication(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "secret-session");
    assert_null(strstr(room_snapshot(room)->str, "secret-session"));
}

static void a_snapshot_says_what_the_object_says(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    const char *const ids[] = {"zoe", "ann", "ben"};
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        join_as(room, ids[i], ids[i]);
    room_set_direction(room, "zoe", "audio", "in");
    room_leave(room, "ann", "left");
    room_spend_epoch(room);
    room_place(room, &(RoomPlacement){1, "m1", "w"});
    g_autoptr(Json) object = sync_object_to_json(room_object(room));
    g_autoptr(Json) snapshot =
        json_parse(room_snapshot(room)->str, room_snapshot(room)->len, 100000, NULL);
    assert_true(json_equals(snapshot, object));
    room_leave(room, "zoe", "left");
    room_leave(room, "ben", "left");
    g_autoptr(Json) empty = sync_object_to_json(room_object(room));
    g_autoptr(Json) emptied =
        json_parse(room_snapshot(room)->str, room_snapshot(room)->len, 100000, NULL);
    assert_true(json_equals(emptied, empty));
}

static void each_participant_has_a_number_of_its_own_for_ever(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    join_as(room, "ben", "s2");
    assert_int_equal(room_member(room, "ann")->number, 1);
    assert_int_equal(room_member(room, "ben")->number, 2);
    room_leave(room, "ben", "left");
    join_as(room, "ben", "s2");
    assert_int_equal(room_member(room, "ben")->number, 3);
    assert_int_equal(room_reserve_number(room, "ann"), 1);
}

static void the_same_participant_twice_is_one_participant(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    guint64 before = version(room);
    assert_int_equal(join_as(room, "ann", "s1"), ACCEPTED);
    assert_int_equal(room_size(room), 1);
    assert_int_equal(version(room), before);
}

static void coming_again_with_another_name_is_one_change(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    guint64 before = version(room);
    g_autoptr(Json) identity = json_new_object();
    json_set_text(identity, "guid", "g");
    assert_int_equal(room_join(room, &(Newcomer){"ann", "s1", "hyperty://localhost/h-ann",
                                                 "connection://localhost/ann", 1, identity, NULL}),
                     ACCEPTED);
    assert_int_equal(version(room), before + 1);
    assert_string_equal(text_at(room, "participants.ann.identity.guid"), "g");
}

static void another_session_cannot_be_that_participant(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    assert_int_equal(join_as(room, "ann", "s2"), MSG__REFUSAL__REASON__not_owner);
    assert_string_equal(room_member(room, "ann")->session, "s1");
}

static void full_room_refuses_one_more_but_not_a_member(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    Refusal refusal = ACCEPTED;
    guint joined = 0;
    while (refusal == ACCEPTED && joined <= LIMIT_PARTICIPANTS) {
        g_autofree char *id = g_strdup_printf("p%u", joined);
        refusal = join_as(room, id, "s");
        joined += refusal == ACCEPTED;
    }
    assert_int_equal(refusal, MSG__REFUSAL__REASON__room_full);
    assert_in_range(joined, 300, LIMIT_PARTICIPANTS);
    assert_int_equal(join_as(room, "p0", "s"), ACCEPTED);
    room_leave(room, "p1", "left");
    assert_int_equal(join_as(room, "q", "s"), ACCEPTED);
}

static void leaving_removes_the_entry_and_says_why(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    guint64 before = version(room);
    assert_int_equal(room_leave(room, "ann", "lost"), ACCEPTED);
    assert_null(room_participant(room, "ann"));
    assert_null(room_member(room, "ann"));
    assert_int_equal(version(room), before + 1);
    g_autoptr(GPtrArray) changes = sync_log_since(sync_object_log(room_object(room)), before);
    const SyncChange *change = changes->pdata[0];
    assert_string_equal(change->body->attribute, "participants.ann");
    assert_string_equal(change->body->reason, "lost");
    assert_false(change->body->has_value);
    assert_int_equal(room_leave(room, "ann", "left"), MSG__REFUSAL__REASON__no_such_participant);
}

static void only_an_empty_room_can_be_closed_and_takes_nobody_in_then(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    assert_int_equal(room_close(room), MSG__REFUSAL__REASON__forbidden);
    room_leave(room, "ann", "left");
    assert_int_equal(room_close(room), ACCEPTED);
    assert_string_equal(text_at(room, "status"), "closed");
    assert_true(room_is_closed(room));
    assert_int_equal(join_as(room, "ben", "s2"), MSG__REFUSAL__REASON__no_such_room);
}

static void muting_changes_one_direction(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    guint64 before = version(room);
    assert_int_equal(room_set_direction(room, "ann", "audio", "in"), ACCEPTED);
    assert_string_equal(direction_of(room, "ann", 0), "in");
    assert_string_equal(direction_of(room, "ann", 1), "inout");
    assert_int_equal(room_set_direction(room, "ann", "audio", "in"), ACCEPTED);
    assert_int_equal(version(room), before + 1);
}

static void coming_again_keeps_the_directions(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    room_set_direction(room, "ann", "video", "in");
    join_as(room, "ann", "s1");
    assert_string_equal(direction_of(room, "ann", 1), "in");
}

static void unknown_directions_are_refused(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    assert_int_equal(room_set_direction(room, "ann", "smell", "in"),
                     MSG__REFUSAL__REASON__malformed);
    assert_int_equal(room_set_direction(room, "ann", "audio", "up"),
                     MSG__REFUSAL__REASON__malformed);
    assert_int_equal(room_set_direction(room, "ann", NULL, NULL), MSG__REFUSAL__REASON__malformed);
    assert_int_equal(room_set_direction(room, "ben", "audio", "in"),
                     MSG__REFUSAL__REASON__no_such_participant);
}

static void a_session_finds_its_participant_by_hyperty_or_because_it_is_the_only_one(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    assert_string_equal(room_member_of(room, "s1", "hyperty://localhost/other")->id, "ann");
    join_as(room, "ben", "s1");
    assert_null(room_member_of(room, "s1", "hyperty://localhost/other"));
    assert_string_equal(room_member_of(room, "s1", "hyperty://localhost/h-ben")->id, "ben");
    assert_null(room_member_of(room, "s2", "hyperty://localhost/h-ben"));
}

static void a_placement_must_be_newer_and_asked_for(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    RoomPlacement placement = {1, "hyperty://localhost/media/m", "hyperty://localhost/worker/w"};
    assert_int_equal(room_place(room, &placement), MSG__REFUSAL__REASON__stale_epoch);
    assert_int_equal(room_spend_epoch(room), 1);
    assert_int_equal(room_place(room, &placement), ACCEPTED);
    assert_true(room_is_housed(room));
    assert_int_equal(room_place(room, &placement), MSG__REFUSAL__REASON__stale_epoch);
    assert_string_equal(room_placement(room).media, "hyperty://localhost/media/m");
}

static void only_the_present_process_can_be_reported_gone(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    room_spend_epoch(room);
    room_place(room, &(RoomPlacement){1, "m1", "w"});
    room_unhouse(room, "m0", 1);
    room_unhouse(room, "m1", 0);
    assert_true(room_is_housed(room));
    room_unhouse(room, "m1", 1);
    assert_false(room_is_housed(room));
}

static void a_draft_that_is_thrown_away_leaves_no_trace(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    room_set_stored(room);
    g_autofree char *before = g_strdup(room_snapshot(room)->str);
    Room *draft = room_copy(room);
    join_as(draft, "ben", "s2");
    room_leave(draft, "ann", "left");
    assert_true(room_is_unstored(draft));
    room_free(draft);
    assert_string_equal(room_snapshot(room)->str, before);
    assert_int_equal(room_size(room), 1);
    assert_false(room_is_unstored(room));
}

static void a_draft_keeps_what_is_still_unstored(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    join_as(room, "ann", "s1");
    g_autoptr(Room) draft = room_copy(room);
    g_autoptr(GList) unstored = room_unstored_participants(draft);
    assert_int_equal(g_list_length(unstored), 1);
    assert_string_equal(unstored->data, "ann");
}

static void a_restored_room_goes_on_where_it_was(void **state)
{
    (void)state;
    g_autoptr(Room) room = new_room();
    room_spend_epoch(room);
    room_place(room, &(RoomPlacement){1, "m1", "w"});
    join_as(room, "ann", "s1");
    g_autoptr(Json) object = sync_object_to_json(room_object(room));
    g_autoptr(Room) restored = room_restore(object, 1, 2, NULL);
    room_restore_session(restored, "ann", "s1");
    assert_int_equal(version(restored), version(room));
    assert_string_equal(sync_object_chain(room_object(restored)),
                        sync_object_chain(room_object(room)));
    assert_string_equal(room_member(restored, "ann")->session, "s1");
    assert_int_equal(room_member(restored, "ann")->number, 1);
    assert_true(room_is_housed(restored));
    assert_false(room_is_unstored(restored));
    assert_int_equal(join_as(restored, "ben", "s2"), ACCEPTED);
    assert_int_equal(version(restored), version(room) + 1);
}

static void what_is_no_communication_cannot_be_restored(void **state)
{
    (void)state;
    g_autoptr(Json) object = json_new_object();
    g_autoptr(GError) error = NULL;
    assert_null(room_restore(object, 0, 1, &error));
    assert_non_null(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_room_is_pending_and_empty),
        cmocka_unit_test(first_participant_opens_the_room),
        cmocka_unit_test(the_session_is_nowhere_in_the_communication),
        cmocka_unit_test(a_snapshot_says_what_the_object_says),
        cmocka_unit_test(each_participant_has_a_number_of_its_own_for_ever),
        cmocka_unit_test(the_same_participant_twice_is_one_participant),
        cmocka_unit_test(coming_again_with_another_name_is_one_change),
        cmocka_unit_test(another_session_cannot_be_that_participant),
        cmocka_unit_test(full_room_refuses_one_more_but_not_a_member),
        cmocka_unit_test(leaving_removes_the_entry_and_says_why),
        cmocka_unit_test(only_an_empty_room_can_be_closed_and_takes_nobody_in_then),
        cmocka_unit_test(muting_changes_one_direction),
        cmocka_unit_test(coming_again_keeps_the_directions),
        cmocka_unit_test(unknown_directions_are_refused),
        cmocka_unit_test(a_session_finds_its_participant_by_hyperty_or_because_it_is_the_only_one),
        cmocka_unit_test(a_placement_must_be_newer_and_asked_for),
        cmocka_unit_test(only_the_present_process_can_be_reported_gone),
        cmocka_unit_test(a_draft_that_is_thrown_away_leaves_no_trace),
        cmocka_unit_test(a_draft_keeps_what_is_still_unstored),
        cmocka_unit_test(a_restored_room_goes_on_where_it_was),
        cmocka_unit_test(what_is_no_communication_cannot_be_restored),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
