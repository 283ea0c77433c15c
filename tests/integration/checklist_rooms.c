// SPDX-License-Identifier: MIT
// A room's Communication object as the specification's checklist has it, by row: 2 one for each
// roomId, 3 observed by every participant, 7 leaving told to all, 25 participants, 31 an observer
// that goes on elsewhere. From the text alone, over bare WebSockets at two gateways; the media is
// played.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/fake_worker.h"
#include "tests/support/stranger.h"

#define CONFERENCE "hyperty://localhost/conference"
#define CROWD 12

static Suite *suite;
static FakeWorker *worker;
static guint port, second;

static int start(void **state)
{
    (void)state;
    suite = stranger_suite(&second);
    port = suite_gateway_port(suite);
    worker = fake_worker_new(suite, 100);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fake_worker_free(worker);
    suite_free(suite);
    return 0;
}

// The join of rethink.md section 6. Participant and hyperty bear the same name.
static void say_join(const Stranger *who, const char *room, const char *name)
{
    stranger_say(who,
                 "{'id':'join','type':'create','from':'hyperty://localhost/%s','to':'" CONFERENCE
                 "','body':{'source':'hyperty://localhost/%s','schema':"
                 "'hyperty-catalogue://catalogue.localhost/.well-known/dataschema/Connection',"
                 "'roomId':'%s','mutual':false,'identity':{'userProfile':{'preferred_username':"
                 "'%s'}},'value':{'url':'connection://localhost/%s','version':1,'data':{'status':"
                 "'new','connectionDescription':{'type':'offer','sdp':'v=0'},'watch':{}}}}}",
                 name, name, room, name, name);
}

// The Communication as the joiner gets it; borrowed.
static const Json *hear_joined(Stranger *who)
{
    const Json *answer = stranger_hear(who, "{'id':'join','type':'response','from':'" CONFERENCE
                                            "','body':{'code':200}}");
    return json_get(json_get(answer, "body"), "value");
}

static const Json *join(Stranger *who, const char *room, const char *name)
{
    say_join(who, room, name);
    return hear_joined(who);
}

static void execute(Stranger *who, const char *name, const char *method, const char *params)
{
    stranger_ask(who, 200, NULL,
                 "{'id':'x','type':'execute','from':'hyperty://localhost/%s','to':'" CONFERENCE
                 "','body':{'method':'%s','params':%s}}",
                 name, method, params);
}

static void row_2_many_first_joins_make_one_communication(void **state)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)stranger_free);
    (void)state;
    for (guint i = 0; i < CROWD; i++) {
        g_autofree char *runtime = g_strdup_printf("runtime:/crowd-%u", i);
        g_ptr_array_add(all, stranger_open(i % 2 == 0 ? port : second, runtime));
    }
    for (guint i = 0; i < CROWD; i++) {
        g_autofree char *name = g_strdup_printf("crowd-%u", i);
        say_join(all->pdata[i], "crowd", name);
    }
    const char *url = json_get_text(hear_joined(all->pdata[0]), "url");
    assert_true(g_str_has_prefix(url, "comm://localhost/crowd-"));
    for (guint i = 1; i < CROWD; i++)
        assert_string_equal(json_get_text(hear_joined(all->pdata[i]), "url"), url);
}

static void row_3_a_participant_gets_the_data_and_every_later_change(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/data-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/data-b");
    const Json *first = join(ann, "data", "data-a");
    const char *url = json_get_text(first, "url");
    gint64 version = json_get_number(first, "version", 0);
    const Json *data = json_get(join(bob, "data", "data-b"), "data");
    assert_non_null(json_get(json_get(data, "participants"), "data-a"));
    const Json *update = stranger_hear(
        ann,
        "{'type':'update','from':'%s','to':'%s/changes','body':{'version':%d,'attribute':"
        "'participants.data-b'}}",
        url, url, (int)version + 1);
    const Json *participant = json_get(json_get(update, "body"), "value"); // row 25
    assert_string_equal(json_get_text(participant, "hypertyURL"), "hyperty://localhost/data-b");
    assert_string_equal(json_get_text(participant, "status"), "joined");
    assert_non_null(json_get(participant, "resources"));
    const Json *body =
        stranger_ask(bob, 200, NULL,
                     "{'id':'s','type':'subscribe','from':'runtime:/data-b/sm','to':"
                     "'%s/subscription','body':{'source':'hyperty://localhost/data-b',"
                     "'mutual':false}}",
                     url);
    assert_true(json_get_number(json_get(body, "value"), "version", 0) > version);
    assert_non_null(json_get_path(json_get(body, "value"), "data.participants.data-b"));
}

