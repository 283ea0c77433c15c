// SPDX-License-Identifier: MIT
// See asking.h. What was asked stays with the session: open, then (its answer having been handed
// over) remembered for repeats, within bounds of number and bytes, as long as a client may still
// come back and wait for it.
#include "gateway/asking.h"

#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sync_wire.h"
#include "gateway/address.h"
#include "gateway/delivery.h"
#include "gateway/learning.h"
#include "gateway/message.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define REMEMBERED_BYTES (256 * 1024) // of one session's answers
#define REMEMBERED_MS (LIMIT_SESSION_GRACE_MS + LIMIT_DEADLINE_CLIENT_MS)

typedef struct {
    Gateway *gateway;
    Session *session; // NULL: ended meanwhile
    Json *question;   // its id, from and to, for the answer
    char *to, *trace;
    EnvelopeType type;
    char *fingerprint; // of id, type, from, to and body
    guint openings;    // the session's, when it was last sent
    guint64 request;   // on the bus; 0 once answered
    SyncParts *parts;
    GPtrArray *objects; // LearnedObject, until the answer is handed over
    Text *answer;       // for repeats
    guint64 forgotten;  // deadline
    gboolean routing;   // the answer waits until its routes stand
} Asked;

static void asked_free(Asked *asked)
{
    deadlines_cancel(asked->gateway->deadlines, &asked->forgotten);
    json_unref(asked->question);
    sync_parts_free(asked->parts);
    g_clear_pointer(&asked->objects, g_ptr_array_unref);
    text_unref(asked->answer);
    g_free(asked->to);
    g_free(asked->trace);
    g_free(asked->fingerprint);
    g_free(asked);
}

// --- repeats ---

static char *fingerprint_of(const Envelope *message)
{
    g_autoptr(GBytes) packed = envelope_pack(message);
    return g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, packed);
}

static Asked *find_earlier(const Session *session, const char *fingerprint)
{
    for (GList *item = session->asked.head; item != NULL; item = item->next) {
        Asked *asked = item->data;
        if (asked->openings < session->openings && strcmp(asked->fingerprint, fingerprint) == 0)
            return asked;
    }
    return NULL;
}

// Whether a message is what an earlier WebSocket of the session has asked already.
static gboolean is_repeat(Session *session, const char *fingerprint)
{
    Asked *asked = find_earlier(session, fingerprint);
    if (asked == NULL)
        return FALSE;
    asked->openings = session->openings;
    if (asked->answer != NULL)
        session_send_answer(session, asked->answer);
    return TRUE;
}

static void drop(Asked *asked)
{
    g_queue_remove(&asked->session->asked, asked);
    asked_free(asked);
}

static void on_forgotten(gpointer user)
{
    Asked *asked = user;
    asked->forgotten = 0;
    drop(asked);
}

// Newest first, as many as the bounds allow.
static void forget_most(Session *session)
{
    guint answered = 0;
    gsize bytes = 0;
    for (GList *item = session->asked.tail, *next; item != NULL; item = next) {
        Asked *asked = item->data;
        next = item->prev;
        if (asked->answer == NULL || asked->routing)
            continue;
        answered++;
        bytes += text_length(asked->answer);
        if (answered > LIMIT_SESSION_REQUESTS || bytes > REMEMBERED_BYTES)
            drop(asked);
    }
}

// --- answers ---

static Text *answer_text(const Asked *asked, const Json *body)
{
    g_autoptr(Json) answer = message_answer(asked->question, NULL, body);
    return text_from_json(answer);
}

static void end_objects(Asked *asked, gboolean follow)
{
    if (asked->objects == NULL)
        return;
    if (follow)
        learning_follow(asked->gateway, asked->session, asked->objects);
    learning_release(asked->gateway, asked->objects);
    g_clear_pointer(&asked->objects, g_ptr_array_unref);
}

// Lasting refusals and results are worth repeating; what may go better next time is not.
static gboolean is_lasting(const Json *body)
{
    gint64 code = json_get_number(body, "code", 0);
    return code < 500 && code != 408 && code != 429;
}

static void hand_over(Asked *asked)
{
    Session *session = asked->session;
    log_set_trace(asked->trace);
    session_send_answer(session, asked->answer);
    end_objects(asked, TRUE);
    log_set_trace(NULL);
    asked->forgotten = deadlines_add(asked->gateway->deadlines, REMEMBERED_MS, on_forgotten, asked);
    forget_most(session);
}

static void on_routed(gpointer user)
{
    Asked *asked = user;
    asked->routing = FALSE;
    if (asked->session != NULL) {
        hand_over(asked);
        return;
    }
    end_objects(asked, FALSE);
    asked_free(asked);
}

