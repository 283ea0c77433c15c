// SPDX-License-Identifier: MIT
// Data synchronisation between any two hyperties, as the specification's checklist has it, by row:
// 9 invitation, 13 create to delete, 14 versions, 17 routing, 21 read and 401, 22 and 23
// unsubscribe and delete, 11 removal by the reporter, 30 and 31 resuming. Objects of a schema that
// nobody here knows; reporter and observers at different gateways; every message as rethink.md
// section 4 has it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/stranger.h"

#define ROUTING "domain://msg-node.localhost/sm"

static Suite *suite;
static guint port, second;

static int start(void **state)
{
    (void)state;
    suite = stranger_suite(&second);
    port = suite_gateway_port(suite);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    suite_free(suite);
    return 0;
}

// A reporter and an observer: runtime:/<name>-r and -o, hyperties hyperty://localhost/<name>-r and
// -o, the object thing://localhost/<name>.
typedef struct {
    const char *name;
    Stranger *reporter, *observer;
} Pair;

static void route(Stranger *who, const char *runtime, const char *resources)
{
    stranger_ask(who, 200, NULL,
                 "{'id':'route-%s','type':'subscribe','from':'%s/sm','to':'" ROUTING
                 "','body':{'resources':%s,'source':'%s/sm'}}",
                 runtime, runtime, resources, runtime);
}

static Pair *pair_new(const char *name)
{
    Pair *pair = g_new0(Pair, 1);
    g_autofree char *reporter = g_strdup_printf("runtime:/%s-r", name);
    g_autofree char *observer = g_strdup_printf("runtime:/%s-o", name);
    g_autofree char *objects =
        g_strdup_printf("['hyperty://localhost/%s-r','thing://localhost/%s',"
                        "'thing://localhost/%s/subscription','thing://localhost/%s/children/']",
                        name, name, name, name);
    g_autofree char *hyperty = g_strdup_printf("['hyperty://localhost/%s-o']", name);
    pair->name = name;
    pair->reporter = stranger_open(port, reporter);
    pair->observer = stranger_open(second, observer);
    route(pair->reporter, reporter, objects);
    route(pair->observer, observer, hyperty);
    return pair;
}

static void pair_free(Pair *pair)
{
    stranger_free(pair->reporter);
    stranger_free(pair->observer);
    g_free(pair);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pair, pair_free)

// Routing subscribe, then subscribe, answered by the reporter with a snapshot. who: "source" as the
// specification has it, or "subscriber" as running code.
static void observe(Pair *pair, const char *who)
{
    const char *name = pair->name;
    g_autofree char *runtime = g_strdup_printf("runtime:/%s-o", name);
    g_autofree char *routes = g_strdup_printf("['thing://localhost/%s/changes',"
                                              "'thing://localhost/%s/children/']",
                                              name, name);
    route(pair->observer, runtime, routes);
    stranger_say(pair->observer,
                 "{'id':7,'type':'subscribe','from':'runtime:/%s-o/sm','to':"
                 "'thing://localhost/%s/subscription','body':{'%s':'hyperty://localhost/%s-o',"
                 "'mutual':false}}",
                 name, name, who, name);
    stranger_hear(pair->reporter,
                  "{'id':7,'type':'subscribe','to':'thing://localhost/%s/subscription',"
                  "'body':{'%s':'hyperty://localhost/%s-o','mutual':false}}",
                  name, who, name);
    stranger_say(pair->reporter,
                 "{'id':7,'type':'response','from':'thing://localhost/%s/subscription','to':"
                 "'runtime:/%s-o/sm','body':{'code':200,'schema':'x://odd/Schema','owner':"
                 "'hyperty://localhost/%s-r','value':{'metadata':{'name':'n'},'data':{'a':1},"
                 "'version':0}}}",
                 name, name, name);
    stranger_hear(pair->observer,
                  "{'id':7,'type':'response','from':'thing://localhost/%s/subscription','body':"
                  "{'code':200,'schema':'x://odd/Schema','value':{'data':{'a':1},'version':0}}}",
                  name);
}

static void update(Pair *pair, guint version, const char *value)
{
    stranger_say(pair->reporter,
                 "{'id':'u%u','type':'update','from':'thing://localhost/%s','to':"
                 "'thing://localhost/%s/changes','body':{'version':%u,'source':"
                 "'hyperty://localhost/%s-r','attribute':'a.b','value':%s,'lastModified':'now'}}",
                 version, pair->name, pair->name, version, pair->name, value);
}

