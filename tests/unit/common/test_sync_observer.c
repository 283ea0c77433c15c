// SPDX-License-Identifier: MIT
// Reporter and observer over a bus that loses, doubles and delays changes: whatever happens, the
// observer ends with the reporter's version, chain and data.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "common/codec.h"
#include "common/metrics.h"
#include "common/sync_observer.h"
#include "common/sync_relay.h"
#include "common/sync_reporter.h"
#include "common/sync_wire.h"
#include "tests/unit/common/fake_bus.h"

#define URL "comm://localhost/demo-3fa9c1d2"
#define CLIENT "connection://localhost/p1"

typedef struct {
    Bus *near, *far;
    SyncReporter *reporter;
    SyncRelay *relay;
    SyncObserver *observer;
    SyncObject *copy; // what the observer has been told
    guint snapshots, changes, versionless;
    gboolean is_gone;
    Refusal reason;
} World;

static GRand *fault_rand;

static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    World *world = user;
    (void)observer;
    sync_object_free(world->copy);
    world->copy = sync_object_from_json(object, NULL);
    assert_non_null(world->copy);
    world->snapshots++;
}

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    World *world = user;
    if (change->version == 0) {
        world->versionless++;
        return;
    }
    assert_int_equal(change->version, sync_log_version(sync_observer_log(observer)));
    assert_int_equal(sync_object_apply(world->copy, change), SYNC_APPLIED);
    world->changes++;
}

static void on_gone(SyncObserver *observer, Refusal reason, gpointer user)
{
    World *world = user;
    (void)observer;
    world->is_gone = TRUE;
    world->reason = reason;
}

static const SyncObserverCalls calls = {on_snapshot, on_change, on_gone};

static void set_number(World *world, const char *name, gint64 number)
{
    g_autoptr(Json) value = json_new_number(number);
    assert_true(sync_reporter_change(world->reporter, name, value));
}

static gboolean is_equal(gpointer user)
{
    World *world = user;
    const SyncObject *object = sync_reporter_object(world->reporter);
    return sync_observer_is_current(world->observer) &&
           sync_object_version(object) == sync_log_version(sync_observer_log(world->observer));
}

static void assert_same(World *world)
{
    if (!fake_run_until(is_equal, world))
        fail_msg("the observer stays at %" G_GUINT64_FORMAT,
                 sync_log_version(sync_observer_log(world->observer)));
    const SyncObject *object = sync_reporter_object(world->reporter);
    assert_string_equal(sync_object_chain(object),
                        sync_log_chain(sync_observer_log(world->observer)));
    assert_string_equal(sync_object_chain(object), sync_object_chain(world->copy));
    assert_true(json_equals(sync_object_data(object), sync_object_data(world->copy)));
}

static int set_up(void **state)
{
    World *world = g_new0(World, 1);
    world->near = bus_new(NULL, "registry-1", NULL);
    world->far = bus_new(NULL, "gateway-1", NULL);
    fault_rand = g_rand_new_with_seed(7);
    fake_reset();
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    World *world = *state;
    fake_reset();
    sync_observer_free(world->observer);
    sync_reporter_free(world->reporter);
    sync_relay_free(world->relay);
    sync_object_free(world->copy);
    fake_pump();
    bus_free(world->near);
    bus_free(world->far);
    g_rand_free(fault_rand);
    g_free(world);
    return 0;
}

static void report(World *world, guint64 version)
{
    SyncObject *object =
        sync_object_new(URL, "schema", "hyperty://localhost/conference", version, NULL);
    world->reporter = sync_reporter_new(world->near, object, NULL, NULL);
}

static void observe(World *world)
{
    world->observer =
        sync_observer_new(world->far, URL, "hyperty://localhost/x", NULL, &calls, world);
}

static gboolean is_change(const Envelope *message)
{
    return message->type == MSG__ENVELOPE__TYPE__UPDATE;
}

static FakeFate lose_all(const Envelope *message)
{
    return is_change(message) ? FAKE_LOSE : FAKE_DELIVER;
}

static FakeFate any_fate(const Envelope *message)
{
    if (!is_change(message) || g_rand_int_range(fault_rand, 0, 3) > 0)
        return FAKE_DELIVER;
    return (FakeFate)g_rand_int_range(fault_rand, FAKE_LOSE, FAKE_LATE + 1);
}

static void an_observer_starts_with_a_snapshot_and_follows(void **state)
{
    World *world = *state;
    report(world, 0);
    set_number(world, "before", 1);
    observe(world);
    set_number(world, "during", 2);
    assert_same(world);
    set_number(world, "after", 3);
    assert_same(world);
    assert_int_equal(world->snapshots, 1);
    assert_int_equal(world->changes, 1);
    assert_int_equal(fake_requests, 1);
}

