// SPDX-License-Identifier: MIT
// Offers of real browsers and of other WebRTC stacks, answered (media-worker/sdp_offer.h reads
// them). They are the fuzz corpus.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "media-worker/sdp.h"

static const char *const codecs[] = {"opus", "VP8", NULL};
static const char *const candidates[] = {"candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",
                                         "candidate:2 1 udp 2130706175 2001:db8::1 50000 typ host",
                                         NULL};
static const SdpLocal local = {.codecs = codecs,
                               .fingerprint = "01:23",
                               .candidates = candidates,
                               .address = "192.0.2.1",
                               .port = 50000};

static char *corpus(const char *name)
{
    g_autofree char *path = g_build_filename("tests/fuzz/corpus/sdp", name, NULL);
    char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static SdpAnswer *answer_to(const char *name)
{
    g_autofree char *offer = corpus(name);
    const char *words = NULL;
    SdpAnswer *answer = sdp_answer(offer, &local, &words);
    assert_null(words);
    assert_non_null(answer);
    return answer;
}

// An offer with one text replaced; why it is refused.
static const char *refusal_of(const char *name, const char *old, const char *new)
{
    g_autofree char *offer = corpus(name);
    g_auto(GStrv) parts = g_strsplit(offer, old, -1);
    g_autofree char *changed = g_strjoinv(new, parts);
    const char *words = NULL;
    g_autoptr(SdpAnswer) answer = sdp_answer(changed, &local, &words);
    assert_null(answer);
    assert_non_null(words);
    return words;
}

static guint count(const char *text, const char *what)
{
    guint n = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

static void trimmed_chromium_offer_gives_three_sources_and_twelve_slots(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("chromium-trimmed");
    const MediaPeerDescription *description = answer->description;
    assert_int_equal(description->n_sources, 3);
    assert_string_equal(description->sources[0].label, "audio");
    assert_string_equal(description->sources[1].label, "video");
    assert_string_equal(description->sources[2].label, "screen");
    assert_int_equal(description->sources[1].payload_type, 96);
    assert_int_equal(description->sources[1].rtx_payload_type, 97);
    assert_int_equal(description->sources[1].ssrc, 253569525);
    assert_int_equal(description->sources[1].rtx_ssrc, 2986431962U);
    assert_true(description->sources[1].has_nack);
    assert_true(description->sources[1].has_transport_cc);
    assert_int_equal(description->n_slots, 12);
    assert_string_equal(description->slots[0].mid, "3");
    assert_int_equal(description->slots[0].clock_rate, 48000);
    assert_string_equal(description->slots[3].mid, "6");
    assert_int_equal(description->slots[3].clock_rate, 90000);
    assert_int_equal(description->extensions.mid, 4);
    assert_int_equal(description->extensions.audio_level, 1);
    assert_int_equal(description->extensions.abs_send_time, 2);
    assert_int_equal(description->extensions.transport_cc, 3);
    assert_string_equal(description->remote_ufrag, "7o93");
    assert_int_equal(answer->fingerprint[0], 0xde);
    assert_int_equal(answer->fingerprint[31], 0x71);
}

static void answer_bundles_all_media_and_names_every_candidate_once(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("chromium-trimmed");
    assert_non_null(strstr(answer->text, "a=ice-lite\r\n"));
    assert_non_null(strstr(answer->text, "a=group:BUNDLE 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14\r\n"));
    assert_int_equal(count(answer->text, "a=candidate:1 1 udp"), 1);
    assert_int_equal(count(answer->text, "a=candidate:2 1 udp"), 1);
    assert_int_equal(count(answer->text, "a=end-of-candidates"), 1);
    assert_int_equal(count(answer->text, "a=setup:passive"), 15);
    assert_int_equal(count(answer->text, "a=fingerprint:sha-256 01:23\r\n"), 15);
    assert_int_equal(count(answer->text, "a=recvonly"), 3);
    assert_int_equal(count(answer->text, "a=sendonly"), 12);
    assert_int_equal(count(answer->text, "goog-remb"), 0);
    assert_int_equal(count(answer->text, "rtp-stream-id"), 0);
}

static void first_three_audio_and_video_slots_share_streams(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("chromium-trimmed");
    assert_non_null(strstr(answer->text, "a=msid:pair1 audio1\r\n"));
    assert_non_null(strstr(answer->text, "a=msid:pair1 video1\r\n"));
    assert_non_null(strstr(answer->text, "a=msid:pair3 audio3\r\n"));
    assert_non_null(strstr(answer->text, "a=msid:pair3 video3\r\n"));
    assert_non_null(strstr(answer->text, "a=msid:video4 video4\r\n"));
    assert_int_equal(count(answer->text, "a=msid:"), 12);
    assert_int_equal(count(answer->text, "a=ssrc-group:FID "), 9);
}

static void every_slot_has_ssrcs_of_its_own(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("chromium-trimmed");
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < answer->description->n_slots; i++) {
        const MediaSlot *slot = &answer->description->slots[i];
        assert_int_not_equal(slot->ssrc, 0);
        assert_true(g_hash_table_add(seen, GUINT_TO_POINTER(slot->ssrc)));
        assert_true(slot->first_sequence < 1 << 15);
        assert_int_equal(slot->rtx_ssrc != 0, slot->kind == MEDIA_VIDEO);
        if (slot->rtx_ssrc != 0)
            assert_true(g_hash_table_add(seen, GUINT_TO_POINTER(slot->rtx_ssrc)));
    }
}

static void untouched_chromium_offer_gets_in_without_its_other_codecs(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("chromium-untrimmed");
    assert_int_equal(answer->description->n_sources, 3);
    assert_int_equal(answer->description->n_slots, 12);
    assert_int_equal(count(answer->text, "H264"), 0);
    assert_int_equal(count(answer->text, "VP9"), 0);
    assert_int_equal(count(answer->text, "VP8/90000"), 11);
    assert_non_null(strstr(answer->text, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert_true(strlen(answer->text) < 16 * 1024);
}

static void simulcast_offer_is_answered_with_one_layer(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("chromium-simulcast");
    assert_int_equal(answer->description->n_sources, 3);
    assert_int_equal(answer->description->sources[1].ssrc, 0);
    assert_int_equal(count(answer->text, "simulcast"), 0);
    assert_int_equal(count(answer->text, "a=rid"), 0);
}

static void sendrecv_lines_are_sources_and_slots(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("aiortc");
    const MediaPeerDescription *description = answer->description;
    assert_int_equal(description->n_sources, 2);
    assert_int_equal(description->n_slots, 2);
    assert_int_equal(description->sources[1].ssrc, 3660527143U);
    assert_int_equal(description->sources[1].rtx_ssrc, 3088520505U);
    assert_int_equal(description->extensions.audio_level, 2);
    assert_int_equal(description->extensions.abs_send_time, 0); // its id is the audio level's
    assert_int_equal(description->slots[1].payload_type, 97);
    assert_int_equal(description->slots[1].rtx_payload_type, 98);
    assert_false(description->sources[1].has_transport_cc);
    assert_int_equal(count(answer->text, "a=sendrecv"), 2);
}

static void bundle_only_lines_with_port_0_are_taken(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("webrtcbin-rtx");
    assert_int_equal(answer->description->n_sources, 2);
    assert_int_equal(answer->description->sources[0].payload_type, 111);
    assert_int_equal(answer->description->sources[0].ssrc, 4026531839U);
    assert_true(answer->description->sources[1].has_transport_cc);
    assert_non_null(strstr(answer->text, "a=group:BUNDLE audio0 video1\r\n"));
    assert_non_null(strstr(answer->text, "m=video 50000 UDP/TLS/RTP/SAVPF 96 97\r\n"));
}

static void opus_without_its_channels_is_taken_and_answered_with_them(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("webrtcbin");
    const MediaPeerDescription *description = answer->description;
    assert_int_equal(description->n_sources, 2);
    assert_int_equal(description->n_slots, 6);
    assert_int_equal(description->sources[1].ssrc, 3042828757U);
    assert_int_equal(description->slots[2].kind, MEDIA_AUDIO);
    assert_int_equal(description->slots[2].payload_type, 97);
    assert_int_equal(count(answer->text, "a=rtpmap:97 opus/48000/2\r\n"), 3);
    assert_int_equal(description->extensions.mid, 0);
    assert_int_equal(count(answer->text, "transport-cc"), 0); // offered without its extension
}

static void firefox_offer_of_the_page_gives_three_sources_and_twelve_slots(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("firefox");
    const MediaPeerDescription *description = answer->description;
    assert_int_equal(description->n_sources, 3);
    assert_int_equal(description->n_slots, 12);
    assert_int_equal(description->sources[1].payload_type, 120);
    assert_int_equal(description->sources[1].rtx_payload_type, 124);
    assert_int_equal(description->extensions.mid, 3);
    assert_int_equal(description->extensions.transport_cc, 7);
    assert_string_equal(description->remote_ufrag, "04ef42e4");
    assert_int_equal(count(answer->text, "a=sendonly"), 12);
}

static void transport_may_stand_at_the_session(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) answer = answer_to("session-level");
    const char *media = strstr(answer->text, "m=audio");
    assert_int_equal(count(answer->text, "a=ice-ufrag:"), 1); // and so it is answered
    assert_true(strstr(answer->text, "a=ice-pwd:") < media);
    assert_true(strstr(answer->text, "a=fingerprint:sha-256 01:23") < media);
    assert_true(strstr(answer->text, "a=setup:passive") < media);
    assert_true(strstr(answer->text, "a=candidate:1") > media);
    assert_int_equal(answer->description->n_sources, 1);
    assert_int_equal(answer->description->n_slots, 0);
    assert_string_equal(answer->description->remote_ufrag, "Wx7p");
    assert_int_equal(answer->description->extensions.mid, 4);
    assert_int_equal(answer->fingerprint[1], 0xbb);
}

static void offer_without_something_needed_is_refused_in_words(void **state)
{
    (void)state;
    assert_non_null(strstr(refusal_of("aiortc", "a=fingerprint:sha-256", "a=x:"), "fingerprint"));
    assert_non_null(
        strstr(refusal_of("aiortc", "a=fingerprint:sha-256", "a=fingerprint:sha-1"), "sha-256"));
    assert_non_null(strstr(refusal_of("aiortc", "a=ice-ufrag", "a=x"), "ufrag"));
    assert_non_null(strstr(refusal_of("aiortc", "a=ice-pwd", "a=x"), "pwd"));
    assert_non_null(strstr(refusal_of("aiortc", "a=group", "a=x"), "BUNDLE"));
    assert_non_null(strstr(refusal_of("aiortc", "actpass", "passive"), "passive"));
    assert_non_null(strstr(refusal_of("session-level", "opus", "PCMU"), "codec"));
    assert_non_null(
        strstr(refusal_of("session-level", "s=-\r\n", "s=-\r\na=ice-lite\r\n"), "lite"));
    assert_non_null(strstr(refusal_of("session-level", "v=0", "x=0"), "no session"));
}

static void offers_over_the_bounds_are_refused(void **state)
{
    (void)state;
    g_autofree char *padding = g_strnfill(96 * 1024, 'x');
    assert_non_null(strstr(refusal_of("session-level", "s=-", padding), "96 KiB"));
    assert_non_null(strstr(refusal_of("hostile-medias", "\r\n", "\n"), "64 m-lines"));
    assert_non_null(strstr(refusal_of("hostile-medias", "\r\n", "\r"), "64 m-lines"));
    assert_non_null(strstr(refusal_of("hostile-mids", "\r\n", "\r\n"), "same mid"));
    assert_non_null(strstr(refusal_of("hostile-long-mid", "\r\n", "\r\n"), "token"));
    assert_non_null(strstr(refusal_of("aiortc", "a=mid:0", "a=mid:a.b"), "token"));
}

static void lines_that_cannot_be_carried_are_answered_with_port_0(void **state)
{
    (void)state;
    g_autofree char *offer = corpus("aiortc");
    g_auto(GStrv) parts = g_strsplit(offer, "VP8", -1);
    g_autofree char *changed = g_strjoinv("AV1", parts);
    const char *words = NULL;
    g_autoptr(SdpAnswer) answer = sdp_answer(changed, &local, &words);
    assert_non_null(answer);
    assert_int_equal(answer->description->n_sources, 1);
    assert_non_null(strstr(answer->text, "a=group:BUNDLE 0\r\n"));
    assert_non_null(strstr(answer->text, "m=video 0 UDP/TLS/RTP/SAVPF 97\r\n"));
}

static void answers_use_fresh_secrets(void **state)
{
    (void)state;
    g_autoptr(SdpAnswer) one = answer_to("aiortc");
    g_autoptr(SdpAnswer) other = answer_to("aiortc");
    assert_string_not_equal(one->description->local_ufrag, other->description->local_ufrag);
    assert_string_not_equal(one->description->local_pwd, other->description->local_pwd);
    assert_true(strlen(one->description->local_pwd) >= 22);
    g_autofree char *ufrag = g_strdup_printf("a=ice-ufrag:%s\r\n", one->description->local_ufrag);
    assert_int_equal(count(one->text, ufrag), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trimmed_chromium_offer_gives_three_sources_and_twelve_slots),
        cmocka_unit_test(answer_bundles_all_media_and_names_every_candidate_once),
        cmocka_unit_test(first_three_audio_and_video_slots_share_streams),
        cmocka_unit_test(every_slot_has_ssrcs_of_its_own),
        cmocka_unit_test(untouched_chromium_offer_gets_in_without_its_other_codecs),
        cmocka_unit_test(simulcast_offer_is_answered_with_one_layer),
        cmocka_unit_test(sendrecv_lines_are_sources_and_slots),
        cmocka_unit_test(bundle_only_lines_with_port_0_are_taken),
        cmocka_unit_test(opus_without_its_channels_is_taken_and_answered_with_them),
        cmocka_unit_test(firefox_offer_of_the_page_gives_three_sources_and_twelve_slots),
        cmocka_unit_test(transport_may_stand_at_the_session),
        cmocka_unit_test(offer_without_something_needed_is_refused_in_words),
        cmocka_unit_test(offers_over_the_bounds_are_refused),
        cmocka_unit_test(lines_that_cannot_be_carried_are_answered_with_port_0),
        cmocka_unit_test(answers_use_fresh_secrets),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