static void hear_update(Pair *pair, guint version, const char *value)
{
    stranger_hear(pair->observer,
                  "{'type':'update','from':'thing://localhost/%s','to':"
                  "'thing://localhost/%s/changes','body':{'version':%u,'source':"
                  "'hyperty://localhost/%s-r','attribute':'a.b','value':%s,'lastModified':'now'}}",
                  pair->name, pair->name, version, pair->name, value);
}

// What the observer's gateway had for it until now has come: a message of the reporter's to it.
static void settle(Pair *pair)
{
    stranger_say(pair->reporter,
                 "{'id':'settle','type':'event','from':'hyperty://localhost/%s-r','to':"
                 "'hyperty://localhost/%s-o'}",
                 pair->name, pair->name);
    stranger_hear(pair->observer, "{'id':'settle','type':'event'}");
}

// --- 9: invitation

static void row_9_an_invitation_rings_and_is_answered(void **state)
{
    static const gint codes[] = {200, 406, 486};
    (void)state;
    g_autoptr(Pair) pair = pair_new("invite");
    for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
        stranger_say(pair->reporter,
                     "{'id':%u,'type':'create','from':'thing://localhost/invite/subscription',"
                     "'to':'hyperty://localhost/invite-o','body':{'source':"
                     "'hyperty://localhost/invite-r','schema':'x://odd/Schema','value':{'url':"
                     "'thing://localhost/invite','name':'n','created':'now','mutual':false},"
                     "'identity':{'userProfile':{'preferred_username':'R'}}}}",
                     i);
        stranger_hear(pair->observer,
                      "{'id':%u,'type':'create','from':'thing://localhost/invite/subscription',"
                      "'body':{'schema':'x://odd/Schema','value':{'mutual':false}}}",
                      i);
        const gint both[] = {100, codes[i]};
        for (guint k = 0; k < 2; k++) {
            stranger_say(pair->observer,
                         "{'id':%u,'type':'response','from':'hyperty://localhost/invite-o','to':"
                         "'thing://localhost/invite/subscription','body':{'code':%d}}",
                         i, both[k]);
            stranger_hear(pair->reporter, "{'id':%u,'type':'response','body':{'code':%d}}", i,
                          both[k]);
        }
    }
}

// --- 13, 14, 17

static void row_13_an_observer_gets_every_update_in_order(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("order");
    observe(pair, "source");
    for (guint version = 1; version <= 300; version++)
        update(pair, version, "{'x':[1,'é',null]}");
    for (guint version = 1; version <= 300; version++)
        hear_update(pair, version, "{'x':[1,'é',null]}");
    guint64 before = 0;
    const GPtrArray *all = ws_client_received(stranger_ws(pair->observer));
    for (guint i = 0; i < all->len; i++) {
        if (g_strcmp0(json_get_text(all->pdata[i], "type"), "update") != 0)
            continue;
        gint64 version = json_get_number(json_get(all->pdata[i], "body"), "version", 0);
        assert_true((guint64)version == before + 1);
        before = (guint64)version;
    }
}

static void row_14_odd_versions_pass_as_their_reporter_made_them(void **state)
{
    static const guint versions[] = {2, 3, 7, 8}; // legacy: 0, then 2
    (void)state;
    g_autoptr(Pair) pair = pair_new("odd");
    observe(pair, "subscriber");
    for (guint i = 0; i < G_N_ELEMENTS(versions); i++)
        update(pair, versions[i], "1");
    for (guint i = 0; i < G_N_ELEMENTS(versions); i++)
        hear_update(pair, versions[i], "1");
    stranger_say(pair->reporter, "{'id':'l','type':'update','from':'thing://localhost/odd','to':"
                                 "'thing://localhost/odd/changes','body':{'version':9,"
                                 "'attributeType':'array','attribute':'l.0','operation':'add',"
                                 "'value':['x']}}");
    stranger_hear(pair->observer, "{'type':'update','body':{'version':9,'attributeType':'array',"
                                  "'operation':'add','value':['x']}}");
    stranger_say(pair->reporter, "{'id':'n','type':'update','from':'thing://localhost/odd','to':"
                                 "'thing://localhost/odd/changes','body':{'attribute':'gone'}}");
    stranger_hear(pair->observer, "{'type':'update','body':{'attribute':'gone'}}");
}

