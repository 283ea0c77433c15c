// SPDX-License-Identifier: MIT
// See deadlines.h. A balanced tree ordered by time; the timer stands for its first element.
#include "common/deadlines.h"

typedef struct {
    gint64 due_us;
    guint64 key;
    DeadlineCall call;
    gpointer user;
} Deadline;

struct Deadlines {
    GTree *by_time;     // Deadline, owned by by_key
    GHashTable *by_key; // &key -> Deadline
    guint64 last_key;
    guint timer;
    gint64 timer_us;
};

static gint compare(gconstpointer a, gconstpointer b)
{
    const Deadline *left = a, *right = b;
    if (left->due_us != right->due_us)
        return left->due_us < right->due_us ? -1 : 1;
    return left->key < right->key ? -1 : left->key > right->key;
}

Deadlines *deadlines_new(void)
{
    Deadlines *deadlines = g_new0(Deadlines, 1);
    deadlines->by_time = g_tree_new(compare);
    deadlines->by_key = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    return deadlines;
}

void deadlines_free(Deadlines *deadlines)
{
    if (deadlines == NULL)
        return;
    if (deadlines->timer != 0)
        g_source_remove(deadlines->timer);
    g_tree_unref(deadlines->by_time);
    g_hash_table_unref(deadlines->by_key);
    g_free(deadlines);
}

static Deadline *first(const Deadlines *deadlines)
{
    GTreeNode *node = g_tree_node_first(deadlines->by_time);
    return node != NULL ? g_tree_node_value(node) : NULL;
}

static void take_off(Deadlines *deadlines, Deadline *deadline)
{
    g_tree_remove(deadlines->by_time, deadline);
    g_hash_table_remove(deadlines->by_key, &deadline->key);
}

static void set_timer(Deadlines *deadlines);

static gboolean on_timer(gpointer user)
{
    Deadlines *deadlines = user;
    gint64 now = g_get_monotonic_time();
    deadlines->timer = 0;
    for (Deadline *due = first(deadlines); due != NULL && due->due_us <= now;
         due = first(deadlines)) {
        DeadlineCall call = due->call;
        gpointer argument = due->user;
        take_off(deadlines, due);
        call(argument);
    }
    set_timer(deadlines);
    return G_SOURCE_REMOVE;
}

// The timer is left alone when it fires in time; one that fires early only sets itself again.
static void set_timer(Deadlines *deadlines)
{
    const Deadline *next = first(deadlines);
    if (next == NULL || (deadlines->timer != 0 && deadlines->timer_us <= next->due_us))
        return;
    if (deadlines->timer != 0)
        g_source_remove(deadlines->timer);
    gint64 wait_us = MAX(next->due_us - g_get_monotonic_time(), 0);
    deadlines->timer = g_timeout_add((guint)((wait_us + 999) / 1000), on_timer, deadlines);
    deadlines->timer_us = next->due_us;
}

guint64 deadlines_add(Deadlines *deadlines, guint after_ms, DeadlineCall call, gpointer user)
{
    Deadline *deadline = g_new0(Deadline, 1);
    deadline->due_us = g_get_monotonic_time() + (gint64)after_ms * 1000;
    deadline->key = ++deadlines->last_key;
    deadline->call = call;
    deadline->user = user;
    g_hash_table_insert(deadlines->by_key, &deadline->key, deadline);
    g_tree_insert(deadlines->by_time, deadline, deadline);
    set_timer(deadlines);
    return deadline->key;
}

void deadlines_cancel(Deadlines *deadlines, guint64 *key)
{
    Deadline *deadline = *key != 0 ? g_hash_table_lookup(deadlines->by_key, key) : NULL;
    if (deadline != NULL)
        take_off(deadlines, deadline);
    *key = 0;
}

guint deadlines_waiting(const Deadlines *deadlines)
{
    return g_hash_table_size(deadlines->by_key);
}
