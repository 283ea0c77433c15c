// SPDX-License-Identifier: MIT
// See dispatch.h.
#include "gateway/dispatch.h"

#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/url.h"
#include "gateway/address.h"
#include "gateway/allocation.h"
#include "gateway/asking.h"
#include "gateway/claims.h"
#include "gateway/delivery.h"
#include "gateway/handshake.h"
#include "gateway/identity.h"
#include "gateway/message.h"
#include "gateway/relays.h"
#include "gateway/router.h"
#include "gateway/routing.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define TYPE(name) MSG__ENVELOPE__TYPE__##name
#define MALFORMED_LOGGED 10 // of one WebSocket; the counters tell of the rest

typedef struct {
    Gateway *gateway;
    Client *client;
    Session *session;
    const Json *message; // as sent; `to` may be an array
    Envelope *envelope;  // to one recipient
} Frame;

// --- refusals ---

void dispatch_fault(Client *client, const Json *message, Refusal reason, const char *detail)
{
    g_autoptr(Json) body = message_refusal_body(reason, detail);
    g_autoptr(Json) answer = message_answer(message, MESSAGE_VALIDATOR, body);
    metrics_refused(reason);
    if (client->malformed++ < MALFORMED_LOGGED)
        log_event(LOG_INFO, "gateway.malformed", "reason=%s detail=%s", refusal_name(reason),
                  log_quote(detail));
    client_send_json(client, answer);
}

static void answer(const Frame *frame, Json *body)
{
    g_autoptr(Json) owned = body;
    g_autoptr(Json) whole = message_answer(frame->message, frame->envelope->to, owned);
    client_send_json(frame->client, whole);
}

static void refuse(const Frame *frame, Refusal reason, const char *detail)
{
    metrics_refused(reason);
    log_event(LOG_INFO, "gateway.refused", "reason=%s session=%s detail=%s", refusal_name(reason),
              frame->session->id, log_quote(detail));
    answer(frame, message_refusal_body(reason, detail));
}

// --- answers that wait for routes ---

typedef struct {
    Gateway *gateway;
    char *session;
    Text *text;
} LateAnswer;

static void on_routed(gpointer user)
{
    g_autofree LateAnswer *late = user;
    Session *session = sessions_by_id(late->gateway->sessions, late->session);
    if (session != NULL)
        session_send_answer(session, late->text);
    text_unref(late->text);
    g_free(late->session);
}

// What the client is told to own or to hear is in force when it reads this.
static void answer_when_routed(const Frame *frame, Json *body)
{
    g_autoptr(Json) owned = body;
    g_autoptr(Json) whole = message_answer(frame->message, frame->envelope->to, owned);
    LateAnswer *late = g_new(LateAnswer, 1);
    *late = (LateAnswer){frame->gateway, g_strdup(frame->session->id), text_from_json(whole)};
    bus_when_routed(frame->gateway->bus, on_routed, late);
}

// --- what becomes of a message ---

static void allocate(const Frame *frame)
{
    Sessions *sessions = frame->gateway->sessions;
    const Json *body = json_get(frame->message, "body");
    if (frame->envelope->type == TYPE(CREATE))
        answer_when_routed(frame, allocation_create(sessions, frame->session, body));
    else if (frame->envelope->type == TYPE(DELETE))
        answer(frame, allocation_delete(sessions, frame->session, body));
    else
        refuse(frame, REASON(unsupported), envelope_type_text(frame->envelope));
}

static void route(const Frame *frame)
{
    const Json *body = json_get(frame->message, "body");
    if (frame->envelope->type == TYPE(SUBSCRIBE))
        answer_when_routed(frame, routing_subscribe(frame->gateway, frame->session, body));
    else if (frame->envelope->type == TYPE(UNSUBSCRIBE))
        answer(frame, routing_unsubscribe(frame->gateway, frame->session, body));
    else
        refuse(frame, REASON(unsupported), envelope_type_text(frame->envelope));
}

// Nobody tells others that he is somebody else.
static void show_identity(const Frame *frame)
{
    const Json *body = json_get(frame->message, "body"), *said = json_get(body, "identity");
    if (!json_is_object(said))
        return;
    g_autoptr(Json) changed = json_new_object();
    g_autoptr(Json) shown = identity_show(said, frame->session->identity);
    json_merge(changed, body);
    json_set(changed, "identity", shown);
    envelope_set_body(frame->envelope, changed);
}

static void publish(Frame *frame)
{
    show_identity(frame);
    Envelope *envelope = g_steal_pointer(&frame->envelope);
    if (!relays_stamp(frame->gateway->bus, frame->session, envelope)) {
        envelope_free(envelope);
        return;
    }
    envelope_set(&envelope->session, frame->session->id);
    envelope_set_json(&envelope->identity, &envelope->has_identity, frame->session->identity);
    bus_publish(frame->gateway->bus, envelope);
}