static void an_observer_that_knows_a_version_gets_the_rest(void **state)
{
    World *world = *state;
    report(world, 0);
    set_number(world, "a", 1);
    world->copy = sync_object_copy(sync_reporter_object(world->reporter));
    SyncLog *known = sync_log_new(URL, 0);
    sync_log_restart(known, 1, sync_object_chain(world->copy));
    set_number(world, "b", 2);
    set_number(world, "c", 3);
    world->observer =
        sync_observer_new(world->far, URL, "hyperty://localhost/x", known, &calls, world);
    assert_same(world);
    assert_int_equal(world->snapshots, 0);
    assert_int_equal(world->changes, 2);
}

static void loss_doubles_and_disorder_are_healed(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    fake_fault = any_fate;
    for (guint i = 0; i < 2000; i++) {
        g_autofree char *name = g_strdup_printf("n%u.m%u", i % 7, i % 5);
        set_number(world, name, i);
        if (g_rand_int_range(fault_rand, 0, 3) == 0)
            fake_pump();
    }
    fake_fault = NULL;
    assert_same(world);
    assert_true(metrics_get(METRIC_SYNC_GAPS) > 0);
}

static void a_lost_last_change_is_found_by_the_digest(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    fake_fault = lose_all;
    set_number(world, "last", 1);
    fake_fault = NULL;
    assert_same(world);
    assert_int_equal(world->snapshots, 1);
    assert_int_equal(world->changes, 1);
}

// The digest after the change is lost as well, with a link that nobody has found lost yet.
static void a_change_that_was_lost_with_the_link_is_told_when_it_returns(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    fake_fault = lose_all;
    set_number(world, "last", 1);
    sync_reporter_digest(world->reporter);
    fake_set_link(world->near, FALSE);
    fake_fault = NULL;
    gint64 before_us = g_get_monotonic_time();
    fake_set_link(world->near, TRUE);
    assert_same(world);
    gint64 took_ms = (g_get_monotonic_time() - before_us) / G_TIME_SPAN_MILLISECOND;
    assert_true(took_ms < LIMIT_DIGEST_FIRST_MS);
}

static void whoever_lacks_more_than_is_kept_gets_a_snapshot(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    fake_fault = lose_all;
    for (guint i = 0; i <= LIMIT_CHANGES_KEPT; i++)
        set_number(world, "n", i);
    fake_fault = NULL;
    set_number(world, "n", 999);
    assert_same(world);
    assert_int_equal(world->snapshots, 2);
}

static void another_history_with_equal_versions_is_found(void **state)
{
    World *world = *state;
    report(world, 0);
    set_number(world, "a", 1);
    SyncLog *known = sync_log_new(URL, 1); // the chain of something else
    world->observer =
        sync_observer_new(world->far, URL, "hyperty://localhost/x", known, &calls, world);
    assert_same(world);
    assert_int_equal(world->snapshots, 1);
}

static void a_reporter_that_lost_changes_is_believed(void **state)
{
    World *world = *state;
    report(world, 10);
    observe(world);
    set_number(world, "a", 1);
    assert_same(world);
    sync_reporter_free(world->reporter);
    report(world, 5);
    sync_reporter_digest(world->reporter);
    assert_same(world);
    assert_int_equal(sync_object_version(world->copy), 5);
}

static void a_later_placement_takes_over(void **state)
{
    World *world = *state;
    report(world, 1ULL << 32);
    observe(world);
    set_number(world, "a", 1);
    assert_same(world);
    sync_reporter_free(world->reporter);
    report(world, 2ULL << 32);
    set_number(world, "b", 2);
    assert_same(world);
    assert_int_equal(world->snapshots, 2);
}

static gboolean has_asked_thrice(gpointer user)
{
    (void)user;
    return fake_requests >= 3;
}

static void a_reporter_that_is_away_is_asked_again(void **state)
{
    World *world = *state;
    observe(world);
    assert_true(fake_run_until(has_asked_thrice, world));
    assert_false(world->is_gone);
    assert_false(sync_observer_is_current(world->observer));
    report(world, 3);
    assert_same(world);
}

static Refusal only_participants(const SyncReporter *reporter, const Envelope *message,
                                 gpointer user)
{
    (void)reporter, (void)user;
    assert_string_equal(message->from, "hyperty://localhost/x");
    return MSG__REFUSAL__REASON__not_participating;
}

static gboolean is_gone(gpointer user)
{
    return ((World *)user)->is_gone;
}

