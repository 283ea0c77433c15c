// SPDX-License-Identifier: MIT
// What a join must say, may say, and what of it others get to see. Hostile ones as a table.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "registry/join.h"

#define DATA "\"data\":{\"connectionDescription\":{\"type\":\"offer\",\"sdp\":\"v=0\"}}"
#define GOOD "{\"url\":\"connection://localhost/ann\"," DATA "}"

static void set_json(ProtobufCBinaryData *member, protobuf_c_boolean *has, const char *text)
{
    g_autoptr(Json) json = json_parse_bytes((const guint8 *)text, strlen(text));
    assert_non_null(json);
    envelope_set_json(member, has, json);
}

static Envelope *message_of(const char *room, const char *value)
{
    Envelope *message = envelope_new(MSG__ENVELOPE__TYPE__CREATE, "hyperty://localhost/h",
                                     "hyperty://localhost/conference");
    Msg__Body *body = envelope_body(message);
    envelope_set(&message->session, "0123456789abcdef");
    envelope_set(&body->roomid, room);
    if (value != NULL)
        set_json(&body->value, &body->has_value, value);
    return message;
}

static const char *name_of(const Join *join)
{
    return json_get_text(json_get(join->identity, "userProfile"), "preferred_username");
}

static Join *parse(const Envelope *message)
{
    Refusal reason = MSG__REFUSAL__REASON__none;
    const char *detail = NULL;
    Join *join = join_parse(message, "localhost", &reason, &detail);
    if (join == NULL)
        fail_msg("%s %s", refusal_name(reason), detail);
    return join;
}

static void a_good_join_is_read(void **state)
{
    (void)state;
    g_autoptr(Envelope) message = message_of("demo", GOOD);
    g_autoptr(Join) join = parse(message);
    assert_string_equal(join->room, "demo");
    assert_string_equal(join->participant, "ann");
    assert_string_equal(join->connection, "connection://localhost/ann");
    assert_string_equal(join->hyperty, "hyperty://localhost/h");
    assert_string_equal(join->session, "0123456789abcdef");
    assert_int_equal(join->offer->len, strlen(GOOD));
    assert_null(join->resources);
}

static const struct {
    const char *room, *value, *reason;
} bad[] = {
    {NULL, GOOD, "malformed"},
    {"", GOOD, "malformed"},
    {"a room", GOOD, "malformed"},
    {"../etc", GOOD, "malformed"},
    {"demo", NULL, "malformed"},
    {"demo", "[]", "malformed"},
    {"demo", "{" DATA "}", "bad_address"},
    {"demo", "{\"url\":7," DATA "}", "bad_address"},
    {"demo", "{\"url\":\"connection://elsewhere/ann\"," DATA "}", "bad_address"},
    {"demo", "{\"url\":\"comm://localhost/ann\"," DATA "}", "bad_address"},
    {"demo", "{\"url\":\"connection://localhost/\"," DATA "}", "bad_address"},
    {"demo", "{\"url\":\"connection://localhost/a/b\"," DATA "}", "bad_address"},
    {"demo", "{\"url\":\"connection://localhost/a.b\"," DATA "}", "bad_address"},
    {"demo", "{\"url\":\"connection://localhost/media-ann\"," DATA "}", "bad_address"},
    {"demo", "{\"url\":\"connection://localhost/ann\"}", "malformed"},
    {"demo", "{\"url\":\"connection://localhost/ann\",\"data\":[]}", "malformed"},
    {"demo",
     "{\"url\":\"connection://localhost/ann\",\"data\":{\"connectionDescription\":"
     "{\"type\":\"answer\",\"sdp\":\"v=0\"}}}",
     "malformed"},
    {"demo", "{\"url\":\"connection://localhost/ann\",\"resources\":{}," DATA "}", "malformed"},
    {"demo", "{\"url\":\"connection://localhost/ann\",\"resources\":[\"smell\"]," DATA "}",
     "malformed"},
    {"demo", "{\"url\":\"connection://localhost/ann\",\"resources\":[1,2,3,4,5,6,7,8,9]," DATA "}",
     "malformed"},
};

static void a_bad_join_is_refused_with_its_reason(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Envelope) message = message_of(bad[i].room, bad[i].value);
        Refusal reason = MSG__REFUSAL__REASON__none;
        const char *detail = NULL;
        assert_null(join_parse(message, "localhost", &reason, &detail));
        if (strcmp(refusal_name(reason), bad[i].reason) != 0)
            fail_msg("%s: %s", bad[i].value, refusal_name(reason));
        assert_non_null(detail);
    }
}

