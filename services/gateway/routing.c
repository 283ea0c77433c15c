// SPDX-License-Identifier: MIT
// See routing.h. Routes to objects of our own services sleep: they are answered 200 here, and come
// into force when the object's reporter has let the session in (learning.h).
#include "gateway/routing.h"

#include <string.h>

#include "common/limits.h"
#include "common/url.h"
#include "gateway/address.h"
#include "gateway/message.h"
#include "gateway/relays.h"
#include "gateway/resources.h"

#define REASON(name) MSG__REFUSAL__REASON__##name

static gboolean is_ours(const Gateway *gateway, const char *url)
{
    return address_kind(gateway->domain, url) == ADDRESS_OBJECT;
}

// What would stand against it; nothing is changed.
static Refusal check(const Gateway *gateway, const Session *session, const char *url)
{
    if (!url_is_valid(url))
        return REASON(bad_address);
    AddressKind kind = address_kind(gateway->domain, url);
    const Session *owner = sessions_owner(gateway->sessions, url);
    if (kind == ADDRESS_INVALID)
        return REASON(bad_address);
    if (kind == ADDRESS_OBJECT)
        return REASON(none);
    if (kind != ADDRESS_CLIENT)
        return REASON(not_owner);
    if (url_is_publication(url))
        return REASON(none);
    return owner == NULL || owner == session ? REASON(none) : REASON(not_owner);
}

static Refusal add(Gateway *gateway, Session *session, const char *url)
{
    if (is_ours(gateway, url))
        return REASON(none);
    if (!url_is_publication(url))
        return sessions_bind(gateway->sessions, session, url);
    return routes_add(gateway->routes, session, url) ? REASON(none) : REASON(too_many);
}

Json *routing_subscribe(Gateway *gateway, Session *session, const Json *body)
{
    g_autoptr(GPtrArray) urls = resources_of(body);
    Refusal reason = REASON(none);
    if (urls == NULL)
        return message_refusal_body(REASON(malformed), "resources");
    for (guint i = 0; i < urls->len; i++) {
        reason = check(gateway, session, g_ptr_array_index(urls, i));
        if (reason != REASON(none))
            return message_refusal_body(reason, g_ptr_array_index(urls, i));
    }
    for (guint i = 0; i < urls->len && reason == REASON(none); i++)
        reason = add(gateway, session, g_ptr_array_index(urls, i));
    registrar_tell(gateway->registrar, session);
    return reason == REASON(none) ? message_ok_body()
                                  : message_refusal_body(reason, "addresses of one session");
}

void routing_restore(Gateway *gateway, Session *session, const char *url)
{
    if (url_is_valid(url) && url_is_publication(url) && !is_ours(gateway, url))
        routes_add(gateway->routes, session, url);
}

// Runtimes of old name only the children's address: the whole object is meant. An object of a
// service is left as a whole too.
static void remove_one(Gateway *gateway, Session *session, const char *url)
{
    g_autofree char *object = url_object(url);
    gboolean is_whole = is_ours(gateway, url) || strcmp(url + strlen(object), "/children/") == 0;
    if (is_whole) {
        routes_remove_under(gateway->routes, session, object);
        watches_unfollow(gateway->watches, session, object);
    } else if (!url_is_publication(url)) {
        routes_remove_under(gateway->routes, session, url);
        watches_unfollow(gateway->watches, session, url);
        sessions_release(gateway->sessions, session, url);
    } else {
        routes_remove(gateway->routes, session, url);
        if (strcmp(url + strlen(object), "/changes") == 0)
            watches_unfollow(gateway->watches, session, object);
    }
}

Json *routing_unsubscribe(Gateway *gateway, Session *session, const Json *body)
{
    g_autoptr(GPtrArray) urls = resources_of(body);
    if (urls == NULL)
        return message_refusal_body(REASON(malformed), "resources");
    for (guint i = 0; i < urls->len; i++)
        if (url_is_valid(g_ptr_array_index(urls, i)))
            remove_one(gateway, session, g_ptr_array_index(urls, i));
    registrar_tell(gateway->registrar, session);
    return message_ok_body();
}
