// SPDX-License-Identifier: MIT
// The whole gateway on a bus of the test's own, without sockets: what clients say and hear.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/limits.h"
#include "common/metrics.h"
#include "gateway/asking.h"
#include "gateway/claims.h"
#include "gateway/delivery.h"
#include "gateway/dispatch.h"
#include "gateway/gateway.h"
#include "gateway/handshake.h"
#include "gateway/learning.h"
#include "gateway/registrar.h"
#include "gateway/relays.h"
#include "gateway/routing.h"
#include "gateway/watches.h"
#include "tests/unit/gateway/fake_bus.h"

#define SESSIONS "hyperty://d/sessions"
#define CONFERENCE "hyperty://d/conference"
#define ROOM "comm://d/demo-0a1b2c3d"
#define JOINED                                                                                     \
    "{\"code\":200,\"participant\":\"ann\",\"value\":{\"url\":\"" ROOM "\",\"version\":5,"         \
    "\"name\":\"demo\",\"data\":{}},\"answer\":{\"url\":\"connection://d/media-ann\","             \
    "\"version\":4294967297,\"data\":{}}}"
#define JOIN                                                                                       \
    "{\"id\":7,\"type\":\"create\",\"from\":\"hyperty://d/ann\",\"to\":\"" CONFERENCE "\","        \
    "\"body\":{\"source\":\"hyperty://d/ann\",\"roomId\":\"demo\","                                \
    "\"identity\":{\"userProfile\":{\"preferred_username\":\"Ann\"}},"                             \
    "\"value\":{\"url\":\"connection://d/ann\",\"version\":1,\"data\":{}}}}"

typedef struct {
    GPtrArray *heard; // Json
    guint close_code;
    gint64 heard_us;
    guint pings;
} Wire;

typedef struct {
    Bus *bus;
    Gateway *gateway;
    Wire wires[4];
    Client *clients[4];
} Fixture;

static void wire_send(gpointer wire, Text *text)
{
    g_ptr_array_add(((Wire *)wire)->heard,
                    json_parse_bytes((const guint8 *)text_bytes(text), text_length(text)));
}

static void wire_close(gpointer wire, guint code, const char *reason)
{
    (void)reason;
    ((Wire *)wire)->close_code = code;
}

static void wire_ping(gpointer wire)
{
    ((Wire *)wire)->pings++;
}

static gint64 wire_heard_us(gpointer wire)
{
    return ((Wire *)wire)->heard_us;
}

static const ClientWire calls = {wire_send, wire_close, wire_ping, wire_heard_us};

static void connect_client(Fixture *fixture, guint index)
{
    fixture->clients[index] = gateway_add_client(fixture->gateway, &calls, &fixture->wires[index]);
}

static void lose_client(Fixture *fixture, guint index)
{
    gateway_remove_client(fixture->gateway, fixture->clients[index]);
    fixture->clients[index] = NULL;
}

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->bus = fake_bus_new();
    fixture->gateway = gateway_new(fixture->bus, "secret");
    for (guint i = 0; i < G_N_ELEMENTS(fixture->wires); i++) {
        fixture->wires[i].heard = g_ptr_array_new_with_free_func((GDestroyNotify)json_unref);
        connect_client(fixture, i);
    }
    metrics_reset();
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    for (guint i = 0; i < G_N_ELEMENTS(fixture->wires); i++) {
        if (fixture->clients[i] != NULL)
            lose_client(fixture, i);
        g_ptr_array_unref(fixture->wires[i].heard);
    }
    gateway_free(fixture->gateway);
    assert_int_equal(fixture->bus->routes->len, 0);
    bus_free(fixture->bus);
    g_free(fixture);
    return 0;
}

static void say(Fixture *fixture, guint index, const char *text)
{
    dispatch_frame(fixture->gateway, fixture->clients[index], text, strlen(text));
}

static guint count(Fixture *fixture, guint index)
{
    return fixture->wires[index].heard->len;
}

static const Json *heard(Fixture *fixture, guint index, guint which)
{
    if (which >= count(fixture, index))
        fail_msg("client %u heard only %u messages", index, count(fixture, index));
    return fixture->wires[index].heard->pdata[which];
}

static const Json *last(Fixture *fixture, guint index)
{
    return heard(fixture, index, count(fixture, index) - 1);
}

static gint64 last_code(Fixture *fixture, guint index)
{
    return json_get_number(json_get(last(fixture, index), "body"), "code", 0);
}

static void open_session(Fixture *fixture, guint index, const char *runtime)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\":1,\"type\":\"open\",\"from\":\"%s\",\"to\":\"mn:/session\"}", runtime);
    guint before = count(fixture, index);
    say(fixture, index, text);
    fake_routed(fixture->bus);
    const Json *body = json_get(heard(fixture, index, before), "body");
    assert_int_equal(json_get_number(body, "code", 0), 200);
}

static void join(Fixture *fixture, guint index)
{
    open_session(fixture, index, "runtime://d/ann");
    say(fixture, index, JOIN);
    assert_true(fake_answer(fixture->bus, CONFERENCE, JOINED));
    fake_routed(fixture->bus);
    assert_int_equal(last_code(fixture, index), 200);
}

static void change_room(Fixture *fixture, guint64 version, const char *attribute, const char *value)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\":1,\"type\":\"update\",\"from\":\"" ROOM "\",\"to\":\"" ROOM "/changes\","
        "\"body\":{\"version\":%" G_GUINT64_FORMAT ",\"source\":\"" ROOM
        "\",\"attribute\":\"%s\"%s%s}}",
        version, attribute, value != NULL ? ",\"value\":" : "", value != NULL ? value : "");
    assert_null(fake_deliver_text(fixture->bus, text));
}

