// SPDX-License-Identifier: MIT
// The messages to hosts and room processes, member by member.
#include "tests/unit/registry/stage.h"
#include "registry/media.h"

#define MEDIA "hyperty://localhost/media/m"

static Json *seen; // body of the last message
static char *seen_type;

static void on_message(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)user;
    json_unref(seen);
    g_free(seen_type);
    seen = envelope_body_json(message);
    seen_type = g_strdup(envelope_type_text(message));
    assert_string_equal(message->from, CONFERENCE);
    bus_refuse(request, MSG__REFUSAL__REASON__unsupported, NULL);
}

static void on_answered(const Envelope *answer, gpointer user)
{
    (void)answer, (void)user;
}

static void assert_seen(const char *type, const char *text)
{
    stage_settle();
    g_autoptr(Json) body = json_parse_bytes((const guint8 *)text, strlen(text));
    g_autofree char *expected = json_print_canonical(body, NULL);
    g_autofree char *found = json_print_canonical(seen, NULL);
    assert_string_equal(found, expected);
    assert_string_equal(seen_type, type);
}

static Room *placed_room(void)
{
    Room *room = room_new("demo", "comm://localhost/demo-1", "localhost");
    RoomPlacement placement = {room_spend_epoch(room), MEDIA, WORKER};
    room_place(room, &placement);
    return room;
}

static void a_host_is_told_all_that_a_room_process_needs(void **state)
{
    Stage *stage = *state;
    g_autoptr(Room) room = placed_room();
    media_start_room(stage->registry.bus, MEDIA, room, on_answered, NULL);
    assert_seen("execute", "{\"method\":\"startRoom\",\"params\":[{\"roomId\":\"demo\","
                           "\"url\":\"comm://localhost/demo-1\",\"epoch\":1,\"mode\":\"forward\","
                           "\"codecs\":[\"opus\",\"VP8\"]}]}");
}

static void a_room_process_is_given_the_connection_as_it_came(void **state)
{
    Stage *stage = *state;
    g_autoptr(Room) room = placed_room();
    g_autoptr(Join) join = g_new0(Join, 1);
    join->room = g_strdup("demo");
    join->participant = g_strdup("ann");
    join->hyperty = g_strdup("hyperty://localhost/h");
    join->number = 7;
    join->offer = g_byte_array_new();
    g_byte_array_append(join->offer, (const guint8 *)"{\"x\":[1, 2]}", 12);
    media_admit(stage->registry.bus, room, join, 3000, on_answered, NULL);
    assert_seen("create", "{\"source\":\"hyperty://localhost/h\",\"roomId\":\"demo\","
                          "\"url\":\"comm://localhost/demo-1\",\"participant\":\"ann\","
                          "\"number\":7,\"epoch\":1,\"value\":{\"x\":[1,2]}}");
}

static void dropping_and_closing_name_the_epoch(void **state)
{
    Stage *stage = *state;
    RoomPlacement placement = {3, MEDIA, WORKER};
    media_drop(stage->registry.bus, &placement, "connection://localhost/ann");
    assert_seen("delete", "{\"resource\":\"connection://localhost/ann\",\"version\":3}");
    media_close(stage->registry.bus, &placement);
    assert_seen("close", "{\"version\":3}");
}

static int set_up(void **state)
{
    stage_set_up(state);
    bus_route(((Stage *)*state)->registry.bus, MEDIA " ", on_message, NULL);
    return 0;
}

static int tear_down(void **state)
{
    bus_unroute(((Stage *)*state)->registry.bus, MEDIA " ", on_message, NULL);
    g_clear_pointer(&seen, json_unref);
    g_clear_pointer(&seen_type, g_free);
    return stage_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_host_is_told_all_that_a_room_process_needs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_room_process_is_given_the_connection_as_it_came, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(dropping_and_closing_name_the_epoch, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
