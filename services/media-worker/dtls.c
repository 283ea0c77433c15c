// SPDX-License-Identifier: MIT
// See dtls.h. A BIO of our own on each side of OpenSSL keeps datagrams apart: one write is one
// datagram (a memory BIO would glue a flight together), one read is the datagram that was fed.
//
// What comes in is looked at before OpenSSL sees it: a record in plain may only be a handshake
// message that the other side sends, so forged alerts cannot end a handshake. Should a handshake
// still fail over a datagram before its first flight was answered in full, the session begins anew.
#include "media-worker/dtls.h"
#include "media-worker/rtp.h"
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#define PROFILES "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80" // in the order of preference
#define PROFILE_CM "SRTP_AES128_CM_SHA1_80"
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"
#define EXPORT_LABEL "EXTRACTOR-dtls_srtp" // RFC 5764 section 4.2
#define FIRST_TIMER_US 50000
#define LAST_TIMER_US 1600000
#define CERTIFICATE_DAYS 365
#define FINGERPRINT_TEXT (DTLS_FINGERPRINT_BYTES * 3)
// RFC 6347 section 4.1, RFC 5246 section 6.2.1
enum { RECORD_HEADER = 13, RECORD_CIPHER_CHANGE = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22 };
enum { RECORD_DATA = 23, HANDSHAKE_HEADER = 12, HANDSHAKE_MAX = 1 << 14 };

struct DtlsContext {
    SSL_CTX *ssl;
    BIO_METHOD *method;
    char fingerprint[FINGERPRINT_TEXT]; // two digits and a colon each, the last is the terminator
};

struct DtlsSession {
    DtlsContext *context; // borrowed
    DtlsSettings settings;
    SSL *ssl; // NULL once trimmed
    DtlsState state;
    const char *failure;
    const guint8 *fed; // the datagram that OpenSSL may read
    gsize fed_length;
    guint dropped;
    SrtpKeys keys;
};

// --- the BIO -------------------------------------------------------------------------------------
// An alert in plain, as OpenSSL wants to send it over a forged message, would end the handshake at
// the peer.
static gboolean is_plain_alert(const guint8 *record, gsize length)
{
    return length >= RECORD_HEADER && record[0] == RECORD_ALERT && rtp_get16(record + 3) == 0;
}

static int bio_write(BIO *bio, const char *data, int length)
{
    DtlsSession *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (is_plain_alert((const guint8 *)data, (gsize)length))
        return length;
    session->settings.send((const guint8 *)data, (gsize)length, session->settings.user);
    return length;
}

static int bio_read(BIO *bio, char *out, int size)
{
    DtlsSession *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (session->fed_length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    gsize length = MIN(session->fed_length, (gsize)size);
    memcpy(out, session->fed, length);
    session->fed_length = 0;
    return (int)length;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return DTLS_MTU;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
    g_assert(method != NULL);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_control);
    return method;
}

// --- the context ---------------------------------------------------------------------------------
static gboolean fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "DTLS: %s: %s", what,
                ERR_reason_error_string(ERR_peek_last_error()));
    ERR_clear_error();
    return FALSE;
}

// Self-signed, with a random serial number and no name that tells anything (RFC 8827 section 6.5).
static gboolean certificate_fill(X509 *certificate, EVP_PKEY *key)
{
    guint32 serial = g_random_int() & 0x7FFFFFFF;
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, 2) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -24 * 3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), CERTIFICATE_DAYS * 24 * 3600L) !=
               NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const guint8 *)"WebRTC", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static void fingerprint_text(const guint8 *digest, char text[FINGERPRINT_TEXT])
{
    for (guint i = 0; i < DTLS_FINGERPRINT_BYTES; i++)
        g_snprintf(text + 3 * i, FINGERPRINT_TEXT - 3 * i,
                   i + 1 < DTLS_FINGERPRINT_BYTES ? "%02X:" : "%02X", digest[i]);
}

