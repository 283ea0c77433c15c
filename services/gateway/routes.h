// SPDX-License-Identifier: MIT
// Which sessions get what is published where. A topic is an address, or with a `/` at its end all
// that lies below. The gateway subscribes a topic on the bus with its first session and lets it go
// with its last. Plain data.
#pragma once
#include "gateway/sessions.h"

typedef struct Routes Routes;
// A topic has got its first session, or lost its last.
typedef void (*RoutesUsed)(const char *topic, gboolean used, gpointer user);

Routes *routes_new(RoutesUsed on_used, gpointer user);
// Every session must have left.
void routes_free(Routes *routes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Routes, routes_free)

// FALSE if the session has LIMIT_SESSION_ROUTES already.
gboolean routes_add(Routes *routes, Session *session, const char *topic);
void routes_remove(Routes *routes, Session *session, const char *topic);
// All of the session's that are `base` or lie below it; base NULL: all.
void routes_remove_under(Routes *routes, Session *session, const char *base);
gboolean routes_has(const Session *session, const char *topic);
// The sessions that a publication to `to` reaches, each once, however many of its routes match.
GPtrArray *routes_match(const Routes *routes, const char *to);
