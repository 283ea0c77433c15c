// SPDX-License-Identifier: MIT
// The domain registry as the specification's checklist has it, by row: 19 entries, 20 and 39 rooms
// and the conference hyperty, 42 availability of users. From the text alone, over bare WebSockets
// at two gateways.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/fake_worker.h"
#include "tests/support/stranger.h"

#define REGISTRY "domain://registry.localhost"
#define ROUTING "domain://msg-node.localhost/sm"

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

// A hyperty of Ann's: hyperty://localhost/<name> of user://localhost/<name>.
static void register_hyperty(Stranger *ann, const char *runtime, const char *name, guint expires)
{
    stranger_ask(ann, 200, NULL,
                 "{'id':'reg-%s','type':'create','from':'%s/registry','to':'" REGISTRY
                 "','body':{'value':{'user':'user://localhost/%s','url':'hyperty://localhost/%s',"
                 "'descriptor':'hyperty-catalogue://localhost/.well-known/hyperty/Chat',"
                 "'expires':%u,'resources':['chat','file'],'dataSchemes':['comm'],"
                 "'runtime':'%s','status':'live'}}}",
                 name, runtime, name, name, expires, runtime);
}

// Reads until the answer has this code: what is told by others takes its way.
static const Json *await_read(Stranger *who, const char *from, const char *resource, gint code)
{
    for (guint i = 0;; i++) {
        stranger_say(who,
                     "{'id':'await-%u-%s','type':'read','from':'%s','to':'" REGISTRY
                     "','body':{'resource':'%s'}}",
                     i, resource, from, resource);
        const Json *answer = stranger_hear(who, "{'id':'await-%u-%s'}", i, resource);
        const Json *body = json_get(answer, "body");
        if (json_get_number(body, "code", 0) == code)
            return body;
        if (i > 20000)
            fail_msg("%s is not %d", resource, code);
    }
}

static const char *status_in(const Json *body, const char *url)
{
    return json_get_text(json_get(json_get(body, "value"), url), "status");
}

// --- 19: entries

static void row_19_a_hyperty_is_found_by_url_user_and_path(void **state)
{
    static const char *const resources[] = {"hyperty://localhost/find", "user://localhost/find",
                                            "/hyperty/user/user://localhost/find",
                                            "hyperty://localhost/find/", "user://localhost/find/"};
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/find-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/find-b");
    register_hyperty(ann, "runtime:/find-a", "find", 600);
    for (guint i = 0; i < G_N_ELEMENTS(resources); i++) {
        const Json *body =
            stranger_ask(bob, 200, NULL,
                         "{'id':%u,'type':'read','from':'runtime:/find-b','to':'" REGISTRY
                         "','body':{'resource':'%s'}}",
                         i, resources[i]);
        assert_string_equal(status_in(body, "hyperty://localhost/find"), "live");
    }
}

static void row_19_a_data_object_is_found_by_name_and_url(void **state)
{
    static const char *const resources[] = {"My Object", "comm://localhost/named"};
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/named");
    stranger_ask(ann, 200, NULL,
                 "{'id':1,'type':'create','from':'runtime:/named/registry','to':'" REGISTRY
                 "/','body':{'value':{'name':'My Object','schema':'hyperty-catalogue://x/Chat',"
                 "'url':'comm://localhost/named','reporter':'hyperty://localhost/named-h',"
                 "'expires':60,'resources':['chat'],'dataSchemes':['comm'],"
                 "'runtime':'runtime:/named','status':'live','startingTime':'2026-01-01'}}}");
    for (guint i = 0; i < G_N_ELEMENTS(resources); i++) {
        const Json *body =
            stranger_ask(ann, 200, NULL,
                         "{'id':'r%u','type':'read','from':'runtime:/named','to':'" REGISTRY
                         "','body':{'resource':'%s'}}",
                         i, resources[i]);
        const Json *entry = json_get(json_get(body, "value"), "comm://localhost/named");
        assert_string_equal(json_get_text(entry, "reporter"), "hyperty://localhost/named-h");
    }
}

