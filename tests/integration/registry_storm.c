// SPDX-License-Identifier: MIT
// A hundred clients join one new room at once, and the registry is killed while they do. Whoever is
// answered 200 is in exactly once; there is one Communication, with dense versions, the same at
// every observer and after the restart.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include "tests/support/fake_gateway.h"
#include "tests/support/fake_worker.h"

#define CLIENTS 100
#define ROUNDS 5
#define KILLS 3

typedef struct {
    Suite *suite;
    FakeWorker *worker;
    FakeGateway *gateway;
    const FakeAnswer *answers[CLIENTS];
} Storm;

static void set_up(Storm *storm)
{
    storm->suite = suite_new();
    suite_start(storm->suite, "bus", "bus", NULL);
    suite_start(storm->suite, "registry", "registry", NULL);
    storm->worker = fake_worker_new(storm->suite, 100);
    storm->gateway = fake_gateway_new(storm->suite);
    assert_true(suite_until_logged(storm->suite, "registry", "worker.heard", 1, 5000));
}

static void tear_down(Storm *storm)
{
    fake_gateway_free(storm->gateway);
    fake_worker_free(storm->worker);
    suite_free(storm->suite);
}

static void join_all(Storm *storm, const char *room)
{
    for (guint i = 0; i < CLIENTS; i++) {
        g_autofree char *participant = g_strdup_printf("p%03u", i);
        storm->answers[i] = fake_gateway_join(storm->gateway, room, participant);
    }
}

typedef struct {
    const Storm *storm;
    guint count;
} Wanted;

static gboolean are_answered(gpointer user)
{
    const Wanted *wanted = user;
    guint count = 0;
    for (guint i = 0; i < CLIENTS; i++)
        count += wanted->storm->answers[i]->code != 0;
    return count >= wanted->count;
}

static void wait_for_answers(const Storm *storm, guint count)
{
    Wanted wanted = {storm, count};
    assert_true(suite_until(are_answered, &wanted, 25000));
}

// Every answer is 200 and names the same object; returns its URL.
static const char *check_answers(const Storm *storm)
{
    for (guint i = 0; i < CLIENTS; i++) {
        if (storm->answers[i]->code != 200)
            fail_msg("client %u: %d %s", i, storm->answers[i]->code, storm->answers[i]->reason);
        assert_string_equal(storm->answers[i]->url, storm->answers[0]->url);
    }
    return storm->answers[0]->url;
}

static void check_members(const Storm *storm, const Json *data)
{
    g_autoptr(GHashTable) numbers = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < CLIENTS; i++) {
        g_autofree char *path = g_strdup_printf("participants.p%03u.number", i);
        gint64 number = json_number(json_get_path(data, path), 0);
        assert_int_not_equal(number, 0);
        assert_true(g_hash_table_add(numbers, GINT_TO_POINTER((gint)number)));
    }
    assert_int_equal(json_size(json_get(data, "participants")), CLIENTS);
    assert_int_equal(fake_worker_peers(storm->worker, json_get_text(data, "roomId")), CLIENTS);
}

static void check_room(Storm *storm, const char *url)
{
    fake_gateway_observe(storm->gateway, url);
    assert_true(fake_gateway_until_participants(storm->gateway, url, CLIENTS));
    check_members(storm, fake_gateway_communication(storm->gateway, url));
}

static void a_hundred_at_once_make_one_room_and_one_process(void **state)
{
    (void)state;
    Storm storm = {0};
    set_up(&storm);
    join_all(&storm, "demo");
    wait_for_answers(&storm, CLIENTS);
    check_room(&storm, check_answers(&storm));
    assert_int_equal(fake_worker_starts(storm.worker), 1);
    // Placement, status, and one change for each participant: nothing else.
    assert_int_equal(fake_gateway_version(storm.gateway, storm.answers[0]->url), 2 + CLIENTS);
    tear_down(&storm);
}

static void restart(Storm *storm)
{
    suite_kill(storm->suite, "registry", SIGKILL);
    suite_start(storm->suite, "registry", "registry", NULL);
}

static void whoever_is_answered_200_is_in_once_although_the_registry_is_killed(void **state)
{
    (void)state;
    for (guint round = 0; round < ROUNDS; round++) {
        Storm storm = {0};
        set_up(&storm);
        join_all(&storm, "demo");
        for (guint i = 0; i < KILLS; i++) { // before, between and after the first answers
            guint answered = i * (guint)g_random_int_range(1, CLIENTS / KILLS);
            wait_for_answers(&storm, answered);
            restart(&storm);
        }
        wait_for_answers(&storm, CLIENTS);
        const char *url = check_answers(&storm);
        check_room(&storm, url);
        guint64 version = fake_gateway_version(storm.gateway, url);
        g_autofree char *hash = json_hash(fake_gateway_communication(storm.gateway, url));
        restart(&storm);
        g_autoptr(FakeGateway) second = fake_gateway_new(storm.suite);
        fake_gateway_observe(second, url);
        assert_true(fake_gateway_until_participants(second, url, CLIENTS));
        g_autofree char *after = json_hash(fake_gateway_communication(second, url));
        assert_string_equal(after, hash);
        assert_int_equal(fake_gateway_version(second, url), version);
        fake_gateway_free(g_steal_pointer(&second));
        tear_down(&storm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_at_once_make_one_room_and_one_process),
        cmocka_unit_test(whoever_is_answered_200_is_in_once_although_the_registry_is_killed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
