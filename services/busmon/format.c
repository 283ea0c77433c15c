// SPDX-License-Identifier: MIT
// Records and their two printed forms. Texts come from strangers: nothing that a terminal would
// obey may reach it, so control characters are shown as \xNN.
#include "busmon/format.h"

#include <string.h>

#define CLIP 160 // characters of a value in a line for people

static char *time_text(gint64 time_us)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%06dZ", seconds, (int)(time_us % G_USEC_PER_SEC));
}

static void set_or_null(Json *record, const char *name, const char *text)
{
    g_autoptr(Json) value = text != NULL ? json_new_text(text) : json_new_null();
    json_set(record, name, value);
}

// Every member is there, in the order in which it is printed.
static Json *new_record(gint64 time_us, const char *topic)
{
    static const char *const members[] = {"source", "trace", "id", "type", "from", "to", "body"};
    g_autofree char *time = time_text(time_us);
    Json *record = json_new_object();
    json_set_text(record, "time", time);
    json_set_text(record, "topic", topic);
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        set_or_null(record, members[i], NULL);
    return record;
}

Json *format_record(gint64 time_us, const char *topic, const Envelope *message, const Json *body)
{
    Json *record = new_record(time_us, topic);
    g_autoptr(Json) own = body != NULL ? json_copy(body) : NULL;
    g_autoptr(Json) id =
        message->has_id ? json_parse_bytes(message->id.data, message->id.len) : NULL;
    const char *type = message->type_text;
    set_or_null(record, "source", message->source);
    set_or_null(record, "trace", message->trace);
    set_or_null(record, "type", type != NULL ? type : envelope_type_text(message));
    set_or_null(record, "from", message->from);
    set_or_null(record, "to", message->to);
    json_set(record, "id", id);
    json_set(record, "body", own);
    return record;
}

Json *format_note(gint64 time_us, const char *topic, const char *type, Json *body)
{
    Json *record = new_record(time_us, topic);
    json_set_text(record, "type", type);
    json_set(record, "body", body);
    json_unref(body);
    return record;
}

static gboolean is_obeyed(gunichar character)
{
    return g_unichar_iscntrl(character) || character == 0x2028 || character == 0x2029 ||
           (character >= 0x202a && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

// Appends text, which is UTF-8, without what a terminal would obey; at most `most` characters.
static void add_text(GString *line, const char *text, guint most)
{
    for (guint count = 0; *text != '\0'; text = g_utf8_next_char(text), count++) {
        gunichar character = g_utf8_get_char(text);
        if (count == most) {
            g_string_append(line, "…");
            return;
        }
        if (is_obeyed(character))
            g_string_append_printf(line, "\\x%02x", character);
        else
            g_string_append_unichar(line, character);
    }
}

static void add_word(GString *line, const char *text)
{
    if (line->len > 0)
        g_string_append_c(line, ' ');
    add_text(line, text != NULL && *text != '\0' ? text : "-", G_MAXUINT);
}

static void add_json(GString *summary, const char *before, const Json *json)
{
    g_autofree char *text = json_print(json, NULL);
    g_string_append(summary, before);
    add_text(summary, json_is_text(json) ? json_text(json) : text, CLIP);
}

static void add_member(GString *summary, const Json *body, const char *name, const char *before)
{
    const Json *value = json_get(body, name);
    if (value != NULL)
        add_json(summary, before, value);
}

static void add_change(GString *summary, const Json *body)
{
    add_member(summary, body, "attribute", " ");
    if (json_get(body, "value") == NULL)
        g_string_append(summary, " removed");
    else
        add_member(summary, body, "value", " = ");
}

// What people look for first: the outcome, the deed, the change.
static char *summary_of(const Json *body)
{
    GString *summary = g_string_new(NULL);
    add_member(summary, body, "code", " ");
    add_member(summary, body, "reason", " ");
    add_member(summary, body, "desc", " ");
    add_member(summary, body, "method", " ");
    add_member(summary, body, "params", " ");
    add_member(summary, body, "roomId", " room=");
    add_member(summary, body, "resource", " resource=");
    add_member(summary, body, "participant", " participant=");
    add_member(summary, body, "version", " v");
    if (json_get(body, "attribute") != NULL)
        add_change(summary, body);
    else
        add_member(summary, body, "value", " ");
    if (summary->len == 0 && json_size(body) > 0)
        add_json(summary, " ", body);
    return g_string_free(summary, FALSE);
}

char *format_line(const Json *record)
{
    static const char *const members[] = {"time", "topic", "type", "from"};
    GString *line = g_string_new(NULL);
    g_autofree char *summary = summary_of(json_get(record, "body"));
    const char *trace = json_get_text(record, "trace");
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        add_word(line, json_get_text(record, members[i]));
    g_string_append(line, " ->");
    add_word(line, json_get_text(record, "to"));
    g_string_append(line, summary);
    if (trace != NULL) {
        g_string_append(line, " trace=");
        add_text(line, trace, CLIP);
    }
    g_string_append_c(line, '\n');
    return g_string_free(line, FALSE);
}

char *format_json_line(const Json *record)
{
    g_autofree char *text = json_print(record, NULL);
    return g_strconcat(text, "\n", NULL);
}
