// SPDX-License-Identifier: MIT
// Joining through a real gateway: one message in, one answer out, then every change of the room in
// order, also over lost WebSockets and killed processes. Registry, bus and gateway are real, the
// media is played.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <gio/gio.h>

#include "tests/support/fake_worker.h"
#include "tests/support/suite.h"
#include "tests/support/ws_client.h"

#define MANY 30

typedef struct {
    Suite *suite;
    FakeWorker *worker;
} Stage;

static gboolean is_ready(gpointer suite)
{
    guint status = 0;
    g_free(suite_http_get(suite, "/readyz", &status));
    return status == 200;
}

static int set_up(void **state)
{
    Stage *stage = g_new0(Stage, 1);
    stage->suite = suite_new();
    suite_set(stage->suite, "PARLEY_REGISTRY_GRACE_S", "1");
    suite_start(stage->suite, "bus", "bus", NULL);
    suite_start(stage->suite, "registry", "registry", NULL);
    suite_start(stage->suite, "gateway", "gateway", NULL);
    stage->worker = fake_worker_new(stage->suite, 100);
    assert_true(suite_until(is_ready, stage->suite, 10000));
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    Stage *stage = *state;
    fake_worker_free(stage->worker);
    suite_free(stage->suite);
    g_free(stage);
    return 0;
}

static WsClient *open_client(Stage *stage, const char *name)
{
    WsClient *client = ws_client_new(suite_gateway_port(stage->suite));
    assert_true(ws_client_open(client, name));
    return client;
}

static WsClient *join(Stage *stage, const char *room, const char *name)
{
    WsClient *client = open_client(stage, name);
    g_autoptr(Json) body = ws_client_join(client, room, name, "v=0");
    if (ws_code(body) != 200)
        fail_msg("%s: %d %s", name, ws_code(body),
                 body != NULL ? json_get_text(body, "desc") : "no answer");
    return client;
}

static guint participants(const WsClient *client)
{
    const SyncObject *room = ws_client_communication(client);
    return room == NULL ? 0 : json_size(json_get(sync_object_data(room), "participants"));
}

typedef struct {
    const WsClient *client;
    guint count;
} Expected;

static gboolean are_seen(gpointer user)
{
    const Expected *expected = user;
    return participants(expected->client) == expected->count;
}

static void await_participants(const WsClient *client, guint count)
{
    Expected expected = {client, count};
    if (!suite_until(are_seen, &expected, 8000))
        fail_msg("%u participants instead of %u", participants(client), count);
}

static gboolean same_version(gpointer user)
{
    WsClient **two = user;
    return ws_client_communication(two[0]) != NULL && ws_client_communication(two[1]) != NULL &&
           sync_object_version(ws_client_communication(two[0])) ==
               sync_object_version(ws_client_communication(two[1]));
}

static void assert_same_room(WsClient *one, WsClient *other)
{
    WsClient *two[] = {one, other};
    assert_true(suite_until(same_version, two, 5000));
    g_autofree char *first = json_hash(sync_object_data(ws_client_communication(one)));
    g_autofree char *second = json_hash(sync_object_data(ws_client_communication(other)));
    assert_string_equal(first, second);
}

static const Json *participant_seen_by(const WsClient *observer, const WsClient *who)
{
    const Json *data = sync_object_data(ws_client_communication(observer));
    return json_get(json_get(data, "participants"), ws_client_participant(who));
}

static void a_join_is_answered_with_room_and_answer(void **state)
{
    g_autoptr(WsClient) client = open_client(*state, "Ann");
    g_autoptr(Json) body = ws_client_join(client, "demo", "Ann", "v=0");
    assert_int_equal(ws_code(body), 200);
    assert_string_equal(json_get_text(body, "participant"), ws_client_participant(client));
    assert_non_null(ws_client_answer(client));
    assert_int_equal(participants(client), 1);
}

static void those_inside_see_who_comes_and_goes(void **state)
{
    g_autoptr(WsClient) ann = join(*state, "demo", "Ann");
    g_autoptr(WsClient) bob = join(*state, "demo", "Bob");
    await_participants(ann, 2);
    await_participants(bob, 2);
    assert_same_room(ann, bob);
    const Json *seen = participant_seen_by(ann, bob);
    const Json *profile = json_get(json_get(seen, "identity"), "userProfile");
    g_autofree char *user = g_strconcat("guest://localhost/", ws_client_session(bob), NULL);
    assert_string_equal(json_get_text(profile, "preferred_username"), "Bob");
    assert_string_equal(json_get_text(profile, "userURL"), user);
    g_autoptr(Json) leave = json_new_object();
    g_autoptr(Json) params = json_new_array();
    g_autoptr(Json) room = json_new_text("demo");
    json_append(params, room);
    json_set_text(leave, "method", "leaveRoom");
    json_set(leave, "params", params);
    g_autoptr(Json) answer = ws_client_request(
        bob,
        ws_client_message(bob, "execute", NULL, "hyperty://localhost/conference", json_ref(leave)));
    assert_int_equal(ws_code(answer), 200);
    await_participants(ann, 1);
    assert_int_equal(ws_client_holes(ann) + ws_client_holes(bob), 0);
}

