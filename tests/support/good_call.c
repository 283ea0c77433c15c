// SPDX-License-Identifier: MIT
// See good_call.h.
#include "tests/support/good_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "common/url.h"

#define ASK_MS 50
#define PRESENCES_MS 3000
#define COUNTED_MS 5000 // counters travel once a second
#define BREATH_US 2000

static const char *const programs[] = {"bus", "registry", "media-worker", "gateway"};

struct GoodCall {
    Suite *suite;
    Caller *ann, *ben;
    char *media, *media_process;
    pid_t pids[G_N_ELEMENTS(programs)];
    GHashTable *counters; // process -> Json
    guint ticker;
    gint64 asked_us; // 0: no question is open
    gint64 slowest_us;
    gint64 turned_us, stalled_us; // of this process' own loop, which sends for both
    guint answers;
    gint wrong_code; // of an answer that was not 200
};

static void json_free(gpointer json)
{
    json_unref(json);
}

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    g_autoptr(Json) value = envelope_value(message);
    Json *counters = json_get(value, "counters");
    (void)request;
    if (counters != NULL && message->source != NULL)
        g_hash_table_replace(((GoodCall *)user)->counters, g_strdup(message->source),
                             json_ref(counters));
}

static void on_answered(WsClient *client, const Json *answer, gpointer user)
{
    GoodCall *call = user;
    gint code = ws_code(answer != NULL ? json_get(answer, "body") : NULL);
    (void)client;
    call->slowest_us = MAX(call->slowest_us, g_get_monotonic_time() - call->asked_us);
    call->asked_us = 0;
    call->answers++;
    if (code != 200)
        call->wrong_code = code;
}

static gboolean ask(gpointer user)
{
    GoodCall *call = user;
    gint64 now_us = g_get_monotonic_time();
    call->stalled_us = MAX(call->stalled_us, now_us - call->turned_us - ASK_MS * 1000);
    call->turned_us = now_us;
    WsClient *ws = caller_ws(call->ann);
    if (call->asked_us != 0 || !ws_client_is_up(ws))
        return G_SOURCE_CONTINUE;
    const char *url = sync_object_url(ws_client_communication(ws));
    call->asked_us = now_us;
    ws_client_ask(ws, ws_client_message(ws, "read", NULL, url, NULL), on_answered, call);
    return G_SOURCE_CONTINUE;
}

static char *placed_at(const GoodCall *call)
{
    const Json *data = sync_object_data(ws_client_communication(caller_ws(call->ann)));
    return g_strdup(json_text(json_get_path(data, "placement.media")));
}

GoodCall *good_call_new(Suite *suite)
{
    GoodCall *call = g_new0(GoodCall, 1);
    call->suite = suite;
    call->counters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, json_free);
    suite_start_all(suite);
    bus_route(suite_bus(suite), "ctxt://localhost/process", on_presence, call);
    call->ann = caller_new(suite, "demo", 1);
    call->ben = caller_new(suite, "demo", 2);
    caller_wait_media(call->ann, 1);
    caller_wait_media(call->ben, 1);
    call->media = placed_at(call);
    assert_non_null(call->media);
    call->media_process = g_strconcat("media-", url_last_segment(call->media), NULL);
    call->ticker = g_timeout_add(ASK_MS, ask, call);
    good_call_reset(call);
    return call;
}

void good_call_free(GoodCall *call)
{
    if (call == NULL)
        return;
    if (call->ticker != 0)
        g_source_remove(call->ticker);
    bus_unroute(suite_bus(call->suite), "ctxt://localhost/process", on_presence, call);
    caller_free(call->ann);
    caller_free(call->ben);
    g_hash_table_unref(call->counters);
    g_free(call->media);
    g_free(call->media_process);
    g_free(call);
}

Suite *good_call_suite(const GoodCall *call)
{
    return call->suite;
}

int good_call_set_up(void **state)
{
    *state = good_call_new(suite_new());
    return 0;
}

int good_call_tear_down(void **state)
{
    GoodCall *call = *state;
    Suite *suite = call->suite;
    good_call_free(call);
    suite_free(suite);
    return 0;
}

guint good_call_rubbish(guint number)
{
    return number * 2654435761U ^ number >> 7;
}

Caller *good_call_ann(const GoodCall *call)
{
    return call->ann;
}

Caller *good_call_ben(const GoodCall *call)
{
    return call->ben;
}

const char *good_call_media(const GoodCall *call)
{
    return call->media;
}

const char *good_call_media_process(const GoodCall *call)
{
    return call->media_process;
}

typedef struct {
    const GoodCall *call;
    guint answers;
} Expected;

static gboolean has_answer(gpointer user)
{
    const Expected *expected = user;
    return expected->call->answers > expected->answers;
}