static void row_19_criteria_narrow_what_is_found(void **state)
{
    static const struct {
        const char *resource, *criteria;
        gint code;
    } rows[] = {
        {"user://localhost/crit", "{'resources':['chat']}", 200},
        {"user://localhost/crit", "{'resources':['chat','file'],'dataSchemes':['comm']}", 200},
        {"user://localhost/crit", "{'resources':['audio']}", 404},
        {"user://localhost/crit", "{'dataSchemes':['connection']}", 404},
        {".", "{'user':'user://localhost/crit'}", 200},
        {".", "{'user':'user://localhost/crit','resources':['video']}", 404},
        {".", "{'reporter':'hyperty://localhost/nobody'}", 404},
    };
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/crit");
    register_hyperty(ann, "runtime:/crit", "crit", 600);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        stranger_ask(ann, rows[i].code, NULL,
                     "{'id':%u,'type':'read','from':'runtime:/crit','to':'" REGISTRY
                     "','body':{'resource':'%s','criteria':%s}}",
                     i, rows[i].resource, rows[i].criteria);
}

static void row_19_an_entry_expires_unless_refreshed(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/exp");
    register_hyperty(ann, "runtime:/exp", "exp-kept", 2);
    register_hyperty(ann, "runtime:/exp", "exp-left", 2);
    stranger_ask(ann, 200, NULL,
                 "{'id':1,'type':'subscribe','from':'runtime:/exp','to':'" ROUTING
                 "','body':{'resources':['hyperty://localhost/exp-left/registration']}}");
    stranger_ask(ann, 200, NULL,
                 "{'id':2,'type':'update','from':'runtime:/exp/registry','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/exp-kept',"
                 "'value':{'status':'live','expires':600},'method':'refresh'}}");
    stranger_hear(ann, "{'type':'update','from':'" REGISTRY "','to':"
                       "'hyperty://localhost/exp-left/registration',"
                       "'body':{'attribute':'status','value':'dead'}}");
    stranger_ask(ann, 404, NULL,
                 "{'id':3,'type':'read','from':'runtime:/exp','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/exp-left'}}");
    stranger_ask(ann, 404, NULL,
                 "{'id':4,'type':'update','from':'runtime:/exp/registry','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/exp-left',"
                 "'value':{'status':'live'},'method':'refresh'}}");
    stranger_ask(ann, 200, NULL,
                 "{'id':5,'type':'read','from':'runtime:/exp','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/exp-kept'}}");
}

static void row_19_only_its_owner_changes_an_entry(void **state)
{
    static const char *const bodies[] = {
        "'create','from':'runtime:/own-e','to':'" REGISTRY
        "','body':{'value':{'url':'hyperty://localhost/own'}}",
        "'update','from':'runtime:/own-e','to':'" REGISTRY
        "','body':{'resource':'hyperty://localhost/own','value':{'status':'live'},"
        "'method':'refresh'}",
        "'update','from':'runtime:/own-e','to':'" REGISTRY
        "','body':{'resource':'hyperty://localhost/own','value':'dead','attribute':'status'}",
        "'delete','from':'runtime:/own-e','to':'" REGISTRY
        "','body':{'value':{'url':'hyperty://localhost/own'}}",
        "'delete','from':'runtime:/own-e','to':'" REGISTRY
        "','body':{'value':{'user':'user://localhost/own'}}",
    };
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/own");
    g_autoptr(Stranger) eve = stranger_open(second, "runtime:/own-e");
    register_hyperty(ann, "runtime:/own", "own", 600);
    for (guint i = 0; i < G_N_ELEMENTS(bodies); i++)
        stranger_ask(eve, 403, "not_owner", "{'id':%u,'type':%s}", i, bodies[i]);
    stranger_ask(ann, 200, NULL,
                 "{'id':9,'type':'read','from':'runtime:/own','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/own'}}");
}

static void row_19_it_is_its_owners_in_a_later_session_too(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/later");
    register_hyperty(ann, "runtime:/later", "later", 600);
    stranger_say(ann, "{'id':2,'type':'close','to':'mn:/session'}");
    assert_true(ws_client_wait_closed(stranger_ws(ann)));
    g_autoptr(Stranger) again = stranger_open(second, "runtime:/later");
    const Json *body = stranger_ask(again, 200, NULL,
                                    "{'id':3,'type':'read','from':'runtime:/later','to':'" REGISTRY
                                    "','body':{'resource':'hyperty://localhost/later'}}");
    assert_string_equal(status_in(body, "hyperty://localhost/later"), "live"); // close says nothing
    stranger_ask(again, 200, NULL,
                 "{'id':4,'type':'delete','from':'runtime:/later','to':'" REGISTRY
                 "','body':{'value':{'user':'user://localhost/later',"
                 "'url':'hyperty://localhost/later'}}}");
    stranger_ask(again, 404, NULL,
                 "{'id':5,'type':'read','from':'runtime:/later','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/later'}}");
}

