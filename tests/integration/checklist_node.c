// SPDX-License-Identifier: MIT
// The message node as the specification's checklist has it, by row: 15 message model, 16 sessions,
// 18 address allocation, 41 other domains, 43 unknown services. From the text alone, over a bare
// WebSocket.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/stranger.h"

#define ALLOCATION "domain://msg-node.localhost/address-allocation"
#define OPENS 130

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

// --- 15: message model

static void row_15_the_answer_has_from_to_and_id_of_the_request_turned_round(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "hyperty-runtime://localhost/model");
    stranger_say(ann, "{'id':'a-7','type':'READ','from':'hyperty://localhost/model',"
                      "'to':'domain://registry.localhost','body':{'resource':"
                      "'hyperty://localhost/conference'}}");
    stranger_hear(ann, "{'id':'a-7','type':'response','from':'domain://registry.localhost',"
                       "'to':'hyperty://localhost/model','body':{'code':200}}");
    stranger_say(ann, "{'id':12,'type':'read','from':'hyperty://localhost/model',"
                      "'to':'domain://registry.localhost/','body':{'resource':'nobody'}}");
    stranger_hear(ann, "{'id':12,'type':'response','from':'domain://registry.localhost',"
                       "'body':{'code':404,'desc':'Not Found','description':'Not Found'}}");
}

static void row_15_what_is_mandatory_is_named_by_the_validator(void **state)
{
    static const struct {
        const char *message, *named;
    } rows[] = {
        {"{'type':'read','from':'runtime:/v','to':'runtime:/w'}", "id"},
        {"{'id':1,'from':'runtime:/v','to':'runtime:/w'}", "type"},
        {"{'id':1,'type':'read','to':'runtime:/w'}", "from"},
        {"{'id':1,'type':'read','from':'runtime:/v'}", "to"},
    };
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/v");
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        stranger_say(ann, "%s", rows[i].message);
        const Json *answer = stranger_hear(ann, "{'from':'mn:/validator','body':{'code':400}}");
        assert_non_null(strstr(json_get_text(json_get(answer, "body"), "desc"), rows[i].named));
    }
}

static void row_15_types_are_compared_without_case_and_unknown_ones_forwarded(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/types-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/types-b");
    stranger_say(ann, "{'id':1,'type':'wave','from':'runtime:/types-a','to':'runtime:/types-b',"
                      "'body':{'via':['x'],'anything':{'at':[1,2.5,null,true]}}}");
    stranger_hear(bob, "{'id':1,'type':'wave','from':'runtime:/types-a','to':'runtime:/types-b',"
                       "'body':{'via':['x'],'anything':{'at':[1,2.5,null,true]}}}");
    stranger_say(bob, "{'id':1,'type':'Response','from':'runtime:/types-b',"
                      "'to':'runtime:/types-a','body':{'code':200,'via':['y']}}");
    stranger_hear(ann, "{'id':1,'type':'response','from':'runtime:/types-b',"
                       "'body':{'code':200,'via':['y']}}");
}

static void row_15_several_recipients_get_a_message_each(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/many-a");
    g_autoptr(Stranger) bob = stranger_open(port, "runtime:/many-b");
    g_autoptr(Stranger) cleo = stranger_open(second, "runtime:/many-c");
    stranger_say(ann, "{'id':5,'type':'create','from':'runtime:/many-a/sm',"
                      "'to':['runtime:/many-b','runtime:/many-c'],'body':{'x':1}}");
    stranger_hear(bob, "{'id':5,'type':'create','to':'runtime:/many-b','body':{'x':1}}");
    stranger_hear(cleo, "{'id':5,'type':'create','to':'runtime:/many-c','body':{'x':1}}");
}

static void row_15_equal_ids_are_different_requests(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/again-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/again-b");
    for (guint i = 0; i < 2; i++) {
        stranger_say(ann, "{'id':1,'type':'read','from':'runtime:/again-a',"
                          "'to':'runtime:/again-b','body':{}}");
        stranger_hear(bob, "{'id':1,'type':'read','from':'runtime:/again-a'}");
        stranger_say(bob,
                     "{'id':1,'type':'response','from':'runtime:/again-b',"
                     "'to':'runtime:/again-a','body':{'code':200,'value':%u}}",
                     i);
        stranger_hear(ann, "{'id':1,'type':'response','body':{'value':%u}}", i);
    }
}

