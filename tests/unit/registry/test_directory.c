// SPDX-License-Identifier: MIT
// What is registered, by whom, for how long: on plain data.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "common/limits.h"
#include "registry/directory.h"

#define SECOND G_TIME_SPAN_SECOND
#define H "hyperty://d/h"
#define ENTRY                                                                                      \
    "{\"url\":\"" H "\",\"user\":\"user://d/ann\",\"expires\":10,\"resources\":[\"chat\","         \
    "\"file\"],\"dataSchemes\":[\"comm\"]}"

static const DirectoryOwner ann = {"runtime:/ann", "user://d/ann"};
static const DirectoryOwner eve = {"runtime:/eve", "guest://d/eve"};

typedef struct {
    Directory *directory;
    GString *told; // "<url>=<status> "
} Fixture;

static void on_status(const char *url, const char *status, gpointer user)
{
    g_string_append_printf(((Fixture *)user)->told, "%s=%s ", url, status);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->directory = directory_new(on_status, fixture);
    fixture->told = g_string_new(NULL);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    directory_free(fixture->directory);
    g_string_free(fixture->told, TRUE);
    g_free(fixture);
    return 0;
}

static Json *parse(const char *text)
{
    Json *json = json_parse_bytes((const guint8 *)text, strlen(text));
    assert_non_null(json);
    return json;
}

static Refusal put(Fixture *fixture, const char *text, const DirectoryOwner *owner, gint64 now_us)
{
    g_autoptr(Json) value = parse(text);
    return directory_put(fixture->directory, value, owner, now_us);
}

static void assert_told(Fixture *fixture, const char *expected)
{
    assert_string_equal(fixture->told->str, expected);
    g_string_truncate(fixture->told, 0);
}

static guint found(const Fixture *fixture, const char *resource, const char *criteria)
{
    g_autoptr(Json) json = criteria != NULL ? parse(criteria) : NULL;
    g_autoptr(Json) all = json_new_object();
    directory_search(fixture->directory, resource, json, all);
    return json_size(all);
}

static const char *status(const Fixture *fixture)
{
    return json_get_text(directory_value(fixture->directory, H), "status");
}

static void an_entry_is_found_by_what_it_says_of_itself(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(put(fixture, ENTRY, &ann, 0), MSG__REFUSAL__REASON__none);
    assert_int_equal(found(fixture, H, NULL), 1);
    assert_int_equal(found(fixture, "user://d/ann", NULL), 1);
    assert_int_equal(found(fixture, "/hyperty/user/user://d/ann", NULL), 1);
    assert_int_equal(found(fixture, ".", NULL), 1);
    assert_int_equal(found(fixture, "user://d/bob", NULL), 0);
    assert_told(fixture, H "=live ");
}

static void all_criteria_must_be_met(void **state)
{
    Fixture *fixture = *state;
    put(fixture, ENTRY, &ann, 0);
    assert_int_equal(found(fixture, H, "{\"resources\":[\"chat\"]}"), 1);
    assert_int_equal(found(fixture, H, "{\"resources\":[\"file\",\"chat\"]}"), 1);
    assert_int_equal(found(fixture, H, "{\"resources\":[\"chat\",\"audio\"]}"), 0);
    assert_int_equal(found(fixture, H, "{\"resources\":\"chat\",\"user\":\"user://d/ann\"}"), 1);
    assert_int_equal(found(fixture, H, "{\"resources\":[\"chat\"],\"reporter\":\"x\"}"), 0);
    assert_int_equal(found(fixture, H, "{\"resources\":[7]}"), 0);
}

static void what_makes_no_sense_is_not_registered(void **state)
{
    static const struct {
        const char *text;
        Refusal refusal;
    } rows[] = {
        {"{}", MSG__REFUSAL__REASON__malformed},
        {"{\"url\":7}", MSG__REFUSAL__REASON__malformed},
        {"{\"url\":\"a b\"}", MSG__REFUSAL__REASON__bad_address},
        {"{\"url\":\"hyperty://d/x\",\"status\":\"merry\"}", MSG__REFUSAL__REASON__malformed}};
    Fixture *fixture = *state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_int_equal(put(fixture, rows[i].text, &ann, 0), rows[i].refusal);
    g_autofree char *large = g_strnfill(LIMIT_ENTRY, 'x');
    g_autofree char *text = g_strdup_printf("{\"url\":\"hyperty://d/x\",\"y\":\"%s\"}", large);
    assert_int_equal(put(fixture, text, &ann, 0), MSG__REFUSAL__REASON__too_large);
    assert_int_equal(directory_count(fixture->directory), 0);
    assert_told(fixture, "");
}

static void a_lease_ends_unless_renewed(void **state)
{
    Fixture *fixture = *state;
    put(fixture, ENTRY, &ann, 0);
    directory_expire(fixture->directory, 9 * SECOND);
    assert_int_equal(directory_renew(fixture->directory, H, NULL, &ann, 9 * SECOND),
                     MSG__REFUSAL__REASON__none);
    directory_expire(fixture->directory, 18 * SECOND);
    assert_int_equal(found(fixture, H, NULL), 1);
    directory_expire(fixture->directory, 19 * SECOND);
    assert_int_equal(found(fixture, H, NULL), 0);
    assert_told(fixture, H "=live " H "=dead ");
    assert_int_equal(directory_renew(fixture->directory, H, NULL, &ann, 20 * SECOND),
                     MSG__REFUSAL__REASON__no_such_object);
}