static void let_idle_run(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

// --- opening ---

static void a_session_is_told_to_the_registry_and_routed(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    const FakeAsked *told = fake_find(fixture->bus, SESSIONS);
    assert_int_equal(told->message->type, MSG__ENVELOPE__TYPE__CREATE);
    g_autoptr(Json) value = envelope_value(told->message);
    assert_string_equal(json_get_text(value, "status"), "live");
    assert_string_equal(json_get_text(value, "runtimeURL"), "runtime://d/ann");
    assert_true(fake_is_routed(fixture->bus, "runtime://d/ann "));
    assert_true(fake_is_routed(fixture->bus, "runtime://d/ann/"));
}

static void the_registry_hears_one_thing_of_a_session_at_a_time(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0, "{\"id\":2,\"type\":\"read\",\"from\":\"hyperty://d/1\",\"to\":\"x://d/y\"}");
    lose_client(fixture, 0);
    assert_true(fake_answer(fixture->bus, SESSIONS, "{\"code\":200}"));
    const FakeAsked *told = fake_find(fixture->bus, SESSIONS);
    assert_int_equal(told->message->type, MSG__ENVELOPE__TYPE__UPDATE);
    g_autoptr(Json) value = envelope_value(told->message);
    assert_string_equal(json_get_text(value, "status"), "disconnected");
    assert_int_equal(json_size(json_get(value, "addresses")), 2);
    assert_true(fake_answer(fixture->bus, SESSIONS, "{\"code\":200}"));
    assert_null(fake_find(fixture->bus, SESSIONS));
}

static void hear_registry(Fixture *fixture, guint incarnation)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\":1,\"type\":\"update\",\"from\":\"ctxt://d/process/registry-1\","
        "\"to\":\"ctxt://d/process/registry-1/changes\",\"body\":{\"value\":{\"role\":"
        "\"registry\",\"process\":\"registry-1\",\"incarnation\":%u}}}",
        incarnation);
    fake_deliver_text(fixture->bus, text);
}

static void a_new_registry_is_told_of_everybody_again(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}");
    hear_registry(fixture, 1);
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}");
    hear_registry(fixture, 1);
    assert_null(fake_find(fixture->bus, SESSIONS));
    hear_registry(fixture, 2);
    assert_int_equal(fake_find(fixture->bus, SESSIONS)->message->type, MSG__ENVELOPE__TYPE__CREATE);
}

static void what_a_registry_did_not_hear_it_is_told_when_it_is_back(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":404}");
    assert_null(fake_find(fixture->bus, SESSIONS));
    say(fixture, 0, "{\"id\":2,\"type\":\"close\",\"to\":\"mn:/session\"}");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":504}");
    hear_registry(fixture, 1);
    assert_int_equal(fake_find(fixture->bus, SESSIONS)->message->type, MSG__ENVELOPE__TYPE__DELETE);
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}");
    hear_registry(fixture, 2);
    assert_null(fake_find(fixture->bus, SESSIONS));
}

static void a_session_of_another_gateway_is_read_and_announced(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    g_autofree char *token =
        g_strdup(json_get_text(json_get(last(fixture, 0), "body"), "runtimeToken"));
    say(fixture, 0, "{\"id\":2,\"type\":\"close\",\"to\":\"mn:/session\"}");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}");
    g_autofree char *text =
        g_strdup_printf("{\"id\":1,\"type\":\"re-open\",\"from\":\"runtime://d/ann/%s\","
                        "\"to\":\"mn:/session\"}",
                        token);
    say(fixture, 1, text);
    say(fixture, 1, JOIN); // pipelined
    assert_int_equal(count(fixture, 1), 0);
    assert_null(fake_find(fixture->bus, CONFERENCE));
    assert_int_equal(fake_find(fixture->bus, SESSIONS)->message->type, MSG__ENVELOPE__TYPE__READ);
    fake_answer(fixture->bus, SESSIONS,
                "{\"code\":200,\"value\":{\"runtimeURL\":\"runtime://d/ann\",\"addresses\":"
                "[\"runtime://d/ann\",\"hyperty://d/ann\",\"hyperty://d/conference\"]}}");
    assert_int_equal(count(fixture, 1), 0);
    fake_routed(fixture->bus);
    assert_string_equal(json_get_text(json_get(last(fixture, 1), "body"), "runtimeToken"), token);
    assert_true(fake_is_routed(fixture->bus, "hyperty://d/ann "));
    assert_false(fake_is_routed(fixture->bus, "hyperty://d/conference "));
    assert_non_null(fake_find(fixture->bus, CONFERENCE));
    const Envelope *event = fixture->bus->published->pdata[0];
    assert_string_equal(event->to, "domain://msg-node.d/sessions/changes");
}

static void a_session_that_moved_away_is_dropped_in_silence(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}");
    g_autofree char *event =
        g_strdup_printf("{\"id\":1,\"type\":\"event\",\"from\":\"a:/b\",\"to\":"
                        "\"domain://msg-node.d/sessions/changes\",\"body\":{\"resource\":\"%s\"}}",
                        fixture->clients[0]->session->id);
    fake_deliver_text(fixture->bus, event);
    assert_false(fake_is_routed(fixture->bus, "runtime://d/ann "));
    assert_null(fake_find(fixture->bus, SESSIONS));
    assert_int_equal(sessions_count(fixture->gateway->sessions), 0);
}

// --- addresses of the whole suite ---

