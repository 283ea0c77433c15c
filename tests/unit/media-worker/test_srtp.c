// SPDX-License-Identifier: MIT
// Our GCM against libsrtp2, byte for byte; both profiles there and back; what must be refused; and
// the promise that no number is ever encrypted twice.
#include "media-worker/srtp.h"
#include "common/limits.h"
#include "media-worker/rtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <srtp2/srtp.h>
#include <string.h>
#include <cmocka.h>

#define SSRC 0xCAFEBABE
static const SrtpProfile profiles[] = {SRTP_PROFILE_AEAD_AES_128_GCM,
                                       SRTP_PROFILE_AES128_CM_SHA1_80};

static SrtpKeys keys_of(SrtpProfile profile)
{
    SrtpKeys keys = {.profile = profile};
    for (guint i = 0; i < SRTP_KEY_BYTES; i++)
        keys.inbound.key[i] = keys.outbound.key[i] = (guint8)(17 * i + 3);
    for (guint i = 0; i < srtp_salt_bytes(profile); i++)
        keys.inbound.salt[i] = keys.outbound.salt[i] = (guint8)(29 * i + 5);
    return keys;
}

static gsize header_of(guint8 *out, guint32 ssrc, guint16 sequence)
{
    static const guint32 csrc[] = {42};
    static const guint8 mid[] = "0";
    static const RtpExtension extensions[] = {{3, 1, mid}};
    RtpHeader header = {.payload_type = 96,
                        .sequence = sequence,
                        .timestamp = 1000,
                        .ssrc = ssrc,
                        .n_csrc = 1,
                        .csrc = csrc,
                        .n_extensions = 1,
                        .extensions = extensions};
    return rtp_header_build(out, &header);
}

typedef struct {
    _Alignas(4) guint8 bytes[2048];
    gsize length;
} Packet;

// payload_length bytes of payload behind a prefix of prefix_length.
static Packet protect(SrtpOut *out, SrtpStream *stream, guint16 sequence, gsize payload_length)
{
    static guint8 payload[1500];
    guint8 header[RTP_HEADER_MAX];
    Packet packet;
    for (guint i = 0; i < sizeof(payload); i++)
        payload[i] = (guint8)(i * 7);
    SrtpPieces pieces = {.header = header,
                         .header_length = header_of(header, stream->ssrc, sequence),
                         .prefix = payload,
                         .prefix_length = MIN(payload_length, 6),
                         .payload = payload + MIN(payload_length, 6),
                         .payload_length = payload_length - MIN(payload_length, 6)};
    packet.length = srtp_out_protect(out, stream, packet.bytes, &pieces);
    return packet;
}

static srtp_t reference_session(const SrtpKeys *keys)
{
    static guint8 key[SRTP_KEY_BYTES + SRTP_SALT_MAX];
    memcpy(key, keys->outbound.key, SRTP_KEY_BYTES);
    memcpy(key + SRTP_KEY_BYTES, keys->outbound.salt, SRTP_SALT_MAX);
    srtp_policy_t policy = {.ssrc = {.type = ssrc_any_outbound}, .key = key};
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    srtp_t session;
    assert_int_equal(srtp_create(&session, &policy), srtp_err_status_ok);
    return session;
}

static void gcm_is_libsrtps_byte_for_byte(void **state)
{
    (void)state;
    static const gsize lengths[] = {0, 1, 5, 6, 7, 16, 22, 160, 333, 1200};
    SrtpKeys keys = keys_of(SRTP_PROFILE_AEAD_AES_128_GCM);
    g_autoptr(SrtpOut) out = srtp_out_new(&keys);
    srtp_t reference = reference_session(&keys);
    SrtpStream stream;
    srtp_stream_init(&stream, SSRC);
    guint16 sequence = 0x7FF0;
    for (guint i = 0; i < 40000; i += 8) { // over the rollover
        Packet packet = protect(out, &stream, sequence, lengths[i / 8 % G_N_ELEMENTS(lengths)]);
        Packet plain = {.length = header_of(plain.bytes, SSRC, sequence)};
        for (guint k = 0; k < lengths[i / 8 % G_N_ELEMENTS(lengths)]; k++)
            plain.bytes[plain.length++] = (guint8)(k * 7);
        int length = (int)plain.length;
        assert_int_equal(srtp_protect(reference, plain.bytes, &length), srtp_err_status_ok);
        assert_int_equal(length, packet.length);
        assert_memory_equal(plain.bytes, packet.bytes, packet.length);
        sequence += 8;
    }
    assert_true(stream.newest > 0xFFFF);
    srtp_dealloc(reference);
}

static gsize report_of(guint8 *out, guint32 ssrc)
{
    static const guint8 bytes[28] = {0x80, 200, 0, 6, 1, 2, 3, 4, 9, 8, 7};
    memcpy(out, bytes, sizeof(bytes));
    rtp_put32(out + 4, ssrc);
    return sizeof(bytes);
}

