// SPDX-License-Identifier: MIT
// What belongs to a room: its objects comm://D/<room>-<8 hex> and ctxt://D/room/<room>; whatever
// names it in roomId or as first parameter; the addresses of its participants' Connections and of
// its room process; everything with the trace of one of these.
#include "busmon/room.h"

#include <string.h>

#include "common/limits.h"
#include "common/url.h"

struct RoomFilter {
    char *room;
    GHashTable *addresses; // learned, with all below them
    GHashTable *traces;
};

RoomFilter *room_filter_new(const char *room)
{
    RoomFilter *filter = g_new0(RoomFilter, 1);
    filter->room = g_strdup(room);
    filter->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    filter->traces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return filter;
}

void room_filter_free(RoomFilter *filter)
{
    if (filter == NULL)
        return;
    g_hash_table_unref(filter->addresses);
    g_hash_table_unref(filter->traces);
    g_free(filter->room);
    g_free(filter);
}

static void learn(GHashTable *known, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    if (g_hash_table_size(known) >= LIMIT_MONITOR_LEARNED)
        g_hash_table_remove_all(known);
    g_hash_table_add(known, g_strdup(text));
}

// What follows "://<authority>/", or NULL.
static const char *path_of(const char *url)
{
    const char *authority = strstr(url, "://");
    const char *slash = authority != NULL ? strchr(authority + 3, '/') : NULL;
    return slash != NULL ? slash + 1 : NULL;
}

// "<room>-<8 hex>", and anything below it.
static gboolean is_object_name(const char *room, const char *path)
{
    gsize length = strlen(room);
    if (strncmp(path, room, length) != 0 || path[length] != '-')
        return FALSE;
    gsize digits = strspn(path + length + 1, "0123456789abcdef");
    char after = path[length + 1 + digits];
    return digits == 8 && (after == '\0' || after == '/' || after == ' ');
}

static gboolean is_context_name(const char *room, const char *path)
{
    gsize length = strlen(room);
    if (!g_str_has_prefix(path, "room/") || strncmp(path + 5, room, length) != 0)
        return FALSE;
    char after = path[5 + length];
    return after == '\0' || after == '/' || after == ' ';
}

// The address, or one that it lies below, has been learned.
static gboolean is_learned(const RoomFilter *filter, const char *url)
{
    g_autofree char *part = g_strchomp(g_strdup(url));
    while (!g_hash_table_contains(filter->addresses, part)) {
        char *slash = strrchr(part, '/');
        if (slash == NULL || slash == part || slash[-1] == '/')
            return FALSE;
        *slash = '\0';
    }
    return TRUE;
}

static gboolean is_of_room(const RoomFilter *filter, const char *url)
{
    const char *path = url != NULL ? path_of(url) : NULL;
    if (path == NULL)
        return FALSE;
    if (g_str_has_prefix(url, "comm://"))
        return is_object_name(filter->room, path);
    if (g_str_has_prefix(url, "ctxt://") && is_context_name(filter->room, path))
        return TRUE;
    return is_learned(filter, url);
}

// `roomId` here, in the first of `params`, in the value or its `room` (presence).
static gboolean names_room(const RoomFilter *filter, const Json *body)
{
    const Json *first = json_at(json_get(body, "params"), 0);
    const Json *value = json_get(body, "value");
    const char *const names[] = {
        json_get_text(body, "roomId"),
        json_text(first),
        json_get_text(first, "roomId"),
        json_get_text(value, "roomId"),
        json_get_text(json_get(value, "room"), "roomId"),
    };
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_strcmp0(names[i], filter->room) == 0)
            return TRUE;
    return FALSE;
}

static void learn_participant(RoomFilter *filter, const char *domain, const char *id)
{
    if (id == NULL || domain == NULL || !url_is_key(id))
        return;
    g_autofree char *client = g_strdup_printf("connection://%s/%s", domain, id);
    g_autofree char *ours = g_strdup_printf("connection://%s/media-%s", domain, id);
    learn(filter->addresses, client);
    learn(filter->addresses, ours);
}

static void learn_media(RoomFilter *filter, const char *url)
{
    const char *path = url != NULL ? path_of(url) : NULL;
    if (path != NULL && g_str_has_prefix(path, "media/"))
        learn(filter->addresses, url);
}

typedef struct {
    RoomFilter *filter;
    const char *domain;
} Learning;

static void on_participant(const char *id, Json *participant, gpointer user)
{
    const Learning *learning = user;
    (void)participant;
    learn_participant(learning->filter, learning->domain, id);
}

static void learn_from(RoomFilter *filter, const Envelope *message, const Json *body)
{
    const Json *value = json_get(body, "value"), *data = json_get(value, "data");
    const char *attribute = json_get_text(body, "attribute");
    const char *url = json_get_text(value, "url");
    g_autofree char *domain = url_authority(message->to);
    Learning learning = {filter, domain};
    learn(filter->traces, message->trace);
    learn_participant(filter, domain, json_get_text(body, "participant"));
    if (url != NULL && g_str_has_prefix(url, "connection://"))
        learn_participant(filter, domain, url_last_segment(url));
    if (attribute != NULL && g_str_has_prefix(attribute, "participants."))
        learn_participant(filter, domain, attribute + strlen("participants."));
    json_each(json_get(data, "participants"), on_participant, &learning);
    learn_media(filter, message->to);
    learn_media(filter, json_get_text(value, "media"));
    learn_media(filter, json_get_text(value, "address"));
    learn_media(filter, json_get_text(json_get(data, "placement"), "media"));
}

gboolean room_filter_match(RoomFilter *filter, const char *topic, const Envelope *message,
                           const Json *body)
{
    gboolean is_traced =
        message->trace != NULL && g_hash_table_contains(filter->traces, message->trace);
    if (!is_traced && !names_room(filter, body) && !is_of_room(filter, topic) &&
        !is_of_room(filter, message->from) && !is_of_room(filter, message->to))
        return FALSE;
    learn_from(filter, message, body);
    return TRUE;
}
