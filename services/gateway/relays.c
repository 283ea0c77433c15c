// SPDX-License-Identifier: MIT
// See relays.h.
#include "gateway/relays.h"

#include <string.h>

#include "common/limits.h"
#include "common/sync_relay.h"
#include "common/url.h"

static SyncRelay *find(const Session *session, const char *object)
{
    return session->relays != NULL ? g_hash_table_lookup(session->relays, object) : NULL;
}

// NULL where the session reports too many: its updates then pass unstamped.
static SyncRelay *add(Bus *bus, Session *session, const char *object, guint64 version)
{
    if (session->relays == NULL)
        session->relays =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)sync_relay_free);
    if (g_hash_table_size(session->relays) >= LIMIT_SESSION_ADDRESSES)
        return NULL;
    SyncRelay *relay = sync_relay_new(bus, object, version);
    g_hash_table_insert(session->relays, g_strdup(object), relay);
    return relay;
}

void relays_note(Bus *bus, Session *session, const char *object, guint64 version)
{
    SyncRelay *relay = find(session, object);
    if (relay != NULL)
        sync_relay_restart(relay, version);
    else
        add(bus, session, object, version);
}

gboolean relays_stamp(Bus *bus, Session *session, Envelope *update)
{
    g_autofree char *object = url_object(update->to);
    gboolean of_object = update->type == MSG__ENVELOPE__TYPE__UPDATE &&
                         strcmp(update->to + strlen(object), "/changes") == 0;
    if (!of_object || !session_owns(session, object))
        return TRUE;
    SyncRelay *relay = find(session, object);
    if (relay == NULL)
        relay = add(bus, session, object, 0);
    return relay == NULL || sync_relay_stamp(relay, update);
}

gboolean relays_answer(Session *session, BusRequest *request)
{
    g_autofree char *object = url_object(bus_request_message(request)->to);
    SyncRelay *relay = find(session, object);
    return relay != NULL && sync_relay_answer(relay, request);
}

void relays_forget(Session *session, const char *object)
{
    if (session->relays != NULL)
        g_hash_table_remove(session->relays, object);
}
