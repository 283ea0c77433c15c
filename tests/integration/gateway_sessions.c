// SPDX-License-Identifier: MIT
// Sessions of a real gateway: opening, pipelining, coming back, taking over, and the refusals that
// need nobody else on the bus.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/suite.h"
#include "tests/support/ws_client.h"

static Suite *suite;

static gboolean gateway_is_up(gpointer unused)
{
    guint status = 0;
    (void)unused;
    g_free(suite_http_get(suite, "/healthz", &status));
    return status == 200;
}

static int start(void **state)
{
    (void)state;
    suite = suite_new();
    suite_start(suite, "bus", "bus", NULL);
    suite_start(suite, "gateway", "gateway", NULL);
    assert_true(suite_until(gateway_is_up, NULL, 5000));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    suite_free(suite);
    return 0;
}

static WsClient *new_client(void)
{
    WsClient *client = ws_client_new(suite_gateway_port(suite));
    assert_true(ws_client_wait_up(client));
    return client;
}

static WsClient *open_client(const char *name)
{
    WsClient *client = ws_client_new(suite_gateway_port(suite));
    assert_true(ws_client_open(client, name));
    return client;
}

typedef struct {
    const WsClient *client;
    guint count;
} Expected;

static gboolean has_come(gpointer user)
{
    const Expected *expected = user;
    return ws_client_received(expected->client)->len >= expected->count;
}

static const Json *await(const WsClient *client, guint index)
{
    Expected expected = {client, index + 1};
    if (!suite_until(has_come, &expected, WS_WAIT_MS))
        fail_msg("message %u did not come", index);
    return g_ptr_array_index(ws_client_received(client), index);
}

static void assert_answer(const Json *message, const char *from, gint code, const char *reason)
{
    const Json *body = json_get(message, "body");
    assert_string_equal(json_get_text(message, "type"), "response");
    assert_string_equal(json_get_text(message, "from"), from);
    assert_int_equal(json_get_number(body, "code", 0), code);
    if (reason != NULL) {
        assert_string_equal(json_get_text(body, "reason"), reason);
        assert_non_null(json_get_text(body, "desc"));
        assert_non_null(json_get_text(body, "description"));
    }
}

static void open_is_answered_with_a_token_and_the_same_id(void **state)
{
    g_autoptr(WsClient) client = new_client();
    (void)state;
    ws_client_send_text(client, "{\"id\":\"x-1\",\"type\":\"OPEN\",\"from\":\"runtime:/x\","
                                "\"to\":\"mn:/session\"}");
    const Json *answer = await(client, 0);
    assert_answer(answer, "mn:/session", 200, NULL);
    assert_string_equal(json_get_text(answer, "id"), "x-1");
    assert_string_equal(json_get_text(answer, "to"), "runtime:/x");
    assert_true(strlen(json_get_text(json_get(answer, "body"), "runtimeToken")) <= 100);
}

static void messages_before_the_answer_to_open_are_taken(void **state)
{
    g_autoptr(WsClient) client = new_client();
    (void)state;
    ws_client_send_text(client, "{\"id\":1,\"type\":\"open\",\"from\":\"runtime:/p\","
                                "\"to\":\"mn:/session\"}");
    ws_client_send_text(client, "{\"id\":2,\"type\":\"create\",\"from\":\"runtime:/p/x\",\"to\":"
                                "\"domain://msg-node.localhost/hyperty-address-allocation\","
                                "\"body\":{\"value\":{\"number\":2}}}");
    assert_answer(await(client, 0), "mn:/session", 200, NULL);
    const Json *answer = await(client, 1);
    assert_answer(answer, "domain://msg-node.localhost/hyperty-address-allocation", 200, NULL);
    const Json *value = json_get(json_get(answer, "body"), "value");
    assert_int_equal(json_size(json_get(value, "allocated")), 2);
}

