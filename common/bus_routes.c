// SPDX-License-Identifier: MIT
// See bus_routes.h. `prefix_lengths` counts the routed prefixes by length, so that a "/" at which
// no prefix ends costs no lookup.
#include "common/bus_routes.h"

#include <string.h>

#include "common/limits.h"

#define TOPIC_MOST (LIMIT_URL + 1) // a URL and its blank

typedef struct {
    GPtrArray *routes; // of BusRoute, one reference each
    char *source;      // the last one that was heard here
    guint64 sequence;  // its last message
} Topic;

struct BusRoutes {
    GHashTable *topics; // topic -> Topic
    GPtrArray *watched; // topics of watchers, borrowed from `topics`
    guint prefix_lengths[TOPIC_MOST + 1];
};

static void topic_free(gpointer data)
{
    Topic *topic = data;
    for (guint i = 0; i < topic->routes->len; i++)
        ((BusRoute *)topic->routes->pdata[i])->removed = TRUE;
    g_ptr_array_unref(topic->routes);
    g_free(topic->source);
    g_free(topic);
}

BusRoutes *bus_routes_new(void)
{
    BusRoutes *routes = g_new0(BusRoutes, 1);
    routes->topics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, topic_free);
    routes->watched = g_ptr_array_new();
    return routes;
}

void bus_routes_free(BusRoutes *routes)
{
    if (routes == NULL)
        return;
    g_ptr_array_unref(routes->watched);
    g_hash_table_unref(routes->topics);
    g_free(routes);
}

void bus_route_unref(gpointer data)
{
    BusRoute *route = data;
    if (--route->references == 0)
        g_free(route);
}

static char last_of(const char *topic)
{
    gsize length = strlen(topic);
    return length == 0 ? '\0' : topic[length - 1];
}

static gboolean is_watcher(const char *topic)
{
    return last_of(topic) != ' ' && last_of(topic) != '/';
}

// Enters a topic into, or takes it out of, what bus_routes_match looks at besides the table.
static void index_topic(BusRoutes *routes, const char *topic, gboolean add)
{
    if (last_of(topic) == '/' && strlen(topic) <= TOPIC_MOST)
        routes->prefix_lengths[strlen(topic)] += add ? 1 : -1U;
    if (is_watcher(topic) && add)
        g_ptr_array_add(routes->watched, (gpointer)topic);
    else if (is_watcher(topic))
        g_ptr_array_remove(routes->watched, (gpointer)topic);
}

static gint find_route(const GPtrArray *routes, BusHandler handler, gconstpointer user)
{
    for (guint i = 0; i < routes->len; i++) {
        const BusRoute *route = routes->pdata[i];
        if (route->handler == handler && route->user == user)
            return (gint)i;
    }
    return -1;
}

gboolean bus_routes_add(BusRoutes *routes, const char *name, BusHandler handler, gpointer user)
{
    Topic *topic = g_hash_table_lookup(routes->topics, name);
    gboolean first = topic == NULL;
    if (first) {
        char *key = g_strdup(name);
        topic = g_new0(Topic, 1);
        topic->routes = g_ptr_array_new_with_free_func(bus_route_unref);
        g_hash_table_insert(routes->topics, key, topic);
        index_topic(routes, key, TRUE);
    }
    if (find_route(topic->routes, handler, user) >= 0)
        return FALSE;
    BusRoute *route = g_new0(BusRoute, 1);
    *route =
        (BusRoute){.handler = handler, .user = user, .watches = is_watcher(name), .references = 1};
    g_ptr_array_add(topic->routes, route);
    return first;
}

gboolean bus_routes_remove(BusRoutes *routes, const char *name, BusHandler handler, gpointer user)
{
    gpointer key = NULL, found = NULL;
    if (!g_hash_table_lookup_extended(routes->topics, name, &key, &found))
        return FALSE;
    Topic *topic = found;
    gint index = find_route(topic->routes, handler, user);
    if (index < 0)
        return FALSE;
    ((BusRoute *)topic->routes->pdata[index])->removed = TRUE;
    g_ptr_array_remove_index(topic->routes, (guint)index);
    if (topic->routes->len > 0)
        return FALSE;
    index_topic(routes, key, FALSE);
    g_hash_table_remove(routes->topics, key);
    return TRUE;
}

static void add_matches(const BusRoutes *routes, const char *name, GPtrArray *matches)
{
    const Topic *topic = g_hash_table_lookup(routes->topics, name);
    for (guint i = 0; topic != NULL && i < topic->routes->len; i++) {
        BusRoute *route = topic->routes->pdata[i];
        if (find_route(matches, route->handler, route->user) >= 0)
            continue;
        route->references++;
        g_ptr_array_add(matches, route);
    }
}

void bus_routes_match(const BusRoutes *routes, const char *topic, GPtrArray *matches)
{
    char prefix[TOPIC_MOST + 1];
    add_matches(routes, topic, matches);
    for (gsize length = g_strlcpy(prefix, topic, sizeof prefix); length > 0; length--) {
        if (length > TOPIC_MOST || routes->prefix_lengths[length] == 0 || prefix[length - 1] != '/')
            continue;
        prefix[length] = '\0';
        add_matches(routes, prefix, matches);
    }
    for (guint i = 0; i < routes->watched->len; i++)
        if (g_str_has_prefix(topic, routes->watched->pdata[i]))
            add_matches(routes, routes->watched->pdata[i], matches);
}

gboolean bus_routes_hole(BusRoutes *routes, const char *name, const Envelope *message)
{
    Topic *topic = g_hash_table_lookup(routes->topics, name);
    if (topic == NULL || message->source == NULL)
        return FALSE;
    gboolean known = g_strcmp0(topic->source, message->source) == 0;
    gboolean hole = known && message->previous > topic->sequence;
    if (!known)
        envelope_set(&topic->source, message->source);
    topic->sequence = message->sequence;
    return hole;
}
