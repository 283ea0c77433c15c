// SPDX-License-Identifier: MIT
// The command line: defaults that do something, URLs of all kinds, and what is refused.
#include "load/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static Options *parse(const char *line)
{
    g_autofree char *whole = g_strconcat("parley-load ", line, NULL);
    g_auto(GStrv) words = g_strsplit(whole, " ", -1);
    int count = (int)g_strv_length(words) - (*line == '\0');
    g_autofree char **argv = g_memdup2(words, sizeof(char *) * (g_strv_length(words) + 1));
    char **arguments = argv;
    g_autoptr(GError) error = NULL;
    Options *options = options_new(&count, &arguments, &error);
    assert_true((options == NULL) == (error != NULL));
    return options;
}

static void without_options_it_does_something(void **state)
{
    (void)state;
    g_autoptr(Options) options = parse("");
    assert_non_null(options);
    assert_string_equal(options->address, "127.0.0.1");
    assert_int_equal(options->port, 8080);
    assert_string_equal(options->path, "/ws");
    assert_int_equal(options->publishers, 1);
    assert_int_equal(options->subscribers, 3);
    assert_int_equal(options->participants, 0);
}

static void what_is_asked_for_is_all_that_comes(void **state)
{
    (void)state;
    g_autoptr(Options) options = parse("--participants 4 --rooms 2 --duration 0");
    assert_int_equal(options->participants, 4);
    assert_int_equal(options->publishers + options->subscribers, 0);
    g_autofree char *second = options_room_name(options, 1);
    assert_string_equal(second, "load-2");
}

static void urls_of_all_kinds_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *url, *address, *host, *path;
        guint port;
        gboolean tls;
    } table[] = {{"ws://a.example", "a.example", "a.example:80", "/ws", 80, FALSE},
                 {"wss://a.example/", "a.example", "a.example:443", "/ws", 443, TRUE},
                 {"wss://a.example:9/x/ws", "a.example", "a.example:9", "/x/ws", 9, TRUE},
                 {"ws://[::1]:8080/ws", "::1", "[::1]:8080", "/ws", 8080, FALSE}};
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *line = g_strconcat("--url ", table[i].url, NULL);
        g_autoptr(Options) options = parse(line);
        assert_string_equal(options->address, table[i].address);
        assert_string_equal(options->host, table[i].host);
        assert_string_equal(options->path, table[i].path);
        assert_int_equal(options->port, table[i].port);
        assert_int_equal(options->tls, table[i].tls);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "--url http://a/ws", "--url nothing",       "--url ws:///ws", "--rooms 0",
        "--rooms 5",         "--publishers x",      "--publishers 0", "--rate 0",
        "--slots 17",        "--video-kbps -2",     "--max-loss 101", "--max-loss -1",
        "--room with/slash", "--subscribers 20000", "--duration -1",  "more",
        "--no-such-option"};
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        assert_null(parse(table[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_it_does_something),
        cmocka_unit_test(what_is_asked_for_is_all_that_comes),
        cmocka_unit_test(urls_of_all_kinds_are_understood),
        cmocka_unit_test(nonsense_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
