// SPDX-License-Identifier: MIT
// A frame from a WebSocket, on its way through the gateway's rules: bytes, JSON, checks, one
// envelope a recipient, the router's judgement, the lists of the gateway's own services, and the
// answer.
#include <stdint.h>
#include "gateway/allocation.h"
#include "gateway/identity.h"
#include "gateway/message.h"
#include "gateway/resources.h"
#include "gateway/router.h"
#include "gateway/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

typedef struct {
    Sessions *sessions;
    Session *ann, *bob;
} House;

static House build(void)
{
    House house = {sessions_new("localhost"), NULL, NULL};
    Refusal reason;
    house.ann = sessions_add(house.sessions, "a", "a.t", "runtime://localhost/ann", &reason);
    house.bob = sessions_add(house.sessions, "b", "b.t", "runtime://localhost/bob", &reason);
    sessions_bind(house.sessions, house.bob, "hyperty://localhost/bob");
    return house;
}

static void serve(House *house, const Json *message)
{
    const Json *body = json_get(message, "body");
    g_autoptr(GPtrArray) resources = resources_of(body);
    g_autoptr(Json) created = allocation_create(house->sessions, house->ann, body);
    g_autoptr(Json) deleted = allocation_delete(house->sessions, house->ann, body);
    g_autoptr(Json) identity = identity_assert(body, NULL, "localhost", "0123456789abcdef");
    g_autofree char *session = token_session("secret", json_get_text(message, "type"));
}

static void judge(House *house, const Json *message, const char *to)
{
    g_autoptr(Json) single = json_new_object();
    MessageFault fault = {MSG__REFUSAL__REASON__none, ""};
    json_merge(single, message);
    json_set_text(single, "to", to);
    g_autoptr(Envelope) envelope = envelope_from_json(single, NULL);
    if (envelope == NULL)
        return;
    Route route = router_judge(house->sessions, house->ann, envelope, &fault);
    g_assert(route != ROUTE_REFUSE || fault.reason != MSG__REFUSAL__REASON__none);
    g_assert(session_owns(house->bob, "hyperty://localhost/bob"));
    g_autoptr(Json) again = envelope_to_json(envelope);
    g_autofree char *text = json_print(again, NULL);
}

static void answer(const Json *message, const MessageFault *fault)
{
    g_autoptr(Json) body = message_refusal_body(fault->reason, fault->detail);
    g_autoptr(Json) whole = message_answer(message, MESSAGE_VALIDATOR, body);
    g_autofree char *text = json_print(whole, NULL);
    g_assert(text != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    MessageFault fault = {MSG__REFUSAL__REASON__none, ""};
    g_autoptr(Json) partial = NULL;
    g_autoptr(Json) message = message_parse((const char *)data, length, &fault, &partial);
    answer(message != NULL ? message : partial, &fault);
    if (message == NULL)
        return 0;
    House house = build();
    g_autoptr(GPtrArray) recipients = message_recipients(message);
    for (guint i = 0; i < recipients->len; i++)
        judge(&house, message, g_ptr_array_index(recipients, i));
    serve(&house, message);
    sessions_free(house.sessions);
    return 0;
}
