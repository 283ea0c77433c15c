// SPDX-License-Identifier: MIT
// See srtp.h. The GCM half is written after RFC 7714: nonce = salt XOR (0, SSRC, rollover,
// sequence), the RTP header is the associated data. Session keys come from the master key by AES in
// counter mode (RFC 3711 section 4.3), with the 12-byte salt of GCM padded to 14.
//
// libsrtp2's trap: it reads lengths from short packets before it checks them, so we check first;
// and it makes state for each new SSRC that authenticates, so the number of SSRCs is bounded here.
#include "media-worker/srtp.h"
#include "common/limits.h"
#include "media-worker/rtp.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <srtp2/srtp.h>
#include <string.h>

#define GCM_TAG 16
#define GCM_SALT 12
#define CM_TAG 10
#define RTCP_HEADER 8  // that stays readable
#define RTCP_TRAILER 4 // E flag and index
#define ONE G_GUINT64_CONSTANT(1)
#define RTCP_INDEX_MAX 0x7FFFFFFF
#define IN_WINDOW 1024 // late packets by resending: 10 s of a video stream
// RFC 3711 section 4.3.1
enum { LABEL_RTP_KEY = 0, LABEL_RTP_SALT = 2, LABEL_RTCP_KEY = 3, LABEL_RTCP_SALT = 5 };

void srtp_keys_clear(SrtpKeys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}

gsize srtp_salt_bytes(SrtpProfile profile)
{
    return profile == SRTP_PROFILE_AEAD_AES_128_GCM ? GCM_SALT : SRTP_SALT_MAX;
}

const char *srtp_profile_name(SrtpProfile profile)
{
    return profile == SRTP_PROFILE_AEAD_AES_128_GCM ? "SRTP_AEAD_AES_128_GCM"
                                                    : "SRTP_AES128_CM_HMAC_SHA1_80";
}

const char *srtp_result_name(SrtpResult result)
{
    static const char *const names[] = {[SRTP_OK] = "ok",
                                        [SRTP_REPLAYED] = "replayed",
                                        [SRTP_FORGED] = "forged",
                                        [SRTP_MALFORMED] = "malformed",
                                        [SRTP_CROWDED] = "crowded"};
    return names[result];
}

// --- libsrtp2 ------------------------------------------------------------------------------------
static gpointer library_start(gpointer unused)
{
    (void)unused;
    g_assert(srtp_init() == srtp_err_status_ok);
    return NULL;
}

static srtp_t library_session(SrtpProfile profile, const SrtpMaster *master, srtp_ssrc_type_t type)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, library_start, NULL);
    guint8 key[SRTP_KEY_BYTES + SRTP_SALT_MAX];
    memcpy(key, master->key, SRTP_KEY_BYTES);
    memcpy(key + SRTP_KEY_BYTES, master->salt, SRTP_SALT_MAX);
    srtp_policy_t policy = {.ssrc = {.type = type}, .key = key, .window_size = IN_WINDOW};
    if (profile == SRTP_PROFILE_AEAD_AES_128_GCM) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    }
    srtp_t session = NULL;
    g_assert(srtp_create(&session, &policy) == srtp_err_status_ok);
    OPENSSL_cleanse(key, sizeof(key));
    return session;
}

// --- inbound -------------------------------------------------------------------------------------
struct SrtpIn {
    srtp_t session;
    gsize tag;
    guint n_ssrcs;
    guint32 ssrcs[LIMIT_SSRCS_PER_PEER]; // that have authenticated
};

SrtpIn *srtp_in_new(const SrtpKeys *keys)
{
    SrtpIn *in = g_new0(SrtpIn, 1);
    in->session = library_session(keys->profile, &keys->inbound, ssrc_any_inbound);
    in->tag = keys->profile == SRTP_PROFILE_AEAD_AES_128_GCM ? GCM_TAG : CM_TAG;
    return in;
}

void srtp_in_free(SrtpIn *in)
{
    if (in == NULL)
        return;
    srtp_dealloc(in->session);
    g_free(in);
}

