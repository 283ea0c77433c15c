// SPDX-License-Identifier: MIT
#include "gateway/socket.h"

#include <gio/gio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/limits.h"
#include "gateway/socket_http.h"
#include "common/socket_loop.h"
#include "gateway/text.h"

#define ACCEPTED "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

typedef struct {
    Deadlines *deadlines;
    SocketServer *server;
    guint port;
    GString *log; // what the server told
    Socket *socket;
    GSocket *peer;
    GString *in; // what the peer got
} Fixture;

static void on_open(Socket *socket, gpointer user)
{
    Fixture *fixture = user;
    fixture->socket = socket;
    socket_set_user(socket, fixture);
    g_string_append(fixture->log, "open ");
}

static void on_text(Socket *socket, const char *bytes, gsize length, gpointer user)
{
    Fixture *fixture = user;
    g_autoptr(Text) echo = text_new(bytes, length);
    assert_ptr_equal(socket_user(socket), fixture);
    g_string_append_printf(fixture->log, "%.*s ", (int)MIN(length, 20), bytes);
    socket_send(socket, echo);
    if (length == 3 && memcmp(bytes, "end", 3) == 0)
        socket_close(socket, 4000, "as asked");
}

static void on_fault(Socket *socket, Refusal reason, const char *detail, gpointer user)
{
    (void)socket;
    (void)detail;
    g_string_append_printf(((Fixture *)user)->log, "!%s ", refusal_name(reason));
}

static void on_closed(Socket *socket, gpointer user)
{
    Fixture *fixture = user;
    (void)socket;
    fixture->socket = NULL;
    g_string_append(fixture->log, "closed ");
}

static HttpAnswer *on_http(const HttpRequest *request, gpointer user)
{
    HttpAnswer *answer = g_new0(HttpAnswer, 1);
    g_autofree char *large = g_strnfill(strcmp(request->path, "/large") == 0 ? 100000 : 0, 'x');
    g_autofree char *body = g_strdup_printf("%s %s?%s at %s%send", request->method, request->path,
                                            request->query, request->host, large);
    (void)user;
    answer->status = 200;
    answer->type = "text/plain";
    answer->body = g_bytes_new(body, strlen(body));
    return answer;
}

static guint free_port(void)
{
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    g_assert(g_socket_bind(socket, any, TRUE, NULL));
    g_autoptr(GSocketAddress) bound = g_socket_get_local_address(socket, NULL);
    return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
}

static SocketServer *listen_on(Fixture *fixture, GError **error)
{
    static const SocketCalls calls = {on_open, on_text, on_fault, on_closed, on_http};
    SocketSettings settings = {"127.0.0.1", fixture->port, "", "", NULL};
    return socket_server_new(&settings, fixture->deadlines, &calls, fixture, error);
}

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->deadlines = deadlines_new();
    fixture->log = g_string_new(NULL);
    fixture->in = g_string_new(NULL);
    fixture->port = free_port();
    fixture->server = listen_on(fixture, NULL);
    assert_non_null(fixture->server);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    socket_server_free(fixture->server);
    deadlines_free(fixture->deadlines);
    g_clear_object(&fixture->peer);
    g_string_free(fixture->log, TRUE);
    g_string_free(fixture->in, TRUE);
    g_free(fixture);
    return 0;
}

static void dial(Fixture *fixture)
{
    g_autoptr(GSocketAddress) address =
        g_inet_socket_address_new_from_string("127.0.0.1", fixture->port);
    g_clear_object(&fixture->peer);
    g_string_truncate(fixture->in, 0);
    fixture->peer =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    assert_true(g_socket_connect(fixture->peer, address, NULL, NULL));
    g_socket_set_blocking(fixture->peer, FALSE);
}

static void put(Fixture *fixture, const char *bytes, gsize length)
{
    assert_int_equal(g_socket_send(fixture->peer, bytes, length, NULL, NULL), length);
}

static gboolean wake(gpointer unused)
{
    (void)unused;
    return G_SOURCE_CONTINUE;
}

// Runs the loop until `text` is in `where`, reading for the peer meanwhile; 3 s.
static gboolean until(Fixture *fixture, const GString *where, const char *text)
{
    gint64 end = g_get_monotonic_time() + 3 * G_USEC_PER_SEC;
    guint ticker = g_timeout_add(5, wake, NULL);
    char piece[4096];
    while (strstr(where->str, text) == NULL && g_get_monotonic_time() < end) {
        gssize got = g_socket_receive(fixture->peer, piece, sizeof piece, NULL, NULL);
        for (gssize i = 0; i < got; i++) // NUL would end the search
            g_string_append_c(fixture->in, piece[i] == '\0' ? '.' : piece[i]);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(ticker);
    return strstr(where->str, text) != NULL;
}

static void upgrade(Fixture *fixture)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    dial(fixture);
    put(fixture, request, strlen(request));
    assert_true(until(fixture, fixture->in, ACCEPTED));
}