static void somebody_elses_connection_cannot_join(void **state)
{
    g_autoptr(WsClient) ann = join(*state, "demo", "Ann");
    g_autoptr(WsClient) eve = open_client(*state, "Eve");
    Json *message = ws_client_join_message(eve, "demo", "Eve", "v=0");
    Json *value = json_get(json_get(message, "body"), "value");
    json_set_text(value, "url", ws_client_connection(ann));
    g_autoptr(Json) body = ws_client_request(eve, message);
    assert_int_equal(ws_code(body), 403);
}

static void a_stranger_hears_nothing_of_a_room(void **state)
{
    g_autoptr(WsClient) ann = join(*state, "demo", "Ann");
    g_autoptr(WsClient) eve = open_client(*state, "Eve");
    g_autofree char *changes =
        g_strconcat(sync_object_url(ws_client_communication(ann)), "/changes", NULL);
    Json *body = json_new_object();
    json_set_text(body, "resource", changes);
    g_autoptr(Json) answer =
        ws_client_request(eve, ws_client_message(eve, "subscribe", ws_client_runtime(eve),
                                                 "domain://msg-node.localhost/sm", body));
    assert_int_equal(ws_code(answer), 200);
    g_autoptr(WsClient) bob = join(*state, "demo", "Bob");
    await_participants(ann, 2);
    assert_int_equal(ws_client_count(eve, "update", NULL), 0);
    g_autoptr(Json) spoof = ws_client_message(eve, "update", NULL, changes, json_new_object());
    g_autoptr(Json) refused = ws_client_request(eve, json_ref(spoof));
    assert_int_equal(ws_code(refused), 403);
}

static void many_join_at_once_and_see_the_same(void **state)
{
    Stage *stage = *state;
    WsClient *clients[MANY];
    for (guint i = 0; i < MANY; i++)
        clients[i] = join(stage, "crowd", "someone");
    for (guint i = 0; i < MANY; i++)
        await_participants(clients[i], MANY);
    for (guint i = 1; i < MANY; i++)
        assert_same_room(clients[0], clients[i]);
    for (guint i = 0; i < MANY; i++) {
        assert_int_equal(ws_client_holes(clients[i]), 0);
        ws_client_free(clients[i]);
    }
}

static void a_lost_socket_resumes_without_a_hole(void **state)
{
    Stage *stage = *state;
    g_autoptr(WsClient) ann = join(stage, "demo", "Ann");
    ws_client_drop(ann);
    g_autoptr(WsClient) bob = join(stage, "demo", "Bob");
    g_autoptr(WsClient) cleo = join(stage, "demo", "Cleo");
    ws_client_reconnect(ann, suite_gateway_port(stage->suite));
    assert_true(ws_client_open(ann, "Ann"));
    assert_true(ws_client_resume(ann));
    await_participants(ann, 3);
    assert_same_room(ann, cleo);
    g_autoptr(WsClient) dan = join(stage, "demo", "Dan");
    await_participants(ann, 4);
    assert_int_equal(ws_client_holes(ann), 0);
}

static void a_killed_gateway_is_left_without_anybody_noticing(void **state)
{
    Stage *stage = *state;
    g_autoptr(WsClient) ann = join(stage, "demo", "Ann");
    g_autoptr(WsClient) bob = join(stage, "demo", "Bob");
    await_participants(ann, 2);
    suite_kill(stage->suite, "gateway", SIGKILL);
    suite_start(stage->suite, "gateway", "gateway", NULL);
    assert_true(suite_until(is_ready, stage->suite, 5000));
    WsClient *both[] = {ann, bob};
    for (guint i = 0; i < 2; i++) {
        ws_client_reconnect(both[i], suite_gateway_port(stage->suite));
        assert_true(ws_client_open(both[i], "x"));
        assert_true(ws_client_resume(both[i]));
    }
    assert_int_equal(participants(ann), 2);
    g_autoptr(WsClient) cleo = join(stage, "demo", "Cleo");
    await_participants(ann, 3);
    await_participants(bob, 3);
    assert_same_room(ann, cleo);
    assert_int_equal(ws_client_holes(ann) + ws_client_holes(bob), 0);
}