static void row_17_the_aliases_of_routing_are_served(void **state)
{
    static const char *const forms[] = {
        "{'resources':['thing://localhost/alias/changes']}",
        "{'subscribe':['thing://localhost/alias/changes']}",
        "{'resource':'thing://localhost/alias/changes'}",
        "{'childrenResources':[['thing://localhost/alias/changes'],[]]}",
    };
    static const char *const ends[] = {
        "{'resources':['thing://localhost/alias/changes']}",
        "{'unsubscribe':['thing://localhost/alias/changes']}",
        "{'resource':'thing://localhost/alias'}",
        "{'childrenResources':['thing://localhost/alias/children/'],'resource':"
        "'thing://localhost/alias'}",
    };
    (void)state;
    g_autoptr(Pair) pair = pair_new("alias");
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        stranger_ask(pair->observer, 200, NULL,
                     "{'id':1,'type':'subscribe','from':'runtime:/alias-o','to':'" ROUTING
                     "','body':%s}",
                     forms[i]);
        update(pair, 2 * i + 1, "1");
        hear_update(pair, 2 * i + 1, "1");
        stranger_ask(pair->observer, 200, NULL,
                     "{'id':1,'type':'unsubscribe','from':'runtime:/alias-o','to':'" ROUTING
                     "','body':%s}",
                     ends[i]);
        update(pair, 2 * i + 2, "2");
        settle(pair);
        assert_false(stranger_has_heard(pair->observer, "{'body':{'value':2}}"));
    }
}

// --- children

static void row_13_children_go_in_both_forms_to_everybody_and_may_be_answered(void **state)
{
    static const char *const forms[] = {"thing://localhost/child/children/comments",
                                        "thing://localhost/child/children/"};
    static const char *const types[] = {"create", "update", "delete"};
    (void)state;
    g_autoptr(Pair) pair = pair_new("child");
    observe(pair, "source");
    for (guint i = 0; i < G_N_ELEMENTS(forms) * G_N_ELEMENTS(types); i++) {
        const char *to = forms[i % 2], *type = types[i / 2];
        stranger_say(pair->observer,
                     "{'id':'c%u','type':'%s','from':'hyperty://localhost/child-o','to':'%s',"
                     "'body':{'resource':'k%u','value':{'url':'k','reporter':"
                     "'hyperty://localhost/child-o','parent':'thing://localhost/child','data':"
                     "{'text':'hi'}}}}",
                     i, type, to, i);
        stranger_hear(pair->reporter,
                      "{'id':'c%u','type':'%s','from':'hyperty://localhost/child-o','to':'%s',"
                      "'body':{'resource':'k%u','value':{'data':{'text':'hi'}}}}",
                      i, type, to, i);
        stranger_say(pair->reporter,
                     "{'id':'c%u','type':'response','from':'%s','to':"
                     "'hyperty://localhost/child-o','body':{'code':200,'source':"
                     "'hyperty://localhost/child-r'}}",
                     i, to);
        stranger_hear(pair->observer,
                      "{'id':'c%u','type':'response','from':'%s','body':{'code':200}}", i, to);
    }
}

static void row_13_a_child_may_be_told_from_the_object_in_its_authors_name(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("author");
    observe(pair, "source");
    stranger_say(pair->observer, "{'id':'c','type':'update','from':'thing://localhost/author',"
                                 "'to':'thing://localhost/author/children/x','body':{'source':"
                                 "'hyperty://localhost/author-o','resource':'k','value':1}}");
    stranger_hear(pair->reporter, "{'type':'update','from':'thing://localhost/author','to':"
                                  "'thing://localhost/author/children/x','body':{'value':1}}");
    stranger_ask(pair->observer, 403, "not_owner",
                 "{'id':'d','type':'update','from':'thing://localhost/author','to':"
                 "'thing://localhost/author/children/x','body':{'source':"
                 "'hyperty://localhost/author-r','resource':'k','value':2}}");
}

// --- 21: read

static void row_21_a_read_is_answered_and_strangers_get_401_from_the_reporter(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("reading");
    for (guint i = 0; i < 2; i++) {
        stranger_say(pair->observer,
                     "{'id':%u,'type':'read','from':'hyperty://localhost/reading-o','to':"
                     "'thing://localhost/reading'}",
                     i);
        stranger_hear(pair->reporter, "{'id':%u,'type':'read','to':'thing://localhost/reading'}",
                      i);
        stranger_say(pair->reporter,
                     "{'id':%u,'type':'response','from':'thing://localhost/reading','to':"
                     "'hyperty://localhost/reading-o','body':%s}",
                     i, i == 0 ? "{'code':200,'value':{'data':{'x':1}}}" : "{'code':401}");
        stranger_hear(pair->observer, "{'id':%u,'type':'response','body':{'code':%d}}", i,
                      i == 0 ? 200 : 401);
    }
}