static void without_a_session_nobody_joins(void **state)
{
    (void)state;
    g_autoptr(Envelope) message = message_of("demo", GOOD);
    Refusal reason = MSG__REFUSAL__REASON__none;
    const char *detail = NULL;
    envelope_set(&message->session, NULL);
    assert_null(join_parse(message, "localhost", &reason, &detail));
    assert_int_equal(reason, MSG__REFUSAL__REASON__forbidden);
    envelope_set(&message->session, "0123456789abcdef");
    g_clear_pointer(&message->body, codec_free);
    assert_null(join_parse(message, "localhost", &reason, &detail));
    assert_int_equal(reason, MSG__REFUSAL__REASON__malformed);
}

static void an_sdp_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    g_autofree char *sdp = g_strnfill(LIMIT_SDP + 1, 'x');
    g_autofree char *value = g_strdup_printf(
        "{\"url\":\"connection://localhost/ann\",\"data\":{\"connectionDescription\":"
        "{\"type\":\"offer\",\"sdp\":\"%s\"}}}",
        sdp);
    g_autoptr(Envelope) message = message_of("demo", value);
    Refusal reason = MSG__REFUSAL__REASON__none;
    const char *detail = NULL;
    assert_null(join_parse(message, "localhost", &reason, &detail));
    assert_int_equal(reason, MSG__REFUSAL__REASON__too_large);
}

static void a_guest_says_its_name_itself(void **state)
{
    (void)state;
    g_autoptr(Envelope) message = message_of("demo", GOOD);
    Msg__Body *body = envelope_body(message);
    set_json(&body->unknown, &body->has_unknown,
             "{\"identity\":{\"userProfile\":{\"preferred_username\":\"Ann\",\"guid\":\"x\"}}}");
    g_autoptr(Join) join = parse(message);
    assert_string_equal(name_of(join), "Ann");
    assert_null(json_get_path(join->identity, "userProfile.guid"));
}

static void an_asserted_identity_wins_and_its_assertion_stays_secret(void **state)
{
    (void)state;
    g_autoptr(Envelope) message = message_of("demo", GOOD);
    Msg__Body *body = envelope_body(message);
    set_json(&body->unknown, &body->has_unknown,
             "{\"identity\":{\"userProfile\":{\"preferred_username\":\"Eve\"}}}");
    set_json(&message->identity, &message->has_identity,
             "{\"assertion\":\"secret\",\"userProfile\":{\"preferred_username\":\"Ann\","
             "\"userURL\":\"user://localhost/ann\"}}");
    g_autoptr(Join) join = parse(message);
    assert_string_equal(name_of(join), "Ann");
    assert_string_equal(json_text(json_get_path(join->identity, "userProfile.userURL")),
                        "user://localhost/ann");
    assert_null(json_get(join->identity, "assertion"));
}

static void names_are_one_short_line(void **state)
{
    (void)state;
    g_autofree char *endless = g_strnfill(LIMIT_NAME + 1, 'a');
    const char *const names[] = {endless, "two\\nlines", "bell\\u0007"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *further = g_strdup_printf(
            "{\"identity\":{\"userProfile\":{\"preferred_username\":\"%s\"}}}", names[i]);
        g_autoptr(Envelope) message = message_of("demo", GOOD);
        Msg__Body *body = envelope_body(message);
        Refusal reason = MSG__REFUSAL__REASON__none;
        const char *detail = NULL;
        set_json(&body->unknown, &body->has_unknown, further);
        assert_null(join_parse(message, "localhost", &reason, &detail));
        assert_int_equal(reason, MSG__REFUSAL__REASON__too_large);
        assert_string_equal(detail, "preferred_username");
    }
}

static void resources_are_types_or_directions(void **state)
{
    (void)state;
    g_autoptr(Envelope) message =
        message_of("demo", "{\"url\":\"connection://localhost/ann\",\"resources\":"
                           "[\"audio\",{\"type\":\"video\",\"direction\":\"in\"}]," DATA "}");
    g_autoptr(Join) join = parse(message);
    assert_int_equal(json_size(join->resources), 2);
    assert_string_equal(json_get_text(json_at(join->resources, 0), "direction"), "inout");
    assert_string_equal(json_get_text(json_at(join->resources, 1), "direction"), "in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_join_is_read),
        cmocka_unit_test(a_bad_join_is_refused_with_its_reason),
        cmocka_unit_test(without_a_session_nobody_joins),
        cmocka_unit_test(an_sdp_beyond_the_limit_is_refused),
        cmocka_unit_test(a_guest_says_its_name_itself),
        cmocka_unit_test(an_asserted_identity_wins_and_its_assertion_stays_secret),
        cmocka_unit_test(names_are_one_short_line),
        cmocka_unit_test(resources_are_types_or_directions),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
