// SPDX-License-Identifier: MIT
// One WebSocket as the rules see it (gateway/client.h), and the text that goes into it
// (gateway/text.h).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gateway/client.h"

typedef struct {
    GPtrArray *sent; // Text
    guint closes, code;
} Wire;

static void on_send(gpointer wire, Text *text)
{
    g_ptr_array_add(((Wire *)wire)->sent, text_ref(text));
}

static void on_close(gpointer wire, guint code, const char *reason)
{
    (void)reason;
    ((Wire *)wire)->closes++;
    ((Wire *)wire)->code = code;
}

static const ClientWire calls = {.send = on_send, .close = on_close};

static void a_text_is_one_copy_with_room_for_a_frame_header(void **state)
{
    (void)state;
    g_autoptr(Json) json = json_new_object();
    json_set_number(json, "id", 7);
    g_autoptr(Text) text = text_from_json(json);
    g_autoptr(Text) same = text_ref(text);
    memset(text_bytes(text) - TEXT_HEADROOM, 0xff, TEXT_HEADROOM);
    assert_ptr_equal(text_bytes(same), text_bytes(text));
    assert_string_equal(text_bytes(text), "{\"id\":7}");
    assert_int_equal(text_length(text), 8);
}

static void what_is_sent_reaches_the_wire(void **state)
{
    (void)state;
    Wire wire = {.sent = g_ptr_array_new_with_free_func((GDestroyNotify)text_unref)};
    Client *client = client_new(&calls, &wire);
    g_autoptr(Json) json = json_new_array();
    client_send_json(client, json);
    assert_int_equal(client->state, CLIENT_NEW);
    assert_int_equal(wire.sent->len, 1);
    assert_string_equal(text_bytes(wire.sent->pdata[0]), "[]");
    client_free(client);
    g_ptr_array_unref(wire.sent);
}

static void after_close_nothing_is_sent_and_nothing_closed_again(void **state)
{
    (void)state;
    Wire wire = {.sent = g_ptr_array_new_with_free_func((GDestroyNotify)text_unref)};
    Client *client = client_new(&calls, &wire);
    g_autoptr(Text) text = text_new("x", 1);
    client_close(client, 1013, "slow");
    client_close(client, 1001, "draining");
    client_send(client, text);
    assert_int_equal(wire.closes, 1);
    assert_int_equal(wire.code, 1013);
    assert_int_equal(wire.sent->len, 0);
    client_free(client);
    g_ptr_array_unref(wire.sent);
}

static void frames_that_wait_for_open_go_with_the_client(void **state)
{
    (void)state;
    Client *client = client_new(&calls, NULL);
    g_autoptr(Text) text = text_new("{}", 2);
    g_queue_push_tail(&client->held, text_ref(text));
    client_free(client); // the sanitizers see whether it is freed
    client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_one_copy_with_room_for_a_frame_header),
        cmocka_unit_test(what_is_sent_reaches_the_wire),
        cmocka_unit_test(after_close_nothing_is_sent_and_nothing_closed_again),
        cmocka_unit_test(frames_that_wait_for_open_go_with_the_client),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
