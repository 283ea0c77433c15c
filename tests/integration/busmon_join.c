// SPDX-License-Identifier: MIT
// What an operator sees who watches the bus: a join from the client's create to the room process'
// answer, one trace on all of it, no secret in it; and by name who was killed and who connects.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include "load/native_peer.h"
#include "tests/support/ws_client.h"

#define SHOWN_MS 5000
#define POKE_MS 50

static Suite *suite;

// A monitor shows nothing before its subscription is in force: says something until it does.
static gboolean is_watching(const char *name)
{
    static const char url[] = "comm://localhost/poke", changes[] = "comm://localhost/poke/changes";
    gboolean seen = FALSE;
    for (guint i = 0; i < SHOWN_MS / POKE_MS && !seen; i++) {
        bus_publish(suite_bus(suite), envelope_new(MSG__ENVELOPE__TYPE__UPDATE, url, changes));
        seen = suite_until_logged(suite, name, changes, 1, POKE_MS);
    }
    return seen;
}

static int set_up(void **state)
{
    static const char *const json[] = {"--json", NULL};
    static const char *const events[] = {"--events", NULL};
    (void)state;
    suite = suite_new();
    suite_start_all(suite);
    suite_start(suite, "watch", "busmon", json);
    suite_start(suite, "events", "busmon", events);
    return is_watching("watch") && suite_until_logged(suite, "events", "\"own\"", 1, SHOWN_MS) ? 0
                                                                                               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    suite_free(suite);
    return 0;
}

// --- a join

// Every line that the monitor has shown, as Json; its log lines are left out.
static GPtrArray *shown(void)
{
    g_autofree char *path = g_build_filename(suite_folder(suite), "watch.log", NULL);
    g_autofree char *text = NULL;
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)json_unref);
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        Json *line = json_parse_bytes((const guint8 *)lines[i], strlen(lines[i]));
        if (json_is_object(line))
            g_ptr_array_add(all, line);
        else
            json_unref(line);
    }
    return all;
}

// One message of the way: its type, how from and to begin, and the code in its body (0: none).
typedef struct {
    const char *type, *from, *to;
    gint code;
} Hop;

static const Hop way[] = {
    {"create", "hyperty://localhost/", "hyperty://localhost/conference", 0},
    {"execute", "hyperty://localhost/conference", "hyperty://localhost/worker/", 0},
    {"response", "hyperty://localhost/worker/", "hyperty://localhost/conference", 200},
    {"create", "hyperty://localhost/conference", "hyperty://localhost/media/", 0},
    {"response", "hyperty://localhost/media/", "hyperty://localhost/conference", 200},
    {"response", "hyperty://localhost/conference", "hyperty://localhost/", 200},
};

static gboolean is_hop(const Json *line, const Hop *hop)
{
    const char *from = json_get_text(line, "from"), *to = json_get_text(line, "to");
    return g_strcmp0(json_get_text(line, "type"), hop->type) == 0 && from != NULL && to != NULL &&
           g_str_has_prefix(from, hop->from) && g_str_has_prefix(to, hop->to) &&
           json_get_number(json_get(line, "body"), "code", 0) == hop->code;
}

// The first hop's line, wherever that is.
static guint find_create(const GPtrArray *all, const char *hyperty)
{
    for (guint i = 0; i < all->len; i++)
        if (is_hop(all->pdata[i], &way[0]) &&
            strcmp(json_get_text(all->pdata[i], "from"), hyperty) == 0)
            return i;
    fail_msg("the client's create is not among %u messages", all->len);
    return 0;
}

static void assert_members(const Json *line)
{
    static const char *const members[] = {"time", "topic", "source", "trace", "type", "from", "to"};
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        if (json_get_text(line, members[i]) == NULL)
            fail_msg("a line without %s", members[i]);
}

static void assert_way(const GPtrArray *all, const char *hyperty)
{
    guint at = find_create(all, hyperty), hop = 0;
    const char *trace = json_get_text(all->pdata[at], "trace");
    for (; at < all->len && hop < G_N_ELEMENTS(way); at++) {
        if (g_strcmp0(json_get_text(all->pdata[at], "trace"), trace) != 0 ||
            !is_hop(all->pdata[at], &way[hop]))
            continue;
        assert_members(all->pdata[at]);
        hop++;
    }
    if (hop < G_N_ELEMENTS(way))
        fail_msg("under trace %s no %s from %s to %s", trace, way[hop].type, way[hop].from,
                 way[hop].to);
}

static char *value_of(const char *sdp, const char *attribute)
{
    const char *at = strstr(sdp, attribute);
    assert_non_null(at);
    at += strlen(attribute);
    return g_strndup(at, strcspn(at, "\r\n"));
}

static void assert_hidden(const char *secret)
{
    assert_true(strlen(secret) > 8);
    assert_int_equal(suite_logged(suite, "watch", secret), 0);
}

static void a_join_is_shown_under_one_trace_and_without_secrets(void **state)
{
    (void)state;
    const NativeSettings settings = {.label = 1, .audio_slots = 1, .video_slots = 1};
    g_autoptr(NativePeer) peer = native_peer_new(&settings);
    g_autoptr(WsClient) client = ws_client_new(suite_gateway_port(suite));
    assert_true(ws_client_open(client, "Ann"));
    g_autoptr(Json) body = ws_client_join(client, "demo", "Ann", native_peer_offer(peer));
    assert_int_equal(ws_code(body), 200);
    assert_true(suite_until_logged(suite, "watch", "participants.", 1, SHOWN_MS));
    g_autoptr(GPtrArray) all = shown();
    assert_way(all, ws_client_hyperty(client));
    g_autofree char *theirs = value_of(native_peer_offer(peer), "a=ice-pwd:");
    g_autofree char *ours = value_of(
        json_text(json_get_path(json_get(body, "answer"), "data.connectionDescription.sdp")),
        "a=ice-pwd:");
    assert_hidden(theirs);
    assert_hidden(ours);
    assert_hidden(ws_client_token(client));
}

// --- events

static void a_killed_gateway_and_a_worker_that_connects_are_told_by_name(void **state)
{
    (void)state;
    suite_kill(suite, "gateway", SIGKILL);
    assert_true(suite_until_logged(suite, "events", "\"disconnected\",\"process\":\"gateway-", 1,
                                   SHOWN_MS));
    guint workers = suite_logged(suite, "events", "\"connected\",\"process\":\"worker-");
    suite_start(suite, "worker2", "media-worker", NULL);
    assert_true(suite_until_logged(suite, "events", "\"connected\",\"process\":\"worker-",
                                   workers + 1, SHOWN_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_join_is_shown_under_one_trace_and_without_secrets, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_killed_gateway_and_a_worker_that_connects_are_told_by_name, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
