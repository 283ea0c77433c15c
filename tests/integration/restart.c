// SPDX-License-Identifier: MIT
// Registry, bus and gateway are killed in turn, and each stays away for longer than the grace time
// of participants, during a call: media never pauses, nobody is removed, the room stays where it
// is; after the return a join works at once and every observer holds what the registry holds.
//
// Away for 4 s, with 2 s of grace; PARLEY_TEST_AWAY_S=30 (and so 20 s of grace) is the full story.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/good_call.h"
#include "tests/support/truth.h"

#define AWAY_S 4
#define JOIN_US (2 * G_USEC_PER_SEC) // from the start of what was away
#define RETRY_US (100 * 1000)
#define CONFERENCE "hyperty://localhost/conference"

typedef struct {
    Suite *suite;
    GoodCall *call;
    gint away_s;
    guint removals, placements; // published
} Story;

static void on_communication(const Envelope *message, BusRequest *request, gpointer user)
{
    Story *story = user;
    const Msg__Body *body = message->body;
    (void)request;
    if (body == NULL || body->attribute == NULL || message->type != MSG__ENVELOPE__TYPE__UPDATE)
        return;
    story->placements += g_str_has_prefix(body->attribute, "placement");
    story->removals += g_str_has_prefix(body->attribute, "participants.") && !body->has_value;
}

static int set_up(void **state)
{
    Story *story = g_new0(Story, 1);
    *state = story;
    story->suite = suite_new();
    const char *away = g_getenv("PARLEY_TEST_AWAY_S");
    story->away_s = away != NULL ? atoi(away) : AWAY_S;
    g_autofree char *grace = g_strdup_printf("%d", story->away_s * 2 / 3);
    suite_set(story->suite, "PARLEY_REGISTRY_GRACE_S", grace);
    story->call = good_call_new(story->suite);
    bus_route(suite_bus(story->suite), "comm://localhost", on_communication, story);
    return 0;
}

static int tear_down(void **state)
{
    Story *story = *state;
    good_call_free(story->call);
    bus_unroute(suite_bus(story->suite), "comm://localhost", on_communication, story);
    suite_free(story->suite);
    g_free(story);
    return 0;
}

static gboolean has_passed(gpointer until)
{
    return g_get_monotonic_time() >= *(const gint64 *)until;
}

static void stay_away(Story *story, const char *program)
{
    gint64 until = g_get_monotonic_time() + story->away_s * G_USEC_PER_SEC;
    good_call_reset(story->call);
    suite_kill(story->suite, program, SIGKILL);
    suite_until(has_passed, &until, 2 * (guint)story->away_s * 1000);
}

// --- after the return

// A WebSocket to a gateway that is just starting.
static WsClient *connect_soon(Story *story, gint64 until)
{
    WsClient *client = ws_client_new(suite_gateway_port(story->suite));
    while (!ws_client_wait_up(client) && g_get_monotonic_time() < until)
        ws_client_reconnect(client, suite_gateway_port(story->suite));
    assert_true(ws_client_open(client, "newcomer"));
    return client;
}

// While nobody listens at the conference's address a join is refused at once (404): asked again.
static gint join_until_taken(WsClient *client, gint64 until)
{
    const NativeSettings settings = {.label = 3};
    g_autoptr(NativePeer) peer = native_peer_new(&settings);
    for (;;) {
        g_autoptr(Json) body = ws_client_join(client, "demo", "newcomer", native_peer_offer(peer));
        if (ws_code(body) != 404 || g_get_monotonic_time() > until)
            return ws_code(body);
        gint64 pause = g_get_monotonic_time() + RETRY_US;
        suite_until(has_passed, &pause, WS_WAIT_MS);
    }
}

static WsClient *join_soon(Story *story, const char *program)
{
    gint64 start_us = g_get_monotonic_time();
    suite_start(story->suite, program, program, NULL);
    WsClient *client = connect_soon(story, start_us + JOIN_US);
    gint code = join_until_taken(client, start_us + JOIN_US);
    gint took_ms = (gint)((g_get_monotonic_time() - start_us) / 1000);
    if (code != 200 || took_ms > JOIN_US / 1000)
        fail_msg("after the %s: a join is answered %d after %d ms", program, code, took_ms);
    print_message("# after the %s a join took %d ms, its start included\n", program, took_ms);
    return client;
}

static void leave(WsClient *client)
{
    Json *body = json_new_object();
    g_autoptr(Json) params = json_new_array();
    g_autoptr(Json) room = json_new_text("demo");
    json_append(params, room);
    json_set_text(body, "method", "leaveRoom");
    json_set(body, "params", params);
    g_autoptr(Json) answer =
        ws_client_request(client, ws_client_message(client, "execute", NULL, CONFERENCE, body));
    assert_int_equal(ws_code(answer), 200);
}

static void come_back(const Story *story, Caller *caller)
{
    WsClient *ws = caller_ws(caller);
    if (ws_client_is_up(ws))
        return;
    ws_client_reconnect(ws, suite_gateway_port(story->suite));
    assert_true(ws_client_open(ws, "caller"));
    assert_true(ws_client_resume(ws));
}

static guint64 version(const Story *story)
{
    return sync_object_version(ws_client_communication(caller_ws(good_call_ann(story->call))));
}

static void all_hold_the_truth(const Story *story, WsClient *newcomer)
{
    g_autoptr(SyncObject) truth = truth_read(newcomer);
    truth_assert_held(newcomer, truth, "the newcomer");
    truth_assert_held(caller_ws(good_call_ann(story->call)), truth, "Ann");
    truth_assert_held(caller_ws(good_call_ben(story->call)), truth, "Ben");
    assert_int_equal(json_size(json_get(sync_object_data(truth), "participants")), 3);
}

static guint participants(const Caller *caller)
{
    const SyncObject *room = ws_client_communication(caller_ws(caller));
    return json_size(json_get(sync_object_data(room), "participants"));
}

static gboolean two_are_seen(gpointer user)
{
    const Story *story = user;
    return story->removals == 1 && participants(good_call_ann(story->call)) == 2 &&
           participants(good_call_ben(story->call)) == 2;
}

// The newcomer's joining and leaving are all that has changed.
static void survive(Story *story, const char *program)
{
    guint64 before = version(story);
    story->removals = story->placements = 0;
    stay_away(story, program);
    g_autoptr(WsClient) newcomer = join_soon(story, program);
    come_back(story, good_call_ann(story->call));
    come_back(story, good_call_ben(story->call));
    good_call_wait_answer(story->call, program);
    all_hold_the_truth(story, newcomer);
    if (version(story) != before + 1 || story->removals + story->placements != 0)
        fail_msg("while the %s was away: %u changes, %u removals, %u placements", program,
                 (guint)(version(story) - before - 1), story->removals, story->placements);
    good_call_assert_media(story->call, program);
    leave(newcomer);
    assert_true(suite_until(two_are_seen, story, WS_WAIT_MS));
}

static void a_call_survives_long_absences_one_after_the_other(void **state)
{
    survive(*state, "registry");
    survive(*state, "bus");
    survive(*state, "gateway");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_survives_long_absences_one_after_the_other, set_up,
                                        tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
