// SPDX-License-Identifier: MIT
// What the monitor shows may be passed on: no token and no ICE password in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "busmon/mask.h"

static void assert_masked(const char *text, const char *wanted)
{
    g_autoptr(Json) json = json_parse(text, strlen(text), 10000, NULL);
    assert_non_null(json);
    g_autoptr(Json) masked = mask_json(json);
    g_autofree char *printed = json_print(masked, NULL);
    assert_string_equal(printed, wanted);
}

static void members_that_hold_secrets_are_masked_at_any_depth(void **state)
{
    (void)state;
    assert_masked("{\"token\":\"abc\",\"a\":[{\"runtimeToken\":\"x\",\"b\":1}]}",
                  "{\"token\":\"***\",\"a\":[{\"runtimeToken\":\"***\",\"b\":1}]}");
    assert_masked("{\"TOKEN\":{\"deep\":1},\"password\":5,\"assertion\":null}",
                  "{\"TOKEN\":\"***\",\"password\":\"***\",\"assertion\":null}");
    assert_masked("{\"iceServers\":[{\"urls\":[\"turn:t\"],\"credential\":\"x\"}]}",
                  "{\"iceServers\":[{\"urls\":[\"turn:t\"],\"credential\":\"***\"}]}");
    assert_masked("{\"tokens\":1,\"value\":null}", "{\"tokens\":1,\"value\":null}");
}

static void ice_passwords_and_keys_in_sdp_are_masked(void **state)
{
    (void)state;
    assert_masked("{\"sdp\":\"v=0\\r\\na=ice-ufrag:u\\r\\na=ice-pwd:se+cret/1\\r\\nm=audio\\r\\n"
                  "a=crypto:1 AES inline:key\\r\\na=ice-pwd:two\"}",
                  "{\"sdp\":\"v=0\\r\\na=ice-ufrag:u\\r\\na=ice-pwd:***\\r\\nm=audio\\r\\n"
                  "a=crypto:***\\r\\na=ice-pwd:***\"}");
    assert_masked("{\"text\":\"{\\\"sdp\\\":\\\"a=ice-pwd:x\\\\r\\\\nm=\\\"}\"}",
                  "{\"text\":\"{\\\"sdp\\\":\\\"a=ice-pwd:***\\\\r\\\\nm=\\\"}\"}");
}

static void tokens_are_found_by_their_form(void **state)
{
    (void)state;
    assert_masked("[\"runtime://x/0123456789abcdef.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcde\"]",
                  "[\"runtime://x/***\"]");
    assert_masked("[\"see eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end\",\"1.2.3\"]",
                  "[\"see *** end\",\"1.2.3\"]");
}

static void a_part_of_a_large_answer_shows_its_length(void **state)
{
    (void)state;
    assert_masked("{\"value\":{\"responses\":3,\"part\":0,\"text\":\"a=ice-p\"}}",
                  "{\"value\":{\"responses\":3,\"part\":0,\"text\":\"(7 bytes)\"}}");
}

static void nothing_stays_nothing(void **state)
{
    (void)state;
    assert_null(mask_json(NULL));
    assert_masked("[1,true,null,\"\",1.5]", "[1,true,null,\"\",1.5]");
    g_autofree char *text = mask_text("a=ice-pwd:x");
    assert_string_equal(text, "a=ice-pwd:***");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_hold_secrets_are_masked_at_any_depth),
        cmocka_unit_test(ice_passwords_and_keys_in_sdp_are_masked),
        cmocka_unit_test(tokens_are_found_by_their_form),
        cmocka_unit_test(a_part_of_a_large_answer_shows_its_length),
        cmocka_unit_test(nothing_stays_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
