// SPDX-License-Identifier: MIT
// One peer's DTLS handshake on the control thread: feeds what the streaming thread hands up, runs
// the timer, tells each new state once, and frees OpenSSL's part when the peer has it all.
#pragma once
#include "media-worker/dtls.h"

typedef struct Handshake Handshake;

typedef struct {
    DtlsSend send; // one datagram for the peer; must not free the handshake
    // state: "connecting", "connected", "failed" or "closed". keys: of "connected", else NULL;
    // borrowed. May free the handshake.
    void (*on_state)(const char *state, const SrtpKeys *keys, gpointer user);
} HandshakeCalls;

// fingerprint: DTLS_FINGERPRINT_BYTES that the offer named; no key is told unless the certificate
// has it.
Handshake *handshake_new(DtlsContext *context, const guint8 *fingerprint,
                         const HandshakeCalls *calls, gpointer user);
void handshake_free(Handshake *handshake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Handshake, handshake_free)

void handshake_feed(Handshake *handshake, const guint8 *data, gsize length);
// The peer's media has come: it has our last flight.
void handshake_trim(Handshake *handshake);
const char *handshake_state(const Handshake *handshake); // "new" before the first datagram
// Why it failed; NULL unless "failed".
const char *handshake_failure(const Handshake *handshake);
