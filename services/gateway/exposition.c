// SPDX-License-Identifier: MIT
// See exposition.h.
#include "gateway/exposition.h"

#include <string.h>

#include "common/metrics.h"

struct Exposition {
    GTree *families; // name -> GString of its lines
};

static void free_lines(gpointer lines)
{
    g_string_free(lines, TRUE);
}

static gint compare(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    return strcmp(a, b);
}

Exposition *exposition_new(void)
{
    Exposition *exposition = g_new0(Exposition, 1);
    exposition->families = g_tree_new_full(compare, NULL, g_free, free_lines);
    return exposition;
}

// Length of the metric name that text begins with; 0 if it is none.
static gsize name_length(const char *text)
{
    gsize length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return g_ascii_isdigit(text[0]) ? 0 : length;
}

// Whether text is empty or `{label="value"}`, with values that need no escaping.
static gboolean are_labels(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-.:/ =,\"";
    gsize length = strlen(text);
    if (length == 0)
        return TRUE;
    return length > 2 && text[0] == '{' && text[length - 1] == '}' &&
           strspn(text + 1, allowed) == length - 2;
}

static GString *lines_of(Exposition *exposition, const char *name, gsize length)
{
    g_autofree char *family = g_strndup(name, length);
    GString *lines = g_tree_lookup(exposition->families, family);
    if (lines != NULL)
        return lines;
    const char *help = metrics_help(family);
    const char *type = g_str_has_suffix(family, "_total") ? "counter" : "gauge";
    lines = g_string_new(NULL);
    if (help != NULL)
        g_string_append_printf(lines, "# HELP parley_%s %s\n", family, help);
    g_string_append_printf(lines, "# TYPE parley_%s %s\n", family, type);
    g_tree_insert(exposition->families, g_steal_pointer(&family), lines);
    return lines;
}

typedef struct {
    Exposition *exposition;
    const char *process;
} Adding;

static void add(const char *name, Json *value, gpointer user)
{
    const Adding *adding = user;
    gsize length = name_length(name);
    if (length == 0 || !are_labels(name + length) || !json_is_number(value))
        return;
    gsize labels = strlen(name + length);
    GString *lines = lines_of(adding->exposition, name, length);
    g_string_append_printf(lines, "parley_%.*s{process=\"%s\"", (int)length, name, adding->process);
    if (labels > 2)
        g_string_append_printf(lines, ",%.*s", (int)(labels - 2), name + length + 1);
    g_string_append_printf(lines, "} %" G_GINT64_FORMAT "\n",
                           json_is_whole(value) ? json_number(value, 0)
                                                : (gint64)json_real(value, 0));
}

void exposition_add(Exposition *exposition, const char *process, const Json *counters)
{
    Adding adding = {exposition, process};
    json_each(counters, add, &adding);
}

void exposition_add_one(Exposition *exposition, const char *process, const char *name, gint64 value)
{
    Adding adding = {exposition, process};
    g_autoptr(Json) number = json_new_number(value);
    add(name, number, &adding);
}

static gboolean append(gpointer name, gpointer lines, gpointer text)
{
    (void)name;
    g_string_append(text, ((GString *)lines)->str);
    return FALSE;
}

char *exposition_finish(Exposition *exposition)
{
    GString *text = g_string_new(NULL);
    g_tree_foreach(exposition->families, append, text);
    g_tree_unref(exposition->families);
    g_free(exposition);
    return g_string_free(text, FALSE);
}
