// SPDX-License-Identifier: MIT
// See delivery.h.
#include "gateway/delivery.h"

#include <string.h>

#include "common/codec.h"
#include "common/limits.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define SPLIT_MS 300

typedef struct {
    Deadlines *deadlines;
    Session *session;
    BusRequest *request;
    guint64 deadline;
    gboolean handed;
    guint pieces, expected; // of a split answer; expected 0: it is none
    guint64 split;          // deadline for one piece more
} Delivery;

// With the last reference an unanswered request is answered 504 by the bus.
static void drop(Delivery *delivery)
{
    g_queue_remove(&delivery->session->deliveries, delivery);
    deadlines_cancel(delivery->deadlines, &delivery->deadline);
    deadlines_cancel(delivery->deadlines, &delivery->split);
    bus_request_unref(delivery->request);
    g_free(delivery);
}

static void on_deadline(gpointer user)
{
    Delivery *delivery = user;
    delivery->deadline = 0;
    drop(delivery);
}

static void hand(Delivery *delivery)
{
    if (delivery->handed || delivery->session->client == NULL)
        return;
    g_autoptr(Json) message = envelope_to_json(bus_request_message(delivery->request));
    g_autoptr(Text) text = text_from_json(message);
    delivery->handed = TRUE;
    session_send(delivery->session, text);
}

void delivery_take(Deadlines *deadlines, Session *session, BusRequest *request)
{
    const Envelope *message = bus_request_message(request);
    if (session->deliveries.length >= LIMIT_SESSION_REQUESTS) {
        bus_refuse(request, REASON(too_many), "requests that wait for this client");
        return;
    }
    Delivery *delivery = g_new0(Delivery, 1);
    delivery->deadlines = deadlines;
    delivery->session = session;
    delivery->request = bus_request_ref(request);
    guint wait_ms = message->has_ttl_ms ? message->ttl_ms : LIMIT_DEADLINE_CLIENT_MS;
    delivery->deadline =
        deadlines_add(deadlines, MIN(wait_ms, LIMIT_DEADLINE_CLIENT_MS), on_deadline, delivery);
    g_queue_push_tail(&session->deliveries, delivery);
    bus_acknowledge(request);
    hand(delivery);
}

// A number may have been written anew by the client (1.0 for 1).
static gboolean is_same_id(const Envelope *a, const Envelope *b)
{
    if (a->id.len == b->id.len && memcmp(a->id.data, b->id.data, a->id.len) == 0)
        return TRUE;
    g_autoptr(Json) left = codec_json(&a->id), right = codec_json(&b->id);
    return json_is_number(left) && json_is_number(right) &&
           json_real(left, 0) == json_real(right, 1);
}

static Delivery *find(const Session *session, const Envelope *answer)
{
    for (GList *item = session->deliveries.head; item != NULL; item = item->next) {
        Delivery *delivery = item->data;
        const Envelope *message = bus_request_message(delivery->request);
        if (delivery->handed && g_strcmp0(message->from, answer->to) == 0 &&
            g_strcmp0(message->to, answer->from) == 0 && is_same_id(message, answer))
            return delivery;
    }
    return NULL;
}

// --- split answers

static void end_split(Delivery *delivery)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    json_set_number(body, DELIVERY_PIECES, delivery->pieces);
    bus_answer(delivery->request, body);
    drop(delivery);
}

static void on_split_over(gpointer user)
{
    Delivery *delivery = user;
    delivery->split = 0;
    end_split(delivery);
}

static guint split_into(const Envelope *answer)
{
    g_autoptr(Json) value = envelope_value(answer);
    gint64 count = json_get_number(value, "responses", 0);
    return envelope_code(answer) == 100 && json_get(value, "text") == NULL && count > 1 &&
                   count <= LIMIT_SNAPSHOT_PARTS
               ? (guint)count
               : 0;
}

// Whether n counts the first one is not agreed: one more is waited for, but not for long.
static void hand_on_piece(Delivery *delivery, const Envelope *answer)
{
    g_autoptr(Json) said = envelope_body_json(answer);
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 100);
    json_set(body, DELIVERY_PIECE, said);
    bus_answer_provisional(delivery->request, body);
    delivery->pieces++;
    if (delivery->pieces > delivery->expected)
        end_split(delivery);
    else if (delivery->pieces == delivery->expected)
        delivery->split = deadlines_add(delivery->deadlines, SPLIT_MS, on_split_over, delivery);
}

// A client's words must not be taken for ours.
static void clean(Envelope *answer)
{
    const Msg__Body *said = answer->body;
    if (said == NULL || !said->has_unknown ||
        g_strstr_len((const char *)said->unknown.data, (gssize)said->unknown.len,
                     DELIVERY_PIECE) == NULL) // which begins the other's name too
        return;
    g_autoptr(Json) body = envelope_body_json(answer);
    json_remove(body, DELIVERY_PIECE);
    json_remove(body, DELIVERY_PIECES);
    envelope_set_body(answer, body);
}

gboolean delivery_answer(Session *session, Envelope *answer)
{
    Delivery *delivery = find(session, answer);
    if (delivery == NULL)
        return FALSE;
    clean(answer);
    Msg__Body *body = envelope_body(answer);
    if (delivery->expected == 0)
        delivery->expected = split_into(answer);
    if (delivery->expected > 0) {
        hand_on_piece(delivery, answer);
        return TRUE;
    }
    if (!body->has_code) {
        body->has_code = TRUE;
        body->code = 200;
    }
    if (body->code < 200) {
        g_autoptr(Json) provisional = envelope_body_json(answer);
        bus_answer_provisional(delivery->request, provisional);
        return TRUE;
    }
    bus_answer_body(delivery->request, body);
    drop(delivery);
    return TRUE;
}

void delivery_resume(Session *session)
{
    for (GList *item = session->deliveries.head; item != NULL; item = item->next)
        hand(item->data);
}

void delivery_end(Session *session)
{
    while (session->deliveries.length > 0) {
        Delivery *delivery = g_queue_peek_head(&session->deliveries);
        bus_refuse(delivery->request, REASON(no_route), "the session has ended");
        drop(delivery);
    }
}
