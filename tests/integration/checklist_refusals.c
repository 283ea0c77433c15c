// SPDX-License-Identifier: MIT
// What nobody may do to others, as the specification's checklist has it (row 32: asserted identity,
// no spoofing; row 17: routes; row 21: cross-room reads): each is refused with its reason, or has
// no effect where the answer must not tell. The attacker is at another gateway than the victim,
// which is the harder case.
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
#define ALLOCATION "domain://msg-node.localhost/address-allocation"
#define CONFERENCE "hyperty://localhost/conference"
#define JOIN                                                                                       \
    "{'id':'join','type':'create','from':'hyperty://localhost/%s','to':'" CONFERENCE               \
    "','body':{'source':'hyperty://localhost/%s',"                                                 \
    "'schema':'hyperty-catalogue://catalogue.localhost/.well-known/dataschema/Connection',"        \
    "'roomId':'%s','mutual':false,'value':{'url':'connection://localhost/%s','version':1,"         \
    "'data':{'status':'new','connectionDescription':{'type':'offer','sdp':'v=0'},'watch':{}}}}}"

static Suite *suite;
static FakeWorker *worker;
static guint port, second;
static Stranger *ann, *bob, *eve; // Ann and Bob at the first gateway, Eve at the second
static char *room;                // Ann's

static void bind_addresses(void)
{
    stranger_ask(ann, 200, NULL,
                 "{'id':'bind','type':'subscribe','from':'runtime:/ann/sm','to':'" ROUTING
                 "','body':{'resources':['hyperty://localhost/ann-h','thing://localhost/anns']}}");
    stranger_ask(ann, 200, NULL,
                 "{'id':'reg','type':'create','from':'runtime:/ann/registry','to':'" REGISTRY
                 "','body':{'value':{'url':'hyperty://localhost/ann-h','expires':600,"
                 "'user':'user://localhost/ann'}}}");
    const Json *joined = stranger_ask(ann, 200, NULL, JOIN, "ann-h", "ann-h", "anns", "ann-p");
    room = g_strdup(json_get_text(json_get(joined, "value"), "url"));
    stranger_ask(eve, 200, NULL, JOIN, "eve-h", "eve-h", "eves", "eve-p");
}

static int start(void **state)
{
    (void)state;
    suite = stranger_suite(&second);
    port = suite_gateway_port(suite);
    worker = fake_worker_new(suite, 100);
    ann = stranger_open(port, "runtime:/ann");
    bob = stranger_open(port, "runtime:/bob");
    eve = stranger_open(second, "runtime:/eve");
    bind_addresses();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(ann);
    stranger_free(bob);
    stranger_free(eve);
    g_free(room);
    fake_worker_free(worker);
    suite_free(suite);
    return 0;
}

// One row of the matrix: what Eve says (%R is Ann's room), and what she is answered.
typedef struct {
    const char *what, *message;
    gint code;
    const char *reason;
} Row;

#define FROM_EVE "'from':'hyperty://localhost/eve-h'"

