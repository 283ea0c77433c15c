// SPDX-License-Identifier: MIT
// See refusal.h. One row a reason: its code on the wire and the sentence that people read. Codes
// follow reTHINK: never 500 or 408 for what lasts, because legacy clients send those again at once.
#include "common/refusal.h"

#define REFUSALS(REASON)                                                                           \
    REASON(none, 200, "accepted")                                                                  \
    REASON(malformed, 400, "the message is malformed")                                             \
    REASON(too_large, 413, "the message is over a limit")                                          \
    REASON(bad_address, 400, "that is no address of this service")                                 \
    REASON(not_owner, 403, "the address belongs to another session")                               \
    REASON(forbidden, 403, "the policy refuses")                                                   \
    REASON(bad_token, 403, "the token is not valid here")                                          \
    REASON(locked, 403, "the room takes nobody in")                                                \
    REASON(no_route, 404, "nobody listens at that address")                                        \
    REASON(no_such_room, 404, "there is no such room")                                             \
    REASON(no_such_object, 404, "there is no such object")                                         \
    REASON(no_such_participant, 404, "there is no such participant")                               \
    REASON(unsupported, 405, "that is not offered here")                                           \
    REASON(too_many, 429, "too many requests")                                                     \
    REASON(room_full, 486, "the room is full")                                                     \
    REASON(no_capacity, 503, "no media worker can take the room")                                  \
    REASON(bad_offer, 400, "the offer cannot be answered")                                         \
    REASON(not_stored, 503, "the change could not be stored")                                      \
    REASON(timeout, 504, "a service did not answer in time")                                       \
    REASON(draining, 503, "the service is about to end")                                           \
    REASON(stale_epoch, 409, "the room has been placed elsewhere since")                           \
    REASON(handshake_expected, 400, "the first message must be open")                              \
    REASON(bad_origin, 403, "pages from that origin may not connect")                              \
    REASON(not_participating, 401, "only participants of the room may")                            \
    REASON(overloaded, 503, "too much is under way already")                                       \
    REASON(quarantined, 503, "the room has crashed again and again and rests for a while")         \
    REASON(disconnected, 408, "who is asked for is away, and may return")

#define UNAVAILABLE 503 // for now: the asker may come again
#define RETRY_AFTER_S 2

typedef struct {
    const char *name;
    gint code;
    const char *text;
} Row;

static const Row rows[] = {
#define REFUSAL_ROW(id, code, text) [MSG__REFUSAL__REASON__##id] = {#id, code, text},
    REFUSALS(REFUSAL_ROW)
#undef REFUSAL_ROW
};

// A number from the wire that the table does not know counts as malformed.
static const Row *row_of(Refusal reason)
{
    gboolean known = (guint)reason < G_N_ELEMENTS(rows) && rows[reason].name != NULL;
    return &rows[known ? reason : MSG__REFUSAL__REASON__malformed];
}

const char *refusal_name(Refusal reason)
{
    return row_of(reason)->name;
}

gint refusal_code(Refusal reason)
{
    return row_of(reason)->code;
}

const char *refusal_text(Refusal reason)
{
    return row_of(reason)->text;
}

Refusal refusal_parse(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_strcmp0(rows[i].name, name) == 0)
            return (Refusal)i;
    return MSG__REFUSAL__REASON__none;
}

static void set_description(Msg__Body *body)
{
    g_autoptr(Json) unknown = json_new_object();
    json_set_text(unknown, "description", body->desc);
    envelope_set_json(&body->unknown, &body->has_unknown, unknown);
}

Envelope *refusal_answer(const Envelope *request, Refusal reason, const char *detail)
{
    Envelope *answer = envelope_new_answer(request);
    Msg__Body *body = envelope_body(answer);
    g_autofree char *text = detail == NULL
                                ? g_strdup(refusal_text(reason))
                                : g_strdup_printf("%s: %s", refusal_text(reason), detail);
    body->has_code = TRUE;
    body->code = refusal_code(reason);
    envelope_set(&body->reason, refusal_name(reason));
    envelope_set(&body->desc, text);
    set_description(body);
    if (body->code == UNAVAILABLE) {
        body->has_retry_after = TRUE;
        body->retry_after = RETRY_AFTER_S;
    }
    return answer;
}