static void an_open_asks_whose_the_runtime_is_and_takes_it_over(void **state)
{
    static const struct {
        const char *status;
        gboolean takeover;
        gint64 code;
    } cases[] = {{"live", TRUE, 200}, {"live", FALSE, 403}, {"disconnected", FALSE, 200}};
    Fixture *fixture = *state;
    hear_registry(fixture, 1);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = g_strdup_printf(
            "{\"code\":200,\"value\":{\"session\":\"000000000000000%u\",\"runtimeURL\":"
            "\"runtime://d/%u\",\"status\":\"%s\",\"gateway\":\"gateway-2\",\"addresses\":"
            "[\"hyperty://d/%u\"],\"routes\":[\"x://d/o/changes\",\"hyperty://d/no\"]}}",
            i, i, cases[i].status, i);
        g_autofree char *open = g_strdup_printf("{\"id\":1,\"type\":\"open\",\"from\":"
                                                "\"runtime://d/%u\",\"to\":\"mn:/session\"}",
                                                i);
        fixture->gateway->open_takeover = cases[i].takeover;
        say(fixture, i, open);
        assert_int_equal(count(fixture, i), 0);
        fake_answer(fixture->bus, SESSIONS, found);
        fake_routed(fixture->bus);
        assert_int_equal(last_code(fixture, i), cases[i].code);
        g_autofree char *hyperty = g_strdup_printf("hyperty://d/%u ", i);
        assert_int_equal(fake_is_routed(fixture->bus, hyperty), cases[i].code == 200);
        fake_answer(fixture->bus, SESSIONS, "{\"code\":200}"); // told, if it was taken over
    }
    assert_true(fake_is_routed(fixture->bus, "x://d/o/changes "));
    assert_false(fake_is_routed(fixture->bus, "hyperty://d/no "));
}

static void open_unknown(Fixture *fixture, guint index, const char *runtime)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\":1,\"type\":\"open\",\"from\":\"%s\",\"to\":\"mn:/session\"}", runtime);
    say(fixture, index, text);
    assert_int_equal(fake_find(fixture->bus, SESSIONS)->message->type, MSG__ENVELOPE__TYPE__READ);
    fake_answer(fixture->bus, SESSIONS, "{\"code\":404}");
    fake_routed(fixture->bus);
    assert_int_equal(last_code(fixture, index), 200);
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}"); // told
}

static void say_from(Fixture *fixture, const char *from, guint id)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\":%u,\"type\":\"read\",\"from\":\"%s\",\"to\":\"x://d/y\"}", id, from);
    say(fixture, 0, text);
}

static void a_new_address_waits_for_the_registry_and_all_that_follows_it(void **state)
{
    Fixture *fixture = *state;
    hear_registry(fixture, 1);
    open_unknown(fixture, 0, "runtime://d/ann");
    say_from(fixture, "hyperty://d/1", 2);
    say_from(fixture, "runtime://d/ann", 3);
    assert_null(fake_find(fixture->bus, "x://d/y"));
    const FakeAsked *claim = fake_find(fixture->bus, SESSIONS);
    assert_string_equal(claim->message->body->method, "claim");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200,\"value\":[]}");
    const Envelope *first = fake_find(fixture->bus, "x://d/y")->message;
    assert_string_equal(first->from, "hyperty://d/1");
    fake_answer(fixture->bus, "x://d/y", "{\"code\":200}");
    assert_string_equal(fake_find(fixture->bus, "x://d/y")->message->from, "runtime://d/ann");
    fake_answer(fixture->bus, "x://d/y", "{\"code\":200}");
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200}"); // told of the address
    say_from(fixture, "hyperty://d/1/below", 4);
    assert_non_null(fake_find(fixture->bus, "x://d/y")); // known by now
}

static void an_address_of_another_gateway_is_refused_each_time_anew(void **state)
{
    Fixture *fixture = *state;
    hear_registry(fixture, 1);
    open_unknown(fixture, 0, "runtime://d/ann");
    say_from(fixture, "hyperty://d/1", 2);
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200,\"value\":[\"hyperty://d/1\"]}");
    assert_int_equal(last_code(fixture, 0), 403);
    assert_false(fake_is_routed(fixture->bus, "hyperty://d/1 "));
    say_from(fixture, "hyperty://d/1", 3); // free by now
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200,\"value\":[]}");
    assert_non_null(fake_find(fixture->bus, "x://d/y"));
}

static void without_an_answer_messages_go_on(void **state)
{
    Fixture *fixture = *state;
    hear_registry(fixture, 1);
    open_unknown(fixture, 0, "runtime://d/ann");
    say_from(fixture, "hyperty://d/1", 2);
    fake_answer(fixture->bus, SESSIONS, "{\"code\":504}");
    assert_non_null(fake_find(fixture->bus, "x://d/y"));
    assert_true(fake_is_routed(fixture->bus, "hyperty://d/1 "));
}

static void a_client_that_goes_while_it_claims_leaves_nothing(void **state)
{
    Fixture *fixture = *state;
    hear_registry(fixture, 1);
    open_unknown(fixture, 0, "runtime://d/ann");
    say_from(fixture, "hyperty://d/1", 2);
    lose_client(fixture, 0);
    assert_null(fake_find(fixture->bus, "x://d/y"));
}

static void only_so_much_is_held_while_claiming(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *large = g_strnfill(100 * 1024, 'x');
    g_autofree char *text = g_strdup_printf("{\"id\":9,\"type\":\"read\",\"from\":"
                                            "\"runtime://d/ann\",\"to\":\"x://d/y\",\"body\":"
                                            "{\"x\":\"%s\"}}",
                                            large);
    hear_registry(fixture, 1);
    open_unknown(fixture, 0, "runtime://d/ann");
    say_from(fixture, "hyperty://d/1", 2);
    for (guint i = 0; i <= LIMIT_HELD_WHILE_CLAIMING / (100 * 1024); i++)
        say(fixture, 0, text);
    assert_int_equal(last_code(fixture, 0), 429);
    fake_answer(fixture->bus, SESSIONS, "{\"code\":200,\"value\":[]}");
    assert_int_equal(fixture->clients[0]->held_bytes, 0);
}

// --- what comes between clients ---

static void who_is_taken_off_an_object_loses_its_routes(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0,
        "{\"id\":3,\"type\":\"subscribe\",\"from\":\"runtime://d/ann\",\"to\":"
        "\"domain://msg-node.d/sm\",\"body\":{\"resources\":[\"x://d/o/changes\"]}}");
    Envelope *message =
        envelope_new(MSG__ENVELOPE__TYPE__UNSUBSCRIBE, "x://d/h", "runtime://d/ann");
    envelope_set(&message->taken, "x://d/o");
    g_autoptr(BusRequest) request = fake_deliver(fixture->bus, message);
    assert_false(fake_is_routed(fixture->bus, "x://d/o/changes "));
    fake_routed(fixture->bus);
}