static void gcm_of_rtcp_is_libsrtps_byte_for_byte(void **state)
{
    (void)state;
    SrtpKeys keys = keys_of(SRTP_PROFILE_AEAD_AES_128_GCM);
    g_autoptr(SrtpOut) out = srtp_out_new(&keys);
    srtp_t reference = reference_session(&keys);
    for (guint i = 0; i < 300; i++) {
        Packet ours = {.length = report_of(ours.bytes, SSRC)}, theirs = ours;
        int length = (int)theirs.length;
        ours.length = srtp_out_protect_rtcp(out, ours.bytes, ours.length);
        assert_int_equal(srtp_protect_rtcp(reference, theirs.bytes, &length), srtp_err_status_ok);
        assert_int_equal(length, ours.length);
        assert_memory_equal(ours.bytes, theirs.bytes, ours.length);
    }
    srtp_dealloc(reference);
}

static void packets_go_there_and_back_in_both_profiles(void **state)
{
    (void)state;
    for (guint p = 0; p < G_N_ELEMENTS(profiles); p++) {
        SrtpKeys keys = keys_of(profiles[p]);
        g_autoptr(SrtpOut) out = srtp_out_new(&keys);
        g_autoptr(SrtpIn) in = srtp_in_new(&keys);
        SrtpStream stream;
        srtp_stream_init(&stream, SSRC);
        assert_int_equal(srtp_out_profile(out), profiles[p]);
        for (guint i = 0; i < 70000; i += 5) {
            Packet packet = protect(out, &stream, (guint16)(100 + i), 50);
            RtpPacket view;
            assert_int_equal(srtp_in_unprotect(in, packet.bytes, &packet.length), SRTP_OK);
            assert_true(rtp_parse(&view, packet.bytes, packet.length));
            assert_int_equal(view.payload_length, 50);
            assert_int_equal(view.payload[49], (guint8)(49 * 7));
        }
        Packet report = {.length = report_of(report.bytes, SSRC)};
        report.length = srtp_out_protect_rtcp(out, report.bytes, report.length);
        assert_true(report.length <= 28 + SRTP_OVERHEAD_MAX);
        assert_int_equal(srtp_in_unprotect_rtcp(in, report.bytes, &report.length), SRTP_OK);
        assert_int_equal(report.length, 28);
        assert_int_equal(report.bytes[10], 7);
    }
}

static void replays_and_forgeries_are_told_apart(void **state)
{
    (void)state;
    for (guint p = 0; p < G_N_ELEMENTS(profiles); p++) {
        SrtpKeys keys = keys_of(profiles[p]);
        g_autoptr(SrtpOut) out = srtp_out_new(&keys);
        g_autoptr(SrtpIn) in = srtp_in_new(&keys);
        SrtpStream stream;
        srtp_stream_init(&stream, SSRC);
        Packet packet = protect(out, &stream, 1, 100), again = packet, forged = packet;
        forged.bytes[60] ^= 1;
        assert_int_equal(srtp_in_unprotect(in, forged.bytes, &forged.length), SRTP_FORGED);
        assert_int_equal(srtp_in_unprotect(in, packet.bytes, &packet.length), SRTP_OK);
        assert_int_equal(srtp_in_unprotect(in, again.bytes, &again.length), SRTP_REPLAYED);
        Packet report = {.length = report_of(report.bytes, SSRC)};
        report.length = srtp_out_protect_rtcp(out, report.bytes, report.length);
        again = forged = report;
        forged.bytes[12] ^= 1;
        assert_int_equal(srtp_in_unprotect_rtcp(in, forged.bytes, &forged.length), SRTP_FORGED);
        assert_int_equal(srtp_in_unprotect_rtcp(in, report.bytes, &report.length), SRTP_OK);
        assert_int_equal(srtp_in_unprotect_rtcp(in, again.bytes, &again.length), SRTP_REPLAYED);
    }
}

static void short_packets_are_malformed(void **state)
{
    (void)state;
    for (guint p = 0; p < G_N_ELEMENTS(profiles); p++) {
        SrtpKeys keys = keys_of(profiles[p]);
        g_autoptr(SrtpIn) in = srtp_in_new(&keys);
        gsize minimum = profiles[p] == SRTP_PROFILE_AEAD_AES_128_GCM ? 28 : 22;
        for (gsize length = 0; length < minimum + 20; length++) {
            guint32 words[16] = {0};
            guint8 *bytes = (guint8 *)words;
            bytes[0] = 0x80;
            gsize got = length;
            SrtpResult expected = length < minimum ? SRTP_MALFORMED : SRTP_FORGED;
            assert_int_equal(srtp_in_unprotect(in, bytes, &got), expected);
            got = length;
            bytes[0] = 0x80;
            assert_int_not_equal(srtp_in_unprotect_rtcp(in, bytes, &got), SRTP_OK);
        }
    }
}

