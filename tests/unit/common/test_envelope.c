// SPDX-License-Identifier: MIT
// The step between reTHINK JSON and envelopes loses nothing, whatever odd form a message has.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "common/envelope.h"

#define HEAD "\"id\":1,\"type\":\"update\",\"from\":\"a://x\",\"to\":\"b://y\""

static Json *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    Json *json = json_parse(text, strlen(text), 100000, &error);
    if (json == NULL)
        fail_msg("%s: %s", text, error->message);
    return json;
}

// JSON -> envelope -> bytes -> envelope -> JSON.
static void assert_lossless(const Json *json)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Envelope) envelope = envelope_from_json(json, &error);
    assert_non_null(envelope);
    g_autoptr(GBytes) packed = envelope_pack(envelope);
    gsize length = 0;
    const guint8 *data = g_bytes_get_data(packed, &length);
    g_autoptr(Envelope) unpacked = envelope_unpack(data, length, &error);
    assert_non_null(unpacked);
    g_autoptr(Envelope) copy = envelope_copy(unpacked);
    g_autoptr(Json) again = envelope_to_json(copy);
    g_autofree char *before = json_print_canonical(json, NULL);
    g_autofree char *after = json_print_canonical(again, NULL);
    assert_string_equal(before, after);
    assert_true(json_equals(json, again));
}

static void odd_forms_come_back_unchanged(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" HEAD "}",
        "{" HEAD ",\"body\":{}}",
        "{" HEAD ",\"body\":null}",
        "{" HEAD ",\"body\":[1,2]}",
        "{" HEAD ",\"body\":\"text\"}",
        "{" HEAD ",\"body\":{\"value\":null}}",
        "{" HEAD ",\"body\":{\"value\":\"disconnected\",\"attribute\":\"status\"}}",
        "{" HEAD ",\"body\":{\"resource\":[\"a\",\"b\"],\"code\":\"200\",\"version\":\"5\"}}",
        "{" HEAD ",\"body\":{\"version\":-1,\"code\":2147483648,\"resume\":\"true\"}}",
        "{" HEAD ",\"body\":{\"version\":9007199254740993,\"value\":9223372036854775807}}",
        "{" HEAD ",\"body\":{\"unknown\":{\"unknown\":1},\"via\":\"x\",\"desc\":null}}",
        "{" HEAD ",\"body\":{\"identity\":{\"userProfile\":{}},\"mutual\":false,\"params\":{}}}",
        "{" HEAD ",\"body\":{\"value\":{\"a\":{\"b\":[{\"c\":1.5}]}},\"schema\":7}}",
        "{" HEAD ",\"via\":[1],\"identity\":{\"a\":1},\"source\":\"me\",\"session\":2}",
        "{\"id\":\"7\",\"type\":\"CREATE\",\"from\":\"a\",\"to\":\"b\",\"body\":{}}",
        "{\"id\":-9223372036854775807,\"type\":\"Re-Open\",\"from\":\"a\",\"to\":\"b\"}",
        "{\"id\":1.25,\"type\":\"dance\",\"from\":\"a\",\"to\":\"b\"}",
        "{\"id\":\"\",\"type\":\"unknown\",\"from\":\"a\",\"to\":\"b\"}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Json) json = parse(texts[i]);
        assert_lossless(json);
    }
}

static const char *const member_names[] = {
    "code",   "desc",     "reason",  "resource",    "version",      "attribute", "attributeType",
    "value",  "source",   "schema",  "method",      "operation",    "params",    "roomId",
    "token",  "resume",   "unknown", "participant", "lastModified", "answer",    "retry_after",
    "status", "identity", "id",      "from",        "\xc3\xa4",     "",          "has_code",
};

static Json *random_value(GRand *rand, guint depth)
{
    static const char *const leaves[] = {
        "null",       "true",
        "0",          "200",
        "-1",         "1.5",
        "4294967296", "\"\"",
        "\"5\"",      "[]",
        "\"a.b\"",    "\"\xc3\xa4\\n\"",
        "{}",         "9007199254740993",
        "[[],{}]",
    };
    if (depth == 0 || g_rand_int_range(rand, 0, 3) > 0)
        return parse(leaves[g_rand_int_range(rand, 0, G_N_ELEMENTS(leaves))]);
    gboolean is_list = g_rand_boolean(rand);
    Json *value = is_list ? json_new_array() : json_new_object();
    for (gint i = g_rand_int_range(rand, 0, 6); i > 0; i--) {
        g_autoptr(Json) member = random_value(rand, depth - 1);
        if (is_list)
            json_append(value, member);
        else
            json_set(value, member_names[g_rand_int_range(rand, 0, G_N_ELEMENTS(member_names))],
                     member);
    }
    return value;
}

