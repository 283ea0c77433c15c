// SPDX-License-Identifier: MIT
// Data objects: what a reporter changes and an observer applies ends equal in version, chain and
// data; the log gives back what somebody lacks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "common/limits.h"
#include "common/sync_object.h"

#define URL "comm://localhost/demo-3fa9c1d2"

static Json *parse(const char *text)
{
    Json *json = json_parse(text, strlen(text), 10000, NULL);
    assert_non_null(json);
    return json;
}

static SyncObject *new_object(void)
{
    return sync_object_new(URL, "schema", "hyperty://localhost/conference", 0, NULL);
}

static SyncChange *change(SyncObject *object, const char *attribute, const char *text)
{
    g_autoptr(Json) value = text != NULL ? parse(text) : NULL;
    return sync_object_change(object, attribute, value, NULL);
}

static void assert_data(const SyncObject *object, const char *text)
{
    g_autofree char *printed = json_print_canonical(sync_object_data(object), NULL);
    assert_string_equal(printed, text);
}

static void assert_equal_objects(const SyncObject *a, const SyncObject *b)
{
    assert_int_equal(sync_object_version(a), sync_object_version(b));
    assert_string_equal(sync_object_chain(a), sync_object_chain(b));
    g_autofree char *hash_a = json_hash(sync_object_data(a));
    g_autofree char *hash_b = json_hash(sync_object_data(b));
    assert_string_equal(hash_a, hash_b);
}

// A change as it arrives from a message.
static SyncChange *update(guint64 version, const char *attribute, const char *kind,
                          const char *operation, const char *value)
{
    Msg__Body *body = g_new(Msg__Body, 1);
    msg__body__init(body);
    body->has_version = TRUE;
    body->version = version;
    body->attribute = g_strdup(attribute);
    body->attributetype = g_strdup(kind);
    body->operation = g_strdup(operation);
    body->has_value = value != NULL;
    if (value != NULL)
        body->value = (ProtobufCBinaryData){strlen(value), (uint8_t *)g_strdup(value)};
    return sync_change_new(body, version - 1);
}

static void an_observer_ends_where_the_reporter_is(void **state)
{
    (void)state;
    g_autoptr(SyncObject) reporter = new_object();
    g_autoptr(SyncObject) observer = new_object();
    static const char *const changes[][2] = {
        {"status", "\"open\""},
        {"participants.p1", "{\"number\":1,\"name\":\"\xc3\xa4\"}"},
        {"participants.p2", "{\"number\":2}"},
        {"participants.p1.status", "null"},
        {"participants.p2", NULL},
        {"participants.p3", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        SyncChange *made = change(reporter, changes[i][0], changes[i][1]);
        assert_non_null(made);
        assert_int_equal(made->version, i + 1);
        assert_int_equal(sync_object_apply(observer, made), SYNC_APPLIED);
    }
    assert_equal_objects(reporter, observer);
    assert_data(observer,
                "{\"participants\":{\"p1\":{\"name\":\"\xc3\xa4\",\"number\":1,\"status\":"
                "null}},\"status\":\"open\"}");
}

static void the_chain_is_the_documented_hash(void **state)
{
    (void)state;
    g_autoptr(SyncLog) log = sync_log_new("url", 0);
    // sha256("url")
    assert_string_equal(sync_log_chain(log), "28e5ebabd9d8f6e237df63da2b503785");
    g_autoptr(SyncChange) first = update(1, "a.b", NULL, NULL, "5");
    sync_log_add(log, first);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(sum,
                      (const guchar *)"\x28\xe5\xeb\xab\xd9\xd8\xf6\xe2\x37\xdf\x63\xda\x2b\x50\x37"
                                      "\x85\0\0\0\0\0\0\0\1a.b\0\0"
                                      "5",
                      16 + 8 + 5 + 1);
    g_autofree char *wanted = g_strndup(g_checksum_get_string(sum), 32);
    assert_string_equal(sync_log_chain(log), wanted);
}

static void a_difference_anywhere_shows_in_the_chain(void **state)
{
    (void)state;
    static const char *const forms[][3] = {
        {"a", NULL, "1"},  {"a", NULL, "2"},    {"b", NULL, "1"},      {"a", "add", "1"},
        {"a", NULL, NULL}, {"a", NULL, "null"}, {"a", "remove", NULL}, {NULL, NULL, "{}"},
    };
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autoptr(SyncLog) log = sync_log_new(URL, 0);
        g_autoptr(SyncChange) one = update(1, forms[i][0], NULL, forms[i][1], forms[i][2]);
        g_autoptr(SyncChange) two = update(2, "same", NULL, NULL, "1");
        sync_log_add(log, one);
        sync_log_add(log, two);
        assert_true(g_hash_table_add(seen, g_strdup(sync_log_chain(log))));
    }
}

