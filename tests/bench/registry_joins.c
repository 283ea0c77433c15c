// SPDX-License-Identifier: MIT
// How long a join takes at the registry, one after the other, and how many it makes durable in a
// second when they come in crowds. Bus and registry are real; gateway and worker are played, on the
// same two cores, so that the figures are floors.
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
#define SINGLE 500

typedef struct {
    Suite *suite;
    FakeWorker *worker;
    FakeGateway *gateway;
    const FakeAnswer *answers[ROOMS * PER_ROOM];
} Bench;

static gboolean are_answered(gpointer user)
{
    const Bench *bench = user;
    for (guint i = 0; i < G_N_ELEMENTS(bench->answers); i++)
        if (bench->answers[i]->code == 0)
            return FALSE;
    return TRUE;
}

static const FakeAnswer *join(const Bench *bench, guint room, guint participant)
{
    g_autofree char *room_id = g_strdup_printf("room-%u", room);
    g_autofree char *id = g_strdup_printf("p-%u-%u", room, participant);
    return fake_gateway_join(bench->gateway, room_id, id);
}

static void check_codes(const Bench *bench)
{
    for (guint i = 0; i < G_N_ELEMENTS(bench->answers); i++)
        if (bench->answers[i]->code != 200)
            g_error("join %u: %d %s", i, bench->answers[i]->code, bench->answers[i]->reason);
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

// The rooms exist already: what is counted is joins.
static void measure_crowd(Bench *bench)
{
    for (guint room = 0; room < ROOMS; room++)
        fake_gateway_wait(join(bench, room, PER_ROOM));
    gint64 start = g_get_monotonic_time(), cpu = cpu_us(bench);
    for (guint i = 0; i < G_N_ELEMENTS(bench->answers); i++)
        bench->answers[i] = join(bench, i % ROOMS, i / ROOMS);
    suite_until(are_answered, bench, 30000);
    gint64 took_us = g_get_monotonic_time() - start;
    check_codes(bench);
    g_print("registry_joins_per_s %.0f 1/s\n",
            (double)G_N_ELEMENTS(bench->answers) * G_USEC_PER_SEC / (double)took_us);
    g_print("registry_join_cpu %.0f us\n",
            (double)(cpu_us(bench) - cpu) / (double)G_N_ELEMENTS(bench->answers));
}

static int compare(const void *a, const void *b)
{
    gint64 difference = *(const gint64 *)a - *(const gint64 *)b;
    return (difference > 0) - (difference < 0);
}

static void measure_single(const Bench *bench)
{
    gint64 took_us[SINGLE];
    for (guint i = 0; i < SINGLE; i++) {
        gint64 start = g_get_monotonic_time();
        fake_gateway_wait(join(bench, ROOMS + i % 50, i));
        took_us[i] = g_get_monotonic_time() - start;
    }
    // The first fifty make and place a room each.
    qsort(took_us + 50, SINGLE - 50, sizeof took_us[0], compare);
    g_print("registry_join_p50 %" G_GINT64_FORMAT " us\n", took_us[50 + (SINGLE - 50) / 2]);
    g_print("registry_join_p99 %" G_GINT64_FORMAT " us\n", took_us[50 + (SINGLE - 50) * 99 / 100]);
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
    fake_gateway_wait(join(bench, 0, PER_ROOM + 1));
    measure_crowd(bench);
    measure_single(bench);
    fake_gateway_free(bench->gateway);
    fake_worker_free(bench->worker);
    suite_free(bench->suite);
    g_free(bench);
    return 0;
}
