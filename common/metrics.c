// SPDX-License-Identifier: MIT
// See metrics.h. Plain arrays of atomic numbers, indexed by the tables' enumerations: nothing to
// register, nothing to look up while counting.
#include "common/metrics.h"

#include <stdatomic.h>
#include <string.h>

#define REASONS 64 // more than the enumeration has; a test says when it grows beyond

static const struct {
    const char *name, *help;
} table[] = {
#define METRIC_ROW(id, name, text) {name, text},
    METRICS(METRIC_ROW)
#undef METRIC_ROW
};

static _Atomic guint64 counts[METRIC_COUNT];
static _Atomic guint64 refusals[REASONS];

void metrics_add(Metric metric, guint64 count)
{
    atomic_fetch_add_explicit(&counts[metric], count, memory_order_relaxed);
}

void metrics_set(Metric metric, guint64 value)
{
    atomic_store_explicit(&counts[metric], value, memory_order_relaxed);
}

guint64 metrics_get(Metric metric)
{
    return atomic_load_explicit(&counts[metric], memory_order_relaxed);
}

void metrics_refused(Refusal reason)
{
    g_assert((guint)reason < REASONS);
    atomic_fetch_add_explicit(&refusals[reason], 1, memory_order_relaxed);
}

guint64 metrics_refused_count(Refusal reason)
{
    g_assert((guint)reason < REASONS);
    return atomic_load_explicit(&refusals[reason], memory_order_relaxed);
}

Json *metrics_json(void)
{
    Json *json = json_new_object();
    for (guint i = 0; i < METRIC_COUNT; i++)
        if (metrics_get((Metric)i) != 0)
            json_set_number(json, table[i].name, (gint64)metrics_get((Metric)i));
    for (guint i = 0; i < REASONS; i++) {
        if (metrics_refused_count((Refusal)i) == 0)
            continue;
        g_autofree char *name =
            g_strdup_printf("refused_total{reason=\"%s\"}", refusal_name((Refusal)i));
        json_set_number(json, name, (gint64)metrics_refused_count((Refusal)i));
    }
    return json;
}

const char *metrics_help(const char *name)
{
    if (g_str_has_prefix(name, "refused_total"))
        return "what was refused, by reason";
    for (guint i = 0; i < METRIC_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].help;
    return NULL;
}

void metrics_reset(void)
{
    for (guint i = 0; i < METRIC_COUNT; i++)
        metrics_set((Metric)i, 0);
    for (guint i = 0; i < REASONS; i++)
        atomic_store_explicit(&refusals[i], 0, memory_order_relaxed);
}
