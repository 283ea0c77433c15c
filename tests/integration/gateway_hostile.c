// SPDX-License-Identifier: MIT
// Hostile input at a real gateway: each is refused with a reason, counted, and harms nobody else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <gio/gio.h>

#include "tests/support/suite.h"
#include "tests/support/ws_client.h"

#define MALFORMED 10000

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
    assert_true(suite_is_running(suite, "gateway"));
    suite_free(suite);
    return 0;
}

// The gateway's counter by that name, labels included.
static guint64 counter(const char *name)
{
    g_autofree char *all = suite_http_get(suite, "/metrics?scope=self", NULL);
    g_auto(GStrv) lines = g_strsplit(all != NULL ? all : "", "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        if (strstr(lines[i], name) != NULL && lines[i][0] != '#')
            return g_ascii_strtoull(strrchr(lines[i], ' '), NULL, 10);
    return 0;
}

static WsClient *open_client(void)
{
    WsClient *client = ws_client_new(suite_gateway_port(suite));
    assert_true(ws_client_open(client, "Ann"));
    return client;
}

static void assert_good_client_works(WsClient *client)
{
    g_autoptr(Json) body = ws_client_request(
        client, ws_client_message(client, "read", NULL, "hyperty://localhost/nobody-there", NULL));
    assert_int_equal(ws_code(body), 404);
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

static const Json *last(const WsClient *client)
{
    const GPtrArray *all = ws_client_received(client);
    return all->len > 0 ? g_ptr_array_index(all, all->len - 1) : NULL;
}

static const char *reason_of(const Json *message)
{
    return json_get_text(json_get(message, "body"), "reason");
}

static void send_malformed(WsClient *client, guint number)
{
    static const char *const texts[] = {
        "",
        "x",
        "{",
        "[]",
        "7",
        "null",
        "{\"id\":1}",
        "{\"id\":[],\"type\":\"read\"}",
        "{\"id\":1,\"type\":7,\"from\":\"runtime:/x\",\"to\":\"runtime:/x\"}",
        "{\"id\":1,\"type\":\"read\",\"to\":\"runtime:/x\"}",
        "{\"id\":1,\"type\":\"read\",\"from\":\"runtime:/x\"}",
        "{\"id\":1,\"type\":\"read\",\"from\":\"runtime:/x\",\"to\":[]}",
        "{\"id\":1,\"type\":\"read\",\"from\":\"runtime:/x\",\"to\":[7]}",
        "{\"id\":1,\"type\":\"read\",\"from\":\"a b\",\"to\":\"runtime:/x\"}",
        "{\"id\":1,\"id\":2,\"type\":\"read\"}",
        "{\"id\":1,\"type\":\"\xff\xfe\"}",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"};
    ws_client_send_text(client, texts[number % G_N_ELEMENTS(texts)]);
}

static guint64 refused_as_malformed(void)
{
    return counter("reason=\"malformed\"") + counter("reason=\"bad_address\"");
}

static void ten_thousand_malformed_messages_are_each_answered(void **state)
{
    g_autoptr(WsClient) good = open_client();
    g_autoptr(WsClient) bad = open_client();
    (void)state;
    guint64 before = refused_as_malformed();
    for (guint i = 0; i < MALFORMED; i++)
        send_malformed(bad, i);
    Expected all = {bad, MALFORMED + 1};
    assert_true(suite_until(has_come, &all, 20000));
    assert_int_equal(ws_client_received(bad)->len, MALFORMED + 1);
    for (guint i = 1; i <= MALFORMED; i++)
        assert_non_null(reason_of(g_ptr_array_index(ws_client_received(bad), i)));
    assert_int_equal(refused_as_malformed() - before, MALFORMED);
    assert_good_client_works(good);
    assert_good_client_works(bad);
}

static void a_message_over_the_limit_is_refused_and_ends_the_socket(void **state)
{
    g_autoptr(WsClient) client = open_client();
    g_autofree char *large = g_malloc(140000);
    (void)state;
    memset(large, 'x', 140000);
    ws_client_send_frame(client, WS_TEXT, TRUE, large, 140000);
    assert_true(ws_client_wait_closed(client));
    assert_int_equal(ws_client_close_code(client), 1009);
    assert_string_equal(reason_of(last(client)), "too_large");
}

static void fragments_count_together(void **state)
{
    g_autoptr(WsClient) client = open_client();
    g_autofree char *piece = g_malloc(30000);
    (void)state;
    memset(piece, 'x', 30000);
    for (guint i = 0; i < 6; i++)
        ws_client_send_frame(client, i == 0 ? WS_TEXT : 0, FALSE, piece, 30000);
    assert_true(ws_client_wait_closed(client));
    assert_int_equal(ws_client_close_code(client), 1009);
}

static void a_message_in_fragments_is_one_message(void **state)
{
    g_autoptr(WsClient) client = open_client();
    (void)state;
    static const char text[] = "{\"id\":3,\"type\":\"ping\",\"from\":\"runtime:/x\",\"to\":"
                               "\"mn:/session\"}";
    ws_client_send_frame(client, WS_TEXT, FALSE, text, 20);
    ws_client_send_frame(client, 0, FALSE, text + 20, 20);
    ws_client_send_frame(client, 0, TRUE, text + 40, sizeof text - 41);
    Expected two = {client, 2};
    assert_true(suite_until(has_come, &two, WS_WAIT_MS));
    assert_int_equal(json_get_number(json_get(last(client), "body"), "code", 0), 200);
}

static void the_largest_message_is_taken(void **state)
{
    g_autoptr(WsClient) client = open_client();
    Json *body = json_new_object();
    g_autofree char *large = g_malloc0(120 * 1024);
    (void)state;
    memset(large, 'x', 120 * 1024 - 1);
    json_set_text(body, "value", large);
    g_autoptr(Json) answer = ws_client_request(
        client, ws_client_message(client, "read", NULL, "hyperty://localhost/nobody-there", body));
    assert_int_equal(ws_code(answer), 404);
}

static void binary_frames_are_refused(void **state)
{
    g_autoptr(WsClient) client = open_client();
    (void)state;
    ws_client_send_frame(client, WS_BINARY, TRUE, "\0\1\2", 3);
    Expected two = {client, 2};
    assert_true(suite_until(has_come, &two, WS_WAIT_MS));
    assert_string_equal(reason_of(last(client)), "unsupported");
    assert_good_client_works(client);
}

static void a_client_that_does_not_read_is_closed_with_1013(void **state)
{
    g_autoptr(WsClient) slow = open_client();
    g_autoptr(WsClient) fast = open_client();
    g_autofree char *large = g_malloc0(100 * 1024);
    (void)state;
    memset(large, 'y', 100 * 1024 - 1);
    Json *body = json_new_object();
    g_autofree char *topic = g_strconcat(ws_client_connection(fast), "/changes", NULL);
    json_set_text(body, "resource", topic);
    g_autoptr(Json) answer =
        ws_client_request(slow, ws_client_message(slow, "subscribe", ws_client_runtime(slow),
                                                  "domain://msg-node.localhost/sm", body));
    assert_int_equal(ws_code(answer), 200);
    ws_client_set_reading(slow, FALSE);
    for (guint i = 0; i < 120; i++)
        ws_client_update(fast, "note", json_new_text(large));
    assert_true(suite_until_logged(suite, "gateway", "gateway.slow_reader", 1, 10000));
    ws_client_set_reading(slow, TRUE);
    assert_true(ws_client_wait_closed(slow));
    assert_int_equal(ws_client_close_code(slow), 1013);
    assert_good_client_works(fast);
}

// --- HTTP ---

// What comes back for these raw bytes; "" if nothing does.
static char *raw(const char *format, ...) G_GNUC_PRINTF(1, 2);

static char *raw(const char *format, ...)
{
    va_list arguments;
    char piece[4096];
    gssize got = 0;
    va_start(arguments, format);
    g_autofree char *request = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autoptr(GString) answer = g_string_new(NULL);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, 3);
    g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host(
        client, "127.0.0.1", (guint16)suite_gateway_port(suite), NULL, NULL);
    assert_non_null(connection);
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)), request,
                              strlen(request), NULL, NULL, NULL);
    while ((got = g_input_stream_read(g_io_stream_get_input_stream(G_IO_STREAM(connection)), piece,
                                      sizeof piece, NULL, NULL)) > 0)
        g_string_append_len(answer, piece, got);
    return g_string_free(g_steal_pointer(&answer), FALSE);
}

