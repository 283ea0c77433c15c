// SPDX-License-Identifier: MIT
// How many joins the registry makes durable in a second when they come in crowds, how long one
// takes by itself, and how long a request waits for its durable answer while 500 come in each
// second. Bus, registry and disk are real; gateway and worker are played, on the same two cores, so
// that the figures are floors.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/fake_gateway.h"
#include "tests/support/fake_worker.h"

#define ROOMS 40
#define PER_ROOM 50
#define JOINS (ROOMS * PER_ROOM)
#define IN_FLIGHT 256 // joins of the crowd that wait for their answer
#define SINGLE 500
#define RATE 500 // durable requests in a second
#define DURABLE 5000
#define TURN_MS 1

// What one measurement is about: requests that went out, and how long each took.
typedef struct {
    Suite *suite;
    FakeWorker *worker;
    FakeGateway *gateway;
    Bus *bus; // asks where only code and time of the answer matter
    guint asked, answered, refused;
    gint64 start_us;
    gint64 asked_us[MAX(JOINS, DURABLE)], took_us[MAX(JOINS, DURABLE)];
} Bench;

typedef struct {
    Bench *bench;
    guint index;
} Asked;

static int compare(const void *a, const void *b)
{
    gint64 difference = *(const gint64 *)a - *(const gint64 *)b;
    return (difference > 0) - (difference < 0);
}

// Sorts.
static double percentile_ms(gint64 *took_us, guint count, guint percent)
{
    qsort(took_us, count, sizeof took_us[0], compare);
    return (double)took_us[(count - 1) * percent / 100] / 1000;
}

static const FakeAnswer *join(const Bench *bench, guint room, guint participant)
{
    g_autofree char *room_id = g_strdup_printf("room-%u", room);
    g_autofree char *id = g_strdup_printf("p-%u-%u", room, participant);
    return fake_gateway_join(bench->gateway, room_id, id);
}

// CPU time of the registry so far, user and system.
static gint64 cpu_us(const Bench *bench)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", suite_pid(bench->suite, "registry"));
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    g_auto(GStrv) fields = g_strsplit(strrchr(text, ')') + 2, " ", -1); // from the third field on
    gint64 ticks = g_ascii_strtoll(fields[11], NULL, 10) + g_ascii_strtoll(fields[12], NULL, 10);
    return ticks * G_USEC_PER_SEC / sysconf(_SC_CLK_TCK);
}

static void on_answered(const Envelope *answer, gpointer user)
{
    g_autofree Asked *asked = user;
    Bench *bench = asked->bench;
    if (envelope_code(answer) < 200) {
        g_steal_pointer(&asked);
        return;
    }
    bench->refused += envelope_code(answer) != 200;
    bench->took_us[asked->index] = g_get_monotonic_time() - bench->asked_us[asked->index];
    bench->answered++;
}

static void ask(Bench *bench, Envelope *request)
{
    Asked *asked = g_new(Asked, 1);
    *asked = (Asked){bench, bench->asked++};
    bench->asked_us[asked->index] = g_get_monotonic_time();
    bus_request(bench->bus, request, 20000, on_answered, asked);
}

static void start_anew(Bench *bench)
{
    bench->asked = bench->answered = bench->refused = 0;
    bench->start_us = g_get_monotonic_time();
}

static void check_codes(const Bench *bench)
{
    if (bench->refused > 0)
        g_error("%u of %u requests were refused", bench->refused, bench->asked);
}

// --- a crowd: always so many joins under way

static gboolean crowd_goes_on(gpointer user)
{
    Bench *bench = user;
    while (bench->asked < JOINS && bench->asked < bench->answered + IN_FLIGHT) {
        guint room = bench->asked % ROOMS, participant = bench->asked / ROOMS;
        g_autofree char *room_id = g_strdup_printf("room-%u", room);
        g_autofree char *id = g_strdup_printf("p-%u-%u", room, participant);
        ask(bench, fake_gateway_join_message(room_id, id));
    }
    return bench->answered == JOINS;
}

// The rooms exist already: what is counted is joins.
static void measure_crowd(Bench *bench)
{
    for (guint room = 0; room < ROOMS; room++)
        fake_gateway_wait(join(bench, room, PER_ROOM));
    gint64 cpu = cpu_us(bench);
    start_anew(bench);
    suite_until(crowd_goes_on, bench, 30000);
    double seconds = (double)(g_get_monotonic_time() - bench->start_us) / G_USEC_PER_SEC;
    check_codes(bench);
    g_print("registry_joins_per_s %.0f 1/s\n", bench->answered / seconds);
    g_print("registry_join_cpu_us %.0f us\n", (double)(cpu_us(bench) - cpu) / JOINS);
}

// --- one at a time

static void measure_single(const Bench *bench)
{
    gint64 took_us[SINGLE];
    for (guint i = 0; i < SINGLE; i++) {
        gint64 start = g_get_monotonic_time();
        fake_gateway_wait(join(bench, ROOMS + i % 50, i));
        took_us[i] = g_get_monotonic_time() - start;
    }
    // The first fifty make and place a room each.
    g_print("registry_join_p50_ms %.2f ms\n", percentile_ms(took_us + 50, SINGLE - 50, 50));
    g_print("registry_join_p99_ms %.2f ms\n", percentile_ms(took_us + 50, SINGLE - 50, 99));
}

// --- at a steady rate: each request changes a room, and its answer follows the commit

static gboolean durable_go_on(gpointer user)
{
    Bench *bench = user;
    gint64 due = (g_get_monotonic_time() - bench->start_us) * RATE / G_USEC_PER_SEC;
    while (bench->asked < DURABLE && bench->asked <= due) {
        guint room = bench->asked % ROOMS, turn = bench->asked / ROOMS;
        g_autofree char *room_id = g_strdup_printf("room-%u", room);
        g_autofree char *id = g_strdup_printf("p-%u-%u", room, turn % PER_ROOM);
        const char *direction = turn / PER_ROOM % 2 == 0 ? "in" : "inout";
        const char *params[] = {room_id, "audio", direction, NULL};
        ask(bench, fake_gateway_execute_message(id, "setDirection", params));
    }
    return G_SOURCE_CONTINUE;
}

static gboolean all_are_durable(gpointer user)
{
    return ((const Bench *)user)->answered == DURABLE;
}

static void measure_durable(Bench *bench)
{
    start_anew(bench);
    guint timer = g_timeout_add(TURN_MS, durable_go_on, bench);
    suite_until(all_are_durable, bench, 60000);
    g_source_remove(timer);
    check_codes(bench);
    g_print("durable_answer_p50_ms %.2f ms\n", percentile_ms(bench->took_us, DURABLE, 50));
    g_print("durable_answer_p99_ms %.2f ms\n", percentile_ms(bench->took_us, DURABLE, 99));
}

int main(void)
{
    Bench *bench = g_new0(Bench, 1);
    bench->suite = suite_new();
    suite_set(bench->suite, "PARLEY_LOG_LEVEL", "warning");
    suite_start(bench->suite, "bus", "bus", NULL);
    suite_start(bench->suite, "registry", "registry", NULL);
    bench->worker = fake_worker_new(bench->suite, 1000);
    bench->gateway = fake_gateway_new(bench->suite);
    bench->bus = suite_bus(bench->suite);
    fake_gateway_wait(join(bench, 0, PER_ROOM + 1));
    measure_crowd(bench);
    measure_single(bench);
    measure_durable(bench);
    fake_gateway_free(bench->gateway);
    fake_worker_free(bench->worker);
    suite_free(bench->suite);
    g_free(bench);
    return 0;
}