static void nothing_else_is_taken_before_open(void **state)
{
    g_autoptr(WsClient) client = new_client();
    (void)state;
    ws_client_send_text(client, "{\"id\":5,\"type\":\"read\",\"from\":\"runtime:/n\","
                                "\"to\":\"hyperty://localhost/conference\"}");
    assert_answer(await(client, 0), "mn:/validator", 400, "handshake_expected");
}

static void a_socket_without_open_is_closed_after_five_seconds(void **state)
{
    g_autoptr(WsClient) client = new_client();
    (void)state;
    gint64 start_us = g_get_monotonic_time();
    ws_client_wait_closed(client);
    assert_true(ws_client_wait_closed(client));
    assert_int_equal(ws_client_close_code(client), 1008);
    assert_true(g_get_monotonic_time() - start_us < 7 * G_USEC_PER_SEC);
}

static void a_request_to_nobody_is_404_at_once(void **state)
{
    g_autoptr(WsClient) client = open_client("Ann");
    (void)state;
    g_autoptr(Json) body = ws_client_request(
        client, ws_client_message(client, "read", NULL, "hyperty://localhost/nobody-there", NULL));
    assert_int_equal(ws_code(body), 404);
    assert_string_equal(json_get_text(body, "reason"), "no_route");
}

static void what_is_internal_is_forbidden(void **state)
{
    static const char *const urls[] = {"hyperty://localhost/sessions", "bus://events",
                                       "hyperty://localhost/media/1",
                                       "ctxt://localhost/process/bus-1/changes"};
    g_autoptr(WsClient) client = open_client("Ann");
    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autoptr(Json) body =
            ws_client_request(client, ws_client_message(client, "update", NULL, urls[i], NULL));
        assert_int_equal(ws_code(body), 403);
    }
}

static void another_sessions_address_is_refused_as_from(void **state)
{
    g_autoptr(WsClient) ann = open_client("Ann");
    g_autoptr(WsClient) eve = open_client("Eve");
    (void)state;
    g_autoptr(Json) first = ws_client_request(
        ann, ws_client_message(ann, "read", NULL, "hyperty://localhost/nobody-there", NULL));
    assert_int_equal(ws_code(first), 404);
    g_autoptr(Json) second =
        ws_client_request(eve, ws_client_message(eve, "read", ws_client_hyperty(ann),
                                                 "hyperty://localhost/nobody-there", NULL));
    assert_int_equal(ws_code(second), 403);
    assert_string_equal(json_get_text(second, "reason"), "not_owner");
}

static void respond(WsClient *client, const Json *message, gint code)
{
    g_autoptr(Json) response = json_new_object();
    g_autoptr(Json) body = json_new_object();
    json_set(response, "id", json_get(message, "id"));
    json_set_text(response, "type", "response");
    json_set_text(response, "from", json_get_text(message, "to"));
    json_set_text(response, "to", json_get_text(message, "from"));
    json_set_number(body, "code", code);
    json_set_number(body, "value", 7);
    json_set(response, "body", body);
    ws_client_send(client, response);
}

static void on_invited(WsClient *client, const Json *message, gpointer user)
{
    (void)user;
    respond(client, message, 100);
    respond(client, message, 200);
    respond(client, message, 200); // nobody asked that
}

static void a_request_reaches_another_client_and_its_answer_comes_back(void **state)
{
    g_autoptr(WsClient) ann = open_client("Ann");
    g_autoptr(WsClient) bob = open_client("Bob");
    (void)state;
    ws_client_on_message(bob, on_invited, NULL);
    g_autofree char *address = g_strconcat(ws_client_runtime(bob), "/sm", NULL);
    g_autoptr(Json) body =
        ws_client_request(ann, ws_client_message(ann, "create", NULL, address, NULL));
    assert_int_equal(ws_code(body), 200);
    assert_int_equal(json_get_number(body, "value", 0), 7);
    assert_int_equal(ws_client_count(bob, "create", address), 1);
    assert_int_equal(ws_client_count(ann, "response", NULL), 3); // open, 100, 200
}

