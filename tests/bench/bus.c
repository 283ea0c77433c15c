// SPDX-License-Identifier: MIT
// Enveloped messages a second through the real broker, one publisher and one subscriber in separate
// processes, and the round trip of a request and its answer. The subscriber is this program,
// started again with the word "subscriber".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/limits.h"
#include "tests/support/suite.h"

#define MESSAGES 1000000
#define IN_FLIGHT 8000 // below every high-water mark
#define STEP 1000      // the subscriber tells how far it is
#define REQUESTS 5000

typedef struct {
    Suite *suite;
    Bus *bus;
    GPid subscriber;
    gboolean there;
    guint64 heard;
    guint answered;
    gint64 asked_us;
    GArray *round_trips; // gint64, microseconds
} Bench;

static Bus *join(const char *publish, const char *subscribe, const char *process)
{
    int argc = 1;
    char *arguments[] = {(char *)"bench", NULL};
    char **argv = arguments;
    Config *config = config_new(&argc, &argv, NULL);
    config_set(config, CONFIG_BUS_PUBLISH, publish);
    config_set(config, CONFIG_BUS_SUBSCRIBE, subscribe);
    return bus_new(config, process, NULL);
}

// --- the subscriber ---

static guint64 counted;

static void tell(Bus *bus)
{
    Envelope *event =
        envelope_new(MSG__ENVELOPE__TYPE__EVENT, "bench://subscriber", "bench://publisher");
    envelope_set_version(event, counted);
    bus_publish(bus, event);
}

static void on_update(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)message;
    (void)request;
    if (++counted % STEP == 0)
        tell(user);
}

static void on_question(const Envelope *message, BusRequest *request, gpointer user)
{
    g_autoptr(Json) body = json_new_object();
    (void)message;
    (void)user;
    json_set_number(body, "code", 200);
    bus_answer(request, body);
}

static void on_routed(gpointer user)
{
    tell(user);
}

static int subscribe(const char *publish, const char *subscribe_at)
{
    Bus *bus = join(publish, subscribe_at, "subscriber-1");
    bus_route(bus, "bench://object/changes ", on_update, bus);
    bus_route(bus, "bench://service ", on_question, bus);
    bus_when_routed(bus, on_routed, bus);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 0;
}

// --- the publisher ---

static void on_told(const Envelope *message, BusRequest *request, gpointer user)
{
    Bench *bench = user;
    (void)request;
    bench->there = TRUE;
    bench->heard = message->body->version;
}

static gboolean is_there(gpointer user)
{
    return ((Bench *)user)->there;
}

static void die_with_the_bench(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static gboolean is_linked(gpointer user)
{
    return bus_is_connected(((Bench *)user)->bus, NULL);
}

static void start(Bench *bench)
{
    bench->suite = suite_new();
    suite_start(bench->suite, "bus", "bus", NULL);
    bench->bus = suite_bus(bench->suite);
    bus_route(bench->bus, "bench://publisher ", on_told, bench);
    assert_true(suite_until(is_linked, bench, 5000));
    char *line[] = {(char *)"/proc/self/exe", (char *)"subscriber",
                    (char *)suite_get(bench->suite, "PARLEY_BUS_PUBLISH"),
                    (char *)suite_get(bench->suite, "PARLEY_BUS_SUBSCRIBE"), NULL};
    assert_true(g_spawn_async(NULL, line, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_the_bench, NULL,
                              &bench->subscriber, NULL));
    assert_true(suite_until(is_there, bench, 5000));
}

// A message of about 200 bytes.
static Envelope *an_update(guint64 version)
{
    static const char value[] = "{\"status\":\"joined\",\"number\":17,\"name\":\"somebody\"}";
    Envelope *update =
        envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "bench://object", "bench://object/changes");
    Msg__Body *body = envelope_body(update);
    envelope_set_version(update, version);
    envelope_set(&body->attribute, "participants.p1");
    body->has_value = TRUE;
    body->value.len = sizeof value - 1;
    body->value.data = g_memdup2(value, sizeof value - 1);
    return update;
}

static void measure_throughput(Bench *bench)
{
    gint64 start_us = g_get_monotonic_time();
    for (guint64 sent = 0; bench->heard < MESSAGES;) {
        for (guint i = 0; i < 256 && sent < MESSAGES && sent < bench->heard + IN_FLIGHT; i++)
            bus_publish(bench->bus, an_update(++sent));
        g_main_context_iteration(NULL, sent == MESSAGES || sent >= bench->heard + IN_FLIGHT);
    }
    gdouble seconds = (gdouble)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC;
    g_print("bus_messages_per_s %.0f 1/s\n", MESSAGES / seconds);
}

static void ask(Bench *bench);

static void on_answered(const Envelope *answer, gpointer user)
{
    Bench *bench = user;
    gint64 took_us = g_get_monotonic_time() - bench->asked_us;
    assert_int_equal(envelope_code(answer), 200);
    g_array_append_val(bench->round_trips, took_us);
    if (++bench->answered < REQUESTS)
        ask(bench);
}

static void ask(Bench *bench)
{
    bench->asked_us = g_get_monotonic_time();
    bus_request(bench->bus,
                envelope_new(MSG__ENVELOPE__TYPE__READ, "bench://publisher", "bench://service"),
                LIMIT_DEADLINE_SERVICE_MS, on_answered, bench);
}

static gboolean all_answered(gpointer user)
{
    return ((Bench *)user)->answered == REQUESTS;
}

static gint by_value(gconstpointer a, gconstpointer b)
{
    gint64 left = *(const gint64 *)a, right = *(const gint64 *)b;
    return left < right ? -1 : left > right;
}

static void measure_round_trip(Bench *bench)
{
    bench->round_trips = g_array_new(FALSE, FALSE, sizeof(gint64));
    ask(bench);
    assert_true(suite_until(all_answered, bench, 30000));
    g_array_sort(bench->round_trips, by_value);
    g_print("bus_request_p50_us %" G_GINT64_FORMAT " us\n",
            g_array_index(bench->round_trips, gint64, REQUESTS / 2));
    g_print("bus_request_p99_us %" G_GINT64_FORMAT " us\n",
            g_array_index(bench->round_trips, gint64, REQUESTS * 99 / 100));
    g_array_unref(bench->round_trips);
}

int main(int argc, char **argv)
{
    Bench bench = {0};
    if (argc == 4 && strcmp(argv[1], "subscriber") == 0)
        return subscribe(argv[2], argv[3]);
    start(&bench);
    measure_round_trip(&bench);
    measure_throughput(&bench);
    kill(bench.subscriber, SIGKILL);
    waitpid(bench.subscriber, NULL, 0);
    suite_free(bench.suite);
    return 0;
}