static void row_19_a_lost_session_is_disconnected_until_it_returns(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/lost");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/lost-b");
    register_hyperty(ann, "runtime:/lost", "lost", 600);
    stranger_ask(bob, 200, NULL,
                 "{'id':1,'type':'subscribe','from':'runtime:/lost-b','to':'" ROUTING
                 "','body':{'resources':['hyperty://localhost/lost/registration']}}");
    ws_client_drop(stranger_ws(ann));
    stranger_hear(bob, "{'type':'update','from':'" REGISTRY "','to':"
                       "'hyperty://localhost/lost/registration',"
                       "'body':{'attribute':'status','value':'disconnected'}}");
    const Json *body = stranger_ask(bob, 408, "disconnected",
                                    "{'id':2,'type':'read','from':'runtime:/lost-b','to':'" REGISTRY
                                    "','body':{'resource':'user://localhost/lost'}}");
    assert_string_equal(status_in(body, "hyperty://localhost/lost"), "disconnected");
    stranger_reopen(ann, second);
    stranger_hear(bob, "{'type':'update','to':'hyperty://localhost/lost/registration',"
                       "'body':{'attribute':'status','value':'live'}}");
}

static void row_19_a_killed_gateways_entries_are_disconnected(void **state)
{
    (void)state;
    g_autoptr(Stranger) bob = stranger_open(port, "runtime:/killed-b");
    g_autoptr(Stranger) ann = stranger_open(second, "runtime:/killed");
    register_hyperty(ann, "runtime:/killed", "killed", 600);
    suite_kill(suite, "gateway2", SIGKILL);
    await_read(bob, "runtime:/killed-b", "hyperty://localhost/killed", 408);
    stranger_reopen(ann, port);
    await_read(bob, "runtime:/killed-b", "hyperty://localhost/killed", 200);
    stranger_start_gateway(suite, "gateway2", second);
}

static void row_42_an_owner_says_whether_it_is_there(void **state)
{
    static const struct {
        const char *status;
        gint code;
    } rows[] = {{"disconnected", 408}, {"live", 200}, {"created", 200}, {"dead", 404}};
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/says");
    register_hyperty(ann, "runtime:/says", "says", 600);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        stranger_ask(ann, 200, NULL,
                     "{'id':'u%u','type':'update','from':'runtime:/says','to':'" REGISTRY
                     "','body':{'resource':'hyperty://localhost/says','value':'%s',"
                     "'attribute':'status'}}",
                     i, rows[i].status);
        stranger_ask(ann, rows[i].code, NULL,
                     "{'id':'r%u','type':'read','from':'runtime:/says','to':'" REGISTRY
                     "','body':{'resource':'hyperty://localhost/says'}}",
                     i);
    }
    stranger_ask(ann, 400, "malformed",
                 "{'id':'no','type':'update','from':'runtime:/says','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/says','value':'merry',"
                 "'attribute':'status'}}");
}

static void row_19_what_was_answered_survives_kill_9_of_the_registry(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/last");
    register_hyperty(ann, "runtime:/last", "last", 600);
    register_hyperty(ann, "runtime:/last", "last-gone", 600);
    stranger_ask(ann, 200, NULL,
                 "{'id':1,'type':'delete','from':'runtime:/last','to':'" REGISTRY
                 "','body':{'value':{'url':'hyperty://localhost/last-gone'}}}");
    suite_kill(suite, "registry", SIGKILL);
    suite_start(suite, "registry", "registry", NULL);
    await_read(ann, "runtime:/last", "hyperty://localhost/last", 200);
    stranger_ask(ann, 404, NULL,
                 "{'id':2,'type':'read','from':'runtime:/last','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/last-gone'}}");
    stranger_ask(ann, 200, NULL,
                 "{'id':3,'type':'update','from':'runtime:/last','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/last','value':{'status':'live'},"
                 "'method':'refresh'}}");
}

