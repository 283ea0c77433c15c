// SPDX-License-Identifier: MIT
// Credentials for relays. The expected password was made by Python's hmac.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "registry/turn.h"

#define UDP "turn:meet.example.org:3478?transport=udp"
#define TCP "turns:meet.example.org:5349?transport=tcp"

static Config *settings(const char *uris, const char *secret, const char *ttl_s)
{
    char *line[] = {(char *)"test", NULL};
    char **argv = line;
    int argc = 1;
    Config *config = config_new(&argc, &argv, NULL);
    assert_non_null(config);
    config_set(config, CONFIG_TURN_URIS, uris);
    config_set(config, CONFIG_TURN_SECRET, secret);
    config_set(config, CONFIG_TURN_TTL_S, ttl_s);
    return config;
}

static void a_participant_gets_what_a_browser_takes(void **state)
{
    g_autoptr(Config) config = settings(UDP ", " TCP, "north", "3600");
    g_autoptr(Turn) turn = NULL;
    gsize length = 0;
    (void)state;
    assert_true(turn_new(config, &turn, NULL));
    g_autofree char *servers = turn_servers(turn, "p1", 1700000000, &length);
    assert_string_equal(servers, "[{\"urls\":[\"" UDP "\",\"" TCP "\"],"
                                 "\"username\":\"1700003600:p1\","
                                 "\"credential\":\"4EEMVinF9VQKZF50YH25G6+f6lw=\"}]");
    assert_int_equal(length, strlen(servers));
}

static void no_uris_means_no_relays(void **state)
{
    g_autoptr(Config) config = settings("", "north", "3600");
    g_autoptr(Turn) turn = NULL;
    (void)state;
    assert_true(turn_new(config, &turn, NULL));
    assert_null(turn);
}

static void assert_refused(const char *uris, const char *secret, const char *ttl_s,
                           const char *names)
{
    g_autoptr(Config) config = settings(uris, secret, ttl_s);
    g_autoptr(GError) error = NULL;
    g_autoptr(Turn) turn = NULL;
    assert_false(turn_new(config, &turn, &error));
    assert_true(g_str_has_prefix(error->message, names));
}

static void settings_that_cannot_work_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("meet.example.org:3478", "north", "3600", "turn.uris: meet.example.org:3478");
    assert_refused("stun:meet.example.org", "north", "3600", "turn.uris: stun:meet.example.org");
    assert_refused(UDP, "", "3600", "turn.uris is set, turn.secret is not");
    assert_refused(UDP, "north", "5", "turn.ttl_s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_participant_gets_what_a_browser_takes),
        cmocka_unit_test(no_uris_means_no_relays),
        cmocka_unit_test(settings_that_cannot_work_are_refused_by_name),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