static guint start_second_gateway(Stage *stage)
{
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    assert_true(g_socket_bind(socket, any, TRUE, NULL));
    g_autoptr(GSocketAddress) bound = g_socket_get_local_address(socket, NULL);
    guint port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
    g_autofree char *argument = g_strdup_printf("--gateway.port=%u", port);
    g_socket_close(socket, NULL);
    suite_start(stage->suite, "gateway2", "gateway", (const char *[]){argument, NULL});
    assert_true(suite_until_logged(stage->suite, "gateway2", "bus.linked", 1, 5000));
    return port;
}

static void a_client_goes_on_at_another_gateway(void **state)
{
    Stage *stage = *state;
    guint port = start_second_gateway(stage);
    g_autoptr(WsClient) ann = join(stage, "demo", "Ann");
    g_autoptr(WsClient) bob = join(stage, "demo", "Bob");
    await_participants(ann, 2);
    g_autofree char *session = g_strdup(ws_client_session(ann));
    ws_client_drop(ann);
    ws_client_reconnect(ann, port);
    assert_true(ws_client_open(ann, "Ann"));
    assert_string_equal(ws_client_session(ann), session);
    assert_true(ws_client_resume(ann));
    assert_true(suite_until_logged(stage->suite, "gateway", "gateway.session_moved", 1, 2000));
    g_autoptr(WsClient) cleo = join(stage, "demo", "Cleo");
    await_participants(ann, 3);
    assert_same_room(ann, bob);
    suite_kill(stage->suite, "gateway", SIGTERM); // drains: Bob goes elsewhere too
    assert_true(ws_client_wait_closed(bob));
    ws_client_reconnect(bob, port);
    assert_true(ws_client_open(bob, "Bob"));
    assert_true(ws_client_resume(bob));
    assert_same_room(ann, bob);
    assert_int_equal(participants(bob), 3);
    assert_int_equal(ws_client_holes(ann) + ws_client_holes(bob), 0);
}

static void a_killed_registry_and_bus_are_ridden_out(void **state)
{
    static const char *const names[] = {"registry", "bus"};
    Stage *stage = *state;
    g_autoptr(WsClient) ann = join(stage, "demo", "Ann");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        suite_kill(stage->suite, names[i], SIGKILL);
        suite_start(stage->suite, names[i], names[i], NULL);
        g_autoptr(WsClient) bob = join(stage, "demo", "Bob");
        assert_same_room(ann, bob);
        assert_non_null(participant_seen_by(ann, bob));
    }
    assert_int_equal(ws_client_holes(ann), 0);
}

static void a_client_whose_media_is_silent_is_lost_after_the_grace_time(void **state)
{
    Stage *stage = *state;
    g_autoptr(WsClient) ann = join(stage, "demo", "Ann");
    g_autoptr(WsClient) bob = join(stage, "demo", "Bob");
    await_participants(ann, 2);
    ws_client_drop(bob);
    fake_worker_silence(stage->worker, "demo", ws_client_participant(bob));
    await_participants(ann, 1);
}

static void metrics_and_readiness_tell_of_the_suite(void **state)
{
    Stage *stage = *state;
    guint status = 0;
    g_autoptr(WsClient) ann = join(stage, "demo", "Ann");
    g_autofree char *all = suite_http_get(stage->suite, "/metrics", &status);
    assert_int_equal(status, 200);
    assert_non_null(strstr(all, "parley_gateway_sessions{process=\"gateway-"));
    assert_non_null(strstr(all, "parley_up{process=\"registry-"));
    g_autofree char *own = suite_http_get(stage->suite, "/metrics?scope=self", &status);
    assert_null(strstr(own, "registry-"));
    suite_kill(stage->suite, "registry", SIGKILL);
    g_autofree char *ready = suite_http_get(stage->suite, "/readyz", &status);
    assert_int_equal(status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_join_is_answered_with_room_and_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_inside_see_who_comes_and_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(somebody_elses_connection_cannot_join, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stranger_hears_nothing_of_a_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_join_at_once_and_see_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_socket_resumes_without_a_hole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_gateway_is_left_without_anybody_noticing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_client_goes_on_at_another_gateway, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_registry_and_bus_are_ridden_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_client_whose_media_is_silent_is_lost_after_the_grace_time,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(metrics_and_readiness_tell_of_the_suite, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