static void answer_in_part(Fixture *fixture, guint code, guint parts)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\":4,\"type\":\"response\",\"from\":\"runtime://d/ann\",\"to\":\"x://d/h\","
        "\"body\":{\"code\":%u,\"value\":{\"responses\":%u},\"" DELIVERY_PIECES "\":1}}",
        code, parts);
    say(fixture, 0, text);
}

static void a_clients_answer_in_parts_ends_with_the_last_of_them(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    g_autoptr(BusRequest) request = fake_deliver_text(
        fixture->bus,
        "{\"id\":4,\"type\":\"read\",\"from\":\"x://d/h\",\"to\":\"runtime://d/ann\"}");
    answer_in_part(fixture, 100, 2);
    answer_in_part(fixture, 200, 2);
    assert_int_equal(request->provisional, 2);
    assert_null(request->answer);
    answer_in_part(fixture, 200, 2);
    assert_int_equal(request->provisional, 3);
    assert_int_equal(json_get_number(request->answer, DELIVERY_PIECES, 0), 3);
    answer_in_part(fixture, 200, 2); // one too many
}

static void on_time(gpointer loop)
{
    g_main_loop_quit(loop);
}

static void wait_ms(Fixture *fixture, guint ms)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    deadlines_add(fixture->gateway->deadlines, ms, on_time, loop);
    g_main_loop_run(loop);
}

static void without_takeover_only_a_dead_sockets_session_is_taken(void **state)
{
    Fixture *fixture = *state;
    fixture->gateway->open_takeover = FALSE;
    open_session(fixture, 0, "runtime://d/ann");
    static const char again[] =
        "{\"id\":1,\"type\":\"open\",\"from\":\"runtime://d/ann\",\"to\":\"mn:/session\"}";
    say(fixture, 1, again);
    assert_int_equal(fixture->wires[0].pings, 1);
    fixture->wires[0].heard_us = g_get_monotonic_time();
    wait_ms(fixture, 1100);
    assert_int_equal(last_code(fixture, 1), 403);
    say(fixture, 2, again);
    wait_ms(fixture, 1100);
    assert_int_equal(last_code(fixture, 2), 200);
    say(fixture, 0, "{\"id\":3,\"type\":\"read\",\"from\":\"runtime://d/ann\",\"to\":\"x://d/y\"}");
    assert_int_equal(last_code(fixture, 0), 403);
}

static void opens_in_a_rush_are_delayed_not_refused(void **state)
{
    Fixture *fixture = *state;
    for (guint i = 0; i < LIMIT_OPENS_PER_S; i++) {
        open_session(fixture, 0, "runtime://d/ann");
        lose_client(fixture, 0);
        connect_client(fixture, 0);
    }
    guint before = count(fixture, 0);
    say(fixture, 0,
        "{\"id\":1,\"type\":\"open\",\"from\":\"runtime://d/ann\","
        "\"to\":\"mn:/session\"}");
    assert_int_equal(count(fixture, 0), before);
    wait_ms(fixture, 50);
    assert_int_equal(last_code(fixture, 0), 200);
}

// --- joining ---

static void a_join_carries_who_asks(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0, JOIN);
    const Envelope *message = fake_find(fixture->bus, CONFERENCE)->message;
    assert_string_equal(message->session, fixture->clients[0]->session->id);
    g_autofree char *identity = g_strndup((char *)message->identity.data, message->identity.len);
    assert_non_null(strstr(identity, "\"preferred_username\":\"Ann\""));
    assert_non_null(strstr(identity, "guest://d/"));
    assert_true(fake_is_routed(fixture->bus, "hyperty://d/ann "));
    assert_true(fake_is_routed(fixture->bus, "connection://d/ann "));
    assert_false(fake_is_routed(fixture->bus, ROOM "/changes "));
}

static void routes_stand_before_the_answer_is_handed_over(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0, JOIN);
    fake_answer(fixture->bus, CONFERENCE, JOINED);
    assert_int_equal(count(fixture, 0), 1);
    assert_true(fake_is_routed(fixture->bus, ROOM "/changes "));
    assert_true(fake_is_routed(fixture->bus, "connection://d/media-ann/changes "));
    change_room(fixture, 6, "status", "\"open\""); // between answer and barrier
    assert_int_equal(count(fixture, 0), 1);
    fake_routed(fixture->bus);
    assert_int_equal(count(fixture, 0), 3);
    assert_int_equal(json_get_number(heard(fixture, 0, 1), "id", 0), 7);
    assert_int_equal(json_get_number(json_get(heard(fixture, 0, 2), "body"), "version", 0), 6);
    assert_true(fake_is_routed(fixture->bus, "ctxt://d/room/demo/changes "));
    assert_true(fake_is_routed(fixture->bus, ROOM "/children/"));
}

static void changes_come_in_order_and_once(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    change_room(fixture, 7, "status", "\"b\"");
    assert_int_equal(count(fixture, 0), 2);
    change_room(fixture, 6, "status", "\"a\"");
    change_room(fixture, 6, "status", "\"a\"");
    assert_int_equal(count(fixture, 0), 4);
    assert_int_equal(json_get_number(json_get(heard(fixture, 0, 2), "body"), "version", 0), 6);
    assert_int_equal(json_get_number(json_get(heard(fixture, 0, 3), "body"), "version", 0), 7);
}

