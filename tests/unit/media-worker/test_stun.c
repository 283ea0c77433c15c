// SPDX-License-Identifier: MIT
// The sample request of RFC 5769 and checks as a browser sends them, answered; everything else
// dropped with its reason.
#include "media-worker/stun.h"
#include "media-worker/rtp.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stun/stunagent.h>
#include <string.h>
#include <cmocka.h>

static StunServer *server;
static struct sockaddr_storage from;
static StunCheck check;
static guint8 bytes[STUN_REQUEST_MAX];

static const StunRequest good = {.username = "evtj:h6vY",
                                 .password = "VOkJxbRl1RmTxUk/WvJxBt",
                                 .priority = 1862270975,
                                 .tie_breaker = 77,
                                 .use_candidate = TRUE,
                                 .transaction = "0123456789a"};

static int begin(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(32853)};
    inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
    memcpy(&from, &address, sizeof(address));
    server = stun_server_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    stun_server_free(server);
    return 0;
}

// Knows one user.
static const char *password_of(const StunUser *user, gpointer closure)
{
    (void)closure;
    gboolean known = user->local_length == 4 && memcmp(user->local_ufrag, "evtj", 4) == 0 &&
                     user->remote_length == 4 && memcmp(user->remote_ufrag, "h6vY", 4) == 0;
    return known ? good.password : NULL;
}

static StunResult answer(const guint8 *data, gsize length)
{
    g_autofree guint8 *exact = g_memdup2(data, length);
    const StunDatagram datagram = {exact, length, &from};
    return stun_server_check(server, &datagram, password_of, NULL, &check);
}

// RFC 5769 section 2.1.
static const guint8 sample_request[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf};

static void the_sample_of_the_rfc_is_authentic_but_claims_the_wrong_role(void **state)
{
    (void)state;
    assert_int_equal(answer(sample_request, sizeof(sample_request)), STUN_CONFLICT);
    assert_int_equal(rtp_get16(check.answer), 0x0111);
    assert_memory_equal(check.answer + 4, sample_request + 4, 16);
    assert_true(check.answer_length <= sizeof(sample_request));
}

static void a_check_is_answered_with_the_address_it_came_from(void **state)
{
    (void)state;
    gsize length = stun_request_build(bytes, &good);
    guint code = 1;
    struct sockaddr_storage mapped;
    assert_int_equal(answer(bytes, length), STUN_SUCCESS);
    assert_true(check.use_candidate);
    assert_int_equal(check.priority, 1862270975);
    assert_true(check.answer_length > 0 && check.answer_length <= length);
    assert_true(stun_response_check(&good, check.answer, check.answer_length, &code, &mapped));
    assert_int_equal(code, 0);
    assert_memory_equal(&mapped, &from, sizeof(struct sockaddr_in));
}

static void ipv6_addresses_are_told_too(void **state)
{
    (void)state;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(32853)};
    inet_pton(AF_INET6, "2001:db8:1234:5678:11:2233:4455:6677", &address.sin6_addr);
    memcpy(&from, &address, sizeof(address));
    guint code = 1;
    struct sockaddr_storage mapped;
    assert_int_equal(answer(bytes, stun_request_build(bytes, &good)), STUN_SUCCESS);
    assert_true(stun_response_check(&good, check.answer, check.answer_length, &code, &mapped));
    assert_memory_equal(&((struct sockaddr_in6 *)&mapped)->sin6_addr, &address.sin6_addr, 16);
}

static void the_controlling_side_is_told_of_a_conflict(void **state)
{
    (void)state;
    StunRequest request = good;
    guint code = 0;
    request.controlled = TRUE;
    assert_int_equal(answer(bytes, stun_request_build(bytes, &request)), STUN_CONFLICT);
    assert_true(stun_response_check(&request, check.answer, check.answer_length, &code, NULL));
    assert_int_equal(code, 487);
}

static void who_controls_answers_the_controlled_and_nobody_else(void **state)
{
    (void)state;
    g_autoptr(StunServer) controlling = stun_server_new_controlling();
    StunServer *usual = server;
    StunRequest request = good;
    guint code = 1;
    request.controlled = TRUE;
    server = controlling;
    StunResult to_controlled = answer(bytes, stun_request_build(bytes, &request));
    gboolean answered =
        stun_response_check(&request, check.answer, check.answer_length, &code, NULL);
    StunResult to_controlling = answer(bytes, stun_request_build(bytes, &good));
    server = usual;
    assert_int_equal(to_controlled, STUN_SUCCESS);
    assert_true(answered);
    assert_int_equal(code, 0);
    assert_int_equal(to_controlling, STUN_CONFLICT);
}

static void forged_and_foreign_checks_are_dropped_with_a_reason(void **state)
{
    (void)state;
    StunRequest request = good;
    request.password = "another password";
    assert_int_equal(answer(bytes, stun_request_build(bytes, &request)), STUN_FORGED);
    assert_int_equal(check.answer_length, 0);
    request = good;
    request.username = "evtj:else";
    assert_int_equal(answer(bytes, stun_request_build(bytes, &request)), STUN_UNKNOWN_USER);
    request.username = "no colon";
    assert_int_equal(answer(bytes, stun_request_build(bytes, &request)), STUN_UNKNOWN_USER);
    assert_int_equal(check.answer_length, 0);
}

