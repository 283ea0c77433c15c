// SPDX-License-Identifier: MIT
// See sessions.h. Two tables: sessions by id, and the session of each address.
#include "registry/sessions.h"
#include <string.h>
#include "common/limits.h"
#include "common/url.h"

struct Sessions {
    GHashTable *by_id;      // id -> Msg__Session
    GHashTable *by_address; // address -> Msg__Session, borrowed
};

static void free_session(gpointer session)
{
    msg__session__free_unpacked(session, NULL);
}

Sessions *sessions_new(void)
{
    Sessions *sessions = g_new0(Sessions, 1);
    sessions->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_session);
    sessions->by_address = g_hash_table_new(g_str_hash, g_str_equal);
    return sessions;
}

void sessions_free(Sessions *sessions)
{
    if (sessions == NULL)
        return;
    g_hash_table_unref(sessions->by_address);
    g_hash_table_unref(sessions->by_id);
    g_free(sessions);
}

static Msg__Session *copy_session(const Msg__Session *session)
{
    gsize length = msg__session__get_packed_size(session);
    g_autofree guint8 *packed = g_malloc(length);
    msg__session__pack(session, packed);
    return msg__session__unpack(NULL, length, packed);
}

static gboolean is_live(const Msg__Session *session)
{
    return g_strcmp0(session->status, "live") == 0;
}

static Refusal check(const Sessions *sessions, const Msg__Session *session)
{
    if (session->session == NULL || !url_is_key(session->session))
        return MSG__REFUSAL__REASON__malformed;
    if (session->n_addresses > LIMIT_SESSION_ADDRESSES)
        return MSG__REFUSAL__REASON__too_large;
    if (session->n_routes > LIMIT_SESSION_ROUTES || session->n_follows > LIMIT_SESSION_ROUTES)
        return MSG__REFUSAL__REASON__too_large;
    for (gsize i = 0; i < session->n_addresses; i++)
        if (!url_is_valid(session->addresses[i]))
            return MSG__REFUSAL__REASON__bad_address;
    if (sessions_find(sessions, session->session) == NULL &&
        sessions_count(sessions) >= LIMIT_SESSIONS_TOLD)
        return MSG__REFUSAL__REASON__too_many;
    return MSG__REFUSAL__REASON__none;
}

static void drop(Sessions *sessions, Msg__Session *session)
{
    for (gsize i = 0; i < session->n_addresses; i++)
        if (g_hash_table_lookup(sessions->by_address, session->addresses[i]) == session)
            g_hash_table_remove(sessions->by_address, session->addresses[i]);
    g_hash_table_remove(sessions->by_id, session->session);
}

static void add(Sessions *sessions, Msg__Session *session)
{
    g_hash_table_insert(sessions->by_id, session->session, session);
    for (gsize i = 0; i < session->n_addresses; i++)
        if (!g_hash_table_contains(sessions->by_address, session->addresses[i]))
            g_hash_table_insert(sessions->by_address, session->addresses[i], session);
}

Refusal sessions_tell(Sessions *sessions, const Msg__Session *session, const char *gateway)
{
    Refusal refusal = check(sessions, session);
    if (refusal != MSG__REFUSAL__REASON__none)
        return refusal;
    Msg__Session *known = g_hash_table_lookup(sessions->by_id, session->session);
    if (known != NULL && g_strcmp0(known->gateway, gateway) != 0 && !is_live(session))
        return MSG__REFUSAL__REASON__none;
    Msg__Session *told = copy_session(session);
    g_free(told->gateway);
    told->gateway = g_strdup(gateway);
    if (known != NULL)
        drop(sessions, known);
    add(sessions, told);
    return MSG__REFUSAL__REASON__none;
}

void sessions_forget(Sessions *sessions, const char *session, const char *gateway)
{
    Msg__Session *known = g_hash_table_lookup(sessions->by_id, session);
    if (known != NULL && g_strcmp0(known->gateway, gateway) == 0)
        drop(sessions, known);
}

const Msg__Session *sessions_find(const Sessions *sessions, const char *session)
{
    return g_hash_table_lookup(sessions->by_id, session);
}

const char *sessions_owner(const Sessions *sessions, const char *address)
{
    char part[LIMIT_URL + 1];
    if (g_strlcpy(part, address, sizeof part) >= sizeof part)
        return NULL;
    char *start = strstr(part, "://");
    start = start != NULL ? start + 3 : part;
    for (;;) {
        const Msg__Session *session = g_hash_table_lookup(sessions->by_address, part);
        char *slash = strrchr(start, '/');
        if (session != NULL || slash == NULL)
            return session != NULL ? session->session : NULL;
        *slash = '\0';
    }
}

static void grow(Msg__Session *session, const char *address)
{
    session->addresses = g_realloc_n(session->addresses, session->n_addresses + 1, sizeof(char *));
    session->addresses[session->n_addresses++] = g_strdup(address);
}

gboolean sessions_claim(Sessions *sessions, const char *session, const char *address)
{
    Msg__Session *known = g_hash_table_lookup(sessions->by_id, session);
    const char *owner = sessions_owner(sessions, address);
    if (owner != NULL)
        return strcmp(owner, session) == 0;
    if (known == NULL || known->n_addresses >= LIMIT_SESSION_ADDRESSES)
        return TRUE; // its gateway tells of it, or refuses it
    grow(known, address);
    g_hash_table_insert(sessions->by_address, known->addresses[known->n_addresses - 1], known);
    return TRUE;
}

void sessions_prune(Sessions *sessions, SessionsKeep keep, gpointer user)
{
    g_autoptr(GList) all = g_hash_table_get_values(sessions->by_id);
    for (const GList *link = all; link != NULL; link = link->next)
        if (!keep(link->data, user))
            drop(sessions, link->data);
}

guint sessions_count(const Sessions *sessions)
{
    return g_hash_table_size(sessions->by_id);
}