static void old_changes_and_gaps_are_told_apart(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    g_autoptr(SyncChange) one = update(1, "a", NULL, NULL, "1");
    g_autoptr(SyncChange) three = update(3, "a", NULL, NULL, "3");
    assert_int_equal(sync_object_apply(object, three), SYNC_GAP);
    assert_int_equal(sync_object_apply(object, one), SYNC_APPLIED);
    assert_int_equal(sync_object_apply(object, one), SYNC_OLD);
    assert_int_equal(sync_object_version(object), 1);
}

static void a_change_that_cannot_be_done_moves_the_version_alone(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    g_autoptr(SyncChange) text = update(1, "a", NULL, NULL, "\"x\"");
    g_autoptr(SyncChange) below = update(2, "a.b", NULL, NULL, "1");
    g_autoptr(SyncChange) whole = update(3, NULL, NULL, NULL, "7");
    g_autoptr(SyncChange) no_json = update(4, "a", NULL, NULL, "{");
    assert_int_equal(sync_object_apply(object, text), SYNC_APPLIED);
    assert_int_equal(sync_object_apply(object, below), SYNC_UNFIT);
    assert_int_equal(sync_object_apply(object, whole), SYNC_UNFIT);
    assert_int_equal(sync_object_apply(object, no_json), SYNC_UNFIT);
    assert_int_equal(sync_object_version(object), 4);
    assert_data(object, "{\"a\":\"x\"}");
}

static void a_reporter_cannot_make_an_impossible_change(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    assert_non_null(change(object, "a", "1"));
    assert_null(change(object, "a.b", "1"));
    assert_null(change(object, "x..y", "1"));
    assert_null(change(object, NULL, "[]"));
    assert_int_equal(sync_object_version(object), 1);
    assert_non_null(change(object, NULL, "{\"whole\":true}"));
    assert_data(object, "{\"whole\":true}");
}

static void data_do_not_grow_without_bound(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    g_autofree char *long_text = g_strnfill(100000, 'x');
    g_autoptr(Json) value = json_new_text(long_text);
    guint set = 0;
    for (guint i = 0; i < 40; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);
        set += sync_object_change(object, name, value, NULL) != NULL;
    }
    assert_int_equal(set, LIMIT_OBJECT_DATA / 100008);
    for (guint i = 0; i < 40; i++)
        assert_non_null(sync_object_change(object, "n0", value, NULL));
}

