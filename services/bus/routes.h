// SPDX-License-Identifier: MIT
// Who listens, as plain data: the set of subscriptions that count as routes. XPUB tells the first
// and the last subscription of each topic; one that ends in a blank is an address, one that ends in
// "/" is everything below. Any other is a watcher (busmon's empty one) and never turns a missing
// route into silence.
//
// A route that went away is remembered for a moment: its process may be starting again, and then a
// request should wait for it rather than be refused.
#pragma once
#include <glib.h>

typedef struct Routes Routes;

Routes *routes_new(void);
void routes_free(Routes *routes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Routes, routes_free)

// topic: bytes as subscribed, not terminated. Watchers and topics over LIMIT_URL + 1 bytes are
// ignored. now_us: a time of any clock, > 0.
void routes_add(Routes *routes, const char *topic, gsize length);
void routes_remove(Routes *routes, const char *topic, gsize length, gint64 now_us);
// Whether a message with this topic has a listener: the address itself or any prefix that ends in
// "/".
gboolean routes_match(const Routes *routes, const char *topic, gsize length);
// Whether it had one that is remembered.
gboolean routes_was_lost(const Routes *routes, const char *topic, gsize length);
// Forgets what went away before then.
void routes_forget(Routes *routes, gint64 before_us);
guint routes_count(const Routes *routes);
