// SPDX-License-Identifier: MIT
// See stun.h. libnice's stun library reads, verifies and signs; the rules are here. Two traps of
// it: a password of length 0 skips the verification, and a MESSAGE-INTEGRITY shorter than 20 bytes
// is read beyond its end, so both are ruled out first.
#include "media-worker/stun.h"
#include "media-worker/rtp.h"
#include <netinet/in.h>
#include <stun/stunagent.h>
#include <string.h>

#define BINDING_REQUEST 0x0001
#define INTEGRITY_BYTES 20
#define USERNAME_MAX 513 // RFC 8445 section 5.3: two fragments of 256 and a colon

// What a check may ask us to understand; anything else below 0x8000 is answered 420.
static const guint16 known_attributes[] = {STUN_ATTRIBUTE_USERNAME,
                                           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
                                           STUN_ATTRIBUTE_PRIORITY,
                                           STUN_ATTRIBUTE_USE_CANDIDATE,
                                           STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
                                           STUN_ATTRIBUTE_ERROR_CODE,
                                           0};

struct StunServer {
    StunAgent agent;
    StunAttribute conflict; // the role that is ours
};

static void agent_init(StunAgent *agent)
{
    stun_agent_init(agent, known_attributes, STUN_COMPATIBILITY_RFC5389,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}

DatagramKind stun_datagram_kind(const guint8 *data, gsize length)
{
    if (length < 2)
        return DATAGRAM_OTHER;
    if (data[0] <= 3)
        return DATAGRAM_STUN;
    if (data[0] >= 20 && data[0] <= 63)
        return DATAGRAM_DTLS;
    if (data[0] < 128 || data[0] > 191)
        return DATAGRAM_OTHER;
    return data[1] >= 192 && data[1] <= 223 ? DATAGRAM_RTCP : DATAGRAM_RTP;
}

const char *stun_result_name(StunResult result)
{
    static const char *const names[] = {[STUN_SUCCESS] = "success",
                                        [STUN_CONFLICT] = "conflict",
                                        [STUN_UNSUPPORTED] = "unsupported",
                                        [STUN_MALFORMED] = "malformed",
                                        [STUN_NOT_A_REQUEST] = "not_a_request",
                                        [STUN_UNKNOWN_USER] = "unknown_user",
                                        [STUN_FORGED] = "forged"};
    return names[result];
}

StunServer *stun_server_new(void)
{
    StunServer *server = g_new0(StunServer, 1);
    agent_init(&server->agent);
    server->conflict = STUN_ATTRIBUTE_ICE_CONTROLLED;
    return server;
}

StunServer *stun_server_new_controlling(void)
{
    StunServer *server = stun_server_new();
    server->conflict = STUN_ATTRIBUTE_ICE_CONTROLLING;
    return server;
}

void stun_server_free(StunServer *server)
{
    g_free(server);
}

// --- the server's side ---------------------------------------------------------------------------
typedef struct {
    StunPassword password;
    gpointer closure;
    gboolean unknown_user;
} Lookup;

// USERNAME is "ours:theirs" (RFC 8445 section 7.2.2); NULL: nobody's.
static const char *password_of(const Lookup *lookup, const char *username, gsize length)
{
    const char *colon = memchr(username, ':', length);
    if (colon == NULL || length > USERNAME_MAX)
        return NULL;
    const StunUser user = {.local_ufrag = username,
                           .local_length = (gsize)(colon - username),
                           .remote_ufrag = colon + 1,
                           .remote_length = length - (gsize)(colon - username) - 1};
    const char *password = lookup->password(&user, lookup->closure);
    return password != NULL && *password != '\0' ? password : NULL;
}

// NOLINTNEXTLINE(readability-function-size): the signature is libnice's
static bool look_up(StunAgent *agent, StunMessage *message, uint8_t *username,
                    uint16_t username_length, uint8_t **password, size_t *password_length,
                    void *user)
{
    (void)agent;
    (void)message;
    Lookup *lookup = user;
    const char *found = password_of(lookup, (const char *)username, username_length);
    lookup->unknown_user = found == NULL;
    if (found == NULL)
        return false;
    *password = (uint8_t *)found;
    *password_length = strlen(found);
    return true;
}

// Structure and kind, before anything is looked up.
static StunResult check_form(const StunDatagram *datagram, StunMessage *message)
{
    guint16 integrity_length = 0;
    if (datagram->length < STUN_MESSAGE_HEADER_LENGTH ||
        stun_message_validate_buffer_length(datagram->data, datagram->length, true) !=
            (int)datagram->length)
        return STUN_MALFORMED;
    *message = (StunMessage){.buffer = (guint8 *)datagram->data, .buffer_len = datagram->length};
    if (!stun_message_has_cookie(message))
        return STUN_MALFORMED;
    if (rtp_get16(datagram->data) != BINDING_REQUEST)
        return STUN_NOT_A_REQUEST;
    if (stun_message_find(message, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, &integrity_length) == NULL ||
        integrity_length != INTEGRITY_BYTES)
        return STUN_FORGED;
    return STUN_SUCCESS;
}

static StunResult result_of(StunValidationStatus status, gboolean unknown_user)
{
    switch (status) {
    case STUN_VALIDATION_SUCCESS:
        return STUN_SUCCESS;
    case STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE:
        return STUN_UNSUPPORTED;
    case STUN_VALIDATION_UNAUTHORIZED:
    case STUN_VALIDATION_UNAUTHORIZED_BAD_REQUEST:
        return unknown_user ? STUN_UNKNOWN_USER : STUN_FORGED;
    default:
        return STUN_MALFORMED;
    }
}

static gsize build_error(StunServer *server, const StunMessage *request, StunError code,
                         StunCheck *check)
{
    StunMessage answer;
    return stun_agent_init_error(&server->agent, &answer, check->answer, STUN_ANSWER_MAX, request,
                                 code)
               ? stun_agent_finish_message(&server->agent, &answer, request->key, request->key_len)
               : 0;
}

static gsize build_success(StunServer *server, const StunMessage *request,
                           const struct sockaddr_storage *from, StunCheck *check)
{
    StunMessage answer;
    socklen_t size =
        from->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (!stun_agent_init_response(&server->agent, &answer, check->answer, STUN_ANSWER_MAX,
                                  request) ||
        stun_message_append_xor_addr(&answer, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, from, size) !=
            STUN_MESSAGE_RETURN_SUCCESS)
        return 0;
    return stun_agent_finish_message(&server->agent, &answer, request->key, request->key_len);
}

// An authenticated request with an attribute that we do not know.
static gsize build_unsupported(StunServer *server, const StunMessage *request, StunCheck *check)
{
    StunMessage answer;
    return stun_agent_build_unknown_attributes_error(&server->agent, &answer, check->answer,
                                                     STUN_ANSWER_MAX, request);
}

static StunResult answer_check(StunServer *server, const StunMessage *request,
                               const StunDatagram *datagram, StunCheck *check)
{
    if (stun_message_has_attribute(request, server->conflict)) {
        check->answer_length = build_error(server, request, STUN_ERROR_ROLE_CONFLICT, check);
        return STUN_CONFLICT;
    }
    stun_message_find32(request, STUN_ATTRIBUTE_PRIORITY, &check->priority);
    check->use_candidate = stun_message_find_flag(request, STUN_ATTRIBUTE_USE_CANDIDATE) ==
                           STUN_MESSAGE_RETURN_SUCCESS;
    check->answer_length = build_success(server, request, datagram->from, check);
    return STUN_SUCCESS;
}

StunResult stun_server_check(StunServer *server, const StunDatagram *datagram,
                             StunPassword password, gpointer closure, StunCheck *ret_check)
{
    StunMessage request;
    Lookup lookup = {.password = password, .closure = closure};
    memset(ret_check, 0, sizeof(*ret_check));
    StunResult result = check_form(datagram, &request);
    if (result != STUN_SUCCESS)
        return result;
    StunValidationStatus status = stun_agent_validate(&server->agent, &request, datagram->data,
                                                      datagram->length, look_up, &lookup);
    result = result_of(status, lookup.unknown_user);
    if (result == STUN_SUCCESS)
        result = answer_check(server, &request, datagram, ret_check);
    else if (result == STUN_UNSUPPORTED)
        ret_check->answer_length = build_unsupported(server, &request, ret_check);
    if (ret_check->answer_length > datagram->length)
        ret_check->answer_length = 0; // nobody is flooded through us, not even by replays
    return result;
}

// --- the controlling side ------------------------------------------------------------------------
gsize stun_request_build(guint8 *out, const StunRequest *request)
{
    StunAgent agent;
    StunMessage message;
    agent_init(&agent);
    gboolean built =
        stun_agent_init_request(&agent, &message, out, STUN_REQUEST_MAX, STUN_BINDING) &&
        stun_message_append32(&message, STUN_ATTRIBUTE_PRIORITY, request->priority) ==
            STUN_MESSAGE_RETURN_SUCCESS &&
        stun_message_append64(&message,
                              request->controlled ? STUN_ATTRIBUTE_ICE_CONTROLLED
                                                  : STUN_ATTRIBUTE_ICE_CONTROLLING,
                              request->tie_breaker) == STUN_MESSAGE_RETURN_SUCCESS &&
        (!request->use_candidate ||
         stun_message_append_flag(&message, STUN_ATTRIBUTE_USE_CANDIDATE) ==
             STUN_MESSAGE_RETURN_SUCCESS) &&
        stun_message_append_string(&message, STUN_ATTRIBUTE_USERNAME, request->username) ==
            STUN_MESSAGE_RETURN_SUCCESS;
    g_assert(built);
    memcpy(out + STUN_MESSAGE_TRANS_ID_POS + 4, request->transaction, sizeof(request->transaction));
    return stun_agent_finish_message(&agent, &message, (const guint8 *)request->password,
                                     strlen(request->password));
}

// Makes the agent believe that it has sent this request.
static void expect_response(StunAgent *agent, const StunRequest *request)
{
    StunAgentSavedIds *saved = &agent->sent_ids[0];
    agent_init(agent);
    rtp_put32(saved->id, STUN_MAGIC_COOKIE);
    memcpy(saved->id + 4, request->transaction, sizeof(request->transaction));
    saved->method = STUN_BINDING;
    saved->key = (guint8 *)request->password;
    saved->key_len = strlen(request->password);
    saved->long_term_valid = false;
    saved->valid = true;
}

gboolean stun_response_check(const StunRequest *request, const guint8 *data, gsize length,
                             guint *ret_code, struct sockaddr_storage *ret_mapped)
{
    StunAgent agent;
    StunMessage response;
    int code = 0;
    struct sockaddr_storage mapped = {0};
    socklen_t mapped_length = sizeof(mapped);
    expect_response(&agent, request);
    if (stun_agent_validate(&agent, &response, data, length, NULL, NULL) !=
            STUN_VALIDATION_SUCCESS ||
        !stun_message_has_attribute(&response, STUN_ATTRIBUTE_MESSAGE_INTEGRITY))
        return FALSE;
    if (stun_message_get_class(&response) == STUN_ERROR)
        stun_message_find_error(&response, &code);
    else if (stun_message_find_xor_addr(&response, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped,
                                        &mapped_length) != STUN_MESSAGE_RETURN_SUCCESS)
        return FALSE;
    *ret_code = (guint)code;
    if (ret_mapped != NULL)
        *ret_mapped = mapped;
    return TRUE;
}
