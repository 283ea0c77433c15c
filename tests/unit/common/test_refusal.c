// SPDX-License-Identifier: MIT
// The table of refusals agrees with the enumeration of proto/ and with what clients are told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "common/refusal.h"

static void every_reason_of_proto_has_its_row(void **state)
{
    const ProtobufCEnumDescriptor *all = &msg__refusal__reason__descriptor;
    (void)state;
    for (unsigned i = 0; i < all->n_values; i++) {
        Refusal reason = (Refusal)all->values[i].value;
        assert_string_equal(refusal_name(reason), all->values[i].name);
        assert_int_equal(refusal_parse(all->values[i].name), reason);
        assert_true(*refusal_text(reason) != '\0');
    }
}

// Legacy clients send again at once on 408 and 500: never for what lasts.
static void only_who_is_away_for_now_is_told_as_408_and_nothing_as_500(void **state)
{
    const ProtobufCEnumDescriptor *all = &msg__refusal__reason__descriptor;
    (void)state;
    assert_int_equal(refusal_code(MSG__REFUSAL__REASON__none), 200);
    for (unsigned i = 1; i < all->n_values; i++) {
        gint code = refusal_code((Refusal)all->values[i].value);
        gboolean away = all->values[i].value == MSG__REFUSAL__REASON__disconnected;
        assert_true(code >= 400 && code <= 504 && code != 500 && (code == 408) == away);
    }
}

static void what_is_unknown_counts_as_malformed(void **state)
{
    (void)state;
    assert_string_equal(refusal_name((Refusal)9999), "malformed");
    assert_string_equal(refusal_name((Refusal)-1), "malformed");
    assert_int_equal(refusal_parse("no such reason"), MSG__REFUSAL__REASON__none);
    assert_int_equal(refusal_parse(NULL), MSG__REFUSAL__REASON__none);
}

static void an_answer_that_refuses_says_it_in_code_and_words(void **state)
{
    (void)state;
    g_autoptr(Envelope) request =
        envelope_new(MSG__ENVELOPE__TYPE__CREATE, "hyperty://d/a", "hyperty://d/b");
    g_autoptr(Envelope) answer = refusal_answer(request, MSG__REFUSAL__REASON__locked, "room demo");
    g_autoptr(Json) body = envelope_body_json(answer);
    assert_string_equal(answer->from, "hyperty://d/b");
    assert_string_equal(answer->to, "hyperty://d/a");
    assert_int_equal(envelope_code(answer), 403);
    assert_string_equal(json_get_text(body, "reason"), "locked");
    assert_non_null(strstr(json_get_text(body, "desc"), "room demo"));
    assert_string_equal(json_get_text(body, "desc"), json_get_text(body, "description"));
    assert_null(json_get(body, "retry_after"));
}

static void a_refusal_that_may_pass_says_when_to_ask_again(void **state)
{
    (void)state;
    g_autoptr(Envelope) request =
        envelope_new(MSG__ENVELOPE__TYPE__CREATE, "hyperty://d/a", "hyperty://d/b");
    g_autoptr(Envelope) answer = refusal_answer(request, MSG__REFUSAL__REASON__not_stored, NULL);
    assert_int_equal(envelope_code(answer), 503);
    assert_true(answer->body->retry_after > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_refuses_says_it_in_code_and_words),
        cmocka_unit_test(a_refusal_that_may_pass_says_when_to_ask_again),
        cmocka_unit_test(every_reason_of_proto_has_its_row),
        cmocka_unit_test(only_who_is_away_for_now_is_told_as_408_and_nothing_as_500),
        cmocka_unit_test(what_is_unknown_counts_as_malformed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