static gboolean is_known(const SrtpIn *in, guint32 ssrc)
{
    for (guint i = 0; i < in->n_ssrcs; i++)
        if (in->ssrcs[i] == ssrc)
            return TRUE;
    return FALSE;
}

static SrtpResult result_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return SRTP_OK;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
    case srtp_err_status_pkt_idx_old:
        return SRTP_REPLAYED;
    case srtp_err_status_auth_fail:
    case srtp_err_status_cipher_fail: // how GCM's tag fails
        return SRTP_FORGED;
    default:
        return SRTP_MALFORMED;
    }
}

typedef srtp_err_status_t (*Unprotect)(srtp_t session, void *packet, int *length);

static SrtpResult unprotect(SrtpIn *in, Unprotect function, guint8 *packet, gsize *length)
{
    guint32 ssrc = rtp_get32(packet + (function == srtp_unprotect ? 8 : 4));
    gboolean known = is_known(in, ssrc);
    if (!known && in->n_ssrcs == LIMIT_SSRCS_PER_PEER)
        return SRTP_CROWDED;
    int plain_length = (int)*length;
    SrtpResult result = result_of(function(in->session, packet, &plain_length));
    if (result != SRTP_OK)
        return result;
    if (!known)
        in->ssrcs[in->n_ssrcs++] = ssrc;
    *length = (gsize)plain_length;
    return SRTP_OK;
}

SrtpResult srtp_in_unprotect(SrtpIn *in, guint8 *packet, gsize *length)
{
    RtpPacket view;
    if (!rtp_parse_protected(&view, packet, *length) || view.payload_length < in->tag)
        return SRTP_MALFORMED;
    return unprotect(in, srtp_unprotect, packet, length);
}

SrtpResult srtp_in_unprotect_rtcp(SrtpIn *in, guint8 *packet, gsize *length)
{
    if (*length < RTCP_HEADER + in->tag + RTCP_TRAILER || *length > G_MAXUINT16 ||
        packet[0] >> 6 != 2)
        return SRTP_MALFORMED;
    return unprotect(in, srtp_unprotect_rtcp, packet, length);
}

// --- outbound: which numbers were used -----------------------------------------------------------
void srtp_stream_init(SrtpStream *stream, guint32 ssrc)
{
    *stream = (SrtpStream){.ssrc = ssrc};
}

// The index that `sequence` stands for (RFC 3711 section 3.3.1), G_MAXUINT64 if there is none.
static guint64 stream_index(const SrtpStream *stream, guint16 sequence)
{
    if (!stream->started)
        return sequence < 0x8000 ? sequence : G_MAXUINT64;
    gint16 after = rtp_sequence_after(sequence, (guint16)stream->newest);
    return after < 0 && stream->newest < (guint64)-after ? G_MAXUINT64
                                                         : stream->newest + (guint64)after;
}

static gboolean is_used(const SrtpStream *stream, guint64 index)
{
    return stream->used[index % SRTP_STREAM_WINDOW / 64] >> (index % 64) & 1;
}

gboolean srtp_stream_is_fresh(const SrtpStream *stream, guint16 sequence)
{
    guint64 index = stream_index(stream, sequence);
    if (index == G_MAXUINT64)
        return FALSE;
    if (!stream->started || index > stream->newest)
        return TRUE;
    return stream->newest - index < SRTP_STREAM_WINDOW && !is_used(stream, index);
}

// Moves the window up to `index`, newer than all before.
static void stream_advance(SrtpStream *stream, guint64 index)
{
    if (!stream->started || index - stream->newest >= SRTP_STREAM_WINDOW)
        memset(stream->used, 0, sizeof(stream->used));
    else
        for (guint64 passed = stream->newest + 1; passed <= index; passed++)
            stream->used[passed % SRTP_STREAM_WINDOW / 64] &= ~(ONE << passed % 64);
    stream->newest = index;
    stream->started = TRUE;
}

