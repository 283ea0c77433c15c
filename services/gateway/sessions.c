// SPDX-License-Identifier: MIT
// See sessions.h. The owner of an address below an owned one is found by cutting segments off its
// end: a few hash lookups, whatever the number of sessions.
#include "gateway/sessions.h"

#include <string.h>

#include "common/limits.h"
#include "common/url.h"
#include "gateway/address.h"

#define REASON(name) MSG__REFUSAL__REASON__##name

struct Sessions {
    char *domain;
    GHashTable *by_id;      // id -> Session, owned
    GHashTable *by_runtime; // runtime -> Session
    GHashTable *owners;     // address (the session's own string) -> Session
    SessionsOwned on_owned;
    gpointer user;
};

static void session_free(gpointer data)
{
    Session *session = data;
    g_hash_table_unref(session->addresses);
    g_clear_pointer(&session->refused, g_hash_table_unref);
    g_clear_pointer(&session->topics, g_hash_table_unref);
    g_clear_pointer(&session->follows, g_hash_table_unref);
    g_clear_pointer(&session->relays, g_hash_table_unref);
    g_clear_pointer(&session->blocks, g_hash_table_unref);
    g_clear_pointer(&session->rooms, g_hash_table_unref);
    g_queue_clear_full(&session->away, (GDestroyNotify)text_unref);
    json_unref(session->identity);
    g_free(session->id);
    g_free(session->token);
    g_free(session->runtime);
    g_free(session);
}

Sessions *sessions_new(const char *domain)
{
    Sessions *sessions = g_new0(Sessions, 1);
    sessions->domain = g_strdup(domain);
    sessions->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    sessions->by_runtime = g_hash_table_new(g_str_hash, g_str_equal);
    sessions->owners = g_hash_table_new(g_str_hash, g_str_equal);
    return sessions;
}

void sessions_free(Sessions *sessions)
{
    if (sessions == NULL)
        return;
    GHashTableIter iterator;
    gpointer session;
    g_hash_table_unref(sessions->owners);
    g_hash_table_unref(sessions->by_runtime);
    g_hash_table_iter_init(&iterator, sessions->by_id);
    while (g_hash_table_iter_next(&iterator, NULL, &session))
        session_free(session);
    g_hash_table_unref(sessions->by_id);
    g_free(sessions->domain);
    g_free(sessions);
}

void sessions_set_owned_handler(Sessions *sessions, SessionsOwned on_owned, gpointer user)
{
    sessions->on_owned = on_owned;
    sessions->user = user;
}

gpointer sessions_user(const Sessions *sessions)
{
    return sessions->user;
}

const char *sessions_domain(const Sessions *sessions)
{
    return sessions->domain;
}

guint sessions_count(const Sessions *sessions)
{
    return g_hash_table_size(sessions->by_id);
}

Session *sessions_by_id(const Sessions *sessions, const char *id)
{
    return g_hash_table_lookup(sessions->by_id, id);
}

Session *sessions_by_runtime(const Sessions *sessions, const char *runtime)
{
    return g_hash_table_lookup(sessions->by_runtime, runtime);
}

void sessions_each(Sessions *sessions, void (*each)(Session *session, gpointer user), gpointer user)
{
    g_autofree gpointer *ids = g_hash_table_get_keys_as_array(sessions->by_id, NULL);
    for (guint i = 0; ids[i] != NULL; i++)
        each(g_hash_table_lookup(sessions->by_id, ids[i]), user);
}

Session *sessions_owner(const Sessions *sessions, const char *url)
{
    char address[LIMIT_URL + 1];
    if (g_strlcpy(address, url, sizeof address) >= sizeof address)
        return NULL;
    char *start = strstr(address, "://");
    start = start != NULL ? start + 3 : address;
    for (;;) {
        Session *owner = g_hash_table_lookup(sessions->owners, address);
        char *slash = strrchr(start, '/');
        if (owner != NULL || slash == NULL)
            return owner;
        *slash = '\0';
    }
}

gboolean session_owns(const Session *session, const char *url)
{
    return sessions_owner(session->all, url) == session;
}

