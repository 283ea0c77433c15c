// SPDX-License-Identifier: MIT
// ICE connectivity checks (RFC 8445, STUN: RFC 8489) of an ICE-lite agent that is always
// controlled: a check comes in, one answer goes out, no state. Also the few lines of the
// controlling side that the native test peer needs, and the first-byte rule that tells datagrams
// apart.
//
// Whatever does not carry a valid MESSAGE-INTEGRITY and FINGERPRINT gets no answer at all, and no
// answer is longer than its request, so nobody can be flooded through us.
// Not thread safe: one StunServer belongs to one thread.
#pragma once
#include <glib.h>
#include <sys/socket.h>

// RFC 7983 section 7, RFC 5761 section 4.
typedef enum {
    DATAGRAM_STUN,
    DATAGRAM_DTLS,
    DATAGRAM_RTP,
    DATAGRAM_RTCP,
    DATAGRAM_OTHER
} DatagramKind;
DatagramKind stun_datagram_kind(const guint8 *data, gsize length);

#define STUN_ANSWER_MAX 128 // bytes
#define STUN_REQUEST_MAX 640

typedef enum {
    STUN_SUCCESS,       // authenticated: send the answer, use the pair
    STUN_CONFLICT,      // authenticated, but claims to be controlled: send the answer (487)
    STUN_UNSUPPORTED,   // authenticated, asks for what we do not know: send the answer (420)
    STUN_MALFORMED,     // dropped, as all below
    STUN_NOT_A_REQUEST, // an indication or response
    STUN_UNKNOWN_USER,  // no such username
    STUN_FORGED,        // MESSAGE-INTEGRITY wrong or missing
} StunResult;
const char *stun_result_name(StunResult result); // "forged": for logs and counters

// The password of "local:remote" as the check's USERNAME gives it (both parts not terminated), or
// NULL. It must stay where it is until the answer is built.
typedef struct {
    const char *local_ufrag, *remote_ufrag;
    gsize local_length, remote_length;
} StunUser;
typedef const char *(*StunPassword)(const StunUser *user, gpointer closure);

typedef struct {
    guint8 answer[STUN_ANSWER_MAX];
    gsize answer_length;    // 0: nothing to send
    gboolean use_candidate; // this pair is nominated (RFC 8445 section 7.3.1.5)
    guint32 priority;
} StunCheck;

typedef struct StunServer StunServer;
StunServer *stun_server_new(void);
// Answers for the controlling side, which insists on its role: for native peers of full agents.
StunServer *stun_server_new_controlling(void);
void stun_server_free(StunServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StunServer, stun_server_free)

typedef struct {
    const guint8 *data;
    gsize length;
    const struct sockaddr_storage *from; // where it came from: told in XOR-MAPPED-ADDRESS
} StunDatagram;
// Checks one datagram. *ret_check is written in each case.
StunResult stun_server_check(StunServer *server, const StunDatagram *datagram,
                             StunPassword password, gpointer closure, StunCheck *ret_check);

// --- the controlling side, for tests -------------------------------------------------------------
typedef struct {
    const char *username; // "remote ufrag:local ufrag"
    const char *password; // the remote's
    guint32 priority;
    guint64 tie_breaker;
    gboolean use_candidate;
    gboolean controlled; // claims the wrong role, to be refused
    guint8 transaction[12];
} StunRequest;
// Returns the length; out has room for STUN_REQUEST_MAX bytes.
gsize stun_request_build(guint8 *out, const StunRequest *request);
// Is this the answer to `request`, signed with its password? *ret_code: 0 success, else the error.
// ret_mapped (may be NULL) gets XOR-MAPPED-ADDRESS.
gboolean stun_response_check(const StunRequest *request, const guint8 *data, gsize length,
                             guint *ret_code, struct sockaddr_storage *ret_mapped);
