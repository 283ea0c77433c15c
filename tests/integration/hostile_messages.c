// SPDX-License-Identifier: MIT
// Ten thousand bad WebSocket messages while two are in a call: each is answered with a reason, and
// the two do not notice (good_call.h).
//
// They go out in small slices with turns of the main loop between them: the call's own peers live
// in this process too.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "common/limits.h"
#include "tests/support/good_call.h"

#define ATTACKS 10000
#define SLICE 50
#define ANSWERED_MS 5000 // one slice
#define CONFERENCE "hyperty://localhost/conference"

// In them: # is a number that is always another, MINE the sender's hyperty, THEIRS another's.
static const char *const bad_messages[] = {
    "# garbage MINETHEIRS",
    "{\"id\":#,\"type\":\"read\",\"from\":\"MINE\",",
    "[#]",
    "\"#\"",
    "{\"id\":#}",
    "{\"id\":#,\"id\":1,\"type\":\"read\",\"from\":\"MINE\",\"to\":\"MINE\"}",
    "{\"id\":{},\"type\":\"read\",\"from\":\"MINE\",\"to\":\"" CONFERENCE "\"}",
    "{\"id\":#,\"type\":7,\"from\":\"MINE\",\"to\":\"" CONFERENCE "\"}",
    "{\"id\":#,\"type\":\"read\",\"to\":\"" CONFERENCE "\"}",
    "{\"id\":#,\"type\":\"read\",\"from\":\"MINE\"}",
    "{\"id\":#,\"type\":\"read\",\"from\":\"MINE\",\"to\":[]}",
    "{\"id\":#,\"type\":\"read\",\"from\":\"MINE\",\"to\":\"no url #\"}",
    "{\"id\":#,\"type\":\"read\",\"from\":\"MINE\",\"to\":\"" CONFERENCE "\",\"body\":[]}",
    "{\"id\":#,\"type\":\"read\",\"from\":\"THEIRS\",\"to\":\"" CONFERENCE "\"}",
    "{\"id\":#,\"type\":\"steal\",\"from\":\"MINE\",\"to\":\"hyperty://localhost/no-#\"}",
    "{\"id\":#,\"type\":\"steal\",\"from\":\"MINE\",\"to\":\"" CONFERENCE "\"}",
    "{\"id\":#,\"type\":\"create\",\"from\":\"MINE\",\"to\":\"" CONFERENCE "\"}",
    "{\"id\":#,\"type\":\"create\",\"from\":\"MINE\",\"to\":\"" CONFERENCE
    "\",\"body\":{\"roomId\":\"../#\",\"value\":{}}}",
    "{\"id\":#,\"type\":\"create\",\"from\":\"MINE\",\"to\":\"" CONFERENCE
    "\",\"body\":{\"roomId\":\"demo\",\"value\":{\"url\":\"connection://localhost/x#\","
    "\"data\":{\"connectionDescription\":{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n#\"}}}}}",
    "{\"id\":#,\"type\":\"execute\",\"from\":\"MINE\",\"to\":\"" CONFERENCE
    "\",\"body\":{\"method\":\"m#\",\"params\":{}}}",
    "{\"id\":#,\"type\":\"execute\",\"from\":\"MINE\",\"to\":\"" CONFERENCE
    "\",\"body\":{\"method\":\"leaveRoom\",\"params\":[[[#]]]}}",
    "{\"id\":#,\"type\":\"read\",\"from\":\"MINE\",\"to\":\"hyperty://localhost/sessions\"}",
    "{\"id\":#,\"type\":\"read\",\"from\":\"MINE\",\"to\":\"" CONFERENCE
    "\",\"body\":{\"a\":[[[[[[[[[[[[[[[[[[[[#]]]]]]]]]]]]]]]]]]]]}}",
    "{\"id\":#,\"type\":\"\xff\xfe\",\"from\":\"MINE\",\"to\":\"" CONFERENCE "\"}",
};
#define TEXTS G_N_ELEMENTS(bad_messages)

typedef struct {
    WsClient *bad;
    const char *foreign;
    guint sent;
} Attacker;

static void send_bad_message(Attacker *attacker)
{
    guint number = attacker->sent++;
    g_autoptr(GString) text = g_string_new(bad_messages[number % TEXTS]);
    g_autofree char *digits = g_strdup_printf("%u", number);
    g_string_replace(text, "#", digits, 0);
    g_string_replace(text, "MINE", ws_client_hyperty(attacker->bad), 0);
    g_string_replace(text, "THEIRS", attacker->foreign, 0);
    if (number % (TEXTS + 1) == TEXTS)
        ws_client_send_frame(attacker->bad, WS_BINARY, TRUE, text->str, text->len);
    else
        ws_client_send_text(attacker->bad, text->str);
}

// The answer to open is the first that has come.
static gboolean all_are_answered(gpointer user)
{
    const Attacker *attacker = user;
    return ws_client_received(attacker->bad)->len >= attacker->sent + 1 ||
           !ws_client_is_up(attacker->bad);
}

static void assert_refusal(const Json *message)
{
    const Json *body = json_get(message, "body");
    g_autofree char *text = json_print(message, NULL);
    if (json_get_text(body, "reason") == NULL || ws_code(body) < 400)
        fail_msg("no refusal: %s", text);
}

static void assert_refusals(const WsClient *client, guint from)
{
    const GPtrArray *all = ws_client_received(client);
    for (guint i = from; i < all->len; i++)
        assert_refusal(g_ptr_array_index(all, i));
}

static void send_slice(Attacker *attacker)
{
    guint before = ws_client_received(attacker->bad)->len;
    for (guint i = 0; i < SLICE; i++)
        send_bad_message(attacker);
    suite_until(all_are_answered, attacker, ANSWERED_MS);
    if (ws_client_received(attacker->bad)->len != attacker->sent + 1)
        fail_msg("%u answers to %u bad messages, close code %u",
                 ws_client_received(attacker->bad)->len - 1, attacker->sent,
                 ws_client_close_code(attacker->bad));
    assert_refusals(attacker->bad, before);
}

// One message over the limit, on a socket of its own: a reason, and 1009.
static void send_over_long(const GoodCall *call)
{
    g_autoptr(WsClient) client = ws_client_new(suite_gateway_port(good_call_suite(call)));
    g_autofree char *text = g_strnfill(LIMIT_WEBSOCKET_MESSAGE + 1, ' ');
    assert_true(ws_client_wait_up(client));
    ws_client_send_text(client, text);
    assert_true(ws_client_wait_closed(client));
    assert_int_equal(ws_client_close_code(client), 1009);
    assert_int_equal(ws_client_received(client)->len, 1);
    assert_refusals(client, 0);
}

static void bad_websocket_messages_are_answered_and_harm_nobody(void **state)
{
    const GoodCall *call = *state;
    g_autoptr(WsClient) bad = ws_client_new(suite_gateway_port(good_call_suite(call)));
    const WsClient *ann = caller_ws(good_call_ann(call));
    Attacker attacker = {.bad = bad, .foreign = ws_client_hyperty(ann)};
    assert_true(ws_client_open(bad, "Eve"));
    for (guint slice = 0; slice < ATTACKS / SLICE; slice++) {
        send_slice(&attacker);
        if (slice % 10 == 0)
            send_over_long(call);
    }
    good_call_assert_unharmed(call, "bad WebSocket messages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_websocket_messages_are_answered_and_harm_nobody,
                                        good_call_set_up, good_call_tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