static void a_peer_has_only_so_many_ssrcs(void **state)
{
    (void)state;
    SrtpKeys keys = keys_of(SRTP_PROFILE_AEAD_AES_128_GCM);
    g_autoptr(SrtpOut) out = srtp_out_new(&keys);
    g_autoptr(SrtpIn) in = srtp_in_new(&keys);
    for (guint i = 0; i <= LIMIT_SSRCS_PER_PEER; i++) {
        SrtpStream stream;
        srtp_stream_init(&stream, 1000 + i);
        Packet packet = protect(out, &stream, 1, 10);
        assert_int_equal(srtp_in_unprotect(in, packet.bytes, &packet.length),
                         i < LIMIT_SSRCS_PER_PEER ? SRTP_OK : SRTP_CROWDED);
    }
    SrtpStream known = {.ssrc = 1000, .started = TRUE, .newest = 1};
    Packet packet = protect(out, &known, 2, 10);
    assert_int_equal(srtp_in_unprotect(in, packet.bytes, &packet.length), SRTP_OK);
}

static void take(SrtpOut *out, SrtpStream *stream, guint16 sequence)
{
    assert_true(srtp_stream_is_fresh(stream, sequence));
    protect(out, stream, sequence, 1);
    assert_false(srtp_stream_is_fresh(stream, sequence));
}

static void a_number_is_fresh_only_once(void **state)
{
    (void)state;
    SrtpKeys keys = keys_of(SRTP_PROFILE_AEAD_AES_128_GCM);
    g_autoptr(SrtpOut) out = srtp_out_new(&keys);
    SrtpStream stream;
    srtp_stream_init(&stream, SSRC);
    assert_false(
        srtp_stream_is_fresh(&stream, 0x8000)); // a receiver would guess the rollover wrong
    take(out, &stream, 5);
    assert_false(srtp_stream_is_fresh(&stream, 0xFFFF)); // before the beginning
    take(out, &stream, 10);
    take(out, &stream, 7);
    take(out, &stream, 600);
    assert_true(srtp_stream_is_fresh(&stream, 89));
    assert_false(srtp_stream_is_fresh(&stream, 88)); // behind the window
    take(out, &stream, 601);
    for (guint sequence = 602; sequence <= 0x10000 + 3; sequence += 100)
        take(out, &stream, (guint16)sequence);
    assert_true(stream.newest <= 0x10003 && stream.newest > 0xFFA0);
    take(out, &stream, 300);
    assert_int_equal(stream.newest, 0x10000 + 300);
    take(out, &stream, 0xFFFF); // late, before the rollover
    assert_int_equal(stream.newest, 0x10000 + 300);
}

static void late_packets_are_understood(void **state)
{
    (void)state;
    for (guint p = 0; p < G_N_ELEMENTS(profiles); p++) {
        static const guint16 order[] = {0x7FFF, 0xFFFD, 0xFFFF, 1, 0xFFFE, 0, 400, 2};
        SrtpKeys keys = keys_of(profiles[p]);
        g_autoptr(SrtpOut) out = srtp_out_new(&keys);
        g_autoptr(SrtpIn) in = srtp_in_new(&keys);
        SrtpStream stream;
        srtp_stream_init(&stream, SSRC);
        for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
            Packet packet = protect(out, &stream, order[i], 20);
            assert_int_equal(srtp_in_unprotect(in, packet.bytes, &packet.length), SRTP_OK);
        }
    }
}

static void keys_can_be_wiped(void **state)
{
    (void)state;
    static const SrtpKeys zero;
    SrtpKeys keys = keys_of(SRTP_PROFILE_AES128_CM_SHA1_80);
    srtp_keys_clear(&keys);
    assert_memory_equal(&keys, &zero, sizeof(keys));
    assert_string_equal(srtp_profile_name(profiles[0]), "SRTP_AEAD_AES_128_GCM");
    assert_string_equal(srtp_result_name(SRTP_CROWDED), "crowded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_go_there_and_back_in_both_profiles),
        cmocka_unit_test(gcm_is_libsrtps_byte_for_byte),
        cmocka_unit_test(gcm_of_rtcp_is_libsrtps_byte_for_byte),
        cmocka_unit_test(replays_and_forgeries_are_told_apart),
        cmocka_unit_test(short_packets_are_malformed),
        cmocka_unit_test(a_peer_has_only_so_many_ssrcs),
        cmocka_unit_test(a_number_is_fresh_only_once),
        cmocka_unit_test(late_packets_are_understood),
        cmocka_unit_test(keys_can_be_wiped),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
