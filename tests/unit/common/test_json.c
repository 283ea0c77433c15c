// SPDX-License-Identifier: MIT
// JSON with bounds: what a stranger may send, what he may not, and paths as reTHINK uses them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "common/json.h"
#include "common/limits.h"

static Json *parse(const char *text)
{
    return json_parse(text, strlen(text), 1000, NULL);
}

static void assert_refused(const char *text, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) json = json_parse(text, strlen(text), 100, &error);
    assert_null(json);
    assert_non_null(error);
    if (strstr(error->message, words) == NULL)
        fail_msg("%s: %s", text, error->message);
}

static void assert_prints(const Json *json, const char *text)
{
    g_autofree char *printed = json_print(json, NULL);
    assert_string_equal(printed, text);
}

static void what_is_no_json_is_refused_with_words(void **state)
{
    (void)state;
    assert_refused("", "");
    assert_refused("{\"a\":1} x", "end of file expected");
    assert_refused("{\"a\":1,\"a\":2}", "duplicate");
    assert_refused("\"\\u0000\"", "NUL");
    assert_refused("{\"a\\u0000b\":1}", "NUL");
    assert_refused("\"\\ud800\"", "Unicode");
    assert_refused("\"\xff\"", "UTF-8 at byte 1");
    assert_refused("\"\xc0\xaf\"", "UTF-8");
    assert_refused("9223372036854775808", "too big");
    assert_refused("1e999", "overflow");
    assert_refused("nan", "");
    assert_refused("[1,]", "");
}

static char *nested(guint levels)
{
    g_autofree char *open = g_strnfill(levels, '[');
    g_autofree char *closed = g_strnfill(levels, ']');
    return g_strconcat(open, "0", closed, NULL);
}

static void size_and_depth_are_bounded(void **state)
{
    (void)state;
    g_autofree char *wide = g_strnfill(101, ' ');
    assert_refused(wide, "longer than 100 bytes");
    g_autofree char *deep = g_strnfill(80, '[');
    g_autofree char *deepest = nested(LIMIT_JSON_DEPTH);
    g_autofree char *deeper = nested(LIMIT_JSON_DEPTH + 1);
    assert_refused(deep, "deeper than 16");
    assert_refused(deeper, "deeper than 16");
    g_autoptr(Json) fits = parse(deepest);
    assert_non_null(fits);
    g_autoptr(Json) brackets_in_text = parse("\"[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[\"");
    assert_non_null(brackets_in_text);
}

static void any_value_survives_parsing_and_printing(void **state)
{
    (void)state;
    static const char *const texts[] = {"null",
                                        "true",
                                        "0",
                                        "-9223372036854775808",
                                        "\"\"",
                                        "1.5",
                                        "[]",
                                        "{}",
                                        "{\"b\":1,\"a\":[null,\"\xc3\xa4\"]}",
                                        "\"\\u0001\\\"\\\\\"",
                                        "1e300"};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Json) json = parse(texts[i]);
        assert_non_null(json);
        g_autofree char *printed = json_print(json, NULL);
        g_autoptr(Json) again = parse(printed);
        assert_true(json_equals(json, again));
    }
}