static void a_lost_socket_keeps_its_session_and_what_is_sent_to_it(void **state)
{
    g_autoptr(WsClient) ann = open_client("Ann");
    g_autoptr(WsClient) bob = open_client("Bob");
    (void)state;
    g_autofree char *token = g_strdup(ws_client_token(bob));
    ws_client_on_message(bob, on_invited, NULL);
    ws_client_drop(bob);
    assert_true(suite_until_logged(suite, "gateway", "gateway.away", 1, 2000));
    Json *request = ws_client_message(ann, "create", NULL, ws_client_runtime(bob), NULL);
    json_set_number(request, "id", 4711);
    ws_client_send(ann, request);
    json_unref(request);
    ws_client_reconnect(bob, suite_gateway_port(suite));
    assert_true(ws_client_open(bob, "Bob"));
    assert_string_equal(ws_client_token(bob), token);
    await(ann, 2);
    assert_int_equal(ws_client_count(bob, "create", NULL), 1);
}

static void a_session_survives_its_gateway(void **state)
{
    g_autoptr(WsClient) client = open_client("Ann");
    (void)state;
    g_autofree char *session = g_strdup(ws_client_session(client));
    suite_kill(suite, "gateway", SIGKILL);
    assert_true(ws_client_wait_closed(client));
    suite_start(suite, "gateway", "gateway", NULL);
    assert_true(suite_until(gateway_is_up, NULL, 5000));
    ws_client_reconnect(client, suite_gateway_port(suite));
    assert_true(ws_client_open(client, "Ann"));
    assert_string_equal(ws_client_session(client), session);
}

static void a_forged_token_opens_another_session(void **state)
{
    g_autoptr(WsClient) client = open_client("Ann");
    (void)state;
    g_autoptr(WsClient) eve = ws_client_new(suite_gateway_port(suite));
    g_autofree char *forged = g_strdup(ws_client_token(client));
    forged[strlen(forged) - 2] = forged[strlen(forged) - 2] == 'A' ? 'B' : 'A';
    ws_client_set_token(eve, forged);
    assert_true(ws_client_open(eve, "Eve"));
    assert_string_not_equal(ws_client_session(eve), ws_client_session(client));
}

static void a_second_open_takes_over_and_silences_the_first(void **state)
{
    g_autoptr(WsClient) first = open_client("Ann");
    g_autoptr(WsClient) second = ws_client_new(suite_gateway_port(suite));
    (void)state;
    ws_client_set_runtime(second, ws_client_runtime(first));
    assert_true(ws_client_open(second, "Ann"));
    assert_string_equal(ws_client_token(second), ws_client_token(first));
    g_autoptr(Json) body = ws_client_request(
        first, ws_client_message(first, "read", NULL, "hyperty://localhost/conference", NULL));
    assert_int_equal(ws_code(body), 403);
    assert_true(ws_client_is_up(first));
    ws_client_send_text(first, "{\"id\":9,\"type\":\"close\",\"to\":\"mn:/session\"}");
    assert_true(ws_client_wait_closed(first));
    g_autoptr(Json) after = ws_client_request(
        second, ws_client_message(second, "read", NULL, "hyperty://localhost/nobody-there", NULL));
    assert_int_equal(ws_code(after), 404);
}

static void close_is_not_answered_and_ends_with_1000(void **state)
{
    g_autoptr(WsClient) client = open_client("Ann");
    (void)state;
    ws_client_send_text(client, "{\"id\":9,\"type\":\"close\",\"to\":\"mn:/session\"}");
    assert_true(ws_client_wait_closed(client));
    assert_int_equal(ws_client_close_code(client), 1000);
    assert_int_equal(ws_client_received(client)->len, 1);
}