static void an_owner_is_known_by_runtime_or_identity(void **state)
{
    static const DirectoryOwner owners[] = {{"runtime:/ann", NULL},
                                            {"runtime:/other", "user://d/ann"}};
    Fixture *fixture = *state;
    put(fixture, ENTRY, &ann, 0);
    for (guint i = 0; i < G_N_ELEMENTS(owners); i++)
        assert_int_equal(directory_renew(fixture->directory, H, NULL, &owners[i], 0),
                         MSG__REFUSAL__REASON__none);
    g_autoptr(Json) dead = json_new_text("dead");
    assert_int_equal(put(fixture, ENTRY, &eve, 0), MSG__REFUSAL__REASON__not_owner);
    assert_int_equal(directory_set(fixture->directory, H, "status", dead, &eve),
                     MSG__REFUSAL__REASON__not_owner);
    assert_int_equal(directory_remove(fixture->directory, H, &eve),
                     MSG__REFUSAL__REASON__not_owner);
    assert_int_equal(directory_remove(fixture->directory, "user://d/ann", &eve),
                     MSG__REFUSAL__REASON__not_owner);
    assert_int_equal(directory_remove(fixture->directory, "user://d/ann", &ann),
                     MSG__REFUSAL__REASON__none);
    assert_int_equal(directory_remove(fixture->directory, H, &ann),
                     MSG__REFUSAL__REASON__no_such_object);
}

static void a_lost_runtime_is_disconnected_and_live_again(void **state)
{
    Fixture *fixture = *state;
    put(fixture, ENTRY, &ann, 0);
    g_string_truncate(fixture->told, 0);
    directory_runtime(fixture->directory, "runtime:/eve", FALSE);
    directory_runtime(fixture->directory, "runtime:/ann", FALSE);
    directory_runtime(fixture->directory, "runtime:/ann", FALSE);
    assert_told(fixture, H "=disconnected ");
    directory_runtime(fixture->directory, "runtime:/ann", TRUE);
    assert_told(fixture, H "=live ");
}

static void what_an_owner_says_of_itself_stands_when_it_is_connected(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Json) away = json_new_text("disconnected");
    put(fixture, ENTRY, &ann, 0);
    directory_set(fixture->directory, H, "status", away, &ann);
    directory_runtime(fixture->directory, "runtime:/ann", TRUE);
    assert_string_equal(status(fixture), "disconnected");
    g_autoptr(Json) live = parse("{\"status\":\"live\",\"url\":\"hyperty://d/other\"}");
    directory_renew(fixture->directory, H, live, &ann, 0);
    assert_string_equal(status(fixture), "live");
    assert_string_equal(json_get_text(directory_value(fixture->directory, H), "url"), H);
}

static void the_dead_are_not_found(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Json) dead = json_new_text("dead");
    put(fixture, ENTRY, &ann, 0);
    directory_set(fixture->directory, H, "status", dead, &ann);
    assert_int_equal(found(fixture, H, NULL), 0);
    directory_runtime(fixture->directory, "runtime:/ann", FALSE);
    assert_string_equal(status(fixture), "dead");
}

static void a_record_brings_an_entry_back(void **state)
{
    Fixture *fixture = *state;
    put(fixture, ENTRY, &ann, 0);
    directory_runtime(fixture->directory, "runtime:/ann", FALSE);
    g_autoptr(GList) unstored = directory_unstored(fixture->directory);
    assert_int_equal(g_list_length(unstored), 1);
    g_autoptr(Json) record = directory_record(fixture->directory, H);
    directory_set_stored(fixture->directory);
    assert_false(directory_is_unstored(fixture->directory));
    g_autoptr(Directory) other = directory_new(on_status, fixture);
    assert_true(directory_restore(other, record, 100 * SECOND));
    assert_false(directory_restore(other, record, 100 * SECOND));
    assert_false(directory_restore(other, NULL, 100 * SECOND));
    assert_false(directory_is_unstored(other));
    directory_expire(other, 109 * SECOND);
    g_string_truncate(fixture->told, 0);
    directory_runtime(other, "runtime:/ann", TRUE);
    assert_told(fixture, H "=live ");
    assert_int_equal(directory_renew(other, H, NULL, &ann, 0), MSG__REFUSAL__REASON__none);
}

static void one_runtime_has_only_so_many(void **state)
{
    Fixture *fixture = *state;
    for (guint i = 0; i <= LIMIT_ENTRIES_OF_ONE; i++) {
        g_autofree char *text = g_strdup_printf("{\"url\":\"hyperty://d/%u\"}", i);
        assert_int_equal(put(fixture, text, &ann, 0), i < LIMIT_ENTRIES_OF_ONE
                                                          ? MSG__REFUSAL__REASON__none
                                                          : MSG__REFUSAL__REASON__too_many);
    }
    assert_int_equal(put(fixture, "{\"url\":\"hyperty://d/0\"}", &ann, 0),
                     MSG__REFUSAL__REASON__none);
    assert_int_equal(put(fixture, ENTRY, &eve, 0), MSG__REFUSAL__REASON__none);
    assert_int_equal(found(fixture, ".", NULL), LIMIT_ENTRIES_FOUND);
}

int main(void)
{
#define DIRECTORY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(an_entry_is_found_by_what_it_says_of_itself),
        DIRECTORY_TEST(all_criteria_must_be_met),
        DIRECTORY_TEST(what_makes_no_sense_is_not_registered),
        DIRECTORY_TEST(a_lease_ends_unless_renewed),
        DIRECTORY_TEST(an_owner_is_known_by_runtime_or_identity),
        DIRECTORY_TEST(a_lost_runtime_is_disconnected_and_live_again),
        DIRECTORY_TEST(what_an_owner_says_of_itself_stands_when_it_is_connected),
        DIRECTORY_TEST(the_dead_are_not_found),
        DIRECTORY_TEST(a_record_brings_an_entry_back),
        DIRECTORY_TEST(one_runtime_has_only_so_many),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
