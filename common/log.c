// SPDX-License-Identifier: MIT
// See log.h. A line is built in memory and leaves with one write(2), so that lines of several
// threads and processes on one descriptor never mix. The one hard thing is that nobody can forge a
// line: whatever a peer sent passes log_quote, and a control character that slipped through anyway
// becomes a question mark. log_quote's quoting is JSON's, so that logfmt values go into a JSON line
// as they are.
#include "common/log.h"

#include <string.h>
#include <unistd.h>

#include "common/limits.h"

#define QUOTE_MOST 200  // bytes of a value that are shown
#define QUOTE_SLOTS 8   // results of log_quote that live at the same time
#define QUOTE_ESCAPED 6 // \u001f

static char *process_name;
static LogLevel least = LOG_INFO;
static gboolean as_json;
static _Thread_local char trace_id[LIMIT_TRACE + 1];

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

static void on_library_message(const char *domain, GLogLevelFlags level, const char *text,
                               gpointer unused)
{
    (void)unused;
    LogLevel as = level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)       ? LOG_DEBUG
                  : level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL) ? LOG_ERROR
                                                                       : LOG_WARNING;
    log_event(as, "library.message", "domain=%s text=%s", log_quote(domain), log_quote(text));
}

void log_open(const char *process, LogLevel level, gboolean json)
{
    g_free(process_name);
    process_name = g_strdup(process);
    least = level;
    as_json = json;
    g_log_set_default_handler(on_library_message, NULL);
}

void log_set_trace(const char *trace)
{
    g_strlcpy(trace_id, trace == NULL ? "" : trace, sizeof trace_id);
}

const char *log_trace(void)
{
    return trace_id[0] == '\0' ? NULL : trace_id;
}

// One byte of a quoted value; returns where the next goes.
static char *put_escaped(char *to, guchar byte)
{
    if (byte == '"' || byte == '\\') {
        *to++ = '\\';
        *to++ = (char)byte;
    } else if (byte < 0x20 || byte == 0x7f) {
        const char escape[QUOTE_ESCAPED] = {
            '\\', 'u', '0', '0', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
        memcpy(to, escape, sizeof escape);
        to += QUOTE_ESCAPED;
    } else {
        *to++ = (char)byte;
    }
    return to;
}

static gboolean is_plain(const char *text)
{
    if (*text == '\0')
        return FALSE;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\' || *text == '=')
            return FALSE;
    return TRUE;
}

const char *log_quote(const char *text)
{
    static _Thread_local char slots[QUOTE_SLOTS][QUOTE_MOST * QUOTE_ESCAPED + 3];
    static _Thread_local guint next;
    char *slot = slots[next++ % QUOTE_SLOTS], *to = slot;
    char cut[QUOTE_MOST + 1];
    const char *valid_end = NULL;
    g_strlcpy(cut, text == NULL ? "" : text, sizeof cut);
    if (is_plain(cut)) {
        g_strlcpy(slot, cut, sizeof cut);
        return slot;
    }
    *to++ = '"';
    for (const char *from = cut; *from != '\0'; from = valid_end) {
        g_utf8_validate(from, -1, &valid_end);
        while (from < valid_end)
            to = put_escaped(to, (guchar)*from++);
        if (*valid_end != '\0') {
            *to++ = '?';
            valid_end++;
        }
    }
    *to++ = '"';
    *to = '\0';
    return slot;
}

static char *now_text(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *second = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%06dZ", second, g_date_time_get_microsecond(now));
}

// The end of the value that starts here: its closing quote, or the next blank.
static const char *value_end(const char *value)
{
    if (*value != '"')
        return value + strcspn(value, " ");
    for (value++; *value != '\0' && *value != '"'; value++)
        if (*value == '\\' && value[1] != '\0')
            value++;
    return *value == '"' ? value + 1 : value;
}

static void append_json_text(GString *line, const char *text, gssize length)
{
    g_autofree char *valid = g_utf8_make_valid(text, length);
    char escaped[QUOTE_ESCAPED];
    g_string_append_c(line, '"');
    for (const char *from = valid; *from != '\0'; from++)
        g_string_append_len(line, escaped, put_escaped(escaped, (guchar)*from) - escaped);
    g_string_append_c(line, '"');
}

// `key=value key="va lue"` as members; a word without `=` becomes the member "text".
static void append_members(GString *line, const char *fields)
{
    while (*fields != '\0') {
        gsize key = strcspn(fields, "= ");
        const char *value = fields[key] == '=' ? fields + key + 1 : fields;
        const char *end = value_end(value);
        g_string_append_c(line, ',');
        append_json_text(line, value == fields ? "text" : fields,
                         value == fields ? 4 : (gssize)key);
        g_string_append_c(line, ':');
        if (*value == '"' && end[-1] == '"' && end - value > 1)
            g_string_append_len(line, value, end - value);
        else
            append_json_text(line, value, end - value);
        fields = end + strspn(end, " ");
    }
}

static void append_as_json(GString *line, LogLevel level, const char *event, const char *fields)
{
    g_autofree char *now = now_text();
    g_string_append_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"process\":", now,
                           level_names[level]);
    append_json_text(line, process_name == NULL ? "parley" : process_name, -1);
    g_string_append_printf(line, ",\"event\":\"%s\"", event);
    append_members(line, fields);
    g_string_append_c(line, '}');
}

static void append_as_logfmt(GString *line, LogLevel level, const char *event, const char *fields)
{
    g_autofree char *now = now_text();
    g_string_append_printf(line, "%s %s %s %s", now, level_names[level],
                           process_name == NULL ? "parley" : process_name, event);
    if (*fields != '\0')
        g_string_append_printf(line, " %s", fields);
}

void log_event(LogLevel level, const char *event, const char *format, ...)
{
    if (level < least)
        return;
    g_autoptr(GString) fields = g_string_new(NULL);
    g_autoptr(GString) line = g_string_new(NULL);
    va_list arguments;
    va_start(arguments, format);
    g_string_vprintf(fields, format, arguments);
    va_end(arguments);
    if (trace_id[0] != '\0')
        g_string_append_printf(fields, "%strace=%s", fields->len > 0 ? " " : "",
                               log_quote(trace_id));
    for (gsize i = 0; i < fields->len; i++)
        if ((guchar)fields->str[i] < ' ' || fields->str[i] == 0x7f)
            fields->str[i] = '?';
    (as_json ? append_as_json : append_as_logfmt)(line, level, event, fields->str);
    g_string_append_c(line, '\n');
    if (write(STDERR_FILENO, line->str, line->len) < 0)
        return; // nobody can be told
}