static char *upgrade(const char *path, const char *protocol, const char *more)
{
    return raw(
        "GET %s HTTP/1.1\r\nHost: parley.example:1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        "Upgrade: %s\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        path, protocol, more);
}

static void only_websocket_upgrades_on_ws_from_allowed_origins_pass(void **state)
{
    (void)state;
    g_autofree char *h2c = upgrade("/ws", "h2c", "");
    assert_null(strstr(h2c, " 101 "));
    g_autofree char *other = upgrade("/ws", "foo", "");
    assert_null(strstr(other, " 101 "));
    g_autofree char *path = upgrade("/client/parley.js", "websocket", "");
    assert_non_null(strstr(path, " 404 "));
    g_autofree char *origin = upgrade("/ws", "websocket", "Origin: http://evil.example\r\n");
    assert_non_null(strstr(origin, " 403 "));
    g_autofree char *own = upgrade("/ws", "websocket", "Origin: http://parley.example:1\r\n");
    assert_non_null(strstr(own, "HTTP/1.1 101"));
    assert_int_equal(counter("reason=\"bad_origin\""), 1);
}

static void odd_http_is_refused(void **state)
{
    (void)state;
    g_autofree char *connect = raw("CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_null(strstr(connect, " 200 "));
    g_autofree char *post = raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                                "Connection: close\r\n\r\nabc");
    assert_null(strstr(post, " 200 "));
    g_autofree char *garbage = raw("\x16\x03\x01\x02garbage\r\n\r\n");
    assert_null(strstr(garbage, " 200 "));
    g_autofree char *up = raw("GET /client/%%2e%%2e/%%2e%%2e/%%2e%%2e/etc/passwd HTTP/1.1\r\n"
                              "Host: x\r\nConnection: close\r\n\r\n");
    assert_null(strstr(up, "root:"));
    g_autofree char *dots = raw("GET /client/../../../etc/passwd HTTP/1.1\r\nHost: x\r\n"
                                "Connection: close\r\n\r\n");
    assert_null(strstr(dots, "root:"));
    assert_true(gateway_is_up(NULL));
}