// A short frame, masked with zeros.
static void frame(Fixture *fixture, guint8 first, const char *text)
{
    g_autoptr(GString) bytes = g_string_new(NULL);
    g_string_append_c(bytes, (char)first);
    g_string_append_c(bytes, (char)(0x80 | strlen(text)));
    g_string_append_len(bytes, "\0\0\0\0", 4);
    g_string_append(bytes, text);
    put(fixture, bytes->str, bytes->len);
}

static void messages_pass_both_ways(void **state)
{
    Fixture *fixture = *state;
    upgrade(fixture);
    assert_int_equal(socket_server_count(fixture->server), 1);
    frame(fixture, 0x81, "hello");
    assert_true(until(fixture, fixture->in, "\x81\x05hello"));
    assert_string_equal(fixture->log->str, "open hello ");
    g_socket_close(fixture->peer, NULL);
    assert_true(until(fixture, fixture->log, "closed"));
    assert_int_equal(socket_server_count(fixture->server), 0);
}

static void what_is_queued_goes_before_the_close(void **state)
{
    Fixture *fixture = *state;
    upgrade(fixture);
    frame(fixture, 0x81, "end");
    assert_true(until(fixture, fixture->in,
                      "\x81\x03"
                      "end\x88\x0a\x0f\xa0"
                      "as asked"));
}

static void a_close_from_outside_of_the_loop_is_sent_at_once(void **state)
{
    Fixture *fixture = *state;
    upgrade(fixture);
    socket_close(fixture->socket, 1001, "away");
    socket_close(fixture->socket, 1000, "twice");
    assert_true(until(fixture, fixture->in,
                      "\x88\x06\x03\xe9"
                      "away"));
}

static void texts_are_shared_between_sockets(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Text) text = text_new("shared", 6);
    upgrade(fixture);
    socket_send(fixture->socket, text);
    socket_send(fixture->socket, text);
    socket_ping(fixture->socket);
    assert_true(until(fixture, fixture->in, "\x81\x06shared\x81\x06shared"));
    assert_true(until(fixture, fixture->in, "\x89"));
    assert_memory_equal(text_bytes(text), "shared", 6);
}

static void binary_is_a_fault(void **state)
{
    Fixture *fixture = *state;
    upgrade(fixture);
    frame(fixture, 0x82, "x");
    frame(fixture, 0x81, "y");
    assert_true(until(fixture, fixture->log, "!unsupported y"));
}

static void a_draining_server_takes_no_sockets_but_serves_pages(void **state)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    static const char page[] = "GET /x?y=1 HTTP/1.1\r\nHost: h:1\r\n\r\n";
    Fixture *fixture = *state;
    socket_server_drain(fixture->server);
    dial(fixture);
    put(fixture, request, strlen(request));
    assert_true(until(fixture, fixture->in, " 503 "));
    dial(fixture);
    put(fixture, page, strlen(page));
    assert_true(until(fixture, fixture->in, "GET /x?y=1 at h:1"));
}

static void large_pages_come_whole(void **state)
{
    static const char page[] = "GET /large HTTP/1.1\r\nHost: h:1\r\n\r\n";
    Fixture *fixture = *state;
    dial(fixture);
    put(fixture, page, strlen(page));
    assert_true(until(fixture, fixture->in, "xxend"));
    const char *body = strstr(fixture->in->str, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), strlen("GET /large? at h:1") + 100000 + strlen("end"));
}

static void a_port_in_use_is_an_error_that_names_it(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *port = g_strdup_printf("%u", fixture->port);
    assert_null(listen_on(fixture, &error));
    assert_non_null(strstr(error->message, port));
}

static void a_server_ends_with_its_sockets_open(void **state)
{
    Fixture *fixture = *state;
    upgrade(fixture);
    socket_close(fixture->socket, 1001, "away");
    socket_server_free(fixture->server);
    fixture->server = NULL;
    assert_non_null(strstr(fixture->log->str, "closed"));
}

static void a_loop_without_work_lets_glib_sleep(void **state)
{
    SocketLoop *loop = socket_loop_new();
    (void)state;
    for (guint i = 0; i < 10; i++)
        g_main_context_iteration(NULL, FALSE);
    assert_false(g_main_context_iteration(NULL, FALSE));
    socket_loop_kick(loop);
    assert_true(g_main_context_iteration(NULL, FALSE));
    assert_false(g_main_context_iteration(NULL, FALSE));
    socket_loop_free(loop);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(messages_pass_both_ways),
        CASE(what_is_queued_goes_before_the_close),
        CASE(a_close_from_outside_of_the_loop_is_sent_at_once),
        CASE(texts_are_shared_between_sockets),
        CASE(binary_is_a_fault),
        CASE(a_draining_server_takes_no_sockets_but_serves_pages),
        CASE(large_pages_come_whole),
        CASE(a_port_in_use_is_an_error_that_names_it),
        CASE(a_server_ends_with_its_sockets_open),
        cmocka_unit_test(a_loop_without_work_lets_glib_sleep),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