static void row_15_a_provisional_answer_comes_before_the_final_one(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/ring-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/ring-b");
    stranger_say(ann, "{'id':'r','type':'create','from':'runtime:/ring-a','to':'runtime:/ring-b'}");
    stranger_hear(bob, "{'id':'r','type':'create'}");
    stranger_say(bob, "{'id':'r','type':'response','from':'runtime:/ring-b',"
                      "'to':'runtime:/ring-a','body':{'code':100}}");
    stranger_hear(ann, "{'id':'r','type':'response','body':{'code':100}}");
    stranger_say(bob, "{'id':'r','type':'response','from':'runtime:/ring-b',"
                      "'to':'runtime:/ring-a','body':{'code':403,'desc':'no'}}");
    stranger_hear(ann, "{'id':'r','type':'response','body':{'code':403,'desc':'no'}}");
}

// --- 16: open, re-open, close, take-over

static void row_16_a_reopen_is_answered_with_a_token_also_by_who_never_gave_one(void **state)
{
    (void)state;
    g_autoptr(Stranger) bare = stranger_new(port);
    const Json *body = stranger_ask(
        bare, 200, NULL, "{'id':1,'type':'re-open','from':'runtime:/bare','to':'mn:/session'}");
    assert_non_null(json_get_text(body, "runtimeToken"));
    g_autoptr(Stranger) old = stranger_new(port);
    body = stranger_ask(old, 200, NULL,
                        "{'id':1,'type':'re-open','from':'runtime:/old/0123456789abcdef.xyz',"
                        "'to':'mn:/session'}");
    assert_non_null(json_get_text(body, "runtimeToken"));
}

static void row_16_a_returning_socket_gets_its_token_and_what_waited_for_it(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/wait-a");
    g_autoptr(Stranger) bob = stranger_open(port, "runtime:/wait-b");
    g_autofree char *token = g_strdup(stranger_token(bob));
    guint away = suite_logged(suite, "gateway", "gateway.away");
    ws_client_drop(stranger_ws(bob));
    assert_true(suite_until_logged(suite, "gateway", "gateway.away", away + 1, 5000));
    for (guint i = 0; i < 64; i++)
        stranger_say(ann,
                     "{'id':%u,'type':'read','from':'runtime:/wait-a',"
                     "'to':'runtime:/wait-b/sm'}",
                     i);
    stranger_settle(ann);
    stranger_reopen(bob, port);
    assert_string_equal(stranger_token(bob), token);
    for (guint i = 0; i < 64; i++)
        stranger_hear(bob, "{'id':%u,'type':'read','to':'runtime:/wait-b/sm'}", i);
}

static void row_16_a_second_open_takes_over_and_the_first_is_left_open_and_refused(void **state)
{
    const guint ports[] = {port, second}; // at the same gateway, and at another
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_autofree char *runtime = g_strdup_printf("runtime:/over-%u", i);
        g_autoptr(Stranger) first = stranger_open(port, runtime);
        g_autoptr(Stranger) later = stranger_open(ports[i], runtime);
        assert_string_equal(stranger_token(first), stranger_token(later));
        if (i == 1)
            assert_true(suite_until_logged(suite, "gateway", "gateway.session_moved", 1, 5000));
        stranger_ask(first, 403, "not_owner",
                     "{'id':2,'type':'read','from':'%s','to':'domain://registry.localhost'}",
                     runtime);
        assert_true(ws_client_is_up(stranger_ws(first)));
        stranger_say(first, "{'id':3,'type':'close','to':'mn:/session'}");
        assert_true(ws_client_wait_closed(stranger_ws(first)));
        stranger_settle(later);
    }
}

static void row_16_close_ends_with_1000_and_without_an_answer(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/close");
    stranger_say(ann, "{'id':9,'type':'close','to':'mn:/session'}");
    assert_true(ws_client_wait_closed(stranger_ws(ann)));
    assert_int_equal(ws_client_close_code(stranger_ws(ann)), 1000);
    assert_false(stranger_has_heard(ann, "{'id':9}"));
}