static void the_page_comes_with_its_headers(void **state)
{
    static const char *const headers[] = {"200 OK",
                                          "content-security-policy: default-src 'self'",
                                          "x-content-type-options: nosniff",
                                          "referrer-policy: no-referrer",
                                          "permissions-policy: camera=(self), microphone=(self)",
                                          "cache-control: no-cache",
                                          "etag: \""};
    (void)state;
    g_autofree char *answer = raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (gsize i = 0; i < G_N_ELEMENTS(headers); i++)
        assert_non_null(strstr(answer, headers[i]));
    const char *etag = strstr(answer, "etag: ") + 6;
    g_autofree char *tag = g_strndup(etag, strcspn(etag, "\r"));
    g_autofree char *again = raw("GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: %s\r\n"
                                 "Connection: close\r\n\r\n",
                                 tag);
    assert_non_null(strstr(again, "304"));
}

static void one_connection_serves_several_requests(void **state)
{
    (void)state;
    g_autofree char *answer =
        raw("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /client/parley.js HTTP/1.1\r\n"
            "Host: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    guint answers = 0;
    for (const char *at = answer; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
        answers++;
    assert_int_equal(answers, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_malformed_messages_are_each_answered),
        cmocka_unit_test(a_message_over_the_limit_is_refused_and_ends_the_socket),
        cmocka_unit_test(fragments_count_together),
        cmocka_unit_test(a_message_in_fragments_is_one_message),
        cmocka_unit_test(the_largest_message_is_taken),
        cmocka_unit_test(binary_frames_are_refused),
        cmocka_unit_test(a_client_that_does_not_read_is_closed_with_1013),
        cmocka_unit_test(only_websocket_upgrades_on_ws_from_allowed_origins_pass),
        cmocka_unit_test(odd_http_is_refused),
        cmocka_unit_test(the_page_comes_with_its_headers),
        cmocka_unit_test(one_connection_serves_several_requests),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