// A join: the created object is the session's, reported by it from this version on, and says who
// joins.
static gboolean note_join(const Frame *frame)
{
    Session *session = frame->session;
    g_autoptr(Json) value = envelope_value(frame->envelope);
    const char *url = json_get_text(value, "url");
    if (url == NULL)
        return TRUE; // refused by the registry, which knows what a join needs
    Refusal reason = url_is_valid(url) ? sessions_bind(frame->gateway->sessions, session, url)
                                       : REASON(bad_address);
    if (reason != REASON(none)) {
        refuse(frame, reason, "body.value.url");
        return FALSE;
    }
    gint64 version = CLAMP(json_get_number(value, "version", 0), 0, (gint64)LIMIT_VERSION);
    relays_note(frame->gateway->bus, session, url, (guint64)version);
    Json *identity = identity_assert(json_get(frame->message, "body"), session->identity,
                                     frame->gateway->domain, session->id);
    json_unref(session->identity);
    session->identity = identity;
    return TRUE;
}

// A client that comes back asks what it has missed; what is known here needs no reporter.
static gboolean answer_resume(const Frame *frame)
{
    const Msg__Body *body = frame->envelope->body;
    if (frame->envelope->type != TYPE(SUBSCRIBE) || body == NULL || !body->resume ||
        !body->has_version || !g_str_has_suffix(frame->envelope->to, "/subscription"))
        return FALSE;
    g_autofree char *object = url_object(frame->envelope->to);
    g_autoptr(Json) deltas =
        watches_deltas(frame->gateway->watches, frame->session, object, body->version);
    if (deltas == NULL)
        return FALSE;
    Json *result = message_ok_body();
    json_set(result, "value", deltas);
    answer(frame, result);
    return TRUE;
}

static gboolean is_to(const Frame *frame, const char *format)
{
    g_autoptr(GString) address = g_string_new(format);
    g_string_replace(address, "%D", frame->gateway->domain, 1);
    return strcmp(frame->envelope->to, address->str) == 0;
}

// What is registered becomes the session's, as what it sends from.
static gboolean note_registration(const Frame *frame)
{
    g_autoptr(Json) value = envelope_value(frame->envelope);
    const char *url = json_get_text(value, "url");
    Refusal reason = url != NULL && url_is_valid(url)
                         ? sessions_bind(frame->gateway->sessions, frame->session, url)
                         : REASON(none); // the registry says what it lacks
    if (reason != REASON(none))
        refuse(frame, reason, "body.value.url");
    return reason == REASON(none);
}

static gboolean note_created(const Frame *frame)
{
    if (frame->envelope->type != TYPE(CREATE))
        return TRUE;
    return is_to(frame, "hyperty://%D/conference") ? note_join(frame)
           : is_to(frame, "domain://registry.%D")  ? note_registration(frame)
                                                   : TRUE;
}

// The reporter of an object tells one observer that it is none any more (either form of rethink.md
// section 4): its gateway drops the routes, whatever the observer makes of it.
static void note_taken(const Frame *frame)
{
    Envelope *envelope = frame->envelope;
    const Msg__Body *body = envelope->body;
    gboolean ends = envelope->type == TYPE(UNSUBSCRIBE) || envelope->type == TYPE(DELETE);
    const char *named = body != NULL && body->resource != NULL ? body->resource
                        : envelope->type == TYPE(DELETE)       ? envelope->from
                                                               : NULL;
    if (!ends || named == NULL || !url_is_valid(named))
        return;
    g_autofree char *object = url_object(named);
    if (session_owns(frame->session, object) && strcmp(object, frame->session->runtime) != 0)
        envelope_set(&envelope->taken, object);
}

// domain://registry.D/ means domain://registry.D.
static void drop_last_slash(Envelope *envelope)
{
    gsize length = strlen(envelope->to);
    if (g_str_has_prefix(envelope->to, "domain://") && length > 0 &&
        envelope->to[length - 1] == '/')
        envelope->to[length - 1] = '\0';
}

static void ask(Frame *frame)
{
    drop_last_slash(frame->envelope);
    if (!note_created(frame) || answer_resume(frame))
        return;
    if (address_kind(frame->gateway->domain, frame->envelope->to) == ADDRESS_CLIENT) {
        show_identity(frame);
        note_taken(frame);
    }
    asking_ask(frame->gateway, frame->session, g_steal_pointer(&frame->envelope));
}

// Receivers of a publication may answer whom it came from (children, an object's delete).
static gboolean answers_publication(const Frame *frame)
{
    const Envelope *envelope = frame->envelope;
    if (!url_is_publication(envelope->from) ||
        address_kind(frame->gateway->domain, envelope->to) != ADDRESS_CLIENT)
        return FALSE;
    g_autoptr(GPtrArray) hearers = routes_match(frame->gateway->routes, envelope->from);
    return g_ptr_array_find(hearers, frame->session, NULL);
}

static void take_answer(Frame *frame)
{
    if (delivery_answer(frame->session, frame->envelope))
        return;
    if (answers_publication(frame))
        publish(frame);
    else
        metrics_add(METRIC_GATEWAY_UNASKED, 1);
}

