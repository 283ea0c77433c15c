// SPDX-License-Identifier: MIT
// The offer has its lines in order; an answer gives what connecting needs, or is refused.
#include "load/native_sdp.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define PRINT                                                                                      \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:"   \
    "1E:1F"
#define HEAD                                                                                       \
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0 1 2\r\n"    \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:room\r\na=ice-pwd:secret\r\n"                  \
    "a=fingerprint:sha-256 " PRINT "\r\na=mid:0\r\na=recvonly\r\n"
#define V4 "a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host\r\n"
#define V6 "a=candidate:2 1 UDP 2130706175 2001:db8::1 5001 typ host\r\n"
#define TCP "a=candidate:3 1 tcp 1 192.0.2.8 9 typ host tcptype active\r\n"
#define MDNS "a=candidate:4 1 udp 1 0f0e.local 9 typ host\r\n"
#define SLOT                                                                                       \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:2\r\na=sendonly\r\na=ssrc-group:FID 11 12\r\n"     \
    "a=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\n"
#define REJECTED "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"

static char *offer_of(gboolean no_rtx)
{
    const NativeOffer offer = {.audio_slots = 1,
                               .video_slots = 2,
                               .no_rtx = no_rtx,
                               .ufrag = "me",
                               .pwd = "mine",
                               .cname = "c",
                               .fingerprint = PRINT,
                               .audio_ssrc = 1,
                               .video_ssrc = 2,
                               .video_rtx_ssrc = 3};
    return native_sdp_offer(&offer);
}

static void the_offer_has_two_sources_and_its_slots(void **state)
{
    (void)state;
    g_autofree char *text = offer_of(FALSE);
    const char *at = text;
    static const char *const in_order[] = {"a=group:BUNDLE 0 1 2 3 4\r\n",
                                           "m=audio",
                                           "a=mid:0\r\n",
                                           "a=sendonly",
                                           "m=video",
                                           "a=mid:1\r\n",
                                           "a=sendonly",
                                           "FID 2 3",
                                           "m=audio",
                                           "a=mid:2\r\n",
                                           "a=recvonly",
                                           "m=video",
                                           "a=mid:3\r\n",
                                           "a=recvonly",
                                           "m=video",
                                           "a=mid:4\r\n",
                                           "a=recvonly"};
    for (guint i = 0; i < G_N_ELEMENTS(in_order); i++) {
        at = strstr(at, in_order[i]);
        assert_non_null(at);
        at += strlen(in_order[i]);
    }
    assert_null(strstr(at, "m="));
}

static void without_rtx_nothing_speaks_of_it(void **state)
{
    (void)state;
    g_autofree char *text = offer_of(TRUE);
    assert_null(strstr(text, "rtx"));
    assert_null(strstr(text, "FID"));
}

static void an_answer_gives_what_connecting_needs(void **state)
{
    (void)state;
    NativeAnswer answer;
    assert_true(native_sdp_answer(HEAD TCP V4 REJECTED SLOT, &answer));
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&answer.candidates[0];
    assert_int_equal(answer.n_candidates, 1);
    assert_int_equal(v4->sin_family, AF_INET);
    assert_int_equal(ntohs(v4->sin_port), 5000);
    assert_string_equal(answer.ufrag, "room");
    assert_string_equal(answer.pwd, "secret");
    assert_int_equal(answer.fingerprint[31], 31);
    assert_int_equal(answer.n_media, 3);
    assert_true(answer.media[1].rejected);
    assert_string_equal(answer.media[2].mid, "2");
    assert_int_equal(answer.media[2].ssrc, 11);
    assert_int_equal(answer.media[2].rtx_ssrc, 12);
}

static void every_candidate_is_taken_once(void **state)
{
    (void)state;
    NativeAnswer answer;
    assert_true(native_sdp_answer(HEAD V4 V6 TCP SLOT V4 V6 MDNS, &answer));
    assert_int_equal(answer.n_candidates, 2);
    assert_int_equal(answer.candidates[0].ss_family, AF_INET);
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&answer.candidates[1];
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_int_equal(ntohs(v6->sin6_port), 5001);
}

static void an_answer_without_a_way_or_a_key_is_refused(void **state)
{
    (void)state;
    NativeAnswer answer;
    assert_false(native_sdp_answer(HEAD SLOT, &answer));
    assert_false(native_sdp_answer(HEAD TCP SLOT, &answer));
    assert_false(native_sdp_answer("v=0\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\n" V4, &answer));
    assert_false(native_sdp_answer("", &answer));
}

static void somebody_elses_offer_is_answered_line_by_line(void **state)
{
    (void)state;
    static const char offer[] =
        "v=0\r\na=group:BUNDLE a v\r\na=ice-ufrag:room\r\na=ice-pwd:secret\r\n"
        "a=fingerprint:sha-256 " PRINT "\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=sendonly\r\na=rtcp-mux\r\n"
        "a=rtpmap:111 opus/48000/2\r\na=extmap:1 urn:x\r\na=ssrc:5 cname:c\r\n" V4
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\na=sendonly\r\n"
        "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n"
        "a=ssrc-group:FID 6 7\r\na=ssrc:6 cname:c\r\n";
    const NativeOffer own = {.ufrag = "ours", .pwd = "word", .fingerprint = "AB:CD"};
    NativeAnswer read;
    assert_true(native_sdp_answer(offer, &read));
    assert_false(read.media[0].is_video);
    assert_true(read.media[1].is_video);
    assert_int_equal(read.media[1].ssrc, 6);
    assert_int_equal(read.media[1].rtx_ssrc, 7);
    g_autofree char *answer = native_sdp_answer_offer(offer, &own);
    assert_non_null(strstr(answer, "a=ice-ufrag:ours\r\n"));
    assert_non_null(strstr(answer, "a=setup:active\r\n"));
    assert_non_null(strstr(answer, "a=group:BUNDLE a v\r\n"));
    assert_non_null(strstr(answer, "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
                                   "a=recvonly\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\n"
                                   "a=rtcp-fb:96 nack pli\r\n"));
    assert_null(strstr(answer, "sendonly"));
    assert_null(strstr(answer, "extmap"));
    assert_null(strstr(answer, "a=ssrc"));
    assert_null(strstr(answer, "a=ice-ufrag:room")); // theirs
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_offer_has_two_sources_and_its_slots),
        cmocka_unit_test(without_rtx_nothing_speaks_of_it),
        cmocka_unit_test(an_answer_gives_what_connecting_needs),
        cmocka_unit_test(every_candidate_is_taken_once),
        cmocka_unit_test(an_answer_without_a_way_or_a_key_is_refused),
        cmocka_unit_test(somebody_elses_offer_is_answered_line_by_line),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
