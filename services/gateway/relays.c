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

static gboolean asks_for_sessions(const Session *session, const Envelope *message)
{
    g_autofree char *gateways =
        g_strdup_printf("domain://msg-node.%s/", sessions_domain(session->all));
    return message->session == NULL && message->type == MSG__ENVELOPE__TYPE__SUBSCRIBE &&
           message->body != NULL && message->body->resume &&
           g_str_has_prefix(message->from, gateways);
}

static void answer_nothing(const SyncRelay *relay, BusRequest *request)
{
    guint64 version = relay != NULL ? sync_log_version(sync_relay_log(relay)) : 0;
    g_autoptr(Json) body = json_new_object();
    g_autoptr(Json) deltas = json_new_object();
    g_autoptr(Json) changes = json_new_array();
    json_set_number(deltas, "version", (gint64)version);
    json_set(deltas, "changes", changes);
    json_set_number(body, "code", 200);
    json_set(body, "value", deltas);
    bus_answer(request, body);
}

gboolean relays_answer(Session *session, BusRequest *request)
{
    const Envelope *message = bus_request_message(request);
    g_autofree char *object = url_object(message->to);
    SyncRelay *relay = find(session, object);
    if (relay != NULL && sync_relay_answer(relay, request))
        return TRUE;
    if (!asks_for_sessions(session, message))
        return FALSE;
    answer_nothing(relay, request);
    return TRUE;
}

void relays_forget(Session *session, const char *object)
{
    if (session->relays != NULL)
        g_hash_table_remove(session->relays, object);
}