void good_call_wait_answer(const GoodCall *call, const char *what)
{
    Expected expected = {call, call->answers};
    if (!suite_until(has_answer, &expected, GOOD_WAIT_MS))
        fail_msg("%s: Ann's question has been open for %d ms", what,
                 (gint)((g_get_monotonic_time() - call->asked_us) / 1000));
}

void good_call_reset(GoodCall *call)
{
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
        call->pids[i] = suite_pid(call->suite, programs[i]);
    caller_reset_pauses(call->ann);
    caller_reset_pauses(call->ben);
    call->slowest_us = call->stalled_us = 0;
    call->turned_us = g_get_monotonic_time();
    call->wrong_code = 0;
}

// What this process did not do itself while it was not its turn is nobody else's fault.
static void assert_media_of(const GoodCall *call, const Caller *caller, const char *what)
{
    const char *name = caller == call->ann ? "Ann" : "Ben";
    gint64 pause_us = caller_longest_pause_us(caller);
    print_message("# %s: %s's longest pause %d ms (%d of it our own), slowest answer %d ms\n", what,
                  name, (gint)(pause_us / 1000), (gint)(call->stalled_us / 1000),
                  (gint)(call->slowest_us / 1000));
    if (pause_us - call->stalled_us > GOOD_PAUSE_US)
        fail_msg("%s: %s's media paused for %d ms", what, name, (gint)(pause_us / 1000));
    if (native_peer_faults(caller_peer(caller)) > 0)
        fail_msg("%s: %s received %u wrong packets", what, name,
                 native_peer_faults(caller_peer(caller)));
}

void good_call_assert_media(const GoodCall *call, const char *what)
{
    g_autofree char *media = placed_at(call);
    if (g_strcmp0(media, call->media) != 0)
        fail_msg("%s: the room is at %s now", what, media);
    assert_media_of(call, call->ann, what);
    assert_media_of(call, call->ben, what);
}

void good_call_assert_unharmed(const GoodCall *call, const char *what)
{
    gint64 waited_us = call->asked_us != 0 ? g_get_monotonic_time() - call->asked_us : 0;
    good_call_assert_media(call, what);
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
        if (call->pids[i] == 0 || suite_pid(call->suite, programs[i]) != call->pids[i])
            fail_msg("%s: the %s has ended", what, programs[i]);
    if (MAX(waited_us, call->slowest_us) > GOOD_ANSWER_US)
        fail_msg("%s: Ann waited %d ms for an answer", what,
                 (gint)(MAX(waited_us, call->slowest_us) / 1000));
    if (call->wrong_code != 0)
        fail_msg("%s: Ann was answered %d", what, call->wrong_code);
}

static gboolean all_have_told(gpointer user)
{
    const GoodCall *call = user;
    const char *const names[] = {"bus-", "registry-", "gateway-", call->media_process};
    guint told = 0;
    GHashTableIter iterator;
    gpointer process;
    g_hash_table_iter_init(&iterator, call->counters);
    while (g_hash_table_iter_next(&iterator, &process, NULL))
        for (guint i = 0; i < G_N_ELEMENTS(names); i++)
            told += g_str_has_prefix(process, names[i]);
    return told == G_N_ELEMENTS(names);
}

void good_call_refresh(GoodCall *call)
{
    g_hash_table_remove_all(call->counters);
    if (!suite_until(all_have_told, call, PRESENCES_MS))
        fail_msg("only %u processes tell their counters", g_hash_table_size(call->counters));
}

guint64 good_call_counter(const GoodCall *call, const char *process, const char *name)
{
    guint64 sum = 0;
    GHashTableIter iterator;
    gpointer key, counters;
    g_hash_table_iter_init(&iterator, call->counters);
    while (g_hash_table_iter_next(&iterator, &key, &counters))
        if (g_str_has_prefix(key, process))
            sum += (guint64)json_get_number(counters, name, 0);
    return sum;
}

GoodCounter good_counter_new(const GoodCall *call, const char *process, const char *name,
                             guint64 growth)
{
    return (GoodCounter){call, process, name, good_call_counter(call, process, name), growth};
}

static guint64 grown(const GoodCounter *counter)
{
    return good_call_counter(counter->call, counter->process, counter->name) - counter->before;
}

static gboolean has_grown(gpointer user)
{
    const GoodCounter *counter = user;
    return grown(counter) >= counter->growth;
}

void good_counter_assert(GoodCounter *counter)
{
    suite_until(has_grown, counter, COUNTED_MS);
    if (grown(counter) != counter->growth)
        fail_msg("%s %s grew by %lu, not by %lu", counter->process, counter->name,
                 (gulong)grown(counter), (gulong)counter->growth);
}

static gboolean has_passed(gpointer until)
{
    return g_get_monotonic_time() >= *(const gint64 *)until;
}

// A few turns of the main loop.
void good_call_breathe(void)
{
    gint64 until = g_get_monotonic_time() + BREATH_US;
    suite_until(has_passed, &until, 100);
}