static void own(Sessions *sessions, Session *session, char *address)
{
    g_assert(g_hash_table_add(session->addresses, address));
    g_hash_table_insert(sessions->owners, address, session);
    if (sessions->on_owned != NULL)
        sessions->on_owned(session, address, TRUE, sessions->user);
}

static void disown(Sessions *sessions, Session *session, const char *address)
{
    g_autofree char *kept = g_strdup(address);
    g_hash_table_remove(sessions->owners, kept);
    g_hash_table_remove(session->addresses, kept);
    if (sessions->on_owned != NULL)
        sessions->on_owned(session, kept, FALSE, sessions->user);
}

// Without /subscription, /read and slashes at the end.
char *sessions_base(const char *url)
{
    char *base = url_object(url);
    for (gsize length = strlen(base); length > 1 && base[length - 1] == '/'; length--)
        base[length - 1] = '\0';
    return base;
}

Refusal sessions_bind(Sessions *sessions, Session *session, const char *url)
{
    g_autofree char *base = sessions_base(url);
    const Session *owner = sessions_owner(sessions, base);
    if (owner != NULL)
        return owner == session ? REASON(none) : REASON(not_owner);
    if (url_is_publication(url) || !address_may_bind(sessions->domain, base))
        return REASON(not_owner);
    if (session->refused != NULL && g_hash_table_contains(session->refused, base))
        return REASON(not_owner);
    if (g_hash_table_size(session->addresses) >= LIMIT_SESSION_ADDRESSES)
        return REASON(too_many);
    own(sessions, session, g_steal_pointer(&base));
    return REASON(none);
}

void sessions_release(Sessions *sessions, Session *session, const char *url)
{
    if (g_hash_table_contains(session->addresses, url) && strcmp(url, session->runtime) != 0)
        disown(sessions, session, url);
}

Session *sessions_add(Sessions *sessions, const char *id, const char *token, const char *runtime,
                      Refusal *ret_reason)
{
    *ret_reason = g_hash_table_size(sessions->by_id) >= LIMIT_SESSIONS ? REASON(too_many)
                  : sessions_owner(sessions, runtime) != NULL          ? REASON(not_owner)
                  : !address_may_bind(sessions->domain, runtime)       ? REASON(bad_address)
                                                                       : REASON(none);
    if (*ret_reason != REASON(none) || sessions_by_id(sessions, id) != NULL)
        return NULL;
    Session *session = g_new0(Session, 1);
    session->all = sessions;
    session->id = g_strdup(id);
    session->token = g_strdup(token);
    session->runtime = g_strdup(runtime);
    session->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_queue_init(&session->deliveries);
    g_queue_init(&session->asked);
    g_queue_init(&session->away);
    g_hash_table_insert(sessions->by_id, session->id, session);
    g_hash_table_insert(sessions->by_runtime, session->runtime, session);
    own(sessions, session, g_strdup(runtime));
    return session;
}

void sessions_remove(Sessions *sessions, Session *session)
{
    g_autofree gpointer *addresses = g_hash_table_get_keys_as_array(session->addresses, NULL);
    for (guint i = 0; addresses[i] != NULL; i++)
        disown(sessions, session, addresses[i]);
    g_hash_table_remove(sessions->by_runtime, session->runtime);
    g_hash_table_remove(sessions->by_id, session->id);
    session_free(session);
}

void session_send(Session *session, Text *text)
{
    if (session->client != NULL)
        client_send(session->client, text);
}

static void drop_oldest(Session *session)
{
    g_autoptr(Text) oldest = g_queue_pop_head(&session->away);
    session->away_bytes -= text_length(oldest);
}

void session_send_answer(Session *session, Text *text)
{
    if (session->client != NULL) {
        client_send(session->client, text);
        return;
    }
    g_queue_push_tail(&session->away, text_ref(text));
    session->away_bytes += text_length(text);
    while (session->away_bytes > LIMIT_SESSION_QUEUE ||
           session->away.length > LIMIT_SESSION_REQUESTS)
        drop_oldest(session);
}

void session_send_kept(Session *session)
{
    while (session->client != NULL && session->away.length > 0) {
        client_send(session->client, g_queue_peek_head(&session->away));
        drop_oldest(session);
    }
}