// --- 20, 24, 39: the conference and its rooms

#define JOIN                                                                                       \
    "{'id':7,'type':'create','from':'hyperty://localhost/%s','to':"                                \
    "'hyperty://localhost/conference','body':{'source':'hyperty://localhost/%s',"                  \
    "'schema':'hyperty-catalogue://catalogue.localhost/.well-known/dataschema/Connection',"        \
    "'roomId':'%s','mutual':false,'identity':{'userProfile':{'preferred_username':'Ann'}},"        \
    "'value':{'url':'connection://localhost/%s','version':1,'data':{'status':'new',"               \
    "'connectionDescription':{'type':'offer','sdp':'v=0'},'watch':{}}}}}"

static void row_20_the_conference_hyperty_and_every_room_are_registered(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/room-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/room-b");
    const Json *joined = stranger_ask(ann, 200, NULL, JOIN, "room-a", "room-a", "listed", "room-a");
    const char *url = json_get_text(json_get(joined, "value"), "url");
    const Json *body =
        stranger_ask(bob, 200, NULL,
                     "{'id':1,'type':'read','from':'runtime:/room-b','to':'" REGISTRY
                     "','body':{'resource':'listed','criteria':{'dataSchemes':['comm'],"
                     "'resources':['audio','video']}}}");
    const Json *entry = json_get(json_get(body, "value"), url);
    assert_string_equal(json_get_text(entry, "name"), "listed");
    assert_string_equal(json_get_text(entry, "reporter"), "hyperty://localhost/conference");
    body = stranger_ask(bob, 200, NULL,
                        "{'id':2,'type':'read','from':'runtime:/room-b','to':'" REGISTRY
                        "','body':{'resource':'.','criteria':{'reporter':"
                        "'hyperty://localhost/conference'}}}");
    assert_non_null(json_get(json_get(body, "value"), url)); // row 39
    stranger_ask(bob, 200, NULL,
                 "{'id':3,'type':'read','from':'runtime:/room-b','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/conference'}}");
    stranger_ask(bob, 403, "not_owner",
                 "{'id':4,'type':'create','from':'runtime:/room-b','to':'" REGISTRY
                 "','body':{'value':{'url':'%s','name':'mine'}}}",
                 url);
}

static void
row_24_a_communication_is_open_while_anybody_is_in_and_closed_after_the_last(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/open-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/open-b");
    const Json *joined = stranger_ask(ann, 200, NULL, JOIN, "open-a", "open-a", "opened", "open-a");
    const Json *data = json_get(json_get(joined, "value"), "data");
    assert_string_equal(json_get_text(data, "status"), "open");
    assert_non_null(json_get_text(data, "startingTime"));
    stranger_ask(bob, 200, NULL, JOIN, "open-b", "open-b", "opened", "open-b");
    for (guint i = 0; i < 2; i++)
        stranger_ask(i == 0 ? ann : bob, 200, NULL,
                     "{'id':9,'type':'execute','from':'hyperty://localhost/open-%c','to':"
                     "'hyperty://localhost/conference','body':{'method':'leaveRoom',"
                     "'params':['opened']}}",
                     "ab"[i]);
    await_read(ann, "runtime:/open-a", "opened", 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_19_a_hyperty_is_found_by_url_user_and_path),
        cmocka_unit_test(row_19_a_data_object_is_found_by_name_and_url),
        cmocka_unit_test(row_19_criteria_narrow_what_is_found),
        cmocka_unit_test(row_19_an_entry_expires_unless_refreshed),
        cmocka_unit_test(row_19_only_its_owner_changes_an_entry),
        cmocka_unit_test(row_19_it_is_its_owners_in_a_later_session_too),
        cmocka_unit_test(row_19_a_lost_session_is_disconnected_until_it_returns),
        cmocka_unit_test(row_19_a_killed_gateways_entries_are_disconnected),
        cmocka_unit_test(row_42_an_owner_says_whether_it_is_there),
        cmocka_unit_test(row_19_what_was_answered_survives_kill_9_of_the_registry),
        cmocka_unit_test(row_20_the_conference_hyperty_and_every_room_are_registered),
        cmocka_unit_test(
            row_24_a_communication_is_open_while_anybody_is_in_and_closed_after_the_last),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
