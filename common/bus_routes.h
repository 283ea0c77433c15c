// SPDX-License-Identifier: MIT
// Which handlers want a message with a given topic, as plain data: no socket, nothing is called
// here. A message costs one hash lookup for its address and one for each "/" at which some prefix
// is routed; only watchers (topics that end in neither a blank nor "/") are gone through one by
// one.
//
// Handlers route and unroute while a message is being handed out. So a match holds references, and
// a route that was removed meanwhile is marked and not called any more.
#pragma once
#include "common/bus.h"

typedef struct {
    BusHandler handler;
    gpointer user;
    gboolean watches; // sees messages, is never asked to answer one
    gboolean removed;
    guint references;
} BusRoute;

typedef struct BusRoutes BusRoutes;

BusRoutes *bus_routes_new(void);
void bus_routes_free(BusRoutes *routes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusRoutes, bus_routes_free)

// TRUE: the first route of this topic: subscribe. A second add of the same (topic, handler, user)
// changes nothing.
gboolean bus_routes_add(BusRoutes *routes, const char *topic, BusHandler handler, gpointer user);
// TRUE: it was the last of this topic: unsubscribe.
gboolean bus_routes_remove(BusRoutes *routes, const char *topic, BusHandler handler, gpointer user);
// Adds the routes that match to `matches` (of BusRoute, with bus_route_unref as its free function):
// the address itself first, then prefixes, the longest first, then watchers; each (handler, user)
// once.
void bus_routes_match(const BusRoutes *routes, const char *topic, GPtrArray *matches);
void bus_route_unref(gpointer route);
// Notes a message of `source` on a topic that is routed as an address. TRUE: messages of this
// source are missing before it. Only the last source of a topic is remembered: objects have one
// writer.
gboolean bus_routes_hole(BusRoutes *routes, const char *topic, const Envelope *message);