static guint64 stream_take(SrtpStream *stream, guint16 sequence)
{
    g_assert(srtp_stream_is_fresh(stream, sequence));
    guint64 index = stream_index(stream, sequence);
    if (!stream->started || index > stream->newest)
        stream_advance(stream, index);
    stream->used[index % SRTP_STREAM_WINDOW / 64] |= ONE << index % 64;
    return index;
}

// --- outbound: protecting ------------------------------------------------------------------------
typedef struct {
    EVP_CIPHER_CTX *context; // holds the key; each packet sets the nonce
    guint8 salt[GCM_SALT];
} Gcm;

struct SrtpOut {
    SrtpProfile profile;
    Gcm rtp, rtcp;      // AEAD_AES_128_GCM
    guint32 rtcp_index; // of the last one sent
    srtp_t session;     // AES128_CM_SHA1_80
};

// One session key or salt: AES-CTR of zeros from (label XOR salt) * 2^16.
static void derive(const SrtpMaster *master, guint8 label, guint8 *out, gsize length)
{
    guint8 counter[16] = {0};
    const guint8 zeros[16] = {0};
    int written = 0;
    memcpy(counter, master->salt, GCM_SALT);
    counter[7] ^= label;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    g_assert(context != NULL &&
             EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, master->key, counter) == 1 &&
             EVP_EncryptUpdate(context, out, &written, zeros, (int)length) == 1);
    EVP_CIPHER_CTX_free(context);
}

static void gcm_init(Gcm *gcm, const SrtpMaster *master, guint8 key_label, guint8 salt_label)
{
    guint8 key[SRTP_KEY_BYTES];
    derive(master, key_label, key, sizeof(key));
    derive(master, salt_label, gcm->salt, sizeof(gcm->salt));
    gcm->context = EVP_CIPHER_CTX_new();
    g_assert(gcm->context != NULL &&
             EVP_EncryptInit_ex(gcm->context, EVP_aes_128_gcm(), NULL, key, NULL) == 1);
    OPENSSL_cleanse(key, sizeof(key));
}

SrtpOut *srtp_out_new(const SrtpKeys *keys)
{
    SrtpOut *out = g_new0(SrtpOut, 1);
    out->profile = keys->profile;
    if (keys->profile == SRTP_PROFILE_AEAD_AES_128_GCM) {
        gcm_init(&out->rtp, &keys->outbound, LABEL_RTP_KEY, LABEL_RTP_SALT);
        gcm_init(&out->rtcp, &keys->outbound, LABEL_RTCP_KEY, LABEL_RTCP_SALT);
    } else {
        out->session = library_session(keys->profile, &keys->outbound, ssrc_any_outbound);
    }
    return out;
}

void srtp_out_free(SrtpOut *out)
{
    if (out == NULL)
        return;
    EVP_CIPHER_CTX_free(out->rtp.context);
    EVP_CIPHER_CTX_free(out->rtcp.context);
    if (out->session != NULL)
        srtp_dealloc(out->session);
    OPENSSL_cleanse(out, sizeof(*out));
    g_free(out);
}

SrtpProfile srtp_out_profile(const SrtpOut *out)
{
    return out->profile;
}

// Sets the nonce of a packet: salt XOR (0, SSRC, 48 bits of index).
static void gcm_begin(Gcm *gcm, guint32 ssrc, guint64 index)
{
    guint8 nonce[GCM_SALT] = {0};
    rtp_put32(nonce + 2, ssrc);
    rtp_put32(nonce + 6, (guint32)(index >> 16));
    rtp_put16(nonce + 10, (guint16)index);
    for (guint i = 0; i < GCM_SALT; i++)
        nonce[i] ^= gcm->salt[i];
    g_assert(EVP_EncryptInit_ex(gcm->context, NULL, NULL, NULL, nonce) == 1);
}