static void row_21_a_large_answer_to_read_comes_in_all_its_parts(void **state)
{
    // Running code says 100 in each; n counts the first, or (a reading of the text) only the rest.
    static const struct {
        guint said, sent, code;
    } rows[] = {{3, 3, 100}, {3, 3, 200}, {2, 3, 200}};
    (void)state;
    g_autoptr(Pair) pair = pair_new("parts");
    g_autofree char *large = g_strnfill(60000, 'x');
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        stranger_say(pair->observer,
                     "{'id':%u,'type':'read','from':'hyperty://localhost/parts-o','to':"
                     "'thing://localhost/parts'}",
                     i);
        stranger_hear(pair->reporter, "{'id':%u,'type':'read'}", i);
        for (guint part = 0; part < rows[i].sent; part++)
            stranger_say(pair->reporter,
                         "{'id':%u,'type':'response','from':'thing://localhost/parts','to':"
                         "'hyperty://localhost/parts-o','body':{'code':%u,'value':{'responses':%u,"
                         "'part-%u':'%s'}}}",
                         i, part == 0 ? 100 : rows[i].code, rows[i].said, part, large);
        for (guint part = 0; part < rows[i].sent; part++)
            stranger_hear(pair->observer,
                          "{'id':%u,'type':'response','body':{'code':%u,'value':{'responses':%u,"
                          "'part-%u':'%s'}}}",
                          i, part == 0 ? 100 : rows[i].code, rows[i].said, part, large);
    }
}

// --- 22, 23, 11: ends

static void row_22_unsubscribe_is_answered_and_ends_the_updates(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("unsub");
    observe(pair, "source");
    stranger_say(pair->observer, "{'id':8,'type':'unsubscribe','from':'runtime:/unsub-o/sm','to':"
                                 "'thing://localhost/unsub/subscription','body':{'source':"
                                 "'hyperty://localhost/unsub-o'}}");
    stranger_hear(pair->reporter, "{'id':8,'type':'unsubscribe','body':{'source':"
                                  "'hyperty://localhost/unsub-o'}}");
    stranger_say(pair->reporter,
                 "{'id':8,'type':'response','from':'thing://localhost/unsub/subscription','to':"
                 "'runtime:/unsub-o/sm','body':{'code':200}}");
    stranger_hear(pair->observer, "{'id':8,'type':'response','body':{'code':200}}");
    stranger_ask(pair->observer, 200, NULL,
                 "{'id':9,'type':'unsubscribe','from':'runtime:/unsub-o/sm','to':'" ROUTING
                 "','body':{'resources':['thing://localhost/unsub/changes',"
                 "'thing://localhost/unsub/children/']}}");
    update(pair, 1, "1");
    settle(pair);
    assert_false(stranger_has_heard(pair->observer, "{'type':'update'}"));
}

static void row_23_a_delete_reaches_every_observer_and_is_answered(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("del");
    observe(pair, "source");
    stranger_say(pair->reporter, "{'id':8,'type':'delete','from':"
                                 "'thing://localhost/del/subscription','to':"
                                 "'thing://localhost/del/changes'}");
    stranger_hear(pair->observer, "{'id':8,'type':'delete','from':"
                                  "'thing://localhost/del/subscription','to':"
                                  "'thing://localhost/del/changes'}");
    stranger_say(pair->observer,
                 "{'id':8,'type':'response','from':'thing://localhost/del/changes','to':"
                 "'thing://localhost/del/subscription','body':{'code':200,'source':"
                 "'hyperty://localhost/del-o'}}");
    stranger_hear(pair->reporter, "{'id':8,'type':'response','body':{'code':200,'source':"
                                  "'hyperty://localhost/del-o'}}");
}

static void row_11_removed_by_the_reporter_in_either_form_hears_nothing_more(void **state)
{
    (void)state;
    for (guint i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("rem%u", i);
        g_autofree char *form =
            i == 0 ? g_strdup_printf("'unsubscribe','from':'hyperty://localhost/%s-r'", name)
                   : g_strdup_printf("'delete','from':'thing://localhost/%s/subscription'", name);
        g_autoptr(Pair) pair = pair_new(name);
        observe(pair, "source");
        update(pair, 1, "1");
        hear_update(pair, 1, "1");
        stranger_say(pair->reporter,
                     "{'id':9,'type':%s,'to':'hyperty://localhost/%s-o','body':{'resource':"
                     "'thing://localhost/%s'}}",
                     form, name, name);
        stranger_hear(pair->observer, "{'id':9,'body':{'resource':'thing://localhost/%s'}}", name);
        update(pair, 2, "2");
        settle(pair);
        assert_false(stranger_has_heard(pair->observer, "{'type':'update'}"));
    }
}