static gboolean context_use_certificate(DtlsContext *context)
{
    guint8 digest[EVP_MAX_MD_SIZE];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    gboolean made = key != NULL && certificate != NULL && certificate_fill(certificate, key) &&
                    X509_digest(certificate, EVP_sha256(), digest, NULL) == 1 &&
                    SSL_CTX_use_certificate(context->ssl, certificate) == 1 &&
                    SSL_CTX_use_PrivateKey(context->ssl, key) == 1;
    if (made)
        fingerprint_text(digest, context->fingerprint);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
}

// Any certificate passes here: it is self-signed. Its fingerprint is compared before keys are
// given.
static int accept_certificate(int verified, X509_STORE_CTX *store)
{
    (void)verified;
    (void)store;
    return 1;
}

DtlsContext *dtls_context_new(GError **error)
{
    g_autoptr(DtlsContext) context = g_new0(DtlsContext, 1);
    context->method = bio_method_new();
    context->ssl = SSL_CTX_new(DTLS_method());
    if (context->ssl == NULL || !context_use_certificate(context) ||
        SSL_CTX_set_min_proto_version(context->ssl, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context->ssl, CIPHERS) != 1 ||
        SSL_CTX_set_tlsext_use_srtp(context->ssl, PROFILES) != 0) {
        fail(error, "no context");
        return NULL;
    }
    SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       accept_certificate);
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU |
                                          SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                          SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS);
    return g_steal_pointer(&context);
}

void dtls_context_free(DtlsContext *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->method);
    g_free(context);
}

const char *dtls_context_fingerprint(const DtlsContext *context)
{
    return context->fingerprint;
}

gboolean dtls_fingerprint_parse(const char *text, guint8 ret_fingerprint[DTLS_FINGERPRINT_BYTES])
{
    guint8 bytes[DTLS_FINGERPRINT_BYTES];
    if (strlen(text) != FINGERPRINT_TEXT - 1)
        return FALSE;
    for (guint i = 0; i < DTLS_FINGERPRINT_BYTES; i++) {
        const char *at = text + 3 * i;
        if (!g_ascii_isxdigit(at[0]) || !g_ascii_isxdigit(at[1]) ||
            at[2] != (i + 1 < DTLS_FINGERPRINT_BYTES ? ':' : '\0'))
            return FALSE;
        bytes[i] = (guint8)(g_ascii_xdigit_value(at[0]) << 4 | g_ascii_xdigit_value(at[1]));
    }
    memcpy(ret_fingerprint, bytes, sizeof(bytes));
    return TRUE;
}

// --- a session -----------------------------------------------------------------------------------
static unsigned int next_timer(SSL *ssl, unsigned int timer_us)
{
    (void)ssl;
    return timer_us == 0 ? FIRST_TIMER_US : MIN(2 * timer_us, LAST_TIMER_US);
}

static void session_open(DtlsSession *session)
{
    session->ssl = SSL_new(session->context->ssl);
    BIO *bio = BIO_new(session->context->method);
    g_assert(session->ssl != NULL && bio != NULL);
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_mtu(session->ssl, DTLS_MTU);
    if (session->settings.only_cm)
        SSL_set_tlsext_use_srtp(session->ssl, PROFILE_CM);
    DTLS_set_timer_cb(session->ssl, next_timer);
    if (session->settings.role == DTLS_CLIENT)
        SSL_set_connect_state(session->ssl);
    else
        SSL_set_accept_state(session->ssl);
}

DtlsSession *dtls_session_new(DtlsContext *context, const DtlsSettings *settings)
{
    DtlsSession *session = g_new0(DtlsSession, 1);
    session->context = context;
    session->settings = *settings;
    session_open(session);
    return session;
}

static void session_close(DtlsSession *session)
{
    SSL_free(session->ssl);
    session->ssl = NULL;
}

void dtls_session_free(DtlsSession *session)
{
    if (session == NULL)
        return;
    session_close(session);
    srtp_keys_clear(&session->keys);
    g_free(session);
}

static DtlsState session_fail(DtlsSession *session, const char *why)
{
    session->state = DTLS_FAILED;
    session->failure = why;
    session_close(session);
    return session->state;
}

static gboolean is_peer_right(DtlsSession *session)
{
    guint8 digest[EVP_MAX_MD_SIZE];
    X509 *certificate = SSL_get1_peer_certificate(session->ssl);
    gboolean right =
        certificate != NULL && X509_digest(certificate, EVP_sha256(), digest, NULL) == 1 &&
        CRYPTO_memcmp(digest, session->settings.fingerprint, DTLS_FINGERPRINT_BYTES) == 0;
    X509_free(certificate);
    return right;
}