static void no_byte_of_a_check_may_change(void **state)
{
    (void)state;
    gsize length = stun_request_build(bytes, &good);
    for (gsize i = 0; i < length; i++) {
        bytes[i] ^= 0x20;
        assert_int_not_equal(answer(bytes, length), STUN_SUCCESS);
        assert_int_equal(check.answer_length, 0);
        bytes[i] ^= 0x20;
    }
    for (gsize shorter = 0; shorter < length; shorter++)
        assert_int_equal(answer(bytes, shorter), STUN_MALFORMED);
}

static void an_unknown_attribute_is_named_in_the_answer(void **state)
{
    (void)state;
    static const guint16 none[] = {0};
    StunAgent agent;
    StunMessage message;
    stun_agent_init(&agent, none, STUN_COMPATIBILITY_RFC5389, STUN_AGENT_USAGE_USE_FINGERPRINT);
    stun_agent_init_request(&agent, &message, bytes, sizeof(bytes), STUN_BINDING);
    stun_message_append32(&message, STUN_ATTRIBUTE_PRIORITY, 1);
    stun_message_append32(&message, (StunAttribute)0x7ABC, 1);
    stun_message_append_string(&message, STUN_ATTRIBUTE_USERNAME, good.username);
    gsize length = stun_agent_finish_message(&agent, &message, (const guint8 *)good.password,
                                             strlen(good.password));
    assert_int_equal(answer(bytes, length), STUN_UNSUPPORTED);
    assert_true(check.answer_length <= length);
    bytes[length - 40] ^= 1;
    assert_int_not_equal(answer(bytes, length), STUN_UNSUPPORTED);
}

static void unsigned_requests_get_no_answer(void **state)
{
    (void)state;
    guint8 bare[28] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42};
    assert_int_equal(answer(bare, 20), STUN_FORGED);
    bare[3] = 8;
    rtp_put32(bare + 20, 0x00080004); // an integrity of four bytes
    assert_int_equal(answer(bare, 28), STUN_FORGED);
    bare[0] = 1;
    assert_int_equal(answer(bare, 28), STUN_NOT_A_REQUEST);
    bare[4] = 0;
    assert_int_equal(answer(bare, 28), STUN_MALFORMED); // RFC 3489
}

static void answers_are_checked_against_their_request(void **state)
{
    (void)state;
    StunRequest other = good;
    guint code;
    answer(bytes, stun_request_build(bytes, &good));
    other.transaction[0] ^= 1;
    assert_false(stun_response_check(&other, check.answer, check.answer_length, &code, NULL));
    other = good;
    other.password = "wrong";
    assert_false(stun_response_check(&other, check.answer, check.answer_length, &code, NULL));
    assert_false(stun_response_check(&good, check.answer, check.answer_length - 1, &code, NULL));
}

static void the_first_byte_tells_datagrams_apart(void **state)
{
    (void)state;
    static const struct {
        guint8 bytes[2];
        DatagramKind kind;
    } table[] = {
        {{0, 1}, DATAGRAM_STUN},     {{3, 0}, DATAGRAM_STUN},           {{4, 0}, DATAGRAM_OTHER},
        {{19, 0}, DATAGRAM_OTHER},   {{20, 0}, DATAGRAM_DTLS},          {{63, 0}, DATAGRAM_DTLS},
        {{64, 0}, DATAGRAM_OTHER},   {{127, 0}, DATAGRAM_OTHER},        {{128, 96}, DATAGRAM_RTP},
        {{128, 200}, DATAGRAM_RTCP}, {{0x90, 0x80 | 63}, DATAGRAM_RTP}, {{191, 223}, DATAGRAM_RTCP},
        {{191, 224}, DATAGRAM_RTP},  {{192, 0}, DATAGRAM_OTHER}};
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        assert_int_equal(stun_datagram_kind(table[i].bytes, 2), table[i].kind);
    assert_int_equal(stun_datagram_kind(table[0].bytes, 1), DATAGRAM_OTHER);
    assert_string_equal(stun_result_name(STUN_FORGED), "forged");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_sample_of_the_rfc_is_authentic_but_claims_the_wrong_role),
        TEST(a_check_is_answered_with_the_address_it_came_from),
        TEST(ipv6_addresses_are_told_too),
        TEST(the_controlling_side_is_told_of_a_conflict),
        TEST(who_controls_answers_the_controlled_and_nobody_else),
        TEST(forged_and_foreign_checks_are_dropped_with_a_reason),
        TEST(no_byte_of_a_check_may_change),
        TEST(an_unknown_attribute_is_named_in_the_answer),
        TEST(unsigned_requests_get_no_answer),
        TEST(answers_are_checked_against_their_request),
        TEST(the_first_byte_tells_datagrams_apart),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
