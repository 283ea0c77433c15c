// SPDX-License-Identifier: MIT
// Ten thousand forged datagrams at a room's port while two are in a call: each is dropped and
// counted by its reason, and the two do not notice (good_call.h).
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/limits.h"
#include "media-worker/stun.h"
#include "tests/support/good_call.h"
#include "load/native_sdp.h"

#define ATTACKS 10000
#define SLICE 50

typedef struct {
    const GoodCall *call;
    NativeAnswer room; // of Ann
    int fd;            // a stranger's
    guint8 bytes[2 * LIMIT_DATAGRAM];
} Forger;

static void fill(Forger *forger, guint8 first, guint number, gsize length)
{
    for (gsize i = 0; i < length; i++)
        forger->bytes[i] = (guint8)(good_call_rubbish(number + (guint)i) >> 5);
    forger->bytes[0] = first;
}

static void throw_it(Forger *forger, gsize length)
{
    const struct sockaddr *to = (const struct sockaddr *)&forger->room.candidates[0];
    socklen_t size =
        to->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    assert_int_equal(sendto(forger->fd, forger->bytes, length, 0, to, size), length);
}

static void throw_half_stun(Forger *forger, guint number)
{
    fill(forger, number % 4, number, 8 + number % 200);
    throw_it(forger, 8 + number % 200);
}

static void throw_check(Forger *forger, guint number, const char *username)
{
    StunRequest request = {.username = username, .password = "guessed", .tie_breaker = number};
    memcpy(request.transaction, &number, sizeof number);
    throw_it(forger, stun_request_build(forger->bytes, &request));
}

static void throw_check_of_nobody(Forger *forger, guint number)
{
    g_autofree char *username = g_strdup_printf("%08x:%04x", number, number % 7919);
    throw_check(forger, number, username);
}

// Both names of a real participant, as its offer and answer tell them; the password is not known.
static void throw_forged_check(Forger *forger, guint number)
{
    const char *offer = native_peer_offer(caller_peer(good_call_ann(forger->call)));
    const char *ufrag = strstr(offer, "a=ice-ufrag:") + strlen("a=ice-ufrag:");
    g_autofree char *username =
        g_strdup_printf("%s:%.*s", forger->room.ufrag, (int)strcspn(ufrag, "\r\n"), ufrag);
    throw_check(forger, number, username);
}

// Type 0x0101: an answer to something that the room never asked.
static void throw_answer(Forger *forger, guint number)
{
    StunRequest request = {.username = "a:b", .password = "guessed"};
    memcpy(request.transaction, &number, sizeof number);
    gsize length = stun_request_build(forger->bytes, &request);
    forger->bytes[0] = forger->bytes[1] = 1;
    throw_it(forger, length);
}

static void throw_hello(Forger *forger, guint number)
{
    fill(forger, (guint8)(20 + number % 44), number, 13 + number % 1200);
    throw_it(forger, 13 + number % 1200);
}

static void throw_media(Forger *forger, guint number)
{
    gsize length = 12 + number % 1200;
    fill(forger, (guint8)(128 + number % 64), number, length);
    throw_it(forger, length);
}

// Of no kind that the room knows, some longer than any may be.
static void throw_something(Forger *forger, guint number)
{
    gsize length = number % 8 == 0 ? LIMIT_DATAGRAM + 1 + number % 1000 : 1 + number % 1400;
    fill(forger, (guint8)(64 + number % 64), number, length);
    throw_it(forger, length);
}

// Through Ann's own socket, whose address the room knows and trusts: RTP (payload type 111) or a
// receiver report, neither signed.
static void throw_from_a_valid_pair(Forger *forger, guint number)
{
    gsize length = 40 + number % 1000;
    fill(forger, 128, number, length);
    forger->bytes[1] = number % 2 == 0 ? 111 : 201;
    native_peer_inject(caller_peer(good_call_ann(forger->call)), forger->bytes, length);
}

static const struct {
    void (*throw_one)(Forger *forger, guint number);
    const char *counter;
} forgeries[] = {
    {throw_half_stun, "media_dropped_stun_malformed_total"},
    {throw_check_of_nobody, "media_dropped_stun_unknown_user_total"},
    {throw_forged_check, "media_dropped_stun_forged_total"},
    {throw_answer, "media_dropped_stun_not_asked_total"},
    {throw_hello, "media_dropped_dtls_unvalidated_total"},
    {throw_media, "media_dropped_srtp_unvalidated_total"},
    {throw_something, "media_dropped_other_total"},
    {throw_from_a_valid_pair, "media_dropped_srtp_forged_total"},
};
#define FORGERIES G_N_ELEMENTS(forgeries)

static const char *const other_reasons[] = {
    "media_dropped_dtls_crowded_total",  "media_dropped_srtp_early_total",
    "media_dropped_srtp_replayed_total", "media_dropped_srtp_malformed_total",
    "media_dropped_srtp_crowded_total",  "media_dropped_ssrc_unknown_total",
    "media_dropped_layer_total",         "media_dropped_format_total",
    "media_dropped_duplicate_total",     "media_dropped_muted_total",
};

#define OTHERS G_N_ELEMENTS(other_reasons)

static void throw_all(const GoodCall *call)
{
    Forger *forger = g_new0(Forger, 1);
    forger->call = call;
    assert_true(native_sdp_answer(caller_answer_sdp(good_call_ann(call)), &forger->room));
    forger->fd = socket(forger->room.candidates[0].ss_family, SOCK_DGRAM, 0);
    for (guint thrown = 0; thrown < ATTACKS; thrown++) {
        forgeries[thrown % FORGERIES].throw_one(forger, good_call_rubbish(thrown) >> 3);
        if (thrown % SLICE == 0)
            good_call_breathe();
    }
    close(forger->fd);
    g_free(forger);
}

// Each reason grows by its share of what was thrown, and no other reason grows at all.
static void forged_datagrams_are_dropped_counted_by_reason_and_harm_nobody(void **state)
{
    GoodCall *call = *state;
    const char *process = good_call_media_process(call);
    GoodCounter reasons[FORGERIES], others[OTHERS];
    good_call_refresh(call);
    for (guint i = 0; i < FORGERIES; i++)
        reasons[i] = good_counter_new(call, process, forgeries[i].counter, ATTACKS / FORGERIES);
    for (guint i = 0; i < OTHERS; i++)
        others[i] = good_counter_new(call, process, other_reasons[i], 0);
    throw_all(call);
    for (guint i = 0; i < FORGERIES; i++)
        good_counter_assert(&reasons[i]);
    for (guint i = 0; i < OTHERS; i++)
        good_counter_assert(&others[i]);
    good_call_assert_unharmed(call, "forged datagrams");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            forged_datagrams_are_dropped_counted_by_reason_and_harm_nobody, good_call_set_up,
            good_call_tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