static void an_object_is_observed_once_for_all_sessions(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    open_session(fixture, 1, "runtime://d/bob");
    say(fixture, 1,
        "{\"id\":9,\"type\":\"subscribe\",\"from\":\"hyperty://d/bob\",\"to\":\"" ROOM
        "/subscription\",\"body\":{\"source\":\"hyperty://d/bob\",\"resume\":true,\"version\":3}}");
    bus_cancel(fixture->bus, fake_find(fixture->bus, ROOM "/subscription")->number); // our own
    assert_true(fake_answer(fixture->bus, ROOM "/subscription",
                            "{\"code\":200,\"value\":{\"version\":5,\"changes\":[]}}"));
    fake_routed(fixture->bus);
    assert_int_equal(last_code(fixture, 1), 200);
    guint subscriptions = 0;
    for (guint i = 0; i < fixture->bus->routes->len; i++)
        subscriptions +=
            strcmp(((FakeRoute *)fixture->bus->routes->pdata[i])->topic, ROOM "/changes ") == 0;
    assert_int_equal(subscriptions, 1);
    change_room(fixture, 6, "status", "\"a\"");
    assert_int_equal(json_get_number(json_get(last(fixture, 0), "body"), "version", 0), 6);
    assert_int_equal(json_get_number(json_get(last(fixture, 1), "body"), "version", 0), 6);
}

static void a_session_that_was_away_gets_what_it_missed(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    change_room(fixture, 6, "status", "\"a\"");
    lose_client(fixture, 0);
    change_room(fixture, 7, "status", "\"b\"");
    change_room(fixture, 8, "status", "\"c\"");
    assert_int_equal(count(fixture, 0), 3);
    open_session(fixture, 1, "runtime://d/ann"); // takes over
    assert_int_equal(count(fixture, 1), 3);
    assert_int_equal(json_get_number(json_get(heard(fixture, 1, 1), "body"), "version", 0), 7);
    say(fixture, 1,
        "{\"id\":9,\"type\":\"subscribe\",\"from\":\"hyperty://d/ann\",\"to\":\"" ROOM
        "/subscription\",\"body\":{\"source\":\"hyperty://d/ann\",\"resume\":true,\"version\":5}}");
    const Json *value = json_get(json_get(last(fixture, 1), "body"), "value");
    assert_int_equal(json_size(json_get(value, "changes")), 3);
    assert_int_equal(json_get_number(value, "version", 0), 8);
}

static void a_stranger_is_not_answered_from_the_log(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    guint asked = fixture->bus->asked->len;
    open_session(fixture, 1, "runtime://d/eve");
    say(fixture, 1,
        "{\"id\":9,\"type\":\"subscribe\",\"from\":\"hyperty://d/eve\",\"to\":\"" ROOM
        "/subscription\",\"body\":{\"resume\":true,\"version\":5}}");
    assert_int_equal(count(fixture, 1), 1);
    assert_int_equal(fixture->bus->asked->len, asked + 2); // the session is told, and the question
}

static void leaving_takes_the_routes_along(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    change_room(fixture, 6, "participants.ann", NULL);
    assert_string_equal(json_get_text(json_get(last(fixture, 0), "body"), "attribute"),
                        "participants.ann");
    let_idle_run();
    assert_false(fake_is_routed(fixture->bus, ROOM "/changes "));
    assert_false(fake_is_routed(fixture->bus, ROOM "/children/"));
    assert_false(fake_is_routed(fixture->bus, "ctxt://d/room/demo/changes "));
    assert_false(fake_is_routed(fixture->bus, "connection://d/media-ann/changes "));
}

static void who_is_removed_hears_nothing_more_although_it_gave_its_connection_up(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    sessions_release(fixture->gateway->sessions, fixture->clients[0]->session,
                     "connection://d/ann");
    change_room(fixture, 6, "participants.ann", NULL);
    let_idle_run();
    assert_false(fake_is_routed(fixture->bus, ROOM "/changes "));
}

static void somebody_elses_leaving_does_not(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    change_room(fixture, 6, "participants.bob", NULL);
    let_idle_run();
    assert_true(fake_is_routed(fixture->bus, ROOM "/changes "));
}

static void the_end_of_a_room_is_told(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    fake_deliver_text(fixture->bus, "{\"id\":1,\"type\":\"delete\",\"from\":\"" ROOM
                                    "/subscription\",\"to\":\"" ROOM "/changes\"}");
    assert_string_equal(json_get_text(last(fixture, 0), "type"), "delete");
    let_idle_run();
    assert_false(fake_is_routed(fixture->bus, ROOM "/changes "));
    assert_false(fake_is_routed(fixture->bus, "connection://d/media-ann/changes "));
}

static void a_join_answered_to_a_session_that_has_ended_leaves_nothing(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0, JOIN);
    fake_answer(fixture->bus, CONFERENCE, JOINED);
    say(fixture, 0, "{\"id\":2,\"type\":\"close\",\"to\":\"mn:/session\"}");
    fake_routed(fixture->bus);
    let_idle_run();
    assert_false(fake_is_routed(fixture->bus, ROOM "/changes "));
}

static void an_answer_in_parts_is_handed_over_whole(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0, JOIN);
    fake_answer(fixture->bus, CONFERENCE,
                "{\"code\":100,\"value\":{\"responses\":2,\"part\":0,\"text\":\"{\\\"url\\\":"
                "\\\"" ROOM "\\\",\\\"ver\"}}");
    fake_answer(fixture->bus, CONFERENCE,
                "{\"code\":200,\"value\":{\"responses\":2,\"part\":1,\"text\":\"sion\\\":5}\"}}");
    fake_routed(fixture->bus);
    assert_int_equal(count(fixture, 0), 2);
    const Json *value = json_get(json_get(last(fixture, 0), "body"), "value");
    assert_string_equal(json_get_text(value, "url"), ROOM);
    assert_int_equal(json_get_number(value, "version", 0), 5);
}

// --- requests ---

