// SPDX-License-Identifier: MIT
#include "gateway/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/limits.h"

#define REASON(name) MSG__REFUSAL__REASON__##name

typedef struct {
    Sessions *sessions;
    Session *ann, *bob;
    GString *owned; // log of the handler
} Fixture;

static void on_owned(Session *session, const char *address, gboolean owned, gpointer user)
{
    Fixture *fixture = user;
    (void)session;
    g_string_append_printf(fixture->owned, "%c%s ", owned ? '+' : '-', address);
}

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    Refusal reason;
    fixture->sessions = sessions_new("d");
    fixture->owned = g_string_new(NULL);
    fixture->ann = sessions_add(fixture->sessions, "a", "a.t", "runtime://d/ann", &reason);
    fixture->bob = sessions_add(fixture->sessions, "b", "b.t", "runtime://d/bob", &reason);
    sessions_set_owned_handler(fixture->sessions, on_owned, fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    sessions_free(fixture->sessions);
    g_string_free(fixture->owned, TRUE);
    g_free(fixture);
    return 0;
}

static void a_session_owns_its_runtime_and_all_below(void **state)
{
    Fixture *fixture = *state;
    assert_true(session_owns(fixture->ann, "runtime://d/ann"));
    assert_true(session_owns(fixture->ann, "runtime://d/ann/sm/x"));
    assert_false(session_owns(fixture->ann, "runtime://d/anna"));
    assert_false(session_owns(fixture->ann, "runtime://d/bob"));
    assert_ptr_equal(sessions_by_runtime(fixture->sessions, "runtime://d/bob"), fixture->bob);
    assert_ptr_equal(sessions_by_id(fixture->sessions, "a"), fixture->ann);
}

static void the_first_to_use_an_address_gets_it(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(sessions_bind(fixture->sessions, fixture->ann, "hyperty://d/1"), REASON(none));
    assert_int_equal(sessions_bind(fixture->sessions, fixture->ann, "hyperty://d/1"), REASON(none));
    assert_int_equal(sessions_bind(fixture->sessions, fixture->bob, "hyperty://d/1"),
                     REASON(not_owner));
    assert_int_equal(sessions_bind(fixture->sessions, fixture->bob, "hyperty://d/1/x"),
                     REASON(not_owner));
    assert_string_equal(fixture->owned->str, "+hyperty://d/1 ");
}

static void suffixes_bind_their_object_or_nothing(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(sessions_bind(fixture->sessions, fixture->ann, "comm://d/1/subscription"),
                     REASON(none));
    assert_true(session_owns(fixture->ann, "comm://d/1"));
    assert_int_equal(sessions_bind(fixture->sessions, fixture->ann, "comm://d/2/changes"),
                     REASON(not_owner));
    assert_int_equal(sessions_bind(fixture->sessions, fixture->ann, "comm://d/3/children/x"),
                     REASON(not_owner));
    assert_int_equal(sessions_bind(fixture->sessions, fixture->ann, "comm://d/1/changes"),
                     REASON(none));
}

static void slashes_in_odd_places_bind_once(void **state)
{
    static const char *const urls[] = {"hyperty://d/ann://", "hyperty://d/ann:/",
                                       "hyperty://d/x//y",   "hyperty://d/x//y/",
                                       "runtime:/x//",       "runtime:/x/"};
    Fixture *fixture = *state;
    for (guint again = 0; again < 2; again++)
        for (gsize i = 0; i < G_N_ELEMENTS(urls); i++)
            assert_int_equal(sessions_bind(fixture->sessions, fixture->ann, urls[i]), REASON(none));
    assert_int_equal(g_hash_table_size(fixture->ann->addresses), 4);
}

static void services_and_whole_domains_belong_to_nobody(void **state)
{
    static const char *const urls[] = {
        "hyperty://d/conference", "hyperty://d/media/1",   "hyperty://d",
        "hyperty://d/",           "domain://registry.d",   "mn:/session",
        "comm://d/room-0a1b2c3d", "connection://d/media-1"};
    Fixture *fixture = *state;
    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++)
        if (sessions_bind(fixture->sessions, fixture->ann, urls[i]) != REASON(not_owner))
            fail_msg("%s was bound", urls[i]);
}