static const Row rows[] = {
    {"a spoofed from", "'read','from':'hyperty://localhost/ann-h','to':'" REGISTRY "'", 403,
     "not_owner"},
    {"a spoofed from below a runtime", "'read','from':'runtime:/ann/sm','to':'" REGISTRY "'", 403,
     "not_owner"},
    {"a spoofed object as from",
     "'create','from':'thing://localhost/anns/subscription',"
     "'to':'runtime:/bob'",
     403, "not_owner"},
    {"a service as from", "'update','from':'" CONFERENCE "','to':'runtime:/bob'", 403, "not_owner"},
    {"a room as from", "'update','from':'%R','to':'runtime:/bob'", 403, "not_owner"},
    {"another's source",
     "'create'," FROM_EVE ",'to':'" CONFERENCE "','body':{'source':'hyperty://localhost/ann-h'}",
     403, "not_owner"},
    {"joining with another's Connection",
     "'create'," FROM_EVE ",'to':'" CONFERENCE
     "','body':{'source':'hyperty://localhost/eve-h','roomId':"
     "'eves','value':{'url':'connection://localhost/ann-p',"
     "'version':1,'data':{}}}",
     403, "not_owner"},
    {"an update of another's object",
     "'update'," FROM_EVE ",'to':'thing://localhost/anns/changes',"
     "'body':{'version':1,'attribute':'a','value':1}",
     403, "not_owner"},
    {"an update of another's room",
     "'update'," FROM_EVE ",'to':'%R/changes',"
     "'body':{'version':99,'attribute':'a','value':1}",
     403, "not_owner"},
    {"a status of another's hyperty",
     "'update'," FROM_EVE ",'to':"
     "'hyperty://localhost/ann-h/registration',"
     "'body':{'attribute':'status','value':'dead'}",
     403, "not_owner"},
    {"a route to another's address",
     "'subscribe'," FROM_EVE ",'to':'" ROUTING
     "','body':{'resources':['hyperty://localhost/ann-h']}",
     403, "not_owner"},
    {"a route to another's subscribers",
     "'subscribe'," FROM_EVE ",'to':'" ROUTING "','body':{'resources':"
     "['thing://localhost/anns/subscription']}",
     403, "not_owner"},
    {"a route to what is internal",
     "'subscribe'," FROM_EVE ",'to':'" ROUTING
     "','body':{'resources':['ctxt://localhost/process/x/changes']}",
     403, "not_owner"},
    {"registering another's address",
     "'create'," FROM_EVE ",'to':'" REGISTRY
     "','body':{'value':{'url':'hyperty://localhost/ann-h'}}",
     403, "not_owner"},
    {"registering a room",
     "'create'," FROM_EVE ",'to':'" REGISTRY "','body':{'value':{'url':'%R','name':'anns'}}", 403,
     "not_owner"},
    {"registering the conference",
     "'create'," FROM_EVE ",'to':'" REGISTRY "','body':{'value':{'url':'" CONFERENCE "'}}", 403,
     "not_owner"},
    {"refreshing another's entry",
     "'update'," FROM_EVE ",'to':'" REGISTRY
     "','body':{'resource':'hyperty://localhost/ann-h','value':"
     "{'status':'live'},'method':'refresh'}",
     403, "not_owner"},
    {"ending another's entry",
     "'update'," FROM_EVE ",'to':'" REGISTRY
     "','body':{'resource':'hyperty://localhost/ann-h','value':'dead',"
     "'attribute':'status'}",
     403, "not_owner"},
    {"deleting another's entry",
     "'delete'," FROM_EVE ",'to':'" REGISTRY
     "','body':{'value':{'url':'hyperty://localhost/ann-h'}}",
     403, "not_owner"},
    {"reading another's room", "'read'," FROM_EVE ",'to':'%R'", 401, "not_participating"},
    {"subscribing another's room",
     "'subscribe'," FROM_EVE ",'to':'%R/subscription',"
     "'body':{'source':'hyperty://localhost/eve-h'}",
     401, "not_participating"},
    {"resuming another's room",
     "'subscribe'," FROM_EVE ",'to':'%R/subscription',"
     "'body':{'source':'hyperty://localhost/eve-h','resume':true,"
     "'version':1}",
     401, "not_participating"},
    {"leaving another's room",
     "'execute'," FROM_EVE ",'to':'" CONFERENCE "','body':{'method':'leaveRoom','params':['anns']}",
     401, "not_participating"},
    {"muting in another's room",
     "'execute'," FROM_EVE ",'to':'" CONFERENCE
     "','body':{'method':'setDirection','params':['anns','audio',"
     "'inout']}",
     401, "not_participating"},
    {"ending another's Connection",
     "'delete'," FROM_EVE ",'to':'" CONFERENCE
     "','body':{'resource':'connection://localhost/ann-p'}",
     403, "not_owner"},
    {"ending a room process",
     "'execute'," FROM_EVE ",'to':'" CONFERENCE
     "','body':{'method':'roomEnded','params':[{'url':'%R'}]}",
     403, "forbidden"},
    {"telling of sessions", "'create'," FROM_EVE ",'to':'hyperty://localhost/sessions'", 403,
     "forbidden"},
    {"claiming an address",
     "'execute'," FROM_EVE ",'to':'hyperty://localhost/sessions',"
     "'body':{'method':'claim','params':['x',['runtime:/ann']]}",
     403, "forbidden"},
    {"asking a worker", "'execute'," FROM_EVE ",'to':'hyperty://localhost/worker/w1'", 403,
     "forbidden"},
    {"asking a room process", "'create'," FROM_EVE ",'to':'hyperty://localhost/media/m1'", 403,
     "forbidden"},
    {"a process' presence", "'update'," FROM_EVE ",'to':'ctxt://localhost/process/x/changes'", 403,
     "forbidden"},
    {"the broker's events", "'event'," FROM_EVE ",'to':'bus://events'", 403, "forbidden"},
    {"a process' answers", "'response'," FROM_EVE ",'to':'bus://process/registry-1'", 0, NULL},
};