static void a_repeat_on_a_later_socket_is_asked_once_and_answered_again(void **state)
{
    static const char question[] =
        "{\"id\":5,\"type\":\"read\",\"from\":\"hyperty://d/ann\",\"to\":\"x://d/y\"}";
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0, question);
    say(fixture, 0, question); // on the same socket: a new request
    assert_int_equal(fixture->bus->asked->len, 3);
    fake_answer(fixture->bus, "x://d/y", "{\"code\":200}");
    lose_client(fixture, 0);
    open_session(fixture, 1, "runtime://d/ann");
    guint asked = fixture->bus->asked->len;
    say(fixture, 1, question); // answered already
    assert_int_equal(last_code(fixture, 1), 200);
    say(fixture, 1, question); // still open
    assert_int_equal(fixture->bus->asked->len, asked);
    fake_answer(fixture->bus, "x://d/y", "{\"code\":200}");
    assert_int_equal(count(fixture, 1), 3);
}

static void open_requests_are_bounded(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    for (guint i = 0; i <= LIMIT_SESSION_REQUESTS; i++) {
        g_autofree char *text = g_strdup_printf("{\"id\":%u,\"type\":\"read\",\"from\":"
                                                "\"hyperty://d/ann\",\"to\":\"x://d/y\"}",
                                                i + 10);
        say(fixture, 0, text);
    }
    assert_int_equal(last_code(fixture, 0), 429);
    fake_answer(fixture->bus, "x://d/y", "{\"code\":404,\"reason\":\"no_route\",\"desc\":\"x\"}");
    const Json *body = json_get(last(fixture, 0), "body");
    assert_string_equal(json_get_text(body, "description"), "x");
    assert_int_equal(json_get_number(last(fixture, 0), "id", 0), 10);
}

// With an answer that is no longer kept its deadline goes too: it would free the answer again.
static void as_many_answers_are_kept_as_there_may_be_questions(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    guint before = deadlines_waiting(fixture->gateway->deadlines);
    for (guint i = 0; i < 2 * LIMIT_SESSION_REQUESTS; i++) {
        g_autofree char *text = g_strdup_printf("{\"id\":%u,\"type\":\"read\",\"from\":"
                                                "\"hyperty://d/ann\",\"to\":\"x://d/y\"}",
                                                i + 10);
        say(fixture, 0, text);
        fake_answer(fixture->bus, "x://d/y", "{\"code\":200}");
    }
    assert_int_equal(deadlines_waiting(fixture->gateway->deadlines) - before,
                     LIMIT_SESSION_REQUESTS);
}

static void a_list_of_recipients_is_asked_one_by_one(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    say(fixture, 0,
        "{\"id\":5,\"type\":\"read\",\"from\":\"hyperty://d/ann\",\"to\":[\"x://d/1\",\"x://d/"
        "2\"]}");
    assert_true(fake_answer(fixture->bus, "x://d/2", "{\"code\":200}"));
    assert_string_equal(json_get_text(last(fixture, 0), "from"), "x://d/2");
    assert_true(fake_answer(fixture->bus, "x://d/1", "{\"code\":200}"));
    assert_int_equal(count(fixture, 0), 3);
}

static BusRequest *invite(Fixture *fixture, const char *id)
{
    g_autofree char *text =
        g_strdup_printf("{\"id\":%s,\"type\":\"create\",\"from\":\"hyperty://d/bob\","
                        "\"to\":\"runtime://d/ann/x\",\"body\":{}}",
                        id);
    return fake_deliver_text(fixture->bus, text);
}

static void respond(Fixture *fixture, guint index, const char *id, guint code)
{
    g_autofree char *text = g_strdup_printf("{\"id\":%s,\"type\":\"response\",\"from\":\"runtime://"
                                            "d/ann/x\",\"to\":\"hyperty://d/bob\","
                                            "\"body\":{\"code\":%u}}",
                                            id, code);
    say(fixture, index, text);
}

static void an_answer_closes_the_oldest_of_equal_requests(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    g_autoptr(BusRequest) first = invite(fixture, "7");
    g_autoptr(BusRequest) second = invite(fixture, "7");
    assert_true(first->acknowledged);
    assert_int_equal(count(fixture, 0), 3);
    respond(fixture, 0, "\"7\"", 200); // another id
    assert_null(first->answer);
    respond(fixture, 0, "7", 100);
    assert_int_equal(first->provisional, 1);
    respond(fixture, 0, "7.0", 200);
    assert_int_equal(json_get_number(first->answer, "code", 0), 200);
    assert_null(second->answer);
    respond(fixture, 0, "7", 403);
    assert_int_equal(json_get_number(second->answer, "code", 0), 403);
    respond(fixture, 0, "7", 200);
    assert_int_equal(metrics_get(METRIC_GATEWAY_UNASKED), 2);
}

static void requests_wait_for_a_session_that_is_away(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    lose_client(fixture, 0);
    BusRequest *waiting[LIMIT_SESSION_REQUESTS + 1];
    for (guint i = 0; i <= LIMIT_SESSION_REQUESTS; i++)
        waiting[i] = invite(fixture, "7");
    assert_string_equal(json_get_text(waiting[LIMIT_SESSION_REQUESTS]->answer, "reason"),
                        "too_many");
    open_session(fixture, 1, "runtime://d/ann");
    assert_int_equal(count(fixture, 1), 1 + LIMIT_SESSION_REQUESTS);
    respond(fixture, 1, "7", 200);
    assert_int_equal(json_get_number(waiting[0]->answer, "code", 0), 200);
    say(fixture, 1, "{\"id\":2,\"type\":\"close\",\"to\":\"mn:/session\"}");
    assert_int_equal(json_get_number(waiting[1]->answer, "code", 0), 404);
    for (guint i = 0; i <= LIMIT_SESSION_REQUESTS; i++)
        bus_request_unref(waiting[i]);
}

// --- objects of clients ---

static const Envelope *published(Fixture *fixture, guint index)
{
    return fixture->bus->published->pdata[index];
}

