// SPDX-License-Identifier: MIT
// What a session costs the real gateway, what its latency does as idle ones grow in number, and how
// long one change of an object takes to a thousand observers. Clients share the machine's cores, so
// the fan-out includes the time in which this program reads a thousand sockets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/sync_reporter.h"
#include "tests/support/suite.h"
#include "tests/support/ws_client.h"

#define OBSERVERS 1000
#define CHANGES 200
#define PINGS 500
#define OBJECT "comm://localhost/bench-0a1b2c3d"

static Suite *suite;
static GPtrArray *clients;

static void figure(const char *name, double value, const char *unit)
{
    printf("%s %.1f %s\n", name, value, unit);
    fflush(stdout);
}

static gint compare(gconstpointer a, gconstpointer b)
{
    gint64 left = *(const gint64 *)a, right = *(const gint64 *)b;
    return left < right ? -1 : left > right;
}

static gint64 percentile(GArray *times, guint percent)
{
    g_array_sort(times, compare);
    return g_array_index(times, gint64, (times->len - 1) * percent / 100);
}

static double resident_kb(void)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", (int)suite_pid(suite, "gateway"));
    g_autofree char *text = NULL;
    guint64 pages = 0;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_int_equal(sscanf(text, "%*s %" G_GUINT64_FORMAT, &pages), 1);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

// User and system time of the gateway so far.
static double cpu_us(void)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)suite_pid(suite, "gateway"));
    g_autofree char *text = NULL;
    guint64 user = 0, system = 0;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_int_equal(sscanf(strrchr(text, ')'),
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" G_GUINT64_FORMAT
                            " %" G_GUINT64_FORMAT,
                            &user, &system),
                     2);
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static WsClient *open_client(void)
{
    WsClient *client = ws_client_new(suite_gateway_port(suite));
    if (!ws_client_open(client, "Ann"))
        g_error("open failed at %u clients: close code %u", clients->len,
                ws_client_close_code(client));
    return client;
}

static void add_idle(guint count)
{
    while (clients->len < count) {
        WsClient *client = open_client();
        ws_client_set_reading(client, FALSE); // costs this program nothing from here on
        g_ptr_array_add(clients, client);
    }
}

static void measure_round_trip(guint idle)
{
    g_autoptr(WsClient) client = open_client();
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
    for (guint i = 0; i < PINGS; i++) {
        gint64 start_us = g_get_monotonic_time();
        g_autoptr(Json) body =
            ws_client_request(client, ws_client_message(client, "ping", ws_client_runtime(client),
                                                        "mn:/session", NULL));
        assert_int_equal(ws_code(body), 200);
        gint64 took_us = g_get_monotonic_time() - start_us;
        g_array_append_val(times, took_us);
    }
    g_autofree char *name = g_strdup_printf("gateway_round_trip_p50_at_%u_idle", idle);
    figure(name, (double)percentile(times, 50), "us");
}

static void measure_idle(guint sessions)
{
    double before_kb = resident_kb();
    guint had = clients->len;
    add_idle(sessions);
    g_autofree char *name = g_strdup_printf("gateway_memory_per_session_at_%u", sessions);
    figure(name, (resident_kb() - before_kb) / (sessions - had), "KB");
    measure_round_trip(sessions);
}

// --- fan-out ---

static void observe(WsClient *client)
{
    Json *body = json_new_object();
    json_set_text(body, "source", ws_client_hyperty(client));
    g_autoptr(Json) answer = ws_client_request(
        client, ws_client_message(client, "subscribe", NULL, OBJECT "/subscription", body));
    assert_int_equal(ws_code(answer), 200);
}

static int add_observers(void)
{
    int epoll = epoll_create1(0);
    for (guint i = 0; i < OBSERVERS; i++) {
        WsClient *client = open_client();
        struct epoll_event event = {.events = EPOLLIN};
        observe(client);
        ws_client_set_reading(client, FALSE);
        event.data.fd = ws_client_descriptor(client);
        assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event), 0);
        g_ptr_array_add(clients, client);
    }
    return epoll;
}

// Reads what each observer gets of one change: one small frame.
static void time_change(int epoll, gint64 sent_us, GArray *times)
{
    struct epoll_event events[256];
    char bytes[4096];
    for (guint arrived = 0; arrived < OBSERVERS;) {
        int ready = epoll_wait(epoll, events, G_N_ELEMENTS(events), 5000);
        assert_true(ready > 0);
        gint64 took_us = g_get_monotonic_time() - sent_us;
        for (int i = 0; i < ready; i++) {
            assert_true(read(events[i].data.fd, bytes, sizeof bytes) > 0);
            g_array_append_val(times, took_us);
            arrived++;
        }
    }
}

static void measure_fan_out(void)
{
    SyncReporter *reporter = sync_reporter_new(
        suite_bus(suite), sync_object_new(OBJECT, "", OBJECT, 0, NULL), NULL, NULL);
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
    int epoll = add_observers();
    double before_us = cpu_us();
    for (guint i = 0; i < CHANGES; i++) {
        g_autoptr(Json) value = json_new_number(i);
        gint64 sent_us = g_get_monotonic_time();
        assert_true(sync_reporter_change(reporter, "status", value));
        time_change(epoll, sent_us, times);
    }
    figure("gateway_update_to_1000_observers_p50", (double)percentile(times, 50) / 1000, "ms");
    figure("gateway_update_to_1000_observers_p99", (double)percentile(times, 99) / 1000, "ms");
    figure("gateway_cpu_per_delivery", (cpu_us() - before_us) / (CHANGES * OBSERVERS), "us");
    close(epoll);
    sync_reporter_free(reporter);
}

static gboolean gateway_is_up(gpointer unused)
{
    guint status = 0;
    (void)unused;
    g_free(suite_http_get(suite, "/healthz", &status));
    return status == 200;
}

static void start(void)
{
    suite = suite_new();
    suite_set(suite, "PARLEY_LOG_LEVEL", "warning");
    clients = g_ptr_array_new_with_free_func((GDestroyNotify)ws_client_free);
    suite_start(suite, "bus", "bus", NULL);
    suite_start(suite, "gateway", "gateway", NULL);
    assert_true(suite_until(gateway_is_up, NULL, 5000));
}

static void end(void)
{
    g_ptr_array_unref(clients);
    suite_free(suite);
}

int main(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    start();
    measure_fan_out();
    end();
    start();
    measure_round_trip(0);
    measure_idle(1000);
    measure_idle(MIN(10000, (guint)limit.rlim_max / 2 - 500));
    end();
    return 0;
}