// The whole body: a value that came in parts is joined, and refusals are put in both spellings.
static Json *whole_body(Asked *asked, const Envelope *answer)
{
    g_autoptr(Json) value = NULL;
    Json *body = envelope_body_json(answer);
    if (!sync_parts_join(asked->parts, answer, &value)) {
        json_unref(body);
        return message_refusal_body(REASON(timeout), "a part of the answer was lost");
    }
    if (value != NULL)
        json_set(body, "value", value);
    if (json_get(body, "description") == NULL)
        json_set_text(body, "description", json_get_text(body, "desc"));
    return body;
}

// Its pieces have been handed over one by one.
static void end_pieces(Asked *asked)
{
    g_queue_remove(&asked->session->asked, asked);
    asked_free(asked);
}

static void on_final(Asked *asked, const Envelope *answer)
{
    g_autoptr(Json) body = whole_body(asked, answer);
    asked->request = 0;
    asked->session->asking--;
    if (json_get(body, DELIVERY_PIECES) != NULL) {
        end_pieces(asked);
        return;
    }
    asked->answer = answer_text(asked, body);
    asked->objects = learning_hold(asked->gateway, asked->session, asked->to, asked->type, body);
    if (asked->objects->len > 0) {
        asked->routing = TRUE;
        bus_when_routed(asked->gateway->bus, on_routed, asked);
        return;
    }
    gboolean lasting = is_lasting(body);
    if (!lasting)
        g_queue_remove(&asked->session->asked, asked);
    hand_over(asked);
    if (!lasting)
        asked_free(asked);
}

// One of several answers of a client to one question (delivery.h), as it said it.
static gboolean hand_piece(const Asked *asked, const Envelope *answer)
{
    g_autoptr(Json) body = envelope_body_json(answer);
    const Json *piece = json_get(body, DELIVERY_PIECE);
    if (piece == NULL)
        return FALSE;
    g_autoptr(Text) text = answer_text(asked, piece);
    session_send_answer(asked->session, text);
    return TRUE;
}

static void on_answer(const Envelope *answer, gpointer user)
{
    Asked *asked = user;
    gint code = envelope_code(answer);
    if (code < 200 && code != 0 && hand_piece(asked, answer))
        return;
    if (code >= 200 || code == 0) {
        on_final(asked, answer);
        return;
    }
    if (sync_parts_keep(asked->parts, answer))
        return;
    g_autoptr(Json) body = envelope_body_json(answer);
    g_autoptr(Text) text = answer_text(asked, body);
    session_send(asked->session, text);
}

// --- questions ---

static void refuse(Session *session, const Envelope *message, Refusal reason, const char *detail)
{
    g_autoptr(Json) question = envelope_to_json(message);
    g_autoptr(Json) body = message_refusal_body(reason, detail);
    g_autoptr(Json) answer = message_answer(question, NULL, body);
    g_autoptr(Text) text = text_from_json(answer);
    metrics_refused(reason);
    session_send(session, text);
}

static Json *question_of(const Envelope *message)
{
    g_autoptr(Json) whole = envelope_to_json(message);
    Json *question = json_new_object();
    json_set(question, "id", json_get(whole, "id"));
    json_set(question, "from", json_get(whole, "from"));
    json_set(question, "to", json_get(whole, "to"));
    return question;
}

static Asked *asked_new(Gateway *gateway, Session *session, const Envelope *message,
                        char *fingerprint)
{
    Asked *asked = g_new0(Asked, 1);
    asked->gateway = gateway;
    asked->session = session;
    asked->question = question_of(message);
    asked->to = g_strdup(message->to);
    asked->trace = g_strdup(log_trace());
    asked->type = message->type;
    asked->fingerprint = fingerprint;
    asked->openings = session->openings;
    asked->parts = sync_parts_new();
    return asked;
}

void asking_ask(Gateway *gateway, Session *session, Envelope *message)
{
    g_autoptr(Envelope) owned = message;
    g_autofree char *fingerprint = fingerprint_of(message);
    if (is_repeat(session, fingerprint))
        return;
    if (session->asking >= LIMIT_SESSION_REQUESTS) {
        refuse(session, message, REASON(too_many), "open requests of one session");
        return;
    }
    Asked *asked = asked_new(gateway, session, message, g_steal_pointer(&fingerprint));
    envelope_set(&owned->session, session->id);
    if (address_kind(gateway->domain, owned->to) == ADDRESS_SERVICE)
        envelope_set(&owned->runtime, session->runtime);
    envelope_set_json(&owned->identity, &owned->has_identity, session->identity);
    session->asking++;
    g_queue_push_tail(&session->asked, asked);
    asked->request = bus_request(gateway->bus, g_steal_pointer(&owned), LIMIT_DEADLINE_CLIENT_MS,
                                 on_answer, asked);
}

static void end_one(Asked *asked)
{
    asked->session = NULL;
    if (asked->request != 0)
        bus_cancel(asked->gateway->bus, asked->request);
    if (!asked->routing)
        asked_free(asked);
}

void asking_end(Session *session)
{
    g_queue_clear_full(&session->asked, (GDestroyNotify)(void (*)(void))end_one);
    session->asking = 0;
}