static void a_refused_observer_is_told(void **state)
{
    World *world = *state;
    SyncObject *object = sync_object_new(URL, "schema", "r", 0, NULL);
    world->reporter = sync_reporter_new(world->near, object, only_participants, NULL);
    observe(world);
    assert_true(fake_run_until(is_gone, world));
    assert_int_equal(world->reason, MSG__REFUSAL__REASON__not_participating);
}

static void a_deleted_object_is_gone(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    sync_reporter_delete(world->reporter);
    assert_true(fake_run_until(is_gone, world));
    assert_int_equal(world->reason, MSG__REFUSAL__REASON__none);
}

static void a_stranger_changes_nothing(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    static const char *const bodies[] = {
        "{\"version\":1,\"attribute\":\"a\",\"value\":1}",
        "{\"version\":99,\"attribute\":\"a\",\"value\":1}",
        "{\"value\":{\"version\":99,\"chain\":\"x\"}}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(Json) body = json_parse(bodies[i], strlen(bodies[i]), 1000, NULL);
        Envelope *forged =
            envelope_new(i < 2 ? MSG__ENVELOPE__TYPE__UPDATE : MSG__ENVELOPE__TYPE__EVENT,
                         "hyperty://localhost/evil", URL "/changes");
        envelope_set_body(forged, body);
        bus_publish(world->near, forged);
    }
    bus_publish(world->near,
                envelope_new(MSG__ENVELOPE__TYPE__DELETE, URL "0/subscription", URL "/changes"));
    fake_pump();
    assert_false(world->is_gone);
    assert_int_equal(world->changes, 0);
    assert_same(world);
}

static void odd_updates_of_the_reporter_do_no_harm(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    static const char *const bodies[] = {
        "{\"version\":0,\"attribute\":\"a\",\"value\":1}",
        "{\"version\":9007199254740992,\"attribute\":\"a\",\"value\":1}",
        "{\"version\":\"7\",\"attribute\":\"a\"}",
        "[]",
    };
    for (guint i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(Json) body = json_parse(bodies[i], strlen(bodies[i]), 1000, NULL);
        Envelope *odd = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, URL, URL "/changes");
        envelope_set_body(odd, body);
        bus_publish(world->near, odd);
    }
    bus_publish(world->near, envelope_new(MSG__ENVELOPE__TYPE__UPDATE, URL, URL "/changes"));
    fake_pump();
    assert_int_equal(world->changes, 0);
    assert_int_equal(world->versionless, 2); // "7" as text, and the list
    set_number(world, "a", 1);
    assert_same(world);
}

static void a_version_out_of_nowhere_stalls_nobody_for_ever(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    g_autoptr(Json) body = json_new_object();
    Envelope *astray = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, URL, URL "/changes");
    json_set_number(body, "version", 1000);
    json_set_text(body, "attribute", "a");
    envelope_set_body(astray, body);
    bus_publish(world->near, astray);
    fake_pump();
    set_number(world, "b", 1);
    assert_same(world);
    assert_int_equal(sync_object_version(world->copy), 1);
    assert_true(fake_requests < 10);
}

static void large_snapshots_travel_in_parts(void **state)
{
    World *world = *state;
    report(world, 0);
    g_autofree char *text = g_strnfill(9999, '"');
    g_autoptr(GString) umlauts = g_string_new(text);
    for (guint i = 0; i < 10000; i++)
        g_string_append(umlauts, "\xc3\xa4");
    g_autoptr(Json) value = json_new_text(umlauts->str);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("participants.p%u", i);
        assert_true(sync_reporter_change(world->reporter, name, value));
    }
    fake_pump();
    fake_largest = 0;
    observe(world);
    assert_same(world);
    assert_true(fake_largest > LIMIT_SNAPSHOT_PART);
    assert_true(fake_largest < LIMIT_BUS_MESSAGE);
    assert_int_equal(world->snapshots, 1);
}

static void an_observer_may_be_freed_at_any_time(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    sync_observer_free(world->observer);
    fake_pump();
    observe(world);
    g_main_context_iteration(NULL, FALSE);
    FakeItem *barrier = g_queue_pop_head(&fake_wire);
    barrier->ready(barrier->user);
    g_free(barrier);
    sync_observer_free(world->observer); // with its question on the wire
    world->observer = NULL;
    fake_pump();
    assert_int_equal(world->snapshots, 0);
}

static void a_batch_is_published_when_it_is_committed(void **state)
{
    World *world = *state;
    report(world, 0);
    observe(world);
    assert_same(world);
    for (guint size = 1; size <= 1024; size *= 4) {
        SyncObject *newer = sync_object_copy(sync_reporter_object(world->reporter));
        for (guint i = 0; i < size; i++) {
            g_autoptr(Json) value = json_new_number(i);
            sync_object_change(newer, "n", value, "left");
        }
        sync_reporter_commit(world->reporter, newer);
        assert_same(world);
    }
}