static void row_16_messages_may_come_before_the_answer_to_open(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_new(port);
    stranger_say(ann, "{'id':1,'type':'open','from':'runtime:/pipe','to':'mn:/session'}");
    for (guint i = 2; i < 50; i++)
        stranger_say(ann,
                     "{'id':%u,'type':'read','from':'runtime:/pipe/%u',"
                     "'to':'domain://registry.localhost','body':{'resource':'none'}}",
                     i, i % 7);
    stranger_hear(ann, "{'id':1,'body':{'code':200}}");
    for (guint i = 2; i < 50; i++)
        stranger_hear(ann, "{'id':%u,'body':{'code':404}}", i);
}

static void row_16_opens_in_a_rush_are_delayed_never_refused(void **state)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)stranger_free);
    (void)state;
    for (guint i = 0; i < OPENS; i++)
        g_ptr_array_add(all, stranger_new(port));
    for (guint i = 0; i < OPENS; i++)
        stranger_say(all->pdata[i],
                     "{'id':%u,'type':'open','from':'runtime:/rush','to':'mn:/session'}", i);
    for (guint i = 0; i < OPENS; i++)
        stranger_hear(all->pdata[i], "{'id':%u,'type':'response','body':{'code':200}}", i);
}

// --- 18: address allocation

static void row_18_the_same_key_gives_the_same_block(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/alloc-k");
    const Json *first = stranger_ask(ann, 200, NULL,
                                     "{'id':1,'type':'create','from':'runtime:/alloc-k','to':'" //
                                     ALLOCATION "','body':{'scheme':'comm','value':"
                                     "{'number':3,'allocationKey':'k'}}}");
    const Json *again = stranger_ask(ann, 200, NULL,
                                     "{'id':2,'type':'create','from':'runtime:/alloc-k','to':'" //
                                     ALLOCATION "','body':{'scheme':'comm','value':"
                                     "{'number':3,'allocationKey':'k'}}}");
    const Json *block = json_get(json_get(first, "value"), "allocated");
    assert_int_equal(json_size(block), 3);
    assert_true(g_str_has_prefix(json_text(json_at(block, 0)), "comm://localhost/"));
    assert_true(json_equals(json_get(first, "value"), json_get(again, "value")));
}

static void row_18_the_aliases_and_defaults_are_served(void **state)
{
    static const char *const aliases[] = {ALLOCATION,
                                          "domain://msg-node.localhost/hyperty-address-allocation",
                                          "domain://msg-node.localhost/object-address-allocation"};
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/alloc-d");
    for (guint i = 0; i < G_N_ELEMENTS(aliases); i++) {
        const Json *body = stranger_ask(
            ann, 200, NULL, "{'id':%u,'type':'create','from':'runtime:/alloc-d','to':'%s'}", i,
            aliases[i]);
        const Json *block = json_get(json_get(body, "value"), "allocated");
        assert_int_equal(json_size(block), 5);
        assert_true(g_str_has_prefix(json_text(json_at(block, 4)), "hyperty://localhost/"));
    }
}

static void row_18_deletes_may_be_nested_and_unknown(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/alloc-x");
    g_autoptr(Stranger) eve = stranger_open(second, "runtime:/alloc-e");
    const Json *body = stranger_ask(ann, 200, NULL,
                                    "{'id':1,'type':'create','from':'runtime:/alloc-x','to':'" //
                                    ALLOCATION "','body':{'value':{'number':2}}}");
    const Json *block = json_get(json_get(body, "value"), "allocated");
    g_autofree char *one = g_strdup(json_text(json_at(block, 0)));
    g_autofree char *two = g_strdup(json_text(json_at(block, 1)));
    stranger_ask(eve, 403, "not_owner",
                 "{'id':2,'type':'read','from':'%s','to':'domain://registry.localhost'}", one);
    stranger_ask(ann, 200, NULL,
                 "{'id':3,'type':'delete','from':'runtime:/alloc-x','to':'" ALLOCATION
                 "','body':{'childrenResources':[[['%s']],'hyperty://localhost/unknown',['%s']]}}",
                 one, two);
    stranger_ask(ann, 200, NULL,
                 "{'id':4,'type':'delete','from':'runtime:/alloc-x','to':'" ALLOCATION
                 "','body':{'resource':'no-such-key'}}");
    stranger_ask(ann, 404, "no_route", "{'id':5,'type':'read','from':'runtime:/alloc-x','to':'%s'}",
                 one);
}