// RFC 5764 section 4.2: client's key, server's key, client's salt, server's salt.
static gboolean export_keys(DtlsSession *session, SrtpKeys *keys)
{
    const SRTP_PROTECTION_PROFILE *chosen = SSL_get_selected_srtp_profile(session->ssl);
    if (chosen == NULL)
        return FALSE;
    keys->profile = chosen->id == SRTP_AEAD_AES_128_GCM ? SRTP_PROFILE_AEAD_AES_128_GCM
                                                        : SRTP_PROFILE_AES128_CM_SHA1_80;
    guint8 material[2 * (SRTP_KEY_BYTES + SRTP_SALT_MAX)];
    gsize salt = srtp_salt_bytes(keys->profile);
    if (SSL_export_keying_material(session->ssl, material, 2 * (SRTP_KEY_BYTES + salt),
                                   EXPORT_LABEL, strlen(EXPORT_LABEL), NULL, 0, 0) != 1)
        return FALSE;
    gboolean is_client = session->settings.role == DTLS_CLIENT;
    SrtpMaster *client = is_client ? &keys->outbound : &keys->inbound;
    SrtpMaster *server = is_client ? &keys->inbound : &keys->outbound;
    memcpy(client->key, material, SRTP_KEY_BYTES);
    memcpy(server->key, material + SRTP_KEY_BYTES, SRTP_KEY_BYTES);
    memcpy(client->salt, material + 2 * SRTP_KEY_BYTES, salt);
    memcpy(server->salt, material + 2 * SRTP_KEY_BYTES + salt, salt);
    OPENSSL_cleanse(material, sizeof(material));
    return TRUE;
}

static DtlsState session_finish(DtlsSession *session)
{
    if (!is_peer_right(session))
        return session_fail(session, "the certificate is not the one that was announced");
    if (!export_keys(session, &session->keys))
        return session_fail(session, "no SRTP profile in common");
    session->state = DTLS_DONE;
    return session->state;
}

// A bad datagram may have broken OpenSSL's handshake: the next ClientHello finds a new one.
static DtlsState session_restart(DtlsSession *session)
{
    session->dropped++;
    if (session->settings.role == DTLS_CLIENT)
        return session_fail(session, "the handshake failed");
    session_close(session);
    session_open(session);
    return session->state;
}

static DtlsState session_shake(DtlsSession *session)
{
    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    int problem = SSL_get_error(session->ssl, result);
    ERR_clear_error();
    if (result == 1)
        return session_finish(session);
    return problem == SSL_ERROR_WANT_READ ? session->state : session_restart(session);
}

// Done: OpenSSL repeats its last flight where asked to, and hears of the end.
static DtlsState session_listen(DtlsSession *session)
{
    guint8 data[64];
    int result;
    ERR_clear_error();
    do
        result = SSL_read(session->ssl, data, sizeof(data)); // data is nothing that we speak
    while (result > 0);
    int problem = SSL_get_error(session->ssl, result);
    ERR_clear_error();
    if (problem == SSL_ERROR_ZERO_RETURN) {
        session->state = DTLS_CLOSED;
        session_close(session);
    } else if (problem != SSL_ERROR_WANT_READ) {
        session->dropped++;
    }
    return session->state;
}

void dtls_session_start(DtlsSession *session)
{
    g_assert(session->settings.role == DTLS_CLIENT && session->state == DTLS_HANDSHAKING);
    session_shake(session);
}

// --- what may come in ----------------------------------------------------------------------------
// Handshake messages in plain that this side may be sent (RFC 5246 section 7.4, RFC 6347).
static gboolean is_expected_message(DtlsRole role, guint8 type)
{
    enum { CLIENT_HELLO = 1, SERVER_HELLO, VERIFY_REQUEST, TICKET, CERTIFICATE = 11, SERVER_KEY };
    enum { CERTIFICATE_REQUEST = 13, SERVER_DONE, CERTIFICATE_VERIFY, CLIENT_KEY };
    switch (type) {
    case CERTIFICATE:
        return TRUE;
    case CLIENT_HELLO:
    case CERTIFICATE_VERIFY:
    case CLIENT_KEY:
        return role == DTLS_SERVER;
    case SERVER_HELLO:
    case VERIFY_REQUEST:
    case TICKET:
    case SERVER_KEY:
    case CERTIFICATE_REQUEST:
    case SERVER_DONE:
        return role == DTLS_CLIENT;
    default:
        return FALSE;
    }
}

