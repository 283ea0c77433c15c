// SPDX-License-Identifier: MIT
// The processes that this gateway hears on the bus, by their presence of each second: who is there
// (/readyz), what they count (/metrics), and whether a registry has started anew. Plain data; the
// caller says what time it is.
#pragma once
#include "proto/context.pb-c.h"
#include "common/json.h"

#define PRESENCE_READY_MS 3000
#define PRESENCE_SHOWN_MS 10000

typedef struct Presences Presences;

typedef struct {
    char *process, *role;
    guint64 incarnation;
    gint64 heard_us;
    gboolean draining;
    guint32 load, capacity;
    Json *counters; // name -> number
} Presence;

Presences *presences_new(void);
void presences_free(Presences *presences);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Presences, presences_free)

// TRUE if this incarnation of the process was not known before. Silently drops what lacks role or
// process, and processes beyond LIMIT_PROCESSES.
gboolean presences_hear(Presences *presences, const Msg__Presence *message, gint64 now_us);
// Whether a process of this role was heard within PRESENCE_READY_MS.
gboolean presences_has(const Presences *presences, const char *role, gint64 now_us);
// Those heard within PRESENCE_SHOWN_MS, by name; older ones are forgotten. Borrowed elements.
GPtrArray *presences_recent(Presences *presences, gint64 now_us);