static void random_messages_come_back_unchanged(void **state)
{
    (void)state;
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (guint round = 0; round < 5000; round++) {
        g_autoptr(Json) json = parse("{" HEAD "}");
        g_autoptr(Json) body = random_value(rand, 4);
        g_autoptr(Json) more = random_value(rand, 2);
        g_autoptr(Json) id = json_new_number((gint64)g_rand_int(rand) << 31);
        json_set(json, "id", id);
        json_set(json, "body", body);
        if (g_rand_boolean(rand))
            json_set(json, "more", more);
        assert_lossless(json);
    }
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"[]", "object"},
        {"{\"type\":\"create\",\"from\":\"a\",\"to\":\"b\"}", "id"},
        {"{\"id\":null,\"type\":\"create\",\"from\":\"a\",\"to\":\"b\"}", "id"},
        {"{\"id\":1,\"from\":\"a\",\"to\":\"b\"}", "type"},
        {"{\"id\":1,\"type\":\"\",\"from\":\"a\",\"to\":\"b\"}", "type"},
        {"{\"id\":1,\"type\":\"create\",\"to\":\"b\"}", "from"},
        {"{\"id\":1,\"type\":\"create\",\"from\":1,\"to\":\"b\"}", "from"},
        {"{\"id\":1,\"type\":\"create\",\"from\":\"a\"}", "to"},
        {"{\"id\":1,\"type\":\"create\",\"from\":\"a\",\"to\":[\"b\"]}", "to"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) json = parse(texts[i][0]);
        assert_null(envelope_from_json(json, &error));
        assert_true(g_str_has_prefix(error->message, texts[i][1]) ||
                    g_str_has_suffix(error->message, texts[i][1]));
    }
}

static void close_needs_no_from(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse("{\"id\":1,\"type\":\"close\",\"to\":\"mn:/session\"}");
    g_autoptr(Envelope) envelope = envelope_from_json(json, NULL);
    assert_non_null(envelope);
    assert_null(envelope->from);
    g_autoptr(Json) again = envelope_to_json(envelope);
    assert_true(json_equals(json, again));
}

static void types_are_compared_without_case(void **state)
{
    (void)state;
    assert_int_equal(envelope_type_parse("RE-OPEN"), MSG__ENVELOPE__TYPE__REOPEN);
    assert_int_equal(envelope_type_parse("reopen"), MSG__ENVELOPE__TYPE__UNKNOWN);
    for (gint type = 1; type <= MSG__ENVELOPE__TYPE__PING; type++) {
        g_autoptr(Envelope) envelope = envelope_new((EnvelopeType)type, "a", "b");
        assert_int_equal(envelope_type_parse(envelope_type_text(envelope)), type);
    }
    g_autoptr(Envelope) odd = envelope_new(MSG__ENVELOPE__TYPE__UNKNOWN, "a", "b");
    assert_string_equal(envelope_type_text(odd), "");
    envelope_set(&odd->type_text, "dance");
    assert_string_equal(envelope_type_text(odd), "dance");
}

static void body_members_are_set_and_read(void **state)
{
    (void)state;
    g_autoptr(Envelope) envelope = envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, "a", "b");
    assert_null(envelope_body_json(envelope));
    assert_null(envelope_value(envelope));
    assert_int_equal(envelope_code(envelope), 0);
    g_autoptr(Json) body = parse("{\"code\":200,\"value\":{\"a\":1},\"more\":2}");
    envelope_set_body(envelope, body);
    assert_int_equal(envelope_code(envelope), 200);
    g_autoptr(Json) value = envelope_value(envelope);
    assert_int_equal(json_get_number(value, "a", 0), 1);
    envelope_set_version(envelope, 5);
    envelope_set(&envelope_body(envelope)->source, "me");
    Msg__Body *typed = envelope_body(envelope);
    envelope_set_json(&typed->value, &typed->has_value, NULL);
    g_autoptr(Json) again = envelope_body_json(envelope);
    g_autoptr(Json) wanted = parse("{\"code\":200,\"version\":5,\"source\":\"me\",\"more\":2}");
    assert_true(json_equals(again, wanted));
    envelope_set_body(envelope, NULL);
    assert_null(envelope->body);
}