static void updates_are_stamped_and_repeats_dropped(void **state)
{
    static const char *const texts[] = {"1", "3", "3", "2"};
    Fixture *fixture = *state;
    join(fixture, 0);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = g_strdup_printf(
            "{\"id\":1,\"type\":\"update\",\"from\":\"connection://d/ann\",\"to\":"
            "\"connection://d/ann/changes\",\"body\":{\"version\":%s,\"attribute\":\"status\","
            "\"value\":\"new\"}}",
            texts[i]);
        say(fixture, 0, text);
    }
    assert_int_equal(fixture->bus->published->len, 1); // the join was version 1
    assert_int_equal(published(fixture, 0)->previous_version, 1);
    assert_string_equal(published(fixture, 0)->session, fixture->clients[0]->session->id);
}

static void gaps_in_a_clients_object_are_answered_for_it(void **state)
{
    Fixture *fixture = *state;
    join(fixture, 0);
    say(fixture, 0,
        "{\"id\":1,\"type\":\"update\",\"from\":\"connection://d/ann\",\"to\":"
        "\"connection://d/ann/changes\",\"body\":{\"version\":2,\"attribute\":\"status\","
        "\"value\":\"checking\"}}");
    guint before = count(fixture, 0);
    g_autoptr(BusRequest) request = fake_deliver_text(
        fixture->bus, "{\"id\":1,\"type\":\"subscribe\",\"from\":\"hyperty://d/media/1\",\"to\":"
                      "\"connection://d/ann/subscription\",\"body\":{\"resume\":true,"
                      "\"version\":1}}");
    assert_int_equal(count(fixture, 0), before);
    const Json *changes = json_get(json_get(request->answer, "value"), "changes");
    assert_int_equal(json_size(changes), 1);
}

// --- the routing service ---

static void route(Fixture *fixture, guint index, const char *type, const char *body)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\":3,\"type\":\"%s\",\"from\":\"%s\",\"to\":\"domain://msg-node.d/sm\",\"body\":%s}",
        type, fixture->clients[index]->session->runtime, body);
    say(fixture, index, text);
    fake_routed(fixture->bus);
}

static void routing_binds_and_routes(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    open_session(fixture, 1, "runtime://d/bob");
    route(fixture, 0, "subscribe",
          "{\"subscribe\":[\"comm://d/o\",\"comm://d/o/subscription\",\"comm://d/o/children/\"]}");
    assert_int_equal(last_code(fixture, 0), 200);
    assert_true(session_owns(fixture->clients[0]->session, "comm://d/o"));
    route(fixture, 1, "subscribe",
          "{\"resources\":[[\"comm://d/o/changes\"]],\"source\":\"x:/y\"}");
    assert_int_equal(last_code(fixture, 1), 200);
    assert_true(fake_is_routed(fixture->bus, "comm://d/o/changes "));
    route(fixture, 1, "subscribe", "{\"resources\":[\"hyperty://d/free\",\"comm://d/o\"]}");
    assert_int_equal(last_code(fixture, 1), 403);
    assert_null(sessions_owner(fixture->gateway->sessions, "hyperty://d/free"));
    route(fixture, 1, "subscribe", "{\"resources\":[\"hyperty://d/conference\"]}");
    assert_int_equal(last_code(fixture, 1), 403);
    route(fixture, 1, "subscribe", "{\"resources\":7}");
    assert_int_equal(last_code(fixture, 1), 400);
}

static void routes_to_our_objects_sleep(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    route(fixture, 0, "subscribe",
          "{\"resources\":[\"" ROOM "/changes\",\"ctxt://d/room/demo/changes\"]}");
    assert_int_equal(last_code(fixture, 0), 200);
    assert_false(fake_is_routed(fixture->bus, ROOM "/changes "));
    assert_false(fake_is_routed(fixture->bus, "ctxt://d/room/demo/changes "));
}

static void legacy_unsubscribe_drops_the_whole_object(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    route(fixture, 0, "subscribe",
          "{\"resources\":[\"comm://d/o/changes\",\"comm://d/o/children/\"]}");
    route(fixture, 0, "unsubscribe", "{\"resource\":\"comm://d/o/children/\"}");
    assert_false(fake_is_routed(fixture->bus, "comm://d/o/changes "));
    assert_false(fake_is_routed(fixture->bus, "comm://d/o/children/"));
}

// --- objects of clients, followed ---

static void observe_thing(Fixture *fixture, gint64 version)
{
    open_session(fixture, 0, "runtime://d/ann");
    route(fixture, 0, "subscribe", "{\"resources\":[\"x://d/o/changes\"]}");
    say(fixture, 0,
        "{\"id\":4,\"type\":\"subscribe\",\"from\":\"runtime://d/ann\",\"to\":"
        "\"x://d/o/subscription\",\"body\":{\"mutual\":false}}");
    g_autofree char *answer = g_strdup_printf(
        "{\"code\":200,\"value\":{\"version\":%" G_GINT64_FORMAT ",\"data\":{}}}", version);
    assert_true(fake_answer(fixture->bus, "x://d/o/subscription", answer));
    fake_routed(fixture->bus);
    assert_int_equal(last_code(fixture, 0), 200);
}

static void change_thing(Fixture *fixture, guint version, guint previous)
{
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "x://d/o", "x://d/o/changes");
    Msg__Body *body = envelope_body(update);
    envelope_set(&body->attribute, "a");
    envelope_set_version(update, version);
    update->has_previous_version = TRUE;
    update->previous_version = previous;
    assert_null(fake_deliver(fixture->bus, update));
}

static gint64 last_version(Fixture *fixture, guint index)
{
    return json_get_number(json_get(last(fixture, index), "body"), "version", 0);
}

