// SPDX-License-Identifier: MIT
// See routes.h.
#include "bus/routes.h"

#include <string.h>

#include "common/limits.h"

#define TOPIC_MAX (LIMIT_URL + 1) // a URL and its blank

struct Routes {
    GHashTable *topics; // set of strings
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
    return length > 0 && length <= TOPIC_MAX && memchr(topic, '\0', length) == NULL &&
           (topic[length - 1] == ' ' || topic[length - 1] == '/');
}

void routes_add(Routes *routes, const char *topic, gsize length)
{
    if (is_route(topic, length))
        g_hash_table_add(routes->topics, g_strndup(topic, length));
}

void routes_remove(Routes *routes, const char *topic, gsize length)
{
    if (!is_route(topic, length))
        return;
    g_autofree char *text = g_strndup(topic, length);
    g_hash_table_remove(routes->topics, text);
}

gboolean routes_match(const Routes *routes, const char *topic, gsize length)
{
    char text[TOPIC_MAX + 1];
    if (length == 0 || length > TOPIC_MAX)
        return FALSE;
    memcpy(text, topic, length);
    text[length] = '\0';
    if (g_hash_table_contains(routes->topics, text))
        return TRUE;
    for (gsize end = length; end > 0; end--) {
        if (text[end - 1] != '/')
            continue;
        text[end] = '\0';
        if (g_hash_table_contains(routes->topics, text))
            return TRUE;
    }
    return FALSE;
}

guint routes_count(const Routes *routes)
{
    return g_hash_table_size(routes->topics);
}