typedef struct {
    gint code;
    Json *value;
} Answer;

static void on_read(const Envelope *answer, gpointer user)
{
    Answer *kept = user;
    kept->code = envelope_code(answer);
    json_unref(kept->value);
    kept->value = envelope_value(answer);
}

static gint request(World *world, EnvelopeType type, const char *to, Answer *answer)
{
    bus_request(world->far, envelope_new(type, "hyperty://localhost/x", to), 1000, on_read, answer);
    fake_pump();
    return answer->code;
}

static void a_read_gives_the_object_and_the_rest_is_refused(void **state)
{
    World *world = *state;
    Answer answer = {0, NULL};
    report(world, 4);
    assert_int_equal(request(world, MSG__ENVELOPE__TYPE__READ, URL, &answer), 200);
    assert_int_equal(json_get_number(answer.value, "version", 0), 4);
    assert_string_equal(json_get_text(answer.value, "url"), URL);
    assert_int_equal(request(world, MSG__ENVELOPE__TYPE__UNSUBSCRIBE, URL "/subscription", &answer),
                     200);
    assert_int_equal(request(world, MSG__ENVELOPE__TYPE__EXECUTE, URL, &answer), 405);
    json_unref(answer.value);
}

// --- objects of clients

static void relay_changes(World *world, guint64 version)
{
    g_autoptr(Json) body = json_new_object();
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, CLIENT, CLIENT "/changes");
    json_set_number(body, "version", (gint64)version);
    json_set_text(body, "attribute", "status");
    json_set_number(body, "value", (gint64)version);
    envelope_set_body(update, body);
    assert_true(sync_relay_stamp(world->relay, update));
    bus_publish(world->near, update);
}

static void on_asked(const Envelope *message, BusRequest *asked, gpointer user)
{
    World *world = user;
    (void)message;
    if (!sync_relay_answer(world->relay, asked))
        bus_refuse(asked, MSG__REFUSAL__REASON__no_such_object, NULL);
}

static void observe_client(World *world, gboolean can_heal)
{
    world->relay = sync_relay_new(world->near, CLIENT, 0);
    world->copy = sync_object_new(CLIENT, "", "", 0, NULL);
    if (can_heal)
        bus_route(world->near, CLIENT "/subscription ", on_asked, world);
    world->observer = sync_observer_new(world->far, CLIENT, "hyperty://localhost/m",
                                        sync_log_new(CLIENT, 0), &calls, world);
    fake_pump();
}

static gboolean has_reached(gpointer user)
{
    World *world = user;
    return sync_log_version(sync_observer_log(world->observer)) ==
           sync_log_version(sync_relay_log(world->relay));
}

static void a_client_may_skip_numbers(void **state)
{
    World *world = *state;
    observe_client(world, FALSE);
    relay_changes(world, 2);
    relay_changes(world, 7);
    fake_pump();
    assert_int_equal(world->changes, 2);
    assert_int_equal(sync_object_version(world->copy), 7);
}

static void a_gap_in_a_clients_object_is_filled_by_its_gateway(void **state)
{
    World *world = *state;
    observe_client(world, TRUE);
    fake_fault = lose_all;
    relay_changes(world, 2);
    relay_changes(world, 4);
    fake_fault = NULL;
    relay_changes(world, 6);
    fake_pump();
    assert_int_equal(world->changes, 3);
    assert_true(sync_observer_is_current(world->observer));
    bus_unroute(world->near, CLIENT "/subscription ", on_asked, world);
}

static void a_gap_that_nobody_fills_is_given_up_after_300_ms(void **state)
{
    World *world = *state;
    observe_client(world, FALSE);
    fake_fault = lose_all;
    relay_changes(world, 2);
    fake_fault = NULL;
    relay_changes(world, 4);
    relay_changes(world, 5);
    fake_pump();
    assert_int_equal(world->changes, 0);
    gint64 before = g_get_monotonic_time();
    assert_true(fake_run_until(has_reached, world));
    gint64 waited_ms = (g_get_monotonic_time() - before) / 1000;
    assert_true(waited_ms > LIMIT_CLIENT_GAP_MS / 2 && waited_ms < 10 * LIMIT_CLIENT_GAP_MS);
    assert_int_equal(world->changes, 2);
    assert_int_equal(sync_object_version(world->copy), 5);
}

