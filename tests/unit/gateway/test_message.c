// SPDX-License-Identifier: MIT
#include "gateway/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/limits.h"

static const struct {
    const char *text;
    Refusal reason;    // none: accepted
    const char *names; // part of the detail
} table[] = {
    {"{\"id\":1,\"type\":\"read\",\"from\":\"runtime:/x\",\"to\":\"a://b/c\"}",
     MSG__REFUSAL__REASON__none, NULL},
    {"{\"id\":\"x\",\"type\":\"READ\",\"from\":\"runtime:/x\",\"to\":[\"a://b/c\",\"a://b/d\"]}",
     MSG__REFUSAL__REASON__none, NULL},
    {"{\"id\":1,\"type\":\"close\",\"to\":\"mn:/session\"}", MSG__REFUSAL__REASON__none, NULL},
    {"{\"id\":1,\"type\":\"read\",\"to\":\"mn:/session\"}", MSG__REFUSAL__REASON__malformed,
     "from"},
    {"{\"type\":\"read\",\"from\":\"a:/b\",\"to\":\"a:/b\"}", MSG__REFUSAL__REASON__malformed,
     "id"},
    {"{\"id\":null,\"type\":\"read\",\"from\":\"a:/b\",\"to\":\"a:/b\"}",
     MSG__REFUSAL__REASON__malformed, "id"},
    {"{\"id\":1,\"from\":\"a:/b\",\"to\":\"a:/b\"}", MSG__REFUSAL__REASON__malformed, "type"},
    {"{\"id\":1,\"type\":\"read\",\"from\":\"a:/b\"}", MSG__REFUSAL__REASON__malformed, "to"},
    {"{\"id\":1,\"type\":\"read\",\"from\":\"a:/b\",\"to\":[]}", MSG__REFUSAL__REASON__malformed,
     "to"},
    {"{\"id\":1,\"type\":\"read\",\"from\":\"a:/b\",\"to\":\"a b\"}",
     MSG__REFUSAL__REASON__bad_address, "to"},
    {"{\"id\":1,\"type\":\"read\",\"from\":\"a:/\\u00e9\",\"to\":\"a:/b\"}",
     MSG__REFUSAL__REASON__bad_address, "from"},
    {"[1]", MSG__REFUSAL__REASON__malformed, "object"},
    {"{\"id\":1", MSG__REFUSAL__REASON__malformed, NULL},
    {"", MSG__REFUSAL__REASON__malformed, NULL},
    {"[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", MSG__REFUSAL__REASON__malformed, NULL},
};

static void what_lacks_is_named(void **state)
{
    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        MessageFault fault = {MSG__REFUSAL__REASON__none, ""};
        g_autoptr(Json) partial = NULL;
        g_autoptr(Json) message =
            message_parse(table[i].text, strlen(table[i].text), &fault, &partial);
        if ((message != NULL) != (table[i].reason == MSG__REFUSAL__REASON__none) ||
            fault.reason != table[i].reason)
            fail_msg("%s: %s", table[i].text, fault.detail);
        if (table[i].names != NULL && strstr(fault.detail, table[i].names) == NULL)
            fail_msg("%s: %s does not name %s", table[i].text, fault.detail, table[i].names);
    }
}

static void recipients_come_once_and_in_order(void **state)
{
    static const char text[] = "{\"id\":1,\"type\":\"read\",\"from\":\"a:/x\","
                               "\"to\":[\"a:/1\",\"a:/2\",\"a:/1\"]}";
    MessageFault fault;
    g_autoptr(Json) partial = NULL;
    (void)state;
    g_autoptr(Json) message = message_parse(text, strlen(text), &fault, &partial);
    g_autoptr(GPtrArray) recipients = message_recipients(message);
    assert_int_equal(recipients->len, 2);
    assert_string_equal(recipients->pdata[0], "a:/1");
    assert_string_equal(recipients->pdata[1], "a:/2");
}

static void too_many_recipients_are_refused(void **state)
{
    g_autoptr(GString) text =
        g_string_new("{\"id\":1,\"type\":\"read\",\"from\":\"a:/x\",\"to\":[\"a:/1\"");
    MessageFault fault = {MSG__REFUSAL__REASON__none, ""};
    g_autoptr(Json) partial = NULL;
    (void)state;
    for (guint i = 0; i < LIMIT_RECIPIENTS; i++)
        g_string_append(text, ",\"a:/1\"");
    g_string_append(text, "]}");
    assert_null(message_parse(text->str, text->len, &fault, &partial));
    assert_int_equal(fault.reason, MSG__REFUSAL__REASON__too_large);
}

static void an_answer_echoes_id_and_turns_addresses_round(void **state)
{
    static const char *const ids[] = {"7", "\"7\"", "1.5", "-3"};
    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *text = g_strdup_printf(
            "{\"id\":%s,\"type\":\"read\",\"from\":\"a:/x\",\"to\":\"a:/y\"}", ids[i]);
        g_autofree char *expected =
            g_strdup_printf("{\"id\":%s,\"type\":\"response\",\"from\":\"a:/y\",\"to\":\"a:/x\","
                            "\"body\":{\"code\":200}}",
                            ids[i]);
        MessageFault fault;
        g_autoptr(Json) partial = NULL, body = message_ok_body();
        g_autoptr(Json) message = message_parse(text, strlen(text), &fault, &partial);
        g_autoptr(Json) answer = message_answer(message, NULL, body);
        g_autofree char *printed = json_print(answer, NULL);
        assert_string_equal(printed, expected);
    }
}

static void an_answer_to_rubbish_leaves_out_what_it_cannot_echo(void **state)
{
    g_autoptr(Json) body = message_refusal_body(MSG__REFUSAL__REASON__malformed, "it is rubbish");
    g_autoptr(Json) answer = message_answer(NULL, MESSAGE_VALIDATOR, body);
    (void)state;
    assert_null(json_get(answer, "id"));
    assert_null(json_get(answer, "to"));
    assert_string_equal(json_get_text(answer, "from"), "mn:/validator");
    assert_int_equal(json_get_number(body, "code", 0), 400);
    assert_string_equal(json_get_text(body, "desc"), json_get_text(body, "description"));
    assert_non_null(strstr(json_get_text(body, "desc"), "it is rubbish"));
}

static void a_detail_is_never_cut_in_a_character(void **state)
{
    MessageFault fault;
    g_autofree char *name = g_strnfill(200, 'x');
    (void)state;
    for (guint i = 0; i < 4; i++) {
        g_autofree char *text = g_strdup_printf("%.*s\xc3\xa9\xc3\xa9\xc3\xa9", 155 + (int)i, name);
        message_fault(&fault, MSG__REFUSAL__REASON__malformed, "%s", text);
        assert_true(g_utf8_validate(fault.detail, -1, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lacks_is_named),
        cmocka_unit_test(recipients_come_once_and_in_order),
        cmocka_unit_test(too_many_recipients_are_refused),
        cmocka_unit_test(an_answer_echoes_id_and_turns_addresses_round),
        cmocka_unit_test(an_answer_to_rubbish_leaves_out_what_it_cannot_echo),
        cmocka_unit_test(a_detail_is_never_cut_in_a_character),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
