// SPDX-License-Identifier: MIT
// What protecting one packet of 1,200 bytes costs: ours (EVP, from pieces into another buffer) and
// libsrtp2's as Debian builds it, with the same profile in the same run; and what comes in.
#include "media-worker/rtp.h"
#include "media-worker/srtp.h"
#include <srtp2/srtp.h>
#include <string.h>
#include <time.h>

#define PACKETS 100000
#define PAYLOAD 1172
#define BATCH 512 // packets protected ahead of being unprotected

static _Alignas(64) guint8 packets[BATCH][1280];
static gsize lengths[BATCH];
static guint8 payload[PAYLOAD], header[RTP_HEADER_MAX];
static guint32 next_ssrc = 1;

// CPU time of this thread, so that whatever else runs on the machine does not count.
static gint64 cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static SrtpKeys keys_of(SrtpProfile profile)
{
    SrtpKeys keys = {.profile = profile};
    memset(&keys.inbound, 7, sizeof(keys.inbound));
    keys.outbound = keys.inbound;
    return keys;
}

static gsize build_header(guint32 ssrc, guint index)
{
    const RtpHeader fields = {.payload_type = 96, .sequence = (guint16)index, .ssrc = ssrc};
    return rtp_header_build(header, &fields);
}

static gsize protect(SrtpOut *out, SrtpStream *stream, guint index)
{
    const SrtpPieces pieces = {.header = header,
                               .header_length = build_header(stream->ssrc, index),
                               .prefix = payload, // a VP8 descriptor
                               .prefix_length = 4,
                               .payload = payload,
                               .payload_length = PAYLOAD - 4};
    return srtp_out_protect(out, stream, packets[index % BATCH], &pieces);
}

static void print_ns(const char *name, gint64 start_us, guint count)
{
    if (name != NULL)
        g_print("%s %.0f ns\n", name, (double)(cpu_us() - start_us) * 1000 / count);
}

static void measure_ours(const char *name, SrtpProfile profile)
{
    SrtpKeys keys = keys_of(profile);
    g_autoptr(SrtpOut) out = srtp_out_new(&keys);
    SrtpStream stream;
    srtp_stream_init(&stream, next_ssrc++);
    gint64 start_us = cpu_us();
    for (guint i = 0; i < PACKETS; i++)
        lengths[i % BATCH] = protect(out, &stream, i);
    print_ns(name, start_us, PACKETS);
}

// As a server on libsrtp2 does it: header and payload copied together, protected in place.
static void measure_library(const char *name)
{
    guint8 key[28];
    memset(key, 7, sizeof(key));
    srtp_policy_t policy = {.ssrc = {.type = ssrc_any_outbound}, .key = key};
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    srtp_t session;
    g_assert(srtp_create(&session, &policy) == srtp_err_status_ok);
    gint64 start_us = cpu_us();
    for (guint i = 0; i < PACKETS; i++) {
        guint8 *packet = packets[i % BATCH];
        gsize length = build_header(1, i);
        memcpy(packet, header, length);
        memcpy(packet + length, payload, PAYLOAD);
        int total = (int)length + PAYLOAD;
        g_assert(srtp_protect(session, packet, &total) == srtp_err_status_ok);
    }
    print_ns(name, start_us, PACKETS);
    srtp_dealloc(session);
}

static void measure_inbound(const char *name, SrtpProfile profile)
{
    SrtpKeys keys = keys_of(profile);
    g_autoptr(SrtpOut) out = srtp_out_new(&keys);
    g_autoptr(SrtpIn) in = srtp_in_new(&keys);
    SrtpStream stream;
    srtp_stream_init(&stream, next_ssrc++);
    gint64 spent_us = 0;
    for (guint i = 0; i < PACKETS; i += BATCH) {
        for (guint k = 0; k < BATCH; k++)
            lengths[k] = protect(out, &stream, i + k);
        gint64 start_us = cpu_us();
        for (guint k = 0; k < BATCH; k++)
            g_assert(srtp_in_unprotect(in, packets[k], &lengths[k]) == SRTP_OK);
        spent_us += cpu_us() - start_us;
    }
    print_ns(name, cpu_us() - spent_us, PACKETS / BATCH * BATCH + BATCH);
}

int main(void)
{
    measure_ours(NULL, SRTP_PROFILE_AEAD_AES_128_GCM); // starts the libraries
    measure_ours("srtp_protect_gcm_ns", SRTP_PROFILE_AEAD_AES_128_GCM);
    measure_ours("srtp_protect_cm_ns", SRTP_PROFILE_AES128_CM_SHA1_80);
    measure_library("srtp_protect_gcm_libsrtp_ns");
    measure_inbound("srtp_unprotect_gcm_ns", SRTP_PROFILE_AEAD_AES_128_GCM);
    measure_inbound("srtp_unprotect_cm_ns", SRTP_PROFILE_AES128_CM_SHA1_80);
    return 0;
}