static void row_11_nobody_else_can_end_an_observation(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("foe");
    observe(pair, "source");
    g_autoptr(Stranger) eve = stranger_open(port, "runtime:/foe-e");
    stranger_say(eve, "{'id':9,'type':'unsubscribe','from':'runtime:/foe-e','to':"
                      "'hyperty://localhost/foe-o','body':{'resource':'thing://localhost/foe'}}");
    stranger_hear(pair->observer, "{'id':9,'type':'unsubscribe'}");
    stranger_ask(eve, 403, "not_owner",
                 "{'id':10,'type':'delete','from':'thing://localhost/foe/subscription','to':"
                 "'hyperty://localhost/foe-o','body':{'resource':'thing://localhost/foe'}}");
    update(pair, 1, "1");
    hear_update(pair, 1, "1");
}

// --- 30, 31: resuming

static void row_30_a_reporter_goes_on_after_its_gateway_was_killed(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("rep");
    g_autoptr(Stranger) other = stranger_open(second, "runtime:/rep-x");
    observe(pair, "source");
    update(pair, 4, "1");
    hear_update(pair, 4, "1");
    suite_kill(suite, "gateway", SIGKILL);
    stranger_reopen(pair->reporter, second);
    stranger_ask(pair->reporter, 200, NULL,
                 "{'id':1,'type':'subscribe','from':'runtime:/rep-r/sm','to':'" ROUTING
                 "','body':{'resources':['thing://localhost/rep']}}");
    update(pair, 5, "2");
    hear_update(pair, 5, "2");
    stranger_say(other, "{'id':2,'type':'read','from':'runtime:/rep-x','to':"
                        "'thing://localhost/rep/read'}");
    stranger_hear(pair->reporter, "{'id':2,'type':'read','to':'thing://localhost/rep/read'}");
    stranger_start_gateway(suite, "gateway", port);
}

static void row_31_an_observer_that_only_reopens_elsewhere_gets_later_updates(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("obs");
    observe(pair, "subscriber");
    update(pair, 1, "1");
    hear_update(pair, 1, "1");
    suite_kill(suite, "gateway2", SIGKILL);
    stranger_reopen(pair->observer, port);
    update(pair, 2, "2");
    hear_update(pair, 2, "2");
    stranger_say(pair->reporter, "{'id':'c','type':'create','from':'hyperty://localhost/obs-r',"
                                 "'to':'thing://localhost/obs/children/x','body':{'value':1}}");
    stranger_hear(pair->observer, "{'id':'c','type':'create','to':"
                                  "'thing://localhost/obs/children/x'}");
    stranger_start_gateway(suite, "gateway2", second);
}

static void row_31_an_observer_that_reloads_at_its_gateway_gets_later_updates(void **state)
{
    (void)state;
    g_autoptr(Pair) pair = pair_new("rel");
    observe(pair, "source");
    ws_client_drop(stranger_ws(pair->observer));
    stranger_reopen(pair->observer, second);
    update(pair, 1, "1");
    hear_update(pair, 1, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_9_an_invitation_rings_and_is_answered),
        cmocka_unit_test(row_13_an_observer_gets_every_update_in_order),
        cmocka_unit_test(row_14_odd_versions_pass_as_their_reporter_made_them),
        cmocka_unit_test(row_17_the_aliases_of_routing_are_served),
        cmocka_unit_test(row_13_children_go_in_both_forms_to_everybody_and_may_be_answered),
        cmocka_unit_test(row_13_a_child_may_be_told_from_the_object_in_its_authors_name),
        cmocka_unit_test(row_21_a_read_is_answered_and_strangers_get_401_from_the_reporter),
        cmocka_unit_test(row_21_a_large_answer_to_read_comes_in_all_its_parts),
        cmocka_unit_test(row_22_unsubscribe_is_answered_and_ends_the_updates),
        cmocka_unit_test(row_23_a_delete_reaches_every_observer_and_is_answered),
        cmocka_unit_test(row_11_removed_by_the_reporter_in_either_form_hears_nothing_more),
        cmocka_unit_test(row_11_nobody_else_can_end_an_observation),
        cmocka_unit_test(row_30_a_reporter_goes_on_after_its_gateway_was_killed),
        cmocka_unit_test(row_31_an_observer_that_only_reopens_elsewhere_gets_later_updates),
        cmocka_unit_test(row_31_an_observer_that_reloads_at_its_gateway_gets_later_updates),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
