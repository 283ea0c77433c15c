// SPDX-License-Identifier: MIT
// Where a room can be reached.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "media-worker/candidates.h"

static Config *config_with(ConfigKey key, const char *value)
{
    int argc = 1;
    char *arguments[] = {(char *)"test", NULL};
    char **argv = arguments;
    Config *config = config_new(&argc, &argv, NULL);
    assert_non_null(config);
    config_set(config, CONFIG_MEDIA_LISTEN, "127.0.0.1");
    config_set(config, key, value);
    return config;
}

static Candidates *candidates_with(ConfigKey key, const char *value)
{
    g_autoptr(Config) config = config_with(key, value);
    Candidates *candidates = candidates_new(config, NULL);
    assert_non_null(candidates);
    return candidates;
}

static void refused_with(ConfigKey key, const char *value)
{
    g_autoptr(Config) config = config_with(key, value);
    g_autoptr(GError) error = NULL;
    assert_null(candidates_new(config, &error));
    assert_non_null(error);
}

static void rooms_are_on_loopback_while_the_gateway_is(void **state)
{
    (void)state;
    g_autoptr(Candidates) candidates = candidates_with(CONFIG_MEDIA_LISTEN, "");
    assert_string_equal(candidates->listen[0], "127.0.0.1");
    assert_true(candidates->listen[1] == NULL || strcmp(candidates->listen[1], "::1") == 0);
}

static char *offered(const char *gateway, const char *bus)
{
    g_autoptr(Config) config = config_with(CONFIG_MEDIA_LISTEN, "");
    config_set(config, CONFIG_GATEWAY_LISTEN, gateway);
    config_set(config, CONFIG_BUS_PUBLISH, bus);
    g_autoptr(Candidates) candidates = candidates_new(config, NULL);
    assert_non_null(candidates);
    g_auto(GStrv) addresses = candidates_addresses(candidates);
    return g_strjoinv(" ", addresses);
}

static void a_bus_elsewhere_means_people_elsewhere(void **state)
{
    (void)state;
    static const char *const local[] = {"tcp://localhost:5550", "tcp://[::1]:5550",
                                        "ipc:///run/parley/bus"};
    g_autofree char *loopback = offered("127.0.0.1", "tcp://127.0.0.1:5550");
    g_autofree char *interfaces = offered("0.0.0.0", "tcp://127.0.0.1:5550");
    g_autofree char *elsewhere = offered("127.0.0.1", "tcp://192.0.2.1:5550");
    assert_true(g_str_has_prefix(loopback, "127.0.0.1"));
    assert_string_equal(elsewhere, interfaces);
    for (guint i = 0; i < G_N_ELEMENTS(local); i++) {
        g_autofree char *here = offered("127.0.0.1", local[i]);
        assert_string_equal(here, loopback);
    }
}

static void advertised_addresses_follow_the_local_ones(void **state)
{
    (void)state;
    g_autoptr(Candidates) candidates =
        candidates_with(CONFIG_MEDIA_ADVERTISE_IP, "192.0.2.1, 127.0.0.1, 2001:db8::1");
    g_auto(GStrv) addresses = candidates_addresses(candidates);
    const char *const expected[] = {"127.0.0.1", "192.0.2.1", "2001:db8::1", NULL};
    assert_true(g_strv_equal((const char *const *)addresses, expected));
    g_auto(GStrv) lines = candidates_lines((const char *const *)addresses, 50007);
    assert_string_equal(lines[0], "candidate:1 1 udp 2130706431 127.0.0.1 50007 typ host");
    assert_string_equal(lines[2], "candidate:3 1 udp 2130705919 2001:db8::1 50007 typ host");
    assert_null(lines[3]);
}

static void settings_that_cannot_work_are_errors(void **state)
{
    (void)state;
    refused_with(CONFIG_MEDIA_LISTEN, "example.org");
    refused_with(CONFIG_MEDIA_LISTEN, "192.0.2.1");
    refused_with(CONFIG_MEDIA_LISTEN, "0.0.0.0");
    refused_with(CONFIG_MEDIA_ADVERTISE_IP, "here");
    refused_with(CONFIG_MEDIA_PORTS, "many");
    refused_with(CONFIG_MEDIA_PORTS, "50000-");
    refused_with(CONFIG_MEDIA_PORTS, "50010-50000");
    refused_with(CONFIG_MEDIA_PORTS, "0-70000");
}

static guint16 port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

static void the_first_free_port_is_taken_and_never_shared(void **state)
{
    (void)state;
    g_autoptr(Candidates) candidates = candidates_with(CONFIG_MEDIA_PORTS, "20000-60000");
    CandidatesSockets first, second;
    assert_true(candidates_bind(candidates, &first, NULL));
    assert_true(first.receive_bytes > 0);
    assert_int_equal(port_of(first.socket4), first.port);
    assert_int_equal(first.socket6, -1);
    candidates->first_port = first.port;
    assert_true(candidates_bind(candidates, &second, NULL));
    assert_true(second.port > first.port);
    candidates->last_port = first.port;
    g_autoptr(GError) error = NULL;
    CandidatesSockets none;
    assert_false(candidates_bind(candidates, &none, &error));
    assert_non_null(strstr(error->message, "no free UDP port"));
    close(first.socket4);
    close(second.socket4);
}

static void ports_that_others_have_are_counted(void **state)
{
    (void)state;
    g_autoptr(Candidates) candidates = candidates_with(CONFIG_MEDIA_PORTS, "20000-60000");
    CandidatesSockets sockets;
    guint taken = 0;
    assert_true(candidates_bind(candidates, &sockets, NULL));
    candidates->first_port = candidates->last_port = sockets.port;
    assert_true(candidates_check(candidates, &taken, NULL));
    assert_int_equal(taken, 1);
    close(sockets.socket4);
    assert_true(candidates_check(candidates, &taken, NULL));
    assert_int_equal(taken, 0);
}

static void both_families_get_the_same_port(void **state)
{
    (void)state;
    g_autoptr(Candidates) candidates = candidates_with(CONFIG_MEDIA_LISTEN, "");
    CandidatesSockets sockets;
    assert_true(candidates_bind(candidates, &sockets, NULL));
    assert_int_equal(sockets.socket6 >= 0, candidates->listen[1] != NULL);
    if (sockets.socket6 >= 0) {
        assert_int_equal(port_of(sockets.socket6), port_of(sockets.socket4));
        close(sockets.socket6);
    }
    close(sockets.socket4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_are_on_loopback_while_the_gateway_is),
        cmocka_unit_test(a_bus_elsewhere_means_people_elsewhere),
        cmocka_unit_test(advertised_addresses_follow_the_local_ones),
        cmocka_unit_test(settings_that_cannot_work_are_errors),
        cmocka_unit_test(the_first_free_port_is_taken_and_never_shared),
        cmocka_unit_test(ports_that_others_have_are_counted),
        cmocka_unit_test(both_families_get_the_same_port),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