// What a gateway says when it knows nothing of the asked version.
static void on_asked_in_vain(const Envelope *message, BusRequest *asked, gpointer user)
{
    World *world = user;
    g_autoptr(Json) body = json_new_object(), deltas = json_new_object(), none = json_new_array();
    (void)message;
    json_set_number(deltas, "version", (gint64)sync_log_version(sync_relay_log(world->relay)));
    json_set(deltas, "changes", none);
    json_set_number(body, "code", 200);
    json_set(body, "value", deltas);
    bus_answer(asked, body);
}

static void a_gateway_that_cannot_fill_a_hole_ends_it(void **state)
{
    World *world = *state;
    observe_client(world, FALSE);
    sync_observer_set_relayed(world->observer);
    bus_route(world->near, CLIENT "/subscription ", on_asked_in_vain, world);
    fake_fault = lose_all;
    relay_changes(world, 2);
    fake_fault = NULL;
    relay_changes(world, 4);
    gint64 before = g_get_monotonic_time();
    assert_true(fake_run_until(has_reached, world));
    assert_true(g_get_monotonic_time() - before <
                LIMIT_RELAYED_GAP_MS / 2 * G_TIME_SPAN_MILLISECOND);
    assert_int_equal(world->changes, 1);
    bus_unroute(world->near, CLIENT "/subscription ", on_asked_in_vain, world);
}

static gboolean on_late(gpointer user)
{
    World *world = user;
    bus_route(world->near, CLIENT "/subscription ", on_asked, world);
    return G_SOURCE_REMOVE;
}

static void a_hole_is_held_for_a_gateway_that_answers_late(void **state)
{
    World *world = *state;
    observe_client(world, FALSE);
    sync_observer_set_relayed(world->observer);
    fake_fault = lose_all;
    relay_changes(world, 2);
    fake_fault = NULL;
    relay_changes(world, 4);
    fake_pump();
    g_timeout_add(2 * LIMIT_CLIENT_GAP_MS, on_late, world);
    assert_true(fake_run_until(has_reached, world));
    assert_int_equal(world->changes, 2);
    bus_unroute(world->near, CLIENT "/subscription ", on_asked, world);
}

static void a_lost_last_change_of_a_client_is_found_by_the_relays_digest(void **state)
{
    World *world = *state;
    observe_client(world, TRUE);
    fake_fault = lose_all;
    relay_changes(world, 2);
    fake_fault = NULL;
    assert_true(fake_run_until(has_reached, world));
    assert_int_equal(world->changes, 1);
    bus_unroute(world->near, CLIENT "/subscription ", on_asked, world);
}

static void updates_without_a_version_pass(void **state)
{
    World *world = *state;
    observe_client(world, FALSE);
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, CLIENT, CLIENT "/changes");
    envelope_set(&envelope_body(update)->attribute, "status");
    assert_true(sync_relay_stamp(world->relay, update));
    assert_false(update->has_previous_version);
    bus_publish(world->near, update);
    fake_pump();
    assert_int_equal(world->versionless, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_observer_starts_with_a_snapshot_and_follows),
        TEST(an_observer_that_knows_a_version_gets_the_rest),
        TEST(loss_doubles_and_disorder_are_healed),
        TEST(a_lost_last_change_is_found_by_the_digest),
        TEST(a_change_that_was_lost_with_the_link_is_told_when_it_returns),
        TEST(whoever_lacks_more_than_is_kept_gets_a_snapshot),
        TEST(another_history_with_equal_versions_is_found),
        TEST(a_reporter_that_lost_changes_is_believed),
        TEST(a_later_placement_takes_over),
        TEST(a_reporter_that_is_away_is_asked_again),
        TEST(a_refused_observer_is_told),
        TEST(a_deleted_object_is_gone),
        TEST(a_stranger_changes_nothing),
        TEST(odd_updates_of_the_reporter_do_no_harm),
        TEST(a_version_out_of_nowhere_stalls_nobody_for_ever),
        TEST(large_snapshots_travel_in_parts),
        TEST(an_observer_may_be_freed_at_any_time),
        TEST(a_batch_is_published_when_it_is_committed),
        TEST(a_read_gives_the_object_and_the_rest_is_refused),
        TEST(a_client_may_skip_numbers),
        TEST(a_gap_in_a_clients_object_is_filled_by_its_gateway),
        TEST(a_gap_that_nobody_fills_is_given_up_after_300_ms),
        TEST(a_gateway_that_cannot_fill_a_hole_ends_it),
        TEST(a_hole_is_held_for_a_gateway_that_answers_late),
        TEST(a_lost_last_change_of_a_client_is_found_by_the_relays_digest),
        TEST(updates_without_a_version_pass),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
