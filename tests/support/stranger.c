// SPDX-License-Identifier: MIT
// See stranger.h. What has been returned is marked by its index in the client's list, so that the
// same message answers no two questions.
#include "tests/support/stranger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <gio/gio.h>

struct Stranger {
    WsClient *ws;
    char *runtime, *token;
    GHashTable *taken; // Json, by address
    guint pings;
};

// --- the suite

static gboolean is_ready(gpointer port)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, 2);
    g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host(
        client, "127.0.0.1", (guint16)GPOINTER_TO_UINT(port), NULL, NULL);
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char answer[64] = "";
    if (connection == NULL)
        return FALSE;
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)), request,
                              strlen(request), NULL, NULL, NULL);
    g_input_stream_read(g_io_stream_get_input_stream(G_IO_STREAM(connection)), answer,
                        sizeof answer - 1, NULL, NULL);
    return strstr(answer, " 200 ") != NULL;
}

void stranger_start_gateway(Suite *suite, const char *name, guint port)
{
    stranger_start_gateway_with(suite, name, port, (const char *[]){NULL});
}

void stranger_start_gateway_with(Suite *suite, const char *name, guint port,
                                 const char *const *arguments)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    g_autofree char *setting = g_strdup_printf("--gateway.port=%u", port);
    g_ptr_array_add(all, setting);
    for (; *arguments != NULL; arguments++)
        g_ptr_array_add(all, (gpointer)*arguments);
    g_ptr_array_add(all, NULL);
    suite_start(suite, name, "gateway", (const char *const *)all->pdata);
    assert_true(suite_until(is_ready, GUINT_TO_POINTER(port), 10000));
}

guint stranger_free_port(void)
{
    g_autoptr(GSocket) socket = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, 0, NULL);
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
    assert_true(g_socket_bind(socket, any, TRUE, NULL));
    g_autoptr(GSocketAddress) bound = g_socket_get_local_address(socket, NULL);
    return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
}

Suite *stranger_suite(guint *ret_second)
{
    Suite *suite = suite_new();
    suite_start(suite, "bus", "bus", NULL);
    suite_start(suite, "registry", "registry", NULL);
    suite_start(suite, "gateway", "gateway", NULL);
    *ret_second = stranger_free_port();
    stranger_start_gateway(suite, "gateway2", *ret_second);
    assert_true(suite_until(is_ready, GUINT_TO_POINTER(suite_gateway_port(suite)), 10000));
    return suite;
}

// --- what is said

static char *spelled(const char *format, va_list arguments)
{
    char *text = g_strdup_vprintf(format, arguments);
    return g_strdelimit(text, "'", '"');
}

static Json *parsed(const char *text)
{
    Json *json = json_parse_bytes((const guint8 *)text, strlen(text));
    if (json == NULL)
        fail_msg("the test itself says no JSON: %s", text);
    return json;
}

Stranger *stranger_new(guint port)
{
    Stranger *stranger = g_new0(Stranger, 1);
    stranger->ws = ws_client_new(port);
    stranger->taken = g_hash_table_new(NULL, NULL);
    assert_true(ws_client_wait_up(stranger->ws));
    return stranger;
}

void stranger_free(Stranger *stranger)
{
    if (stranger == NULL)
        return;
    ws_client_free(stranger->ws);
    g_hash_table_unref(stranger->taken);
    g_free(stranger->runtime);
    g_free(stranger->token);
    g_free(stranger);
}

WsClient *stranger_ws(const Stranger *stranger)
{
    return stranger->ws;
}

const char *stranger_token(const Stranger *stranger)
{
    return stranger->token;
}

void stranger_say(const Stranger *stranger, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = spelled(format, arguments);
    va_end(arguments);
    ws_client_send_text(stranger->ws, text);
}

// --- what is heard

static gboolean holds(const Json *message, const Json *wanted);

typedef struct {
    const Json *message;
    gboolean all;
} Members;

static void check_member(const char *name, Json *wanted, gpointer user)
{
    Members *members = user;
    members->all = members->all && holds(json_get(members->message, name), wanted);
}

static gboolean holds(const Json *message, const Json *wanted)
{
    Members members = {message, TRUE};
    if (!json_is_object(wanted))
        return message != NULL && json_equals(message, wanted);
    json_each(wanted, check_member, &members);
    return json_is_object(message) && members.all;
}

