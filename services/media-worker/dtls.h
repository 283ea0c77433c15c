// SPDX-License-Identifier: MIT
// DTLS 1.2 for SRTP keys (RFC 5764) over datagrams that somebody else carries: bytes go in by
// dtls_session_feed, out by a callback, and the owner runs the timer. Server (passive) for us,
// client for the native test peer.
//
// The hard things: the peer is known by its certificate's fingerprint alone, so no key leaves
// before that has been compared; a ClientHello may span two datagrams (OpenSSL keeps the first); a
// datagram that is not a proper part of the handshake is dropped and counted and never ends the
// session; a finished SSL holds 74 KB, so it is freed once its last flight can no longer be asked
// for.
//
// One thread. Feed only datagrams of a pair that ICE has authenticated.
#pragma once
#include "media-worker/srtp.h"

#define DTLS_FINGERPRINT_BYTES 32 // SHA-256
#define DTLS_MTU 1200             // no datagram of ours is longer

// One per process: certificate (ECDSA P-256, self-signed, made at start) and settings.
typedef struct DtlsContext DtlsContext;
DtlsContext *dtls_context_new(GError **error);
void dtls_context_free(DtlsContext *context); // after all of its sessions
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DtlsContext, dtls_context_free)
// For a=fingerprint:sha-256 (RFC 8122): "AB:CD:…", owned by the context.
const char *dtls_context_fingerprint(const DtlsContext *context);
// The value of an a=fingerprint:sha-256 line, any case; FALSE: not 32 bytes with colons.
gboolean dtls_fingerprint_parse(const char *text, guint8 ret_fingerprint[DTLS_FINGERPRINT_BYTES]);

typedef enum { DTLS_SERVER, DTLS_CLIENT } DtlsRole;
typedef enum {
    DTLS_HANDSHAKING,
    DTLS_DONE,   // keys are there
    DTLS_FAILED, // wrong certificate, no common SRTP profile, or nothing heard for too long: give
                 // it up
    DTLS_CLOSED, // the peer said so (authenticated close_notify)
} DtlsState;
// One datagram to be sent, borrowed. Called inside dtls_session_start, _feed and _on_timer; must
// not free the session.
typedef void (*DtlsSend)(const guint8 *data, gsize length, gpointer user);

typedef struct DtlsSession DtlsSession;
typedef struct {
    DtlsRole role;
    guint8 fingerprint[DTLS_FINGERPRINT_BYTES]; // that the peer's certificate must have
    DtlsSend send;
    gpointer user;
    gboolean only_cm; // knows AES128_CM_SHA1_80 alone (test peers)
} DtlsSettings;
DtlsSession *dtls_session_new(DtlsContext *context, const DtlsSettings *settings);
void dtls_session_free(DtlsSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DtlsSession, dtls_session_free)

void dtls_session_start(DtlsSession *session); // client: sends the first flight
DtlsState dtls_session_feed(DtlsSession *session, const guint8 *data, gsize length);
DtlsState dtls_session_state(const DtlsSession *session);
// Milliseconds until dtls_session_on_timer is due (50 doubling to 1600, 0: now), -1: no timer runs.
// Ask again after each call above.
gint dtls_session_timeout_ms(const DtlsSession *session);
DtlsState dtls_session_on_timer(DtlsSession *session);

// The keys, NULL unless DTLS_DONE (or closed after). Owned by the session.
const SrtpKeys *dtls_session_keys(const DtlsSession *session);
// Why it failed, for a log line: static text, NULL unless DTLS_FAILED.
const char *dtls_session_failure(const DtlsSession *session);
// Datagrams dropped as no proper part of the handshake.
guint dtls_session_dropped(const DtlsSession *session);
// Frees OpenSSL's part (and hears no more of the peer, close_notify included): call it after DONE
// when the peer has proven that it has our last flight (its first SRTP packet), or after 30 s.
// No-op before.
void dtls_session_trim(DtlsSession *session);