static void row_32_what_belongs_to_others_is_refused_with_its_reason(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) message = g_string_new(rows[i].message);
        g_string_replace(message, "%R", room, 0);
        print_message("# %s\n", rows[i].what);
        if (rows[i].code == 0) {
            stranger_say(eve, "{'id':%u,'type':%s}", i, message->str);
            stranger_settle(eve);
            assert_false(stranger_has_heard(eve, "{'id':%u}", i));
        } else {
            stranger_ask(eve, rows[i].code, rows[i].reason, "{'id':%u,'type':%s}", i, message->str);
        }
    }
    stranger_ask(ann, 200, NULL,
                 "{'id':'still','type':'read','from':'hyperty://localhost/ann-h',"
                 "'to':'%s'}",
                 room);
    stranger_ask(ann, 200, NULL,
                 "{'id':'too','type':'read','from':'runtime:/ann','to':'" REGISTRY
                 "','body':{'resource':'hyperty://localhost/ann-h'}}");
}

// Answered 200 as the specification wants it, but the route sleeps.
static void row_17_a_route_to_a_foreign_rooms_changes_carries_nothing(void **state)
{
    (void)state;
    stranger_ask(eve, 200, NULL,
                 "{'id':'spy','type':'subscribe','from':'runtime:/eve/sm','to':'" ROUTING
                 "','body':{'resources':['%s/changes','%s/children/']}}",
                 room, room);
    stranger_ask(
        ann, 200, NULL,
        "{'id':'mute','type':'execute','from':'hyperty://localhost/ann-h','to':'" CONFERENCE
        "','body':{'method':'setDirection','params':['anns','audio','in']}}");
    stranger_hear(ann, "{'type':'update','to':'%s/changes'}", room);
    stranger_say(ann, "{'id':'mark','type':'event','from':'hyperty://localhost/ann-h',"
                      "'to':'runtime:/eve'}");
    stranger_hear(eve, "{'id':'mark'}");
    assert_false(stranger_has_heard(eve, "{'to':'%s/changes'}", room));
}

static void row_18_another_gateways_allocation_cannot_be_released_or_used(void **state)
{
    (void)state;
    const Json *body =
        stranger_ask(ann, 200, NULL,
                     "{'id':'alloc','type':'create','from':'runtime:/ann','to':'" ALLOCATION
                     "','body':{'value':{'number':1}}}");
    const char *url = json_text(json_at(json_get(json_get(body, "value"), "allocated"), 0));
    stranger_ask(eve, 200, NULL,
                 "{'id':'free','type':'delete','from':'runtime:/eve','to':'" ALLOCATION
                 "','body':{'childrenResources':['%s']}}",
                 url);
    stranger_ask(eve, 403, "not_owner",
                 "{'id':'use','type':'read','from':'%s','to':'" REGISTRY "'}", url);
    stranger_say(bob, "{'id':'hello','type':'read','from':'runtime:/bob','to':'%s'}", url);
    stranger_hear(ann, "{'id':'hello','to':'%s'}", url);
}

static void row_32_an_address_is_free_when_its_session_has_ended(void **state)
{
    (void)state;
    g_autoptr(Stranger) dan = stranger_open(port, "runtime:/dan");
    stranger_ask(dan, 404, NULL,
                 "{'id':1,'type':'read','from':'hyperty://localhost/dan','to':"
                 "'runtime:/nobody'}");
    stranger_ask(eve, 403, "not_owner",
                 "{'id':'dan','type':'read','from':"
                 "'hyperty://localhost/dan','to':'runtime:/nobody'}");
    stranger_say(dan, "{'id':2,'type':'close','to':'mn:/session'}");
    assert_true(ws_client_wait_closed(stranger_ws(dan)));
    stranger_ask(eve, 404, "no_route",
                 "{'id':'dan2','type':'read','from':"
                 "'hyperty://localhost/dan','to':'runtime:/nobody'}");
}

