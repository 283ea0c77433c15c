// SPDX-License-Identifier: MIT
// What gateways tell of sessions, in whatever order they tell it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/limits.h"
#include "registry/sessions.h"

static Refusal tell(Sessions *sessions, const char *id, const char *status, const char *gateway)
{
    char *addresses[] = {(char *)"hyperty://localhost/h", (char *)"connection://localhost/c"};
    Msg__Session session = MSG__SESSION__INIT;
    session.session = (char *)id;
    session.status = (char *)status;
    session.n_addresses = G_N_ELEMENTS(addresses);
    session.addresses = addresses;
    return sessions_tell(sessions, &session, gateway);
}

static const char *status_of(const Sessions *sessions, const char *id)
{
    const Msg__Session *session = sessions_find(sessions, id);
    return session != NULL ? session->status : "unknown";
}

static void a_session_is_known_by_id_and_address(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    assert_int_equal(tell(sessions, "s1", "live", "g1"), MSG__REFUSAL__REASON__none);
    assert_string_equal(status_of(sessions, "s1"), "live");
    assert_string_equal(sessions_owner(sessions, "connection://localhost/c"), "s1");
    assert_null(sessions_owner(sessions, "connection://localhost/d"));
    assert_string_equal(sessions_find(sessions, "s1")->gateway, "g1");
}

static void what_lies_below_an_address_is_its_owners(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    tell(sessions, "s1", "live", "g1");
    assert_string_equal(sessions_owner(sessions, "connection://localhost/c/x/y"), "s1");
    assert_null(sessions_owner(sessions, "connection://localhost"));
    assert_null(sessions_owner(sessions, "connection://localhost/cc"));
}

static void an_address_is_claimed_once(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    tell(sessions, "s1", "live", "g1");
    tell(sessions, "s2", "live", "g2");
    assert_true(sessions_claim(sessions, "s2", "x://d/new"));
    assert_true(sessions_claim(sessions, "s2", "x://d/new/below"));
    assert_false(sessions_claim(sessions, "s1", "x://d/new"));
    assert_false(sessions_claim(sessions, "s2", "connection://localhost/c"));
    assert_true(sessions_claim(sessions, "untold", "x://d/other"));
    sessions_forget(sessions, "s2", "g2");
    assert_true(sessions_claim(sessions, "s1", "x://d/new"));
}

static void an_address_stays_with_the_session_that_had_it_first(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    tell(sessions, "s1", "live", "g1");
    tell(sessions, "s2", "live", "g1");
    assert_string_equal(sessions_owner(sessions, "connection://localhost/c"), "s1");
    tell(sessions, "s1", "disconnected", "g1");
    assert_string_equal(sessions_owner(sessions, "connection://localhost/c"), "s1");
}

static void an_ended_session_leaves_nothing_behind(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    tell(sessions, "s1", "live", "g1");
    sessions_forget(sessions, "s1", "g1");
    assert_null(sessions_find(sessions, "s1"));
    assert_null(sessions_owner(sessions, "connection://localhost/c"));
    sessions_forget(sessions, "s1", "g1");
    assert_int_equal(sessions_count(sessions), 0);
}

static void a_session_that_moved_is_not_ended_by_the_gateway_that_it_left(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    tell(sessions, "s1", "live", "g1");
    tell(sessions, "s1", "live", "g2");
    assert_int_equal(tell(sessions, "s1", "disconnected", "g1"), MSG__REFUSAL__REASON__none);
    assert_string_equal(status_of(sessions, "s1"), "live");
    sessions_forget(sessions, "s1", "g1");
    assert_string_equal(status_of(sessions, "s1"), "live");
    tell(sessions, "s1", "disconnected", "g2");
    assert_string_equal(status_of(sessions, "s1"), "disconnected");
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    assert_int_equal(tell(sessions, NULL, "live", "g1"), MSG__REFUSAL__REASON__malformed);
    assert_int_equal(tell(sessions, "a b", "live", "g1"), MSG__REFUSAL__REASON__malformed);
    char *addresses[LIMIT_SESSION_ADDRESSES + 1];
    Msg__Session session = MSG__SESSION__INIT;
    session.session = (char *)"s1";
    session.addresses = addresses;
    for (guint i = 0; i <= LIMIT_SESSION_ADDRESSES; i++)
        addresses[i] = (char *)"a b";
    session.n_addresses = 1;
    assert_int_equal(sessions_tell(sessions, &session, "g1"), MSG__REFUSAL__REASON__bad_address);
    session.n_addresses = G_N_ELEMENTS(addresses);
    assert_int_equal(sessions_tell(sessions, &session, "g1"), MSG__REFUSAL__REASON__too_large);
    assert_int_equal(sessions_count(sessions), 0);
}

static gboolean is_of_second(const Msg__Session *session, gpointer user)
{
    (void)user;
    return g_strcmp0(session->gateway, "g2") == 0;
}

static void what_a_dead_gateway_left_is_forgotten(void **state)
{
    (void)state;
    g_autoptr(Sessions) sessions = sessions_new();
    tell(sessions, "s1", "live", "g1");
    tell(sessions, "s2", "live", "g2");
    sessions_prune(sessions, is_of_second, NULL);
    assert_null(sessions_find(sessions, "s1"));
    assert_non_null(sessions_find(sessions, "s2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_known_by_id_and_address),
        cmocka_unit_test(what_lies_below_an_address_is_its_owners),
        cmocka_unit_test(an_address_is_claimed_once),
        cmocka_unit_test(an_address_stays_with_the_session_that_had_it_first),
        cmocka_unit_test(an_ended_session_leaves_nothing_behind),
        cmocka_unit_test(a_session_that_moved_is_not_ended_by_the_gateway_that_it_left),
        cmocka_unit_test(what_a_dead_gateway_left_is_forgotten),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
