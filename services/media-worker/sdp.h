// SPDX-License-Identifier: MIT
// The room's answer to a client's offer: what the peer may send (sources), what it gets (slots,
// each one SSRC for life), and the text that says so. Pure but for random identifiers.
//
// Every m-line that asks to receive is a slot and is answered as sending at once, filled or not, so
// that nobody negotiates again because somebody else joins, leaves, speaks or shares. Audio slot k
// and video slot k (k = 1 to 3) share a stream, because browsers synchronise only the first pair of
// a stream. RFC 8829 (JSEP), RFC 8445 (ICE-lite), RFC 5576 (SSRCs), RFC 8830 (msid).
#pragma once
#include "media-worker/sdp_offer.h"

// What the room process offers to each peer alike.
typedef struct {
    const char *const *codecs;     // NULL-terminated: "opus", "VP8"
    const char *fingerprint;       // "AB:CD:…", SHA-256 of our certificate
    const char *const *candidates; // NULL-terminated lines "candidate:…"
    const char *address;           // of the first of them
    guint16 port;
} SdpLocal;

typedef struct {
    MediaPeerDescription *description; // its `number` is the caller's to set
    char *text;
    guint8 fingerprint[DTLS_FINGERPRINT_BYTES]; // of the certificate that the client must show
} SdpAnswer;

// NULL if the offer cannot be answered; *ret_words (static) says why.
SdpAnswer *sdp_answer(const char *offer, const SdpLocal *local, const char **ret_words);
void sdp_answer_free(SdpAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdpAnswer, sdp_answer_free)
