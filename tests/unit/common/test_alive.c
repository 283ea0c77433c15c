// SPDX-License-Identifier: MIT
// The file by whose age a health check knows that a process is well.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <time.h>

#include "common/alive.h"

typedef struct {
    char *folder, *path;
} Place;

static int make(void **state)
{
    Place *place = g_new0(Place, 1);
    place->folder = g_dir_make_tmp("parley-alive-XXXXXX", NULL);
    place->path = g_build_filename(place->folder, "alive", NULL);
    *state = place;
    return place->folder != NULL ? 0 : -1;
}

static int destroy(void **state)
{
    Place *place = *state;
    g_unlink(place->path);
    g_rmdir(place->folder);
    g_free(place->path);
    g_free(place->folder);
    g_free(place);
    return 0;
}

static gint64 age_s(const char *path)
{
    GStatBuf status;
    assert_int_equal(g_stat(path, &status), 0);
    return (gint64)time(NULL) - status.st_mtime;
}

static void a_file_that_was_never_touched_is_old(void **state)
{
    const Place *place = *state;
    g_autoptr(Alive) alive = NULL;
    assert_true(alive_open(place->path, &alive, NULL));
    assert_true(age_s(place->path) > 1000000);
}

static void a_touch_makes_it_young(void **state)
{
    const Place *place = *state;
    g_autoptr(Alive) alive = NULL;
    assert_true(alive_open(place->path, &alive, NULL));
    alive_touch(alive);
    assert_in_range(age_s(place->path) + 1, 0, 3);
}

static void whoever_comes_first_keeps_it(void **state)
{
    const Place *place = *state;
    g_autoptr(Alive) first = NULL;
    g_autoptr(Alive) second = NULL;
    assert_true(alive_open(place->path, &first, NULL));
    assert_true(alive_open(place->path, &second, NULL));
    assert_non_null(first);
    assert_null(second);
    alive_touch(second);
    assert_true(age_s(place->path) > 1000000);
    g_clear_pointer(&first, alive_free);
    assert_true(alive_open(place->path, &second, NULL));
    assert_non_null(second);
}

static void no_path_means_no_file(void **state)
{
    (void)state;
    g_autoptr(Alive) alive = NULL;
    assert_true(alive_open("", &alive, NULL));
    assert_null(alive);
    alive_touch(alive);
}

static void a_path_that_cannot_be_is_an_error_that_names_the_setting(void **state)
{
    (void)state;
    g_autoptr(Alive) alive = NULL;
    g_autoptr(GError) error = NULL;
    assert_false(alive_open("/proc/nowhere/alive", &alive, &error));
    assert_true(g_str_has_prefix(error->message, "suite.alive_file: /proc/nowhere/alive: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_that_was_never_touched_is_old, make, destroy),
        cmocka_unit_test_setup_teardown(a_touch_makes_it_young, make, destroy),
        cmocka_unit_test_setup_teardown(whoever_comes_first_keeps_it, make, destroy),
        cmocka_unit_test(no_path_means_no_file),
        cmocka_unit_test(a_path_that_cannot_be_is_an_error_that_names_the_setting),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