static void a_hole_in_a_clients_object_is_filled_before_what_follows(void **state)
{
    Fixture *fixture = *state;
    observe_thing(fixture, 3);
    assert_true(fake_answer(fixture->bus, "x://d/o/subscription",
                            "{\"code\":200,\"value\":{\"version\":3,\"changes\":[]}}"));
    change_thing(fixture, 5, 3);
    assert_int_equal(last_version(fixture, 0), 5);
    guint before = count(fixture, 0);
    change_thing(fixture, 8, 7);
    assert_int_equal(count(fixture, 0), before);
    assert_true(fake_answer(fixture->bus, "x://d/o/subscription",
                            "{\"code\":200,\"value\":{\"version\":8,\"changes\":[{\"version\":7,"
                            "\"attribute\":\"a\"},{\"version\":8,\"attribute\":\"a\"}]}}"));
    assert_int_equal(count(fixture, 0), before + 2);
    assert_int_equal(last_version(fixture, 0), 8);
    change_thing(fixture, 8, 7); // doubled
    assert_int_equal(count(fixture, 0), before + 2);
}

static void what_a_session_missed_of_a_clients_object_waits_for_it(void **state)
{
    Fixture *fixture = *state;
    observe_thing(fixture, 0);
    g_autofree char *again = g_strdup_printf(
        "{\"id\":1,\"type\":\"re-open\",\"from\":\"runtime://d/ann/%s\",\"to\":\"mn:/session\"}",
        fixture->clients[0]->session->token);
    lose_client(fixture, 0);
    change_thing(fixture, 1, 0);
    change_thing(fixture, 2, 1);
    say(fixture, 1, again);
    assert_int_equal(count(fixture, 1), 3); // the answer, and both
    assert_int_equal(last_version(fixture, 1), 2);
}

static void no_route_no_stream(void **state)
{
    Fixture *fixture = *state;
    observe_thing(fixture, 0);
    route(fixture, 0, "unsubscribe", "{\"resources\":[\"x://d/o/changes\"]}");
    guint before = count(fixture, 0);
    let_idle_run();
    change_thing(fixture, 1, 0);
    assert_int_equal(count(fixture, 0), before);
    assert_false(fake_is_routed(fixture->bus, "x://d/o/changes "));
}

static void a_gateways_question_never_reaches_the_client(void **state)
{
    Fixture *fixture = *state;
    open_session(fixture, 0, "runtime://d/ann");
    route(fixture, 0, "subscribe", "{\"resources\":[\"x://d/mine\"]}");
    guint before = count(fixture, 0);
    g_autoptr(BusRequest) request = fake_deliver_text(
        fixture->bus,
        "{\"id\":1,\"type\":\"subscribe\",\"from\":\"domain://msg-node.d/gateway-2\",\"to\":"
        "\"x://d/mine/subscription\",\"body\":{\"resume\":true,\"version\":1}}");
    assert_int_equal(count(fixture, 0), before);
    assert_int_equal(json_size(json_get(json_get(request->answer, "value"), "changes")), 0);
}

static void draining_waits_for_the_last_client(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    gateway_drain(fixture->gateway, on_time, loop);
    for (guint i = 0; i < G_N_ELEMENTS(fixture->wires); i++) {
        assert_int_equal(fixture->wires[i].close_code, 1001);
        lose_client(fixture, i);
    }
    assert_false(g_main_loop_is_running(loop));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_session_is_told_to_the_registry_and_routed),
        CASE(the_registry_hears_one_thing_of_a_session_at_a_time),
        CASE(a_new_registry_is_told_of_everybody_again),
        CASE(what_a_registry_did_not_hear_it_is_told_when_it_is_back),
        CASE(a_session_of_another_gateway_is_read_and_announced),
        CASE(a_session_that_moved_away_is_dropped_in_silence),
        CASE(an_open_asks_whose_the_runtime_is_and_takes_it_over),
        CASE(a_new_address_waits_for_the_registry_and_all_that_follows_it),
        CASE(an_address_of_another_gateway_is_refused_each_time_anew),
        CASE(without_an_answer_messages_go_on),
        CASE(a_client_that_goes_while_it_claims_leaves_nothing),
        CASE(only_so_much_is_held_while_claiming),
        CASE(who_is_taken_off_an_object_loses_its_routes),
        CASE(a_clients_answer_in_parts_ends_with_the_last_of_them),
        CASE(without_takeover_only_a_dead_sockets_session_is_taken),
        CASE(opens_in_a_rush_are_delayed_not_refused),
        CASE(a_join_carries_who_asks),
        CASE(routes_stand_before_the_answer_is_handed_over),
        CASE(changes_come_in_order_and_once),
        CASE(an_object_is_observed_once_for_all_sessions),
        CASE(a_session_that_was_away_gets_what_it_missed),
        CASE(a_stranger_is_not_answered_from_the_log),
        CASE(leaving_takes_the_routes_along),
        CASE(who_is_removed_hears_nothing_more_although_it_gave_its_connection_up),
        CASE(somebody_elses_leaving_does_not),
        CASE(the_end_of_a_room_is_told),
        CASE(a_join_answered_to_a_session_that_has_ended_leaves_nothing),
        CASE(an_answer_in_parts_is_handed_over_whole),
        CASE(a_repeat_on_a_later_socket_is_asked_once_and_answered_again),
        CASE(open_requests_are_bounded),
        CASE(as_many_answers_are_kept_as_there_may_be_questions),
        CASE(a_list_of_recipients_is_asked_one_by_one),
        CASE(an_answer_closes_the_oldest_of_equal_requests),
        CASE(requests_wait_for_a_session_that_is_away),
        CASE(updates_are_stamped_and_repeats_dropped),
        CASE(gaps_in_a_clients_object_are_answered_for_it),
        CASE(routing_binds_and_routes),
        CASE(routes_to_our_objects_sleep),
        CASE(legacy_unsubscribe_drops_the_whole_object),
        CASE(a_hole_in_a_clients_object_is_filled_before_what_follows),
        CASE(what_a_session_missed_of_a_clients_object_waits_for_it),
        CASE(no_route_no_stream),
        CASE(a_gateways_question_never_reaches_the_client),
        CASE(draining_waits_for_the_last_client),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
