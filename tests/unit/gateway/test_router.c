// SPDX-License-Identifier: MIT
#include "gateway/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define REASON(name) MSG__REFUSAL__REASON__##name

typedef struct {
    Sessions *sessions;
    Session *ann, *bob;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    Refusal reason;
    fixture->sessions = sessions_new("d");
    fixture->ann = sessions_add(fixture->sessions, "a", "a.t", "runtime://d/ann", &reason);
    fixture->bob = sessions_add(fixture->sessions, "b", "b.t", "runtime://d/bob", &reason);
    sessions_bind(fixture->sessions, fixture->ann, "hyperty://d/ann");
    sessions_bind(fixture->sessions, fixture->ann, "connection://d/ann");
    sessions_bind(fixture->sessions, fixture->bob, "hyperty://d/bob");
    sessions_bind(fixture->sessions, fixture->bob, "comm://d/bob");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    sessions_free(fixture->sessions);
    g_free(fixture);
    return 0;
}

static const struct {
    const char *type, *from, *to, *source;
    Route route;
    Refusal reason;
} table[] = {
    // From its own, from what is nobody's, never from others' or services'.
    {"read", "hyperty://d/ann", "hyperty://d/bob", NULL, ROUTE_ASK, REASON(none)},
    {"read", "runtime://d/ann/sm", "hyperty://d/bob", NULL, ROUTE_ASK, REASON(none)},
    {"read", "hyperty://d/new", "hyperty://d/bob", NULL, ROUTE_ASK, REASON(none)},
    {"read", "hyperty://d/bob", "hyperty://d/bob", NULL, ROUTE_REFUSE, REASON(not_owner)},
    {"read", "hyperty://d/bob/x", "hyperty://d/bob", NULL, ROUTE_REFUSE, REASON(not_owner)},
    {"read", "hyperty://d/conference", "hyperty://d/bob", NULL, ROUTE_REFUSE, REASON(not_owner)},
    {"read", "comm://d/demo-0a1b2c3d", "hyperty://d/bob", NULL, ROUTE_REFUSE, REASON(not_owner)},
    {"read", "mn:/session", "hyperty://d/bob", NULL, ROUTE_REFUSE, REASON(not_owner)},
    // Services.
    {"create", "hyperty://d/ann", "hyperty://d/conference", "hyperty://d/ann", ROUTE_ASK,
     REASON(none)},
    {"create", "hyperty://d/ann", "hyperty://d/conference", "hyperty://d/bob", ROUTE_REFUSE,
     REASON(not_owner)},
    {"read", "hyperty://d/ann", "domain://registry.d/", NULL, ROUTE_ASK, REASON(none)},
    {"read", "hyperty://d/ann", "domain://registry.elsewhere", NULL, ROUTE_ASK, REASON(none)},
    {"subscribe", "runtime://d/ann", "domain://msg-node.d/sm", NULL, ROUTE_ROUTING, REASON(none)},
    {"create", "runtime://d/ann", "domain://msg-node.d/hyperty-address-allocation", NULL,
     ROUTE_ALLOCATION, REASON(none)},
    {"open", "runtime://d/ann", "mn:/session", NULL, ROUTE_SESSION, REASON(none)},
    {"subscribe", "hyperty://d/ann", "comm://d/demo-0a1b2c3d/subscription", NULL, ROUTE_ASK,
     REASON(none)},
    // What only our processes speak to.
    {"create", "hyperty://d/ann", "hyperty://d/sessions", NULL, ROUTE_REFUSE, REASON(forbidden)},
    {"create", "hyperty://d/ann", "hyperty://d/media/x", NULL, ROUTE_REFUSE, REASON(forbidden)},
    {"update", "hyperty://d/ann", "ctxt://d/process/x/changes", NULL, ROUTE_REFUSE,
     REASON(forbidden)},
    {"update", "hyperty://d/ann", "bus://process/x", NULL, ROUTE_REFUSE, REASON(forbidden)},
    // Publications: to one's own object, or to anybody's children.
    {"update", "connection://d/ann", "connection://d/ann/changes", NULL, ROUTE_PUBLISH,
     REASON(none)},
    {"update", "hyperty://d/ann", "comm://d/bob/changes", NULL, ROUTE_REFUSE, REASON(not_owner)},
    {"update", "hyperty://d/ann", "comm://d/demo-0a1b2c3d/changes", NULL, ROUTE_REFUSE,
     REASON(not_owner)},
    {"update", "hyperty://d/ann", "ctxt://d/room/demo/changes", NULL, ROUTE_REFUSE,
     REASON(not_owner)},
    {"update", "hyperty://d/ann", "hyperty://d/bob/registration", NULL, ROUTE_REFUSE,
     REASON(not_owner)},
    {"create", "hyperty://d/ann", "comm://d/bob/children/chat", NULL, ROUTE_PUBLISH, REASON(none)},
    {"update", "comm://d/bob", "comm://d/bob/children/chat", "hyperty://d/ann", ROUTE_PUBLISH,
     REASON(none)},
    {"update", "comm://d/bob", "comm://d/bob/children/chat", "hyperty://d/bob", ROUTE_REFUSE,
     REASON(not_owner)},
    {"update", "comm://d/bob", "comm://d/bob/changes", "hyperty://d/ann", ROUTE_REFUSE,
     REASON(not_owner)},
    {"delete", "connection://d/ann/subscription", "connection://d/ann/changes", NULL, ROUTE_PUBLISH,
     REASON(none)},
    // Answers are checked against what was asked.
    {"response", "hyperty://d/bob", "hyperty://d/worker/1", NULL, ROUTE_ANSWER, REASON(none)},
    // No address at all.
    {"read", "hyperty://d/ann", "hyperty://d", NULL, ROUTE_REFUSE, REASON(bad_address)},
    {"close", NULL, "hyperty://d/bob", NULL, ROUTE_REFUSE, REASON(malformed)},
    {"close", NULL, "mn:/session", NULL, ROUTE_SESSION, REASON(none)},
};

static void every_message_has_its_way(void **state)
{
    Fixture *fixture = *state;
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        MessageFault fault = {REASON(none), ""};
        g_autoptr(Envelope) message =
            envelope_new(envelope_type_parse(table[i].type), table[i].from, table[i].to);
        if (table[i].source != NULL)
            envelope_set(&envelope_body(message)->source, table[i].source);
        Route route = router_judge(fixture->sessions, fixture->ann, message, &fault);
        if (route != table[i].route || fault.reason != table[i].reason)
            fail_msg("row %zu (%s to %s): %d, %s", i, table[i].type, table[i].to, route,
                     refusal_name(fault.reason));
    }
}

static void an_unowned_from_becomes_the_sessions(void **state)
{
    Fixture *fixture = *state;
    MessageFault fault;
    g_autoptr(Envelope) message =
        envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://d/new", "hyperty://d/bob");
    assert_int_equal(router_judge(fixture->sessions, fixture->ann, message, &fault), ROUTE_ASK);
    assert_true(session_owns(fixture->ann, "hyperty://d/new"));
    assert_int_equal(router_judge(fixture->sessions, fixture->bob, message, &fault), ROUTE_REFUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_message_has_its_way, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unowned_from_becomes_the_sessions, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