static void row_16_open_with_anothers_runtime_url_is_refused_where_takeover_is_off(void **state)
{
    (void)state;
    guint third = stranger_free_port();
    suite_set(suite, "PARLEY_GATEWAY_OPEN_TAKEOVER", "false");
    stranger_start_gateway(suite, "gateway3", third);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(Stranger) mallory = stranger_new(third);
        stranger_ask(mallory, 403, "not_owner",
                     "{'id':1,'type':'open','from':'%s','to':'mn:/session'}",
                     i == 0 ? "runtime:/ann" : "hyperty://localhost/ann-h");
    }
    stranger_settle(ann);
}

static void row_32_a_forged_token_opens_no_session_but_its_own(void **state)
{
    (void)state;
    g_autoptr(Stranger) mallory = stranger_new(second);
    g_autofree char *forged = g_strdup(stranger_token(ann));
    forged[20] = forged[20] == 'A' ? 'B' : 'A';
    const Json *body = stranger_ask(mallory, 200, NULL,
                                    "{'id':1,'type':'re-open','from':'runtime:/mallory/%s',"
                                    "'to':'mn:/session'}",
                                    forged);
    assert_string_not_equal(json_get_text(body, "runtimeToken"), stranger_token(ann));
    stranger_settle(ann);
}

static void row_32_an_invitee_sees_who_really_invites(void **state)
{
    (void)state;
    stranger_say(eve, "{'id':'inv','type':'create','from':'hyperty://localhost/eve-h','to':"
                      "'runtime:/bob','body':{'source':'hyperty://localhost/eve-h','identity':"
                      "{'userProfile':{'userURL':'user://localhost/ann','guid':'ann',"
                      "'preferred_username':'Ann','picture':'p'}}}}");
    const Json *message = stranger_hear(bob, "{'id':'inv','type':'create','body':{'identity':"
                                             "{'userProfile':{'picture':'p'}}}}");
    const Json *profile = json_get(json_get(json_get(message, "body"), "identity"), "userProfile");
    assert_true(g_str_has_prefix(json_get_text(profile, "userURL"), "guest://localhost/"));
    assert_null(json_get(profile, "guid"));
}

static void row_32_nobody_answers_in_anothers_place(void **state)
{
    (void)state;
    stranger_say(ann, "{'id':'q','type':'read','from':'hyperty://localhost/ann-h','to':"
                      "'runtime:/bob'}");
    stranger_hear(bob, "{'id':'q','type':'read'}");
    stranger_say(eve, "{'id':'q','type':'response','from':'runtime:/bob','to':"
                      "'hyperty://localhost/ann-h','body':{'code':200,'value':'forged'}}");
    stranger_settle(eve);
    stranger_say(bob, "{'id':'q','type':'response','from':'runtime:/bob','to':"
                      "'hyperty://localhost/ann-h','body':{'code':200,'value':'true'}}");
    stranger_hear(ann, "{'id':'q','type':'response','body':{'value':'true'}}");
    assert_false(stranger_has_heard(ann, "{'id':'q'}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_32_what_belongs_to_others_is_refused_with_its_reason),
        cmocka_unit_test(row_17_a_route_to_a_foreign_rooms_changes_carries_nothing),
        cmocka_unit_test(row_18_another_gateways_allocation_cannot_be_released_or_used),
        cmocka_unit_test(row_32_an_address_is_free_when_its_session_has_ended),
        cmocka_unit_test(row_16_open_with_anothers_runtime_url_is_refused_where_takeover_is_off),
        cmocka_unit_test(row_32_a_forged_token_opens_no_session_but_its_own),
        cmocka_unit_test(row_32_an_invitee_sees_who_really_invites),
        cmocka_unit_test(row_32_nobody_answers_in_anothers_place),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
