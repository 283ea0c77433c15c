// SPDX-License-Identifier: MIT
// Where a setting comes from, which source wins, and that nothing unknown runs silently.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"

static char *path;

static int clear(void **state)
{
    (void)state;
    g_unsetenv("PARLEY_GATEWAY_PORT");
    g_unsetenv("PARLEY_SUITE_SECRET");
    g_unsetenv("PARLEY_SUITE_SECRET_FILE");
    if (path != NULL)
        g_unlink(path);
    g_clear_pointer(&path, g_free);
    return 0;
}

static const char *write_file(const char *text)
{
    if (path != NULL)
        g_unlink(path);
    g_clear_pointer(&path, g_free);
    int fd = g_file_open_tmp("parley-config-XXXXXX", &path, NULL);
    assert_true(fd >= 0);
    close(fd);
    assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

// With up to three arguments after the program's name; what is left of them goes to `rest`.
static Config *read_config(const char *a, const char *b, char **rest, GError **error)
{
    static char *line[4];
    int argc = 1 + (a != NULL) + (b != NULL);
    char **argv = line;
    line[0] = (char *)"parley-test";
    line[1] = (char *)a;
    line[2] = (char *)b;
    line[3] = NULL;
    Config *config = config_new(&argc, &argv, error);
    if (rest != NULL)
        *rest = argc > 1 ? argv[1] : NULL;
    return config;
}

static void without_any_source_defaults_hold(void **state)
{
    (void)state;
    g_autoptr(Config) config = read_config(NULL, NULL, NULL, NULL);
    assert_string_equal(config_text(config, CONFIG_GATEWAY_PORT), "8080");
    assert_string_equal(config_text(config, CONFIG_SUITE_SECRET), "");
}

static void flag_wins_over_environment_over_file(void **state)
{
    (void)state;
    g_autofree char *file =
        g_strconcat("--config=", write_file("[gateway]\nport=1\nlisten=::\n"), NULL);
    g_autoptr(Config) from_file = read_config(file, NULL, NULL, NULL);
    assert_string_equal(config_text(from_file, CONFIG_GATEWAY_PORT), "1");
    g_setenv("PARLEY_GATEWAY_PORT", "2", TRUE);
    g_autoptr(Config) from_environment = read_config(file, NULL, NULL, NULL);
    assert_string_equal(config_text(from_environment, CONFIG_GATEWAY_PORT), "2");
    assert_string_equal(config_text(from_environment, CONFIG_GATEWAY_LISTEN), "::");
    g_autoptr(Config) from_flag = read_config("--gateway.port=3", file, NULL, NULL);
    assert_string_equal(config_text(from_flag, CONFIG_GATEWAY_PORT), "3");
}

static void the_file_may_be_a_word_of_its_own(void **state)
{
    (void)state;
    g_autoptr(Config) config =
        read_config("--config", write_file("[gateway]\nport=5\n"), NULL, NULL);
    assert_string_equal(config_text(config, CONFIG_GATEWAY_PORT), "5");
}

static void a_programs_own_flags_stay(void **state)
{
    char *rest = NULL;
    (void)state;
    g_autoptr(Config) config = read_config("--gateway.port=3", "--out=a.txt", &rest, NULL);
    assert_non_null(config);
    assert_string_equal(rest, "--out=a.txt");
}

static void expect_error(const char *a, const char *b, const char *words)
{
    g_autoptr(GError) error = NULL;
    assert_null(read_config(a, b, NULL, &error));
    assert_non_null(error);
    if (strstr(error->message, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error->message, words);
}

static void what_is_unknown_is_an_error_that_names_it(void **state)
{
    (void)state;
    expect_error("--gateway.prot=1", NULL, "gateway.prot");
    expect_error("--gateway.port", NULL, "--gateway.port");
    expect_error("--config", NULL, "--config");
    expect_error("--config=/no/such/file", NULL, "/no/such/file");
    expect_error("--config", write_file("[gateway]\nprot=1\n"), "gateway.prot");
    expect_error("--config", write_file("no section"), "/parley-config-");
}

static void a_secret_may_come_from_a_file(void **state)
{
    (void)state;
    g_setenv("PARLEY_SUITE_SECRET_FILE", write_file("hidden\nmore\n"), TRUE);
    g_autoptr(Config) config = read_config(NULL, NULL, NULL, NULL);
    assert_string_equal(config_text(config, CONFIG_SUITE_SECRET), "hidden");
    g_setenv("PARLEY_SUITE_SECRET", "plain", TRUE);
    g_autoptr(Config) plain = read_config(NULL, NULL, NULL, NULL);
    assert_string_equal(config_text(plain, CONFIG_SUITE_SECRET), "plain");
}

static void numbers_are_whole_and_in_range(void **state)
{
    static const char *const bad[] = {"", "x", "0", "65536", "1.5", "10 ", "0x10"};
    gint64 number = -1;
    (void)state;
    g_autoptr(Config) config = read_config(NULL, NULL, NULL, NULL);
    assert_true(config_number(config, CONFIG_GATEWAY_PORT, 1, 65535, &number, NULL));
    assert_int_equal(number, 8080);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        config_set(config, CONFIG_GATEWAY_PORT, bad[i]);
        assert_false(config_number(config, CONFIG_GATEWAY_PORT, 1, 65535, &number, &error));
        assert_non_null(strstr(error->message, "gateway.port"));
    }
    assert_int_equal(number, 8080);
}

static void flags_are_read_in_three_spellings(void **state)
{
    static const char *const yes[] = {"true", "Yes", "1"}, *const no[] = {"false", "NO", "0"};
    gboolean on = FALSE;
    (void)state;
    g_autoptr(Config) config = read_config(NULL, NULL, NULL, NULL);
    for (guint i = 0; i < 3; i++) {
        config_set(config, CONFIG_GATEWAY_OPEN_TAKEOVER, yes[i]);
        assert_true(config_flag(config, CONFIG_GATEWAY_OPEN_TAKEOVER, &on, NULL) && on);
        config_set(config, CONFIG_GATEWAY_OPEN_TAKEOVER, no[i]);
        assert_true(config_flag(config, CONFIG_GATEWAY_OPEN_TAKEOVER, &on, NULL) && !on);
    }
    config_set(config, CONFIG_GATEWAY_OPEN_TAKEOVER, "maybe");
    assert_false(config_flag(config, CONFIG_GATEWAY_OPEN_TAKEOVER, &on, NULL));
}

static void lists_are_trimmed(void **state)
{
    (void)state;
    g_autoptr(Config) config = read_config(NULL, NULL, NULL, NULL);
    config_set(config, CONFIG_MEDIA_LISTEN, " 10.0.0.1 , ,::1,");
    g_auto(GStrv) list = config_list(config, CONFIG_MEDIA_LISTEN);
    assert_int_equal(g_strv_length(list), 2);
    assert_string_equal(list[0], "10.0.0.1");
    assert_string_equal(list[1], "::1");
}

static void the_sample_is_a_file_that_can_be_read(void **state)
{
    (void)state;
    g_autofree char *sample = config_sample();
    g_autoptr(GString) live = g_string_new(sample);
    g_string_replace(live, "\n#", "\n", 0);  // every setting in force
    g_string_replace(live, "\n ", "\n#", 0); // sentences
    g_autoptr(Config) config = read_config("--config", write_file(live->str), NULL, NULL);
    assert_non_null(config);
    assert_string_equal(config_text(config, CONFIG_BUS_PUBLISH), "tcp://127.0.0.1:5550");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_any_source_defaults_hold, clear, clear),
        cmocka_unit_test_setup_teardown(flag_wins_over_environment_over_file, clear, clear),
        cmocka_unit_test_setup_teardown(the_file_may_be_a_word_of_its_own, clear, clear),
        cmocka_unit_test_setup_teardown(a_programs_own_flags_stay, clear, clear),
        cmocka_unit_test_setup_teardown(what_is_unknown_is_an_error_that_names_it, clear, clear),
        cmocka_unit_test_setup_teardown(a_secret_may_come_from_a_file, clear, clear),
        cmocka_unit_test_setup_teardown(numbers_are_whole_and_in_range, clear, clear),
        cmocka_unit_test_setup_teardown(flags_are_read_in_three_spellings, clear, clear),
        cmocka_unit_test_setup_teardown(lists_are_trimmed, clear, clear),
        cmocka_unit_test_setup_teardown(the_sample_is_a_file_that_can_be_read, clear, clear),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