static void a_message_without_an_id_shows_its_number_on_the_bus(void **state)
{
    (void)state;
    g_autoptr(Envelope) envelope = envelope_new(MSG__ENVELOPE__TYPE__EVENT, "a", "b");
    envelope->has_sequence = TRUE;
    envelope->sequence = 77;
    g_autoptr(Json) json = envelope_to_json(envelope);
    assert_int_equal(json_get_number(json, "id", 0), 77);
}

static void frames_that_are_no_envelopes_are_refused(void **state)
{
    (void)state;
    g_autoptr(GError) garbage = NULL, no_type = NULL, no_from = NULL, bad_to = NULL;
    assert_null(envelope_unpack((const guint8 *)"\xff\xff", 2, &garbage));
    assert_null(envelope_unpack((const guint8 *)"", 0, &no_type));
    assert_non_null(strstr(no_type->message, "type"));
    g_autoptr(Envelope) anonymous = envelope_new(MSG__ENVELOPE__TYPE__PING, NULL, "b");
    g_autoptr(GBytes) packed = envelope_pack(anonymous);
    assert_null(
        envelope_unpack(g_bytes_get_data(packed, NULL), g_bytes_get_size(packed), &no_from));
    assert_non_null(strstr(no_from->message, "from"));
    g_autoptr(Envelope) astray = envelope_new(MSG__ENVELOPE__TYPE__PING, "a", "b c");
    g_autoptr(GBytes) blank = envelope_pack(astray);
    assert_null(envelope_unpack(g_bytes_get_data(blank, NULL), g_bytes_get_size(blank), &bad_to));
    assert_non_null(strstr(bad_to->message, "to"));
}

static void fields_that_nobody_knows_are_dropped(void **state)
{
    (void)state;
    // type, from, to, then field 0: protobuf-c unpacks it, and what it packs then is no envelope.
    static const guint8 frame[] = {0x10, 3, 0x22, 1, 'a', 0x2a, 1, 'b', 0x82, 0, 1, 'x'};
    g_autoptr(Envelope) envelope = envelope_unpack(frame, sizeof frame, NULL);
    assert_non_null(envelope);
    g_autoptr(Envelope) copy = envelope_copy(envelope);
    assert_string_equal(copy->to, "b");
    assert_int_equal(copy->base.n_unknown_fields, 0);
}

static void requests_expect_an_answer(void **state)
{
    (void)state;
    static const struct {
        EnvelopeType type;
        const char *to;
        gboolean is_request;
    } table[] = {
        {MSG__ENVELOPE__TYPE__CREATE, "hyperty://localhost/conference", TRUE},
        {MSG__ENVELOPE__TYPE__UPDATE, "hyperty://localhost/sessions", TRUE},
        {MSG__ENVELOPE__TYPE__SUBSCRIBE, "comm://localhost/a/subscription", TRUE},
        {MSG__ENVELOPE__TYPE__UPDATE, "comm://localhost/a/changes", FALSE},
        {MSG__ENVELOPE__TYPE__CREATE, "comm://localhost/a/children/chat", FALSE},
        {MSG__ENVELOPE__TYPE__RESPONSE, "hyperty://localhost/a", FALSE},
        {MSG__ENVELOPE__TYPE__EVENT, "bus://events", FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(Envelope) envelope = envelope_new(table[i].type, "a", table[i].to);
        assert_int_equal(envelope_is_request(envelope), table[i].is_request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_forms_come_back_unchanged),
        cmocka_unit_test(random_messages_come_back_unchanged),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(close_needs_no_from),
        cmocka_unit_test(types_are_compared_without_case),
        cmocka_unit_test(body_members_are_set_and_read),
        cmocka_unit_test(a_message_without_an_id_shows_its_number_on_the_bus),
        cmocka_unit_test(frames_that_are_no_envelopes_are_refused),
        cmocka_unit_test(fields_that_nobody_knows_are_dropped),
        cmocka_unit_test(requests_expect_an_answer),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
