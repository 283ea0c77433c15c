// SPDX-License-Identifier: MIT
// See routes.h.
#include "bus/routes.h"

#include <string.h>

#include "common/limits.h"

#define TOPIC_MOST (LIMIT_URL + 1) // a URL and its blank

struct Routes {
    GHashTable *topics; // topic -> time at which it went away; NULL: in force
    guint lost;         // how many of them went away
};

Routes *routes_new(void)
{
    Routes *routes = g_new0(Routes, 1);
    routes->topics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return routes;
}

void routes_free(Routes *routes)
{
    if (routes == NULL)
        return;
    g_hash_table_unref(routes->topics);
    g_free(routes);
}

static gboolean is_route(const char *topic, gsize length)
{
    return length > 0 && length <= TOPIC_MOST && memchr(topic, '\0', length) == NULL &&
           (topic[length - 1] == ' ' || topic[length - 1] == '/');
}

void routes_add(Routes *routes, const char *topic, gsize length)
{
    if (!is_route(topic, length))
        return;
    g_autofree char *text = g_strndup(topic, length);
    if (g_hash_table_lookup(routes->topics, text) != NULL)
        routes->lost--;
    g_hash_table_replace(routes->topics, g_steal_pointer(&text), NULL);
}

void routes_remove(Routes *routes, const char *topic, gsize length, gint64 now_us)
{
    gpointer gone = NULL;
    if (!is_route(topic, length))
        return;
    g_autofree char *text = g_strndup(topic, length);
    if (!g_hash_table_lookup_extended(routes->topics, text, NULL, &gone) || gone != NULL)
        return;
    g_hash_table_replace(routes->topics, g_steal_pointer(&text), GSIZE_TO_POINTER(now_us));
    routes->lost++;
}

static gboolean has(const Routes *routes, const char *text, gboolean lost)
{
    gpointer gone = NULL;
    return g_hash_table_lookup_extended(routes->topics, text, NULL, &gone) &&
           (gone != NULL) == lost;
}

static gboolean find(const Routes *routes, const char *topic, gsize length, gboolean lost)
{
    char text[TOPIC_MOST + 1];
    if (length == 0 || length > TOPIC_MOST)
        return FALSE;
    memcpy(text, topic, length);
    text[length] = '\0';
    if (has(routes, text, lost))
        return TRUE;
    for (gsize end = length; end > 0; end--) {
        if (text[end - 1] != '/')
            continue;
        text[end] = '\0';
        if (has(routes, text, lost))
            return TRUE;
    }
    return FALSE;
}

gboolean routes_match(const Routes *routes, const char *topic, gsize length)
{
    return find(routes, topic, length, FALSE);
}

gboolean routes_was_lost(const Routes *routes, const char *topic, gsize length)
{
    return routes->lost > 0 && find(routes, topic, length, TRUE);
}

static gboolean is_older(gpointer topic, gpointer gone, gpointer before_us)
{
    (void)topic;
    return gone != NULL && (gint64)GPOINTER_TO_SIZE(gone) < *(gint64 *)before_us;
}

void routes_forget(Routes *routes, gint64 before_us)
{
    if (routes->lost > 0)
        routes->lost -= g_hash_table_foreach_remove(routes->topics, is_older, &before_us);
}

guint routes_count(const Routes *routes)
{
    return g_hash_table_size(routes->topics) - routes->lost;
}