static void act(Frame *frame)
{
    MessageFault fault = {REASON(none), ""};
    switch (router_judge(frame->gateway->sessions, frame->session, frame->envelope, &fault)) {
    case ROUTE_REFUSE:
        refuse(frame, fault.reason, fault.detail);
        return;
    case ROUTE_SESSION:
        handshake_take(frame->gateway, frame->client, frame->message);
        return;
    case ROUTE_ALLOCATION:
        allocate(frame);
        return;
    case ROUTE_ROUTING:
        route(frame);
        return;
    case ROUTE_ANSWER:
        take_answer(frame);
        return;
    case ROUTE_PUBLISH:
        publish(frame);
        return;
    case ROUTE_ASK:
        ask(frame);
        return;
    }
}

// --- frames ---

static Json *addressed_to(const Json *message, const char *to)
{
    Json *copy = json_new_object();
    json_merge(copy, message);
    json_set_text(copy, "to", to);
    return copy;
}

// One message to each recipient. Any of them may end the session (close).
static void send_to_each(Gateway *gateway, Client *client, const Json *message)
{
    g_autoptr(GPtrArray) recipients = message_recipients(message);
    for (guint i = 0; i < recipients->len && client->state == CLIENT_OPEN; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) single = addressed_to(message, g_ptr_array_index(recipients, i));
        Frame frame = {gateway, client, client->session, single, NULL};
        frame.envelope = envelope_from_json(single, &error);
        if (frame.envelope == NULL)
            dispatch_fault(client, single, REASON(malformed), error->message);
        else
            act(&frame);
        envelope_free(frame.envelope);
    }
}

static gboolean is_handshake(const Json *message)
{
    EnvelopeType type = envelope_type_parse(json_get_text(message, "type"));
    return g_strcmp0(json_get_text(message, "to"), "mn:/session") == 0 &&
           (type == TYPE(OPEN) || type == TYPE(REOPEN) || type == TYPE(CLOSE));
}

static void take_first(Gateway *gateway, Client *client, const Json *message)
{
    if (is_handshake(message))
        handshake_take(gateway, client, message);
    else
        dispatch_fault(client, message, REASON(handshake_expected), "");
}

// Another WebSocket has the session: this one may only close itself.
static void take_replaced(Gateway *gateway, Client *client, const Json *message)
{
    if (envelope_type_parse(json_get_text(message, "type")) == TYPE(CLOSE))
        handshake_take(gateway, client, message);
    else
        dispatch_fault(client, message, REASON(not_owner), "a later WebSocket has the session");
}

static gboolean may_hold(const Client *client, gsize length)
{
    return client->state == CLIENT_OPENING
               ? client->held.length < LIMIT_HELD_WHILE_OPENING
               : client->held_bytes + length <= LIMIT_HELD_WHILE_CLAIMING;
}

static void hold(Client *client, const Json *message, Text *frame)
{
    if (!may_hold(client, text_length(frame))) {
        dispatch_fault(client, message, REASON(too_many), "messages before the answer to open");
        return;
    }
    client->held_bytes += text_length(frame);
    g_queue_push_tail(&client->held, text_ref(frame));
}

static void take(Gateway *gateway, Client *client, const Json *message)
{
    if (client->state == CLIENT_NEW)
        take_first(gateway, client, message);
    else if (client->state == CLIENT_OPEN)
        send_to_each(gateway, client, message);
    else if (client->state == CLIENT_REPLACED)
        take_replaced(gateway, client, message);
}

static void new_trace(void)
{
    char trace[17];
    g_snprintf(trace, sizeof trace, "%08x%08x", g_random_int(), g_random_int());
    log_set_trace(trace);
}

// claimed: whose its addresses are has been asked.
static void dispatch(Gateway *gateway, Client *client, Text *frame, gboolean claimed)
{
    MessageFault fault = {REASON(none), ""};
    g_autoptr(Json) partial = NULL;
    new_trace();
    g_autoptr(Json) message =
        message_parse(text_bytes(frame), text_length(frame), &fault, &partial);
    if (message == NULL)
        dispatch_fault(client, partial, fault.reason, fault.detail);
    else if (client->state == CLIENT_OPENING || client->state == CLIENT_CLAIMING)
        hold(client, message, frame);
    else if (claimed || client->state != CLIENT_OPEN ||
             !claims_wait(gateway, client, message, frame))
        take(gateway, client, message);
    log_set_trace(NULL);
}

void dispatch_frame(Gateway *gateway, Client *client, const char *bytes, gsize length)
{
    g_autoptr(Text) frame = text_new(bytes, length);
    metrics_add(METRIC_GATEWAY_RECEIVED, 1);
    dispatch(gateway, client, frame, FALSE);
}

void dispatch_claimed(Gateway *gateway, Client *client, Text *frame)
{
    dispatch(gateway, client, frame, TRUE);
}

void dispatch_held(Gateway *gateway, Client *client)
{
    while (client->held.length > 0 && client->state != CLIENT_OPENING &&
           client->state != CLIENT_CLAIMING && client->state != CLIENT_CLOSING) {
        g_autoptr(Text) frame = g_queue_pop_head(&client->held);
        client->held_bytes -= text_length(frame);
        dispatch(gateway, client, frame, FALSE);
    }
}