static void row_7_leaving_is_told_to_all_others(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/leave-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/leave-b");
    join(ann, "leave", "leave-a");
    join(bob, "leave", "leave-b");
    execute(bob, "leave-b", "leaveRoom", "['leave']");
    const Json *update = stranger_hear(
        ann, "{'type':'update','body':{'attribute':'participants.leave-b','reason':'left'}}");
    assert_null(json_get(json_get(update, "body"), "value"));
    stranger_ask(bob, 401, "not_participating",
                 "{'id':'r','type':'read','from':'hyperty://localhost/leave-b','to':'%s'}",
                 json_get_text(update, "from"));
}

// Ann's gateway is killed; changes happen; she only says re-open elsewhere. There somebody observes
// the room already, from a later version on than she has.
static void row_31_who_only_reopens_elsewhere_lacks_no_change(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(second, "runtime:/kill-a");
    g_autoptr(Stranger) bob = stranger_open(port, "runtime:/kill-b");
    g_autoptr(Stranger) cleo = stranger_open(port, "runtime:/kill-c");
    const Json *joined = join(ann, "kill", "kill-a");
    g_autofree char *url = g_strdup(json_get_text(joined, "url"));
    gint64 version = json_get_number(joined, "version", 0);
    for (guint i = 0; i < 2; i++) // what her gateway tells the registry goes the same way
        execute(ann, "kill-a", "setDirection", "['kill','audio','in']");
    suite_kill(suite, "gateway2", SIGKILL);
    join(bob, "kill", "kill-b");
    for (guint i = 0; i < 20; i++)
        execute(bob, "kill-b", "setDirection",
                i % 2 == 0 ? "['kill','audio','in']" : "['kill','audio','inout']");
    stranger_reopen(ann, port);
    join(cleo, "kill", "kill-c");
    const Json *last =
        stranger_hear(ann, "{'type':'update','body':{'attribute':'participants.kill-c'}}");
    gint64 newest = json_get_number(json_get(last, "body"), "version", 0);
    assert_true(newest > version + 10);
    for (gint64 each = version + 1; each < newest; each++)
        stranger_hear(ann, "{'type':'update','to':'%s/changes','body':{'version':%d}}", url,
                      (int)each);
    stranger_start_gateway(suite, "gateway2", second);
}

static void row_31_a_room_is_left_while_nobody_listens_and_the_routes_go_too(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(second, "runtime:/gone-a");
    g_autoptr(Stranger) bob = stranger_open(port, "runtime:/gone-b");
    join(ann, "gone", "gone-a");
    join(bob, "gone", "gone-b");
    execute(ann, "gone-a", "leaveRoom", "['gone']");
    stranger_hear(ann, "{'type':'update','body':{'attribute':'participants.gone-a'}}");
    suite_kill(suite, "gateway2", SIGKILL);
    stranger_reopen(ann, port);
    execute(bob, "gone-b", "setDirection", "['gone','audio','in']");
    stranger_settle(ann);
    assert_false(stranger_has_heard(
        ann, "{'type':'update','body':{'attribute':'participants.gone-b.resources'}}"));
    stranger_start_gateway(suite, "gateway2", second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_2_many_first_joins_make_one_communication),
        cmocka_unit_test(row_3_a_participant_gets_the_data_and_every_later_change),
        cmocka_unit_test(row_7_leaving_is_told_to_all_others),
        cmocka_unit_test(row_31_who_only_reopens_elsewhere_lacks_no_change),
        cmocka_unit_test(row_31_a_room_is_left_while_nobody_listens_and_the_routes_go_too),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
