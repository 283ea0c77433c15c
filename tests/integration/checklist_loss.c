// SPDX-License-Identifier: MIT
// A bad bus: row 14 of the specification's checklist (versions, gaps found and healed) and row 9
// (an invitation's lost answer still arrives). One gateway's link to the broker loses, doubles and
// delays messages; its clients know nothing of gaps and never ask, as runtimes of old.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/fake_worker.h"
#include "tests/support/lossy.h"
#include "tests/support/stranger.h"

#define ROUTING "domain://msg-node.localhost/sm"
#define CONFERENCE "hyperty://localhost/conference"
#define UPDATES 1000
#define AT_ONCE 100
#define OBSERVERS 3
#define PERCENT 5
#define SEED 20260101

static Suite *suite;
static Lossy *lossy;
static FakeWorker *worker;
static guint port, second;

static int start(void **state)
{
    (void)state;
    suite = stranger_suite(&second);
    port = suite_gateway_port(suite);
    suite_kill(suite, "gateway2", SIGKILL);
    lossy = lossy_new(suite, PERCENT, SEED);
    const char *const *through = lossy_arguments(lossy);
    stranger_start_gateway_with(suite, "gateway2", second, through);
    worker = fake_worker_new(suite, 100);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    print_message("# %u messages lost\n", lossy_lost(lossy));
    fake_worker_free(worker);
    suite_free(suite);
    lossy_free(lossy);
    return 0;
}

// --- what an observer has heard of an object

typedef struct {
    const Stranger *who;
    const char *to;
    gint64 until; // version
    gint64 first; // version that it had before
} Stream;

// The last version, if all came once and in order; fails the test otherwise.
static gint64 last_version(const Stream *stream)
{
    gint64 version = stream->first;
    const GPtrArray *all = ws_client_received(stranger_ws(stream->who));
    for (guint i = 0; i < all->len; i++) {
        const Json *body = json_get(all->pdata[i], "body");
        if (g_strcmp0(json_get_text(all->pdata[i], "type"), "update") != 0 ||
            g_strcmp0(json_get_text(all->pdata[i], "to"), stream->to) != 0)
            continue;
        if (json_get_number(body, "version", 0) != version + 1)
            fail_msg("%s: %d after %d", stream->to, (int)json_get_number(body, "version", 0),
                     (int)version);
        version++;
    }
    return version;
}

static gboolean is_complete(gpointer user)
{
    const Stream *stream = user;
    return last_version(stream) == stream->until;
}

static void await_stream(const Stranger *who, const char *to, gint64 first, gint64 until)
{
    Stream stream = {who, to, until, first};
    if (!suite_until(is_complete, &stream, 25000))
        fail_msg("%s: only %d of %d", to, (int)last_version(&stream), (int)until);
}

// --- clients' objects

static void observe(Stranger *observer, Stranger *reporter, guint number)
{
    stranger_ask(observer, 200, NULL,
                 "{'id':1,'type':'subscribe','from':'runtime:/loss-%u','to':'" ROUTING
                 "','body':{'resources':['thing://localhost/loss/changes']}}",
                 number);
    stranger_say(observer,
                 "{'id':'s%u','type':'subscribe','from':'runtime:/loss-%u','to':"
                 "'thing://localhost/loss/subscription','body':{'mutual':false}}",
                 number, number);
    stranger_hear(reporter, "{'id':'s%u','type':'subscribe'}", number);
    stranger_say(reporter,
                 "{'id':'s%u','type':'response','from':'thing://localhost/loss/subscription',"
                 "'to':'runtime:/loss-%u','body':{'code':200,'value':{'version':0,'data':{}}}}",
                 number, number);
    stranger_hear(observer, "{'id':'s%u','body':{'code':200}}", number);
}