static void canonical_text_sorts_keys_by_bytes(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse("{\"b\": 1, \"a\": {\"\xc3\xa4\": 2, \"z\": 3, \"Z\": [ ]}}");
    g_autofree char *text = json_print_canonical(json, NULL);
    assert_string_equal(text, "{\"a\":{\"Z\":[],\"z\":3,\"\xc3\xa4\":2},\"b\":1}");
    g_autoptr(Json) empty = json_new_object();
    g_autofree char *hash = json_hash(empty);
    assert_string_equal(hash, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

static void a_reader_of_the_wrong_kind_gets_the_fallback(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse("{\"n\":1,\"t\":\"x\",\"b\":true,\"r\":1.5,\"z\":null}");
    assert_int_equal(json_get_number(json, "t", -1), -1);
    assert_int_equal(json_get_number(json, "n", -1), 1);
    assert_null(json_get_text(json, "n"));
    assert_null(json_get_text(json, "absent"));
    assert_true(json_truth(json_get(json, "b"), FALSE));
    assert_true(json_truth(json_get(json, "n"), TRUE));
    assert_true(json_real(json_get(json, "r"), 0) == 1.5);
    assert_true(json_is_nothing(json_get(json, "z")));
    assert_false(json_is_nothing(NULL));
    assert_false(json_is_object(NULL) || json_is_array(NULL) || json_is_text(NULL));
    assert_null(json_get(NULL, "a"));
    assert_int_equal(json_size(NULL), 0);
}

static void a_path_makes_what_lies_between(void **state)
{
    (void)state;
    g_autoptr(Json) json = json_new_object();
    g_autoptr(Json) one = json_new_number(1);
    assert_true(json_set_path(json, "participants.p1.number", one));
    assert_prints(json, "{\"participants\":{\"p1\":{\"number\":1}}}");
    assert_int_equal(json_number(json_get_path(json, "participants.p1.number"), 0), 1);
    assert_true(json_get_path(json, "") == json);
    assert_null(json_get_path(json, "participants.p2.number"));
    assert_true(json_set_path(json, "participants.p1", NULL));
    assert_true(json_set_path(json, "nothing.there", NULL));
    assert_prints(json, "{\"participants\":{}}");
}

static void a_path_that_cannot_be_set_changes_nothing(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse("{\"a\":[1],\"t\":\"x\"}");
    g_autoptr(Json) one = json_new_number(1);
    g_autofree char *deep = g_strdup("x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x");
    static const char *const bad[] = {"", ".", "a.0", "t.x", "a..b", ".a", "a.", "b..c"};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(json_set_path(json, bad[i], one));
    assert_false(json_set_path(json, deep, one));
    assert_false(json_set_path(one, "a", one));
    assert_prints(json, "{\"a\":[1],\"t\":\"x\"}");
}

static void a_changed_tree_leaves_the_old_one_alone(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse("{\"a\":{\"b\":1,\"c\":{}},\"t\":\"x\"}");
    g_autoptr(Json) two = json_new_number(2);
    g_autoptr(Json) set = json_with_path(json, "a.d.e", two);
    assert_prints(set, "{\"a\":{\"b\":1,\"c\":{},\"d\":{\"e\":2}},\"t\":\"x\"}");
    assert_true(json_get_path(set, "a.c") == json_get_path(json, "a.c"));
    g_autoptr(Json) without = json_with_path(set, "a.b", NULL);
    assert_prints(without, "{\"a\":{\"c\":{},\"d\":{\"e\":2}},\"t\":\"x\"}");
    g_autoptr(Json) same = json_with_path(json, "x.y.z", NULL);
    assert_prints(same, "{\"a\":{\"b\":1,\"c\":{}},\"t\":\"x\"}");
    assert_null(json_with_path(json, "t.x", two));
    assert_null(json_with_path(json, "t.x", NULL));
    assert_null(json_with_path(json, "", two));
    assert_prints(json, "{\"a\":{\"b\":1,\"c\":{}},\"t\":\"x\"}");
}

static void setters_take_a_reference_of_their_own(void **state)
{
    (void)state;
    g_autoptr(Json) json = json_new_object();
    g_autoptr(Json) list = json_new_array();
    g_autoptr(Json) text = json_new_text("a");
    json_append(list, text);
    json_set(json, "list", list);
    json_set(json, "none", NULL);
    json_set_text(json, "absent", NULL);
    json_set_text(json, "text", "t\xff");
    json_set_number(json, "number", 7);
    json_set_bool(json, "flag", TRUE);
    g_autoptr(Json) copy = json_copy(json);
    json_remove(json, "list");
    assert_prints(copy, "{\"list\":[\"a\"],\"text\":\"t\xef\xbf\xbd\",\"number\":7,\"flag\":true}");
    json_merge(json, copy);
    assert_string_equal(json_text(json_at(json_get(json, "list"), 0)), "a");
    assert_null(json_at(list, 1));
}

static void doubles_that_json_lacks_become_null(void **state)
{
    (void)state;
    g_autoptr(Json) nan = json_new_double((double)NAN);
    g_autoptr(Json) half = json_new_double(0.5);
    assert_true(json_is_nothing(nan));
    assert_true(json_is_number(half) && !json_is_whole(half));
}

static void checked_bytes_may_have_been_wrapped(void **state)
{
    (void)state;
    g_autofree char *deep = nested(2 * LIMIT_JSON_DEPTH);
    g_autoptr(Json) json = json_parse_bytes((const guint8 *)deep, strlen(deep));
    assert_non_null(json);
    assert_null(json_parse_bytes(NULL, 0));
    assert_null(json_parse_bytes((const guint8 *)"{", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json_is_refused_with_words),
        cmocka_unit_test(size_and_depth_are_bounded),
        cmocka_unit_test(any_value_survives_parsing_and_printing),
        cmocka_unit_test(canonical_text_sorts_keys_by_bytes),
        cmocka_unit_test(a_reader_of_the_wrong_kind_gets_the_fallback),
        cmocka_unit_test(a_path_makes_what_lies_between),
        cmocka_unit_test(a_path_that_cannot_be_set_changes_nothing),
        cmocka_unit_test(a_changed_tree_leaves_the_old_one_alone),
        cmocka_unit_test(setters_take_a_reference_of_their_own),
        cmocka_unit_test(doubles_that_json_lacks_become_null),
        cmocka_unit_test(checked_bytes_may_have_been_wrapped),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