typedef struct {
    Stranger *stranger;
    const Json *wanted, *found;
} Search;

static gboolean has_come(gpointer user)
{
    Search *search = user;
    const GPtrArray *all = ws_client_received(search->stranger->ws);
    for (guint i = 0; i < all->len; i++)
        if (!g_hash_table_contains(search->stranger->taken, all->pdata[i]) &&
            holds(all->pdata[i], search->wanted)) {
            search->found = all->pdata[i];
            return TRUE;
        }
    return FALSE;
}

static void show_untaken(const Stranger *stranger)
{
    const GPtrArray *all = ws_client_received(stranger->ws);
    for (guint i = 0; i < all->len; i++)
        if (!g_hash_table_contains(stranger->taken, all->pdata[i])) {
            g_autofree char *text = json_print(all->pdata[i], NULL);
            print_message("# heard: %.300s\n", text);
        }
}

static const Json *search(Stranger *stranger, const char *text, guint wait_ms)
{
    g_autoptr(Json) wanted = parsed(text);
    Search one = {stranger, wanted, NULL};
    if (wait_ms > 0)
        suite_until(has_come, &one, wait_ms);
    else
        has_come(&one);
    if (one.found != NULL)
        g_hash_table_add(stranger->taken, (gpointer)one.found);
    return one.found;
}

const Json *stranger_hear(Stranger *stranger, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = spelled(format, arguments);
    va_end(arguments);
    const Json *found = search(stranger, text, WS_WAIT_MS);
    if (found == NULL) {
        show_untaken(stranger);
        fail_msg("%s: not heard: %s", stranger->runtime, text);
    }
    return found;
}

gboolean stranger_has_heard(Stranger *stranger, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = spelled(format, arguments);
    va_end(arguments);
    return search(stranger, text, 0) != NULL;
}

void stranger_settle(Stranger *stranger)
{
    guint ping = ++stranger->pings;
    stranger_say(stranger, "{'id':'ping-%u','type':'ping','from':'%s','to':'mn:/session'}", ping,
                 stranger->runtime);
    stranger_hear(stranger, "{'id':'ping-%u','body':{'code':200}}", ping);
}

const Json *stranger_ask(Stranger *stranger, gint code, const char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = spelled(format, arguments);
    va_end(arguments);
    g_autoptr(Json) message = parsed(text);
    g_autoptr(Json) id = json_new_object();
    json_set(id, "id", json_get(message, "id"));
    json_set_text(id, "type", "response");
    g_autofree char *wanted = json_print(id, NULL);
    ws_client_send_text(stranger->ws, text);
    const Json *answer = search(stranger, wanted, 4 * WS_WAIT_MS);
    const Json *body = json_get(answer, "body");
    if (answer == NULL)
        fail_msg("not answered: %s", text);
    if (json_get_number(body, "code", 0) != code ||
        (reason != NULL && g_strcmp0(json_get_text(body, "reason"), reason) != 0)) {
        g_autofree char *heard = json_print(answer, NULL);
        fail_msg("%s\nis answered %.400s\ninstead of %d %s", text, heard, code,
                 reason != NULL ? reason : "");
    }
    return body;
}

// --- sessions

static void take_token(Stranger *stranger, const Json *answer)
{
    const char *token = json_get_text(json_get(answer, "body"), "runtimeToken");
    assert_non_null(token);
    g_free(stranger->token);
    stranger->token = g_strdup(token);
}

Stranger *stranger_open(guint port, const char *runtime)
{
    Stranger *stranger = stranger_new(port);
    stranger->runtime = g_strdup(runtime);
    stranger_say(stranger, "{'id':1,'type':'open','from':'%s','to':'mn:/session'}", runtime);
    take_token(stranger, stranger_hear(stranger,
                                       "{'id':1,'type':'response','from':'mn:/session',"
                                       "'to':'%s','body':{'code':200}}",
                                       runtime));
    return stranger;
}

void stranger_reopen(Stranger *stranger, guint port)
{
    ws_client_reconnect(stranger->ws, port);
    assert_true(ws_client_wait_up(stranger->ws));
    stranger_say(stranger, "{'id':'again','type':'re-open','from':'%s/%s','to':'mn:/session'}",
                 stranger->runtime, stranger->token);
    take_token(stranger, stranger_hear(stranger, "{'id':'again','type':'response',"
                                                 "'from':'mn:/session','body':{'code':200}}"));
}