static void row_14_every_observer_gets_every_change_once_over_a_bad_bus(void **state)
{
    Stranger *observers[OBSERVERS];
    (void)state;
    g_autoptr(Stranger) reporter = stranger_open(port, "runtime:/loss-r");
    stranger_ask(reporter, 200, NULL,
                 "{'id':1,'type':'subscribe','from':'runtime:/loss-r','to':'" ROUTING
                 "','body':{'resources':['thing://localhost/loss']}}");
    for (guint i = 0; i < OBSERVERS; i++) {
        g_autofree char *runtime = g_strdup_printf("runtime:/loss-%u", i);
        observers[i] = stranger_open(second, runtime);
        observe(observers[i], reporter, i);
    }
    for (guint version = 1; version <= UPDATES; version++) {
        stranger_say(reporter,
                     "{'id':%u,'type':'update','from':'thing://localhost/loss','to':"
                     "'thing://localhost/loss/changes','body':{'version':%u,'source':"
                     "'runtime:/loss-r','attribute':'a','value':%u}}",
                     version, version, version);
        if (version % AT_ONCE == 0) // no more at once than logs keep
            await_stream(observers[0], "thing://localhost/loss/changes", 0, version);
    }
    for (guint i = 0; i < OBSERVERS; i++) {
        await_stream(observers[i], "thing://localhost/loss/changes", 0, UPDATES);
        stranger_free(observers[i]);
    }
}

// --- a room

static void row_14_a_rooms_changes_reach_who_never_asks(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/bad-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/bad-b");
    Stranger *both[] = {ann, bob};
    const Json *value = NULL;
    for (guint i = 0; i < 2; i++) {
        const Json *body = stranger_ask(
            both[i], 200, NULL,
            "{'id':'j','type':'create','from':'hyperty://localhost/bad-%u','to':'" CONFERENCE
            "','body':{'source':'hyperty://localhost/bad-%u','schema':'x','roomId':'bad','value':"
            "{'url':'connection://localhost/bad-%u','version':1,'data':{'status':'new',"
            "'connectionDescription':{'type':'offer','sdp':'v=0'},'watch':{}}}}}",
            i, i, i);
        value = json_get(body, "value");
    }
    g_autofree char *changes = g_strconcat(json_get_text(value, "url"), "/changes", NULL);
    gint64 version = json_get_number(value, "version", 0);
    for (guint i = 0; i < 100; i++)
        stranger_ask(
            ann, 200, NULL,
            "{'id':%u,'type':'execute','from':'hyperty://localhost/bad-0','to':'" CONFERENCE
            "','body':{'method':'setDirection','params':['bad','audio','%s']}}",
            i, i % 2 == 0 ? "in" : "inout");
    const Json *body = stranger_ask(ann, 200, NULL,
                                    "{'id':'r','type':'read','from':'hyperty://localhost/bad-0',"
                                    "'to':'%s'}",
                                    json_get_text(value, "url"));
    gint64 newest = json_get_number(json_get(body, "value"), "version", 0);
    assert_true(newest >= version + 100);
    await_stream(bob, changes, version, newest);
}

// --- requests

static void row_9_an_invitations_lost_answer_still_arrives(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/ask-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/ask-b");
    for (guint i = 0; i < 100; i++) {
        stranger_say(ann, "{'id':%u,'type':'create','from':'runtime:/ask-a','to':'runtime:/ask-b'}",
                     i);
        stranger_hear(bob, "{'id':%u,'type':'create'}", i);
        stranger_say(bob,
                     "{'id':%u,'type':'response','from':'runtime:/ask-b','to':"
                     "'runtime:/ask-a','body':{'code':200,'value':%u}}",
                     i, i);
        stranger_hear(ann, "{'id':%u,'type':'response','body':{'code':200,'value':%u}}", i, i);
    }
    stranger_settle(bob);
    assert_int_equal(ws_client_count(stranger_ws(bob), "create", NULL), 100); // each once
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_14_every_observer_gets_every_change_once_over_a_bad_bus),
        cmocka_unit_test(row_14_a_rooms_changes_reach_who_never_asks),
        cmocka_unit_test(row_9_an_invitations_lost_answer_still_arrives),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