// out NULL: associated data.
static void gcm_add(Gcm *gcm, guint8 *out, const guint8 *data, gsize length)
{
    int written;
    if (length > 0)
        g_assert(EVP_EncryptUpdate(gcm->context, out, &written, data, (int)length) == 1);
}

static void gcm_end(Gcm *gcm, guint8 *tag)
{
    int written;
    g_assert(EVP_EncryptFinal_ex(gcm->context, tag, &written) == 1 &&
             EVP_CIPHER_CTX_ctrl(gcm->context, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, tag) == 1);
}

static void append(guint8 *packet, gsize *length, const guint8 *data, gsize data_length)
{
    if (data_length > 0)
        memcpy(packet + *length, data, data_length);
    *length += data_length;
}

static gsize join(guint8 *packet, const SrtpPieces *pieces)
{
    gsize length = 0;
    append(packet, &length, pieces->header, pieces->header_length);
    append(packet, &length, pieces->prefix, pieces->prefix_length);
    append(packet, &length, pieces->payload, pieces->payload_length);
    return length;
}

// One update over all that is encrypted, in the packet's own memory: a prefix given to OpenSSL by
// itself leaves it between two blocks, and what follows takes five times as long.
static gsize protect_gcm(Gcm *gcm, guint64 index, guint8 *packet, const SrtpPieces *pieces)
{
    gsize length = join(packet, pieces), header_length = pieces->header_length;
    gcm_begin(gcm, rtp_get32(packet + 8), index);
    gcm_add(gcm, NULL, packet, header_length);
    gcm_add(gcm, packet + header_length, packet + header_length, length - header_length);
    gcm_end(gcm, packet + length);
    return length + GCM_TAG;
}

static gsize protect_by_library(SrtpOut *out, guint8 *packet, const SrtpPieces *pieces)
{
    int protected_length = (int)join(packet, pieces);
    g_assert(srtp_protect(out->session, packet, &protected_length) == srtp_err_status_ok);
    return (gsize)protected_length;
}

gsize srtp_out_protect(SrtpOut *out, SrtpStream *stream, guint8 *packet, const SrtpPieces *pieces)
{
    g_assert(pieces->header_length >= RTP_HEADER_MIN &&
             rtp_get32(pieces->header + 8) == stream->ssrc);
    guint64 index = stream_take(stream, rtp_get16(pieces->header + 2));
    return out->profile == SRTP_PROFILE_AEAD_AES_128_GCM
               ? protect_gcm(&out->rtp, index, packet, pieces)
               : protect_by_library(out, packet, pieces);
}

// RFC 7714 section 9: the trailer (encryption flag and index) is associated data too, and comes
// last.
static gsize protect_rtcp_gcm(SrtpOut *out, guint8 *packet, gsize length)
{
    guint8 trailer[RTCP_TRAILER];
    g_assert(out->rtcp_index < RTCP_INDEX_MAX);
    out->rtcp_index++;
    rtp_put32(trailer, 0x80000000 | out->rtcp_index);
    gcm_begin(&out->rtcp, rtp_get32(packet + 4), out->rtcp_index);
    gcm_add(&out->rtcp, NULL, packet, RTCP_HEADER);
    gcm_add(&out->rtcp, NULL, trailer, RTCP_TRAILER);
    gcm_add(&out->rtcp, packet + RTCP_HEADER, packet + RTCP_HEADER, length - RTCP_HEADER);
    gcm_end(&out->rtcp, packet + length);
    memcpy(packet + length + GCM_TAG, trailer, RTCP_TRAILER);
    return length + GCM_TAG + RTCP_TRAILER;
}

gsize srtp_out_protect_rtcp(SrtpOut *out, guint8 *packet, gsize length)
{
    g_assert(length >= RTCP_HEADER);
    if (out->profile == SRTP_PROFILE_AEAD_AES_128_GCM)
        return protect_rtcp_gcm(out, packet, length);
    int protected_length = (int)length;
    g_assert(srtp_protect_rtcp(out->session, packet, &protected_length) == srtp_err_status_ok);
    return (gsize)protected_length;
}
