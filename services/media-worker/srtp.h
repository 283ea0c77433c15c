// SPDX-License-Identifier: MIT
// SRTP (RFC 3711) with AEAD_AES_128_GCM (RFC 7714) and AES128_CM_SHA1_80, keyed by DTLS (RFC 5764).
//
// Inbound is libsrtp2, in place in the receive buffer. Outbound with GCM is OpenSSL's EVP, one
// context per receiver of which only the IV changes (a third of the cost of Debian's libsrtp2), and
// goes from shared payload to the caller's send arena: nothing that is shared is ever written to.
//
// The hard thing: a (SSRC, rollover, sequence) encrypted twice with different bytes gives GCM's
// authentication key away. Each outbound stream remembers which of its last numbers it has used and
// the process stops (g_assert) rather than use one twice. Resends go by RTX (an SSRC of its own),
// or repeat the bytes that were sent.
//
// An object belongs to one thread at a time. Nothing allocates per packet, but for the first packet
// of a new inbound SSRC.
#pragma once
#include <glib.h>

typedef enum { SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AES128_CM_SHA1_80 } SrtpProfile;

#define SRTP_KEY_BYTES 16
#define SRTP_SALT_MAX 14
#define SRTP_OVERHEAD_MAX 24 // that protecting adds to a packet at most: GCM tag and SRTCP index

typedef struct {
    guint8 key[SRTP_KEY_BYTES];
    guint8 salt[SRTP_SALT_MAX]; // GCM uses 12
} SrtpMaster;

// What a handshake yields. Plain data, copied by value; secret: wipe with srtp_keys_clear.
typedef struct {
    SrtpProfile profile;
    SrtpMaster inbound;  // the peer protects with it, we unprotect
    SrtpMaster outbound; // we protect with it
} SrtpKeys;
void srtp_keys_clear(SrtpKeys *keys);
gsize srtp_salt_bytes(SrtpProfile profile);
const char *srtp_profile_name(SrtpProfile profile); // as RFC 5764 and 7714 name it

// --- inbound -------------------------------------------------------------------------------------
typedef enum {
    SRTP_OK,
    SRTP_REPLAYED,  // had before, or too old to tell
    SRTP_FORGED,    // authentication failed
    SRTP_MALFORMED, // not (S)RTP, too short
    SRTP_CROWDED,   // an SSRC beyond the peer's LIMIT_SSRCS_PER_PEER
} SrtpResult;
const char *srtp_result_name(SrtpResult result); // "forged"

typedef struct SrtpIn SrtpIn;
SrtpIn *srtp_in_new(const SrtpKeys *keys);
void srtp_in_free(SrtpIn *in);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SrtpIn, srtp_in_free)

// In place; *length becomes that of the plain packet. `packet` must be aligned to 4 bytes. On
// anything but SRTP_OK the bytes may be destroyed.
SrtpResult srtp_in_unprotect(SrtpIn *in, guint8 *packet, gsize *length);
SrtpResult srtp_in_unprotect_rtcp(SrtpIn *in, guint8 *packet, gsize *length);

// --- outbound ------------------------------------------------------------------------------------
typedef struct SrtpOut SrtpOut;
SrtpOut *srtp_out_new(const SrtpKeys *keys);
void srtp_out_free(SrtpOut *out);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SrtpOut, srtp_out_free)
SrtpProfile srtp_out_profile(const SrtpOut *out);

#define SRTP_STREAM_WINDOW 512 // numbers behind the newest that a late packet may still take

// One outbound SSRC: whoever owns the slot holds it by value. Start anew (srtp_stream_init)
// whenever the SrtpOut is new, and never otherwise.
typedef struct {
    guint32 ssrc;
    gboolean started;
    guint64 newest; // index: rollover << 16 | sequence
    guint64 used[SRTP_STREAM_WINDOW / 64];
} SrtpStream;
void srtp_stream_init(SrtpStream *stream, guint32 ssrc);
// May `sequence` be encrypted: newer than all before (by less than 2^15), or late, inside the
// window and never used. The first one must be below 2^15.
gboolean srtp_stream_is_fresh(const SrtpStream *stream, guint16 sequence);

// A packet in up to three pieces: the header stays readable; prefix (RTX's original sequence
// number, a rewritten VP8 descriptor; may be NULL, 0) and payload are encrypted, one behind the
// other.
typedef struct {
    const guint8 *header, *prefix, *payload;
    gsize header_length, prefix_length, payload_length;
} SrtpPieces;

// Writes the protected packet to `packet`, which has room for the pieces + SRTP_OVERHEAD_MAX, is
// aligned to 4 bytes and overlaps none of the pieces; returns its length. SSRC and sequence are
// those of the header. Asserts that the number is fresh, and takes it.
gsize srtp_out_protect(SrtpOut *out, SrtpStream *stream, guint8 *packet, const SrtpPieces *pieces);

// RTCP, in place: `packet` has room for SRTP_OVERHEAD_MAX more and is aligned to 4 bytes. The index
// (31 bits) counts per SrtpOut, over all senders. Returns the length.
gsize srtp_out_protect_rtcp(SrtpOut *out, guint8 *packet, gsize length);