static guint32 get24(const guint8 *at)
{
    return (guint32)at[0] << 16 | rtp_get16(at + 1);
}

// One record holds one or more fragments: type, length, sequence, offset, fragment length.
static gboolean are_messages_sound(DtlsRole role, const guint8 *at, gsize left)
{
    while (left >= HANDSHAKE_HEADER) {
        gsize total = get24(at + 1), offset = get24(at + 6), fragment = get24(at + 9);
        if (!is_expected_message(role, at[0]) || total > HANDSHAKE_MAX ||
            offset + fragment > total || fragment > left - HANDSHAKE_HEADER)
            return FALSE;
        at += HANDSHAKE_HEADER + fragment;
        left -= HANDSHAKE_HEADER + fragment;
    }
    return left == 0;
}

static gboolean is_record_sound(DtlsRole role, const guint8 *record, gsize length)
{
    gboolean in_plain = rtp_get16(record + 3) == 0;
    switch (record[0]) {
    case RECORD_HANDSHAKE:
        return !in_plain ||
               are_messages_sound(role, record + RECORD_HEADER, length - RECORD_HEADER);
    case RECORD_CIPHER_CHANGE:
        return in_plain && length == RECORD_HEADER + 1 && record[RECORD_HEADER] == 1;
    case RECORD_ALERT:
    case RECORD_DATA:
        return !in_plain;
    default:
        return FALSE;
    }
}

static gboolean is_datagram_sound(DtlsRole role, const guint8 *data, gsize length)
{
    if (length < RECORD_HEADER)
        return FALSE;
    while (length >= RECORD_HEADER) {
        gsize record = RECORD_HEADER + (gsize)rtp_get16(data + 11);
        if (data[1] != 0xFE || record == RECORD_HEADER || record > length ||
            !is_record_sound(role, data, record))
            return FALSE;
        data += record;
        length -= record;
    }
    return length == 0;
}

DtlsState dtls_session_feed(DtlsSession *session, const guint8 *data, gsize length)
{
    if (session->ssl == NULL)
        return session->state;
    if (!is_datagram_sound(session->settings.role, data, length)) {
        session->dropped++;
        return session->state;
    }
    session->fed = data;
    session->fed_length = length;
    DtlsState state =
        session->state == DTLS_DONE ? session_listen(session) : session_shake(session);
    session->fed = NULL;
    session->fed_length = 0;
    return state;
}

// --- the rest ------------------------------------------------------------------------------------
DtlsState dtls_session_state(const DtlsSession *session)
{
    return session->state;
}

gint dtls_session_timeout_ms(const DtlsSession *session)
{
    struct timeval left;
    if (session->ssl == NULL || session->state != DTLS_HANDSHAKING ||
        DTLSv1_get_timeout(session->ssl, &left) != 1)
        return -1;
    return (gint)(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
}

DtlsState dtls_session_on_timer(DtlsSession *session)
{
    if (dtls_session_timeout_ms(session) != 0)
        return session->state;
    ERR_clear_error();
    int result = DTLSv1_handle_timeout(session->ssl);
    ERR_clear_error();
    return result < 0 ? session_fail(session, "the peer has fallen silent") : session->state;
}

const SrtpKeys *dtls_session_keys(const DtlsSession *session)
{
    return session->state == DTLS_DONE || session->state == DTLS_CLOSED ? &session->keys : NULL;
}

const char *dtls_session_failure(const DtlsSession *session)
{
    return session->failure;
}

guint dtls_session_dropped(const DtlsSession *session)
{
    return session->dropped;
}

void dtls_session_trim(DtlsSession *session)
{
    if (session->state == DTLS_DONE)
        session_close(session);
}
