// SPDX-License-Identifier: MIT
// Who reads slowly loses messages at the broker, in silence: each source numbers all that it sends,
// so the numbers tell what is missing. That works only while every topic is subscribed.
#include "busmon/monitor.h"

#include <string.h>

#include "busmon/format.h"
#include "busmon/mask.h"
#include "busmon/room.h"
#include "common/limits.h"

struct Monitor {
    const Options *options;
    EnvelopeType type;
    RoomFilter *room;
    GHashTable *sources; // process name -> its last sequence
};

Monitor *monitor_new(const Options *options)
{
    Monitor *monitor = g_new0(Monitor, 1);
    monitor->options = options;
    monitor->room = options->room != NULL ? room_filter_new(options->room) : NULL;
    monitor->sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return monitor;
}

void monitor_free(Monitor *monitor)
{
    if (monitor == NULL)
        return;
    room_filter_free(monitor->room);
    g_hash_table_unref(monitor->sources);
    g_free(monitor);
}

static gboolean sees_everything(const Monitor *monitor)
{
    const Options *options = monitor->options;
    return (!options->events || options->all) && (options->topic == NULL || monitor->room != NULL);
}

char *monitor_subscription(const Monitor *monitor)
{
    const char *prefix = monitor->options->events ? "bus://events" : monitor->options->topic;
    if (sees_everything(monitor))
        return g_strdup("");
    // A subscription that ends in a blank or a slash would count as a route.
    gsize length = strlen(prefix);
    while (length > 0 && (prefix[length - 1] == ' ' || prefix[length - 1] == '/'))
        length--;
    return g_strndup(prefix, length);
}

// Takes the record.
static char *print(const Monitor *monitor, Json *record)
{
    g_autoptr(Json) masked = mask_json(record);
    json_unref(record);
    return monitor->options->json ? format_json_line(masked) : format_line(masked);
}

static char *note(const Monitor *monitor, const char *topic, const char *type, Json *body)
{
    return print(monitor, format_note(g_get_real_time(), topic, type, body));
}

// How many messages of this source have not arrived since its last one.
static guint64 missing_before(Monitor *monitor, const Envelope *message)
{
    if (message->source == NULL || !message->has_sequence || !sees_everything(monitor))
        return 0;
    guint64 *last = g_hash_table_lookup(monitor->sources, message->source);
    guint64 missing = 0;
    if (last == NULL) {
        if (g_hash_table_size(monitor->sources) >= LIMIT_MONITOR_LEARNED)
            g_hash_table_remove_all(monitor->sources);
        last = g_new0(guint64, 1);
        g_hash_table_insert(monitor->sources, g_strdup(message->source), last);
    } else if (message->sequence > *last + 1) {
        missing = message->sequence - *last - 1;
    }
    *last = MAX(*last, message->sequence);
    return missing;
}

static char *dropped_line(const Monitor *monitor, const char *source, guint64 count)
{
    g_autofree char *text =
        g_strdup_printf("%" G_GUINT64_FORMAT " messages of %s did not arrive here", count, source);
    Json *body = json_new_object();
    json_set_text(body, "desc", text);
    json_set_number(body, "count", (gint64)(count & G_MAXINT64));
    json_set_text(body, "source", source);
    return note(monitor, "", "dropped", body);
}

static char *malformed_line(const Monitor *monitor, const char *topic, gsize length,
                            const GError *error)
{
    g_autofree char *text =
        g_strdup_printf("%s (%" G_GSIZE_FORMAT " bytes)", error->message, length);
    Json *body = json_new_object();
    json_set_text(body, "desc", text);
    json_set_number(body, "bytes", (gint64)length);
    return note(monitor, topic, "malformed", body);
}

// Presence, and the echoes by which processes know that their link works.
static gboolean is_housekeeping(const char *topic, const Envelope *message)
{
    const char *path = strstr(topic, "/process/");
    if (path == NULL)
        return FALSE;
    return g_str_has_prefix(topic, "ctxt://") || (g_str_has_prefix(topic, "bus://process/") &&
                                                  message->type == MSG__ENVELOPE__TYPE__EVENT);
}

static gboolean has_type(const Monitor *monitor, const Envelope *message)
{
    const char *wanted = monitor->options->type;
    return wanted == NULL || g_ascii_strcasecmp(wanted, envelope_type_text(message)) == 0;
}

static gboolean is_wanted(Monitor *monitor, const char *topic, const Envelope *message,
                          const Json *body)
{
    const Options *options = monitor->options;
    gboolean is_of_room =
        monitor->room == NULL || room_filter_match(monitor->room, topic, message, body);
    gboolean has_topic = options->topic == NULL || g_str_has_prefix(topic, options->topic);
    if (options->events && strcmp(topic, "bus://events ") != 0 && !options->all)
        return FALSE;
    if (is_housekeeping(topic, message) && !options->all && options->topic == NULL)
        return FALSE;
    return is_of_room && has_topic && has_type(monitor, message);
}

char *monitor_frame(Monitor *monitor, const char *topic, const guint8 *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strchomp(g_strdup(topic));
    g_autoptr(Envelope) message = envelope_unpack(data, length, &error);
    if (message == NULL)
        return malformed_line(monitor, name, length, error);
    g_autoptr(Json) body = envelope_body_json(message);
    guint64 missing = missing_before(monitor, message);
    g_autofree char *dropped = missing > 0 ? dropped_line(monitor, message->source, missing) : NULL;
    g_autofree char *line =
        is_wanted(monitor, topic, message, body)
            ? print(monitor, format_record(g_get_real_time(), name, message, body))
            : NULL;
    if (dropped == NULL)
        return g_steal_pointer(&line);
    return g_strconcat(dropped, line, NULL);
}

char *monitor_link(const Monitor *monitor, const char *process, gboolean connected)
{
    if (!monitor->options->events)
        return NULL;
    Json *value = json_new_object();
    json_set_text(value, "event", connected ? "connected" : "disconnected");
    json_set_text(value, "process", process);
    json_set_text(value, "socket", "own");
    Json *body = json_new_object();
    json_set(body, "value", value);
    json_unref(value);
    return note(monitor, "", "event", body);
}

char *monitor_missed(const Monitor *monitor, guint64 lines)
{
    g_autofree char *text = g_strdup_printf(
        "%" G_GUINT64_FORMAT " lines left out: whoever reads this is too slow", lines);
    Json *body = json_new_object();
    json_set_text(body, "desc", text);
    json_set_number(body, "count", (gint64)(lines & G_MAXINT64));
    return note(monitor, "", "dropped", body);
}