// --- 41, 43: what is not here is said at once

static void row_41_other_domains_are_answered_with_an_error(void **state)
{
    static const char *const urls[] = {"hyperty://elsewhere.example/x",
                                       "domain://registry.elsewhere.example",
                                       "domain://msg-node.elsewhere.example/sm"};
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/else");
    for (guint i = 0; i < G_N_ELEMENTS(urls); i++)
        stranger_ask(ann, 404, "no_route",
                     "{'id':%u,'type':'read','from':'runtime:/else','to':'%s'}", i, urls[i]);
}

static void row_43_unknown_services_and_nobody_are_404_within_200_ms(void **state)
{
    static const char *const urls[] = {"domain://localhost/no-such-service",
                                       "hyperty://localhost/nobody", "runtime:/nobody/sm",
                                       "comm://localhost/no-object/subscription"};
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/none");
    suite_start(suite, "busmon", "busmon", (const char *[]){"--all", NULL});
    assert_true(suite_until_logged(suite, "busmon", "ctxt://localhost/process/", 1, 5000));
    stranger_ask(ann, 404, NULL,
                 "{'id':'first','type':'read','from':'runtime:/none',"
                 "'to':'runtime:/nobody'}");
    for (guint i = 0; i < G_N_ELEMENTS(urls); i++) {
        gint64 asked_us = g_get_monotonic_time();
        stranger_ask(ann, 404, "no_route",
                     "{'id':%u,'type':'read','from':'runtime:/none','to':'%s'}", i, urls[i]);
        assert_true(g_get_monotonic_time() - asked_us < 200 * G_TIME_SPAN_MILLISECOND);
    }
}

static void row_17_no_false_404_while_the_broker_restarts(void **state)
{
    (void)state;
    g_autoptr(Stranger) ann = stranger_open(port, "runtime:/bus-a");
    g_autoptr(Stranger) bob = stranger_open(second, "runtime:/bus-b");
    for (guint i = 0; i < 3; i++) {
        suite_kill(suite, "bus", SIGKILL);
        stranger_say(ann, "{'id':'%u','type':'read','from':'runtime:/bus-a','to':'runtime:/bus-b'}",
                     i);
        suite_start(suite, "bus", "bus", NULL);
        stranger_say(ann,
                     "{'id':'%u+','type':'read','from':'runtime:/bus-a',"
                     "'to':'runtime:/bus-b'}",
                     i);
        stranger_hear(bob, "{'id':'%u'}", i);
        stranger_hear(bob, "{'id':'%u+'}", i);
        assert_false(stranger_has_heard(ann, "{'body':{'code':404}}"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_15_the_answer_has_from_to_and_id_of_the_request_turned_round),
        cmocka_unit_test(row_15_what_is_mandatory_is_named_by_the_validator),
        cmocka_unit_test(row_15_types_are_compared_without_case_and_unknown_ones_forwarded),
        cmocka_unit_test(row_15_several_recipients_get_a_message_each),
        cmocka_unit_test(row_15_equal_ids_are_different_requests),
        cmocka_unit_test(row_15_a_provisional_answer_comes_before_the_final_one),
        cmocka_unit_test(row_16_a_reopen_is_answered_with_a_token_also_by_who_never_gave_one),
        cmocka_unit_test(row_16_a_returning_socket_gets_its_token_and_what_waited_for_it),
        cmocka_unit_test(row_16_a_second_open_takes_over_and_the_first_is_left_open_and_refused),
        cmocka_unit_test(row_16_close_ends_with_1000_and_without_an_answer),
        cmocka_unit_test(row_16_messages_may_come_before_the_answer_to_open),
        cmocka_unit_test(row_16_opens_in_a_rush_are_delayed_never_refused),
        cmocka_unit_test(row_18_the_same_key_gives_the_same_block),
        cmocka_unit_test(row_18_the_aliases_and_defaults_are_served),
        cmocka_unit_test(row_18_deletes_may_be_nested_and_unknown),
        cmocka_unit_test(row_41_other_domains_are_answered_with_an_error),
        cmocka_unit_test(row_43_unknown_services_and_nobody_are_404_within_200_ms),
        cmocka_unit_test(row_17_no_false_404_while_the_broker_restarts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
