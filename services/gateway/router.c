// SPDX-License-Identifier: MIT
// See router.h. The order is: whose is `from`, what may be said to `to`.
//
// The hard thing is that real runtimes invent addresses and use several in one session: so nothing
// has to be registered first, but what belongs to somebody is safe from everybody else.
#include "gateway/router.h"

#include <string.h>

#include "common/url.h"
#include "gateway/address.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define TYPE(name) MSG__ENVELOPE__TYPE__##name

static Route refuse(MessageFault *fault, Refusal reason, const char *member, const char *address)
{
    message_fault(fault, reason, "%s %s", member, address);
    return ROUTE_REFUSE;
}

// An update of somebody else's object that reaches its children says who really speaks in
// body.source.
static gboolean speaks_for_child(const Session *session, const Envelope *message)
{
    g_autofree char *object = url_object(message->to);
    return url_is_publication(message->to) && strstr(message->to, "/children") != NULL &&
           strcmp(object, message->from) == 0 && message->body != NULL &&
           message->body->source != NULL && session_owns(session, message->body->source);
}

static gboolean may_send_from(Sessions *sessions, Session *session, const Envelope *message,
                              MessageFault *fault)
{
    if (speaks_for_child(session, message))
        return TRUE;
    Refusal reason = sessions_bind(sessions, session, message->from);
    return reason == REASON(none) || message_fault(fault, reason, "from %s", message->from);
}

// Only an object's owner changes it; children and their updates come from anybody.
static Route judge_publication(Sessions *sessions, Session *session, const Envelope *message,
                               MessageFault *fault)
{
    g_autofree char *object = url_object(message->to);
    gboolean child = strstr(message->to + strlen(object), "/children") != NULL;
    if (child)
        return ROUTE_PUBLISH;
    Refusal reason = sessions_bind(sessions, session, object);
    return reason == REASON(none) ? ROUTE_PUBLISH : refuse(fault, reason, "to", message->to);
}

// What a service is told of its asker must be the asker's own.
static Route judge_service(Sessions *sessions, Session *session, const Envelope *message,
                           MessageFault *fault)
{
    const char *source = message->body != NULL ? message->body->source : NULL;
    if (source == NULL)
        return ROUTE_ASK;
    if (!url_is_valid(source))
        return refuse(fault, REASON(bad_address), "body.source", "");
    Refusal reason = sessions_bind(sessions, session, source);
    return reason == REASON(none) ? ROUTE_ASK : refuse(fault, reason, "body.source", source);
}

static Route judge_recipient(Sessions *sessions, Session *session, const Envelope *message,
                             MessageFault *fault)
{
    AddressKind kind = address_kind(sessions_domain(sessions), message->to);
    if (kind == ADDRESS_ALLOCATION)
        return ROUTE_ALLOCATION;
    if (kind == ADDRESS_ROUTING)
        return ROUTE_ROUTING;
    if (kind == ADDRESS_INVALID)
        return refuse(fault, REASON(bad_address), "to", message->to);
    if (kind == ADDRESS_INTERNAL)
        return refuse(fault, REASON(forbidden), "to", message->to);
    if (url_is_publication(message->to))
        return judge_publication(sessions, session, message, fault);
    if (kind != ADDRESS_CLIENT)
        return judge_service(sessions, session, message, fault);
    return message->type == TYPE(EVENT) ? ROUTE_PUBLISH : ROUTE_ASK;
}

Route router_judge(Sessions *sessions, Session *session, const Envelope *message,
                   MessageFault *fault)
{
    if (message->type == TYPE(RESPONSE))
        return ROUTE_ANSWER;
    if (address_kind(sessions_domain(sessions), message->to) == ADDRESS_SESSION)
        return ROUTE_SESSION;
    if (message->from == NULL) {
        message_fault(fault, REASON(malformed), "from is missing or not a string");
        return ROUTE_REFUSE;
    }
    if (!may_send_from(sessions, session, message, fault))
        return ROUTE_REFUSE;
    return judge_recipient(sessions, session, message, fault);
}