static void elements_of_lists_change_as_legacy_reporters_say(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    static const struct {
        const char *attribute, *operation, *value, *list;
    } table[] = {
        {"l", NULL, "[]", "[]"},
        {"l.0", "add", "[1,2]", "[1,2]"},
        {"l.1", "add", "9", "[1,9,2]"},
        {"l.3", "add", "[[3]]", "[1,9,2,[3]]"},
        {"l.1", "remove", "2", "[1,[3]]"},
        {"l.0", "update", "[7]", "[[7],[3]]"},
        {"l.1", "remove", "99999999999", "[[7]]"},
        {"l.0", "remove", "-1", "[[7]]"},
        {"l.5", "add", "1", NULL},
        {"l.x", "add", "1", NULL},
        {"l.0", "add", NULL, NULL},
        {"nothing.0", "add", "1", NULL},
        {"l", "add", "1", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(SyncChange) made = update(i + 1, table[i].attribute, i > 0 ? "array" : NULL,
                                            table[i].operation, table[i].value);
        SyncResult wanted = table[i].list != NULL ? SYNC_APPLIED : SYNC_UNFIT;
        assert_int_equal(sync_object_apply(object, made), wanted);
        if (table[i].list == NULL)
            continue;
        g_autofree char *text = json_print(json_get(sync_object_data(object), "l"), NULL);
        assert_string_equal(text, table[i].list);
    }
}

static void the_log_gives_what_is_missing(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    for (guint i = 0; i < LIMIT_CHANGES_KEPT + 10; i++)
        assert_non_null(change(object, "n", "1"));
    const SyncLog *log = sync_object_log(object);
    g_autoptr(GPtrArray) all = sync_log_since(log, 10);
    assert_int_equal(all->len, LIMIT_CHANGES_KEPT);
    assert_int_equal(((SyncChange *)all->pdata[0])->version, 11);
    g_autoptr(GPtrArray) none = sync_log_since(log, LIMIT_CHANGES_KEPT + 10);
    assert_int_equal(none->len, 0);
    assert_null(sync_log_since(log, 9));
    assert_null(sync_log_since(log, LIMIT_CHANGES_KEPT + 11));
}

static void a_log_may_skip_numbers(void **state)
{
    (void)state;
    g_autoptr(SyncLog) log = sync_log_new(URL, 0);
    g_autoptr(SyncChange) two = update(2, "a", NULL, NULL, "1");
    g_autoptr(SyncChange) five = update(5, "a", NULL, NULL, "2");
    two->previous = 0;
    five->previous = 2;
    sync_log_add(log, two);
    sync_log_add(log, five);
    g_autoptr(GPtrArray) since = sync_log_since(log, 2);
    assert_int_equal(since->len, 1);
    g_autoptr(GPtrArray) from_one = sync_log_since(log, 1); // nobody reported it: two was next
    g_autoptr(GPtrArray) from_three = sync_log_since(log, 3);
    assert_int_equal(from_one->len, 2);
    assert_int_equal(from_three->len, 1);
    assert_null(sync_log_since(log, 6));
    sync_log_restart(log, 9, "00112233445566778899aabbccddeeff");
    assert_string_equal(sync_log_chain(log), "00112233445566778899aabbccddeeff");
    assert_null(sync_log_since(log, 5));
}

static void a_log_of_large_changes_is_shorter(void **state)
{
    (void)state;
    g_autoptr(SyncLog) log = sync_log_new(URL, 0);
    g_autofree char *text = g_strdup_printf("\"%0100000d\"", 0);
    for (guint64 version = 1; version <= 20; version++) {
        g_autoptr(SyncChange) large = update(version, "a", NULL, NULL, text);
        sync_log_add(log, large);
    }
    g_autoptr(GPtrArray) since = sync_log_since(log, 20 - LIMIT_CHANGES_KEPT_BYTES / 100003);
    assert_non_null(since);
    assert_null(sync_log_since(log, 20 - LIMIT_CHANGES_KEPT_BYTES / 100003 - 1));
}

static void a_copy_goes_its_own_way(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    change(object, "participants.p1", "{\"number\":1}");
    sync_object_set_name(object, "demo");
    g_autoptr(SyncObject) copy = sync_object_copy(object);
    assert_equal_objects(object, copy);
    change(copy, "participants.p2", "{\"number\":2}");
    assert_data(object, "{\"participants\":{\"p1\":{\"number\":1}}}");
    assert_int_equal(sync_object_version(object), 1);
    assert_string_equal(sync_object_name(copy), "demo");
    g_autoptr(GPtrArray) beyond = sync_log_since(sync_object_log(copy), 1);
    assert_int_equal(beyond->len, 1);
}

static void a_snapshot_carries_everything(void **state)
{
    (void)state;
    g_autoptr(SyncObject) object = new_object();
    change(object, "status", "\"open\"");
    g_autoptr(Json) snapshot = sync_object_to_json(object);
    change(object, "status", "\"closed\"");
    assert_string_equal(json_get_text(json_get(snapshot, "data"), "status"), "open");
    static const char *const members[] = {"url",     "schema",  "name",         "reporter",
                                          "runtime", "created", "lastModified", "chain"};
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        assert_non_null(json_get_text(snapshot, members[i]));
    g_autoptr(Json) later = sync_object_to_json(object);
    json_set_text(later, "mutual", "kept");
    g_autoptr(SyncObject) other = sync_object_from_json(later, NULL);
    assert_equal_objects(object, other);
    g_autoptr(Json) again = sync_object_to_json(other);
    assert_true(json_equals(later, again));
}

static void what_is_no_snapshot_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[]",
        "{\"version\":1}",
        "{\"url\":\"a b\",\"version\":1}",
        "{\"url\":\"a\"}",
        "{\"url\":\"a\",\"version\":-1}",
        "{\"url\":\"a\",\"version\":\"1\"}",
        "{\"url\":\"a\",\"version\":1,\"data\":[]}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) json = parse(texts[i]);
        assert_null(sync_object_from_json(json, &error));
        assert_non_null(error);
    }
    assert_null(sync_object_from_json(NULL, NULL));
}

static void a_snapshot_of_a_client_needs_no_chain(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse("{\"url\":\"" URL "\",\"version\":3,\"chain\":\"zz\"}");
    g_autoptr(SyncObject) object = sync_object_from_json(json, NULL);
    g_autoptr(SyncLog) fresh = sync_log_new(URL, 3);
    assert_string_equal(sync_object_chain(object), sync_log_chain(fresh));
    assert_int_equal(sync_object_version(object), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_observer_ends_where_the_reporter_is),
        cmocka_unit_test(the_chain_is_the_documented_hash),
        cmocka_unit_test(a_difference_anywhere_shows_in_the_chain),
        cmocka_unit_test(old_changes_and_gaps_are_told_apart),
        cmocka_unit_test(a_change_that_cannot_be_done_moves_the_version_alone),
        cmocka_unit_test(a_reporter_cannot_make_an_impossible_change),
        cmocka_unit_test(data_do_not_grow_without_bound),
        cmocka_unit_test(elements_of_lists_change_as_legacy_reporters_say),
        cmocka_unit_test(the_log_gives_what_is_missing),
        cmocka_unit_test(a_log_may_skip_numbers),
        cmocka_unit_test(a_log_of_large_changes_is_shorter),
        cmocka_unit_test(a_copy_goes_its_own_way),
        cmocka_unit_test(a_snapshot_carries_everything),
        cmocka_unit_test(what_is_no_snapshot_is_refused),
        cmocka_unit_test(a_snapshot_of_a_client_needs_no_chain),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