static void addresses_are_bounded_and_can_be_given_up(void **state)
{
    Fixture *fixture = *state;
    Refusal reason = REASON(none);
    guint bound = 1; // the runtime
    for (; reason == REASON(none); bound++) {
        g_autofree char *url = g_strdup_printf("hyperty://d/%u", bound);
        reason = sessions_bind(fixture->sessions, fixture->ann, url);
    }
    assert_int_equal(reason, REASON(too_many));
    assert_int_equal(bound - 1, LIMIT_SESSION_ADDRESSES);
    sessions_release(fixture->sessions, fixture->ann, "hyperty://d/1");
    assert_int_equal(sessions_bind(fixture->sessions, fixture->bob, "hyperty://d/1"), REASON(none));
    sessions_release(fixture->sessions, fixture->ann, "runtime://d/ann");
    assert_true(session_owns(fixture->ann, "runtime://d/ann"));
}

static void a_removed_session_leaves_its_addresses(void **state)
{
    Fixture *fixture = *state;
    sessions_bind(fixture->sessions, fixture->ann, "hyperty://d/1");
    sessions_remove(fixture->sessions, fixture->ann);
    assert_null(sessions_owner(fixture->sessions, "hyperty://d/1"));
    assert_null(sessions_by_id(fixture->sessions, "a"));
    assert_int_equal(sessions_count(fixture->sessions), 1);
    assert_non_null(strstr(fixture->owned->str, "-hyperty://d/1 "));
    assert_non_null(strstr(fixture->owned->str, "-runtime://d/ann "));
}

static void an_id_or_a_runtime_is_taken_once(void **state)
{
    Fixture *fixture = *state;
    Refusal reason;
    assert_null(sessions_add(fixture->sessions, "c", "c.t", "runtime://d/ann", &reason));
    assert_int_equal(reason, REASON(not_owner));
    assert_null(sessions_add(fixture->sessions, "a", "a.t", "runtime://d/new", &reason));
    assert_null(sessions_add(fixture->sessions, "c", "c.t", "hyperty://d/conference", &reason));
    assert_int_equal(reason, REASON(bad_address));
}

static void note_text(gpointer wire, Text *text)
{
    g_string_append(wire, text_bytes(text));
}

static void note_close(gpointer wire, guint code, const char *reason)
{
    g_string_append_printf(wire, "close %u %s", code, reason);
}

static void answers_wait_for_a_session_that_is_away_publications_do_not(void **state)
{
    static const ClientWire calls = {.send = note_text, .close = note_close};
    Fixture *fixture = *state;
    g_autoptr(GString) seen = g_string_new(NULL);
    g_autoptr(Text) one = text_new("1", 1), two = text_new("2", 1), three = text_new("3", 1);
    Client *client = client_new(&calls, seen);
    session_send_answer(fixture->ann, one);
    session_send(fixture->ann, two);
    fixture->ann->client = client;
    session_send_kept(fixture->ann);
    session_send(fixture->ann, three);
    assert_string_equal(seen->str, "13");
    client_close(client, 1000, "end");
    client_close(client, 1001, "again");
    session_send(fixture->ann, two);
    assert_string_equal(seen->str, "13close 1000 end");
    client_free(client);
}

static void what_waits_is_bounded_the_oldest_goes(void **state)
{
    static const ClientWire calls = {.send = note_text};
    Fixture *fixture = *state;
    g_autoptr(GString) seen = g_string_new(NULL);
    for (guint i = 0; i < LIMIT_SESSION_REQUESTS + 3; i++) {
        g_autofree char *number = g_strdup_printf("%u ", i);
        g_autoptr(Text) text = text_new(number, strlen(number));
        session_send_answer(fixture->ann, text);
    }
    Client *client = client_new(&calls, seen);
    fixture->ann->client = client;
    session_send_kept(fixture->ann);
    assert_true(g_str_has_prefix(seen->str, "3 4 "));
    assert_int_equal(fixture->ann->away_bytes, 0);
    client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_owns_its_runtime_and_all_below, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_to_use_an_address_gets_it, setup, teardown),
        cmocka_unit_test_setup_teardown(suffixes_bind_their_object_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(slashes_in_odd_places_bind_once, setup, teardown),
        cmocka_unit_test_setup_teardown(services_and_whole_domains_belong_to_nobody, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(addresses_are_bounded_and_can_be_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_removed_session_leaves_its_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(an_id_or_a_runtime_is_taken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_wait_for_a_session_that_is_away_publications_do_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_is_bounded_the_oldest_goes, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
