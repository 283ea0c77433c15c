// SPDX-License-Identifier: MIT
// See routes.h. A publication is looked up under its own address and under each prefix of it that
// ends in a slash, so its cost does not depend on the number of routes.
#include "gateway/routes.h"

#include <string.h>

#include "common/limits.h"
#include "common/url.h"

struct Routes {
    GHashTable *topics; // topic -> set of Session
    RoutesUsed on_used;
    gpointer user;
};

Routes *routes_new(RoutesUsed on_used, gpointer user)
{
    Routes *routes = g_new0(Routes, 1);
    routes->topics =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
    routes->on_used = on_used;
    routes->user = user;
    return routes;
}

void routes_free(Routes *routes)
{
    if (routes == NULL)
        return;
    g_hash_table_unref(routes->topics);
    g_free(routes);
}

gboolean routes_has(const Session *session, const char *topic)
{
    return session->topics != NULL && g_hash_table_contains(session->topics, topic);
}

gboolean routes_add(Routes *routes, Session *session, const char *topic)
{
    if (routes_has(session, topic))
        return TRUE;
    if (session->topics == NULL)
        session->topics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_hash_table_size(session->topics) >= LIMIT_SESSION_ROUTES)
        return FALSE;
    GHashTable *takers = g_hash_table_lookup(routes->topics, topic);
    g_hash_table_add(session->topics, g_strdup(topic));
    if (takers == NULL) {
        takers = g_hash_table_new(NULL, NULL);
        g_hash_table_insert(routes->topics, g_strdup(topic), takers);
        if (routes->on_used != NULL)
            routes->on_used(topic, TRUE, routes->user);
    }
    g_hash_table_add(takers, session);
    return TRUE;
}

void routes_remove(Routes *routes, Session *session, const char *topic)
{
    if (!routes_has(session, topic))
        return;
    g_autofree char *kept = g_strdup(topic);
    GHashTable *takers = g_hash_table_lookup(routes->topics, kept);
    g_hash_table_remove(session->topics, kept);
    g_hash_table_remove(takers, session);
    if (g_hash_table_size(takers) > 0)
        return;
    g_hash_table_remove(routes->topics, kept);
    if (routes->on_used != NULL)
        routes->on_used(kept, FALSE, routes->user);
}

void routes_remove_under(Routes *routes, Session *session, const char *base)
{
    if (session->topics == NULL)
        return;
    g_autofree gpointer *topics = g_hash_table_get_keys_as_array(session->topics, NULL);
    for (guint i = 0; topics[i] != NULL; i++)
        if (base == NULL || url_is_under(topics[i], base))
            routes_remove(routes, session, topics[i]);
}

static void collect(const Routes *routes, const char *topic, GPtrArray *sessions, GHashTable *seen)
{
    GHashTable *takers = g_hash_table_lookup(routes->topics, topic);
    GHashTableIter iterator;
    gpointer session;
    if (takers == NULL)
        return;
    g_hash_table_iter_init(&iterator, takers);
    while (g_hash_table_iter_next(&iterator, &session, NULL))
        if (g_hash_table_add(seen, session))
            g_ptr_array_add(sessions, session);
}

GPtrArray *routes_match(const Routes *routes, const char *to)
{
    char prefix[LIMIT_URL + 1];
    GPtrArray *sessions = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    collect(routes, to, sessions, seen);
    if (g_strlcpy(prefix, to, sizeof prefix) >= sizeof prefix)
        return sessions;
    for (char *slash = strrchr(prefix, '/'); slash != NULL; slash = strrchr(prefix, '/')) {
        slash[1] = '\0';
        if (strcmp(prefix, to) != 0)
            collect(routes, prefix, sessions, seen);
        *slash = '\0';
    }
    return sessions;
}