static void a_publication_reaches_each_subscriber_once(void **state)
{
    g_autoptr(WsClient) ann = open_client("Ann");
    g_autoptr(WsClient) bob = open_client("Bob");
    (void)state;
    g_autofree char *changes = g_strconcat(ws_client_connection(ann), "/changes", NULL);
    g_autofree char *children = g_strconcat(ws_client_connection(ann), "/children/", NULL);
    Json *body = json_new_object();
    g_autoptr(Json) resources = json_new_array();
    g_autoptr(Json) one = json_new_text(changes), two = json_new_text(children);
    json_append(resources, one);
    json_append(resources, two);
    json_set(body, "resources", resources);
    g_autoptr(Json) answer =
        ws_client_request(bob, ws_client_message(bob, "subscribe", ws_client_runtime(bob),
                                                 "domain://msg-node.localhost/sm", body));
    assert_int_equal(ws_code(answer), 200);
    ws_client_update(ann, "status", json_new_text("checking"));
    const Json *update = await(bob, 2);
    assert_string_equal(json_get_text(update, "to"), changes);
    assert_string_equal(json_get_text(json_get(update, "body"), "value"), "checking");
    ws_client_update(bob, "status", json_new_text("mine")); // somebody else's object is not reached
    ws_client_update(ann, "status", json_new_text("connected"));
    await(bob, 3);
    assert_int_equal(ws_client_count(bob, "update", changes), 2);
}

static void restart_gateway(const char *takeover)
{
    suite_set(suite, "PARLEY_GATEWAY_OPEN_TAKEOVER", takeover);
    suite_kill(suite, "gateway", SIGKILL);
    suite_start(suite, "gateway", "gateway", NULL);
    assert_true(suite_until(gateway_is_up, NULL, 5000));
}

// The same answers keep a quiet socket open, which would take half a minute to see.
static void without_takeover_a_socket_that_answers_pings_keeps_its_session(void **state)
{
    (void)state;
    restart_gateway("false");
    g_autoptr(WsClient) first = open_client("Ann");
    g_autoptr(WsClient) second = new_client();
    g_autofree char *open =
        g_strdup_printf("{\"id\":1,\"type\":\"open\",\"from\":\"%s\",\"to\":\"mn:/session\"}",
                        ws_client_runtime(first));
    ws_client_send_text(second, open);
    assert_answer(await(second, 0), "mn:/session", 403, "not_owner");
    restart_gateway("true");
}

static void draining_sends_clients_elsewhere(void **state)
{
    g_autoptr(WsClient) client = open_client("Ann");
    (void)state;
    suite_kill(suite, "gateway", SIGTERM);
    assert_true(ws_client_wait_closed(client));
    assert_int_equal(ws_client_close_code(client), 1001);
    assert_int_equal(suite_logged(suite, "gateway", "status=0"), 1);
    suite_start(suite, "gateway", "gateway", NULL);
    assert_true(suite_until(gateway_is_up, NULL, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_is_answered_with_a_token_and_the_same_id),
        cmocka_unit_test(messages_before_the_answer_to_open_are_taken),
        cmocka_unit_test(nothing_else_is_taken_before_open),
        cmocka_unit_test(a_socket_without_open_is_closed_after_five_seconds),
        cmocka_unit_test(a_request_to_nobody_is_404_at_once),
        cmocka_unit_test(what_is_internal_is_forbidden),
        cmocka_unit_test(another_sessions_address_is_refused_as_from),
        cmocka_unit_test(a_request_reaches_another_client_and_its_answer_comes_back),
        cmocka_unit_test(a_lost_socket_keeps_its_session_and_what_is_sent_to_it),
        cmocka_unit_test(a_publication_reaches_each_subscriber_once),
        cmocka_unit_test(a_forged_token_opens_another_session),
        cmocka_unit_test(a_second_open_takes_over_and_silences_the_first),
        cmocka_unit_test(without_takeover_a_socket_that_answers_pings_keeps_its_session),
        cmocka_unit_test(close_is_not_answered_and_ends_with_1000),
        cmocka_unit_test(draining_sends_clients_elsewhere),
        cmocka_unit_test(a_session_survives_its_gateway),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
