// SPDX-License-Identifier: MIT
// See room.h. The process starts as a spare: it is on the bus and warm, and becomes a room when the
// host hands it a room's parameters and sockets through the channel.
#include "media-worker/room.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>
#include "common/limits.h"
#include "common/log.h"
#include "media-worker/candidates.h"
#include "media-worker/room_people.h"
#include "media-worker/spawn.h"

#define TICK_MS 1000
#define PASS_MS_LARGE 20 // between two passes over the slots of a room of more than
#define LARGE 50         // so many

void room_end(Room *room, const char *reason)
{
    g_autofree char *text = g_strdup_printf("{\"ended\":\"%s\"}", reason);
    log_event(LOG_INFO, "room.ended", "room=%s epoch=%" G_GUINT64_FORMAT " reason=%s",
              room->id != NULL ? room->id : "none", room->epoch, reason);
    spawn_send(SPAWN_CHANNEL, text, NULL, 0);
    service_stop(room->service, 0);
}

// ---------------------------------------------------------------------- its place is taken

static void stop_timer(guint *source)
{
    if (*source != 0)
        g_source_remove(*source);
    *source = 0;
}

static gboolean on_lingered(gpointer user)
{
    Room *room = user;
    room->linger = 0;
    room_end(room, "stale_epoch");
    return G_SOURCE_REMOVE;
}

// The room's objects have another reporter now, so this one falls silent at once.
static gboolean on_superseded(gpointer user)
{
    Room *room = user;
    GHashTableIter iter;
    gpointer connection;
    g_hash_table_iter_init(&iter, room->connections);
    while (g_hash_table_iter_next(&iter, NULL, &connection))
        connection_retire(connection);
    g_clear_pointer(&room->context, sync_reporter_free);
    g_clear_pointer(&room->communication, sync_observer_free);
    room->linger = g_timeout_add(LIMIT_SUPERSEDED_MS, on_lingered, room);
    return G_SOURCE_REMOVE;
}

void room_supersede(Room *room)
{
    if (room->superseded)
        return;
    log_event(LOG_INFO, "room.superseded", "room=%s epoch=%" G_GUINT64_FORMAT, room->id,
              room->epoch);
    room->superseded = TRUE;
    stop_timer(&room->tick);
    stop_timer(&room->pass);
    if (g_hash_table_size(room->connections) == 0)
        room_end(room, "stale_epoch");
    else // not from within the observer that has told it
        room->linger = g_idle_add(on_superseded, room);
}

// ---------------------------------------------------------------------------------- video slots

static gboolean on_pass_due(gpointer user)
{
    Room *room = user;
    room->pass = 0;
    if (bus_is_connected(room->home.bus, NULL))
        members_assign(room->home.members);
    return G_SOURCE_REMOVE;
}

void room_want_pass(gpointer user)
{
    Room *room = user;
    if (room->pass != 0 || room->home.members == NULL || room->superseded)
        return;
    guint delay = members_count(room->home.members) > LARGE ? PASS_MS_LARGE : 0;
    room->pass = g_timeout_add(delay, on_pass_due, room);
}

static void on_link(gboolean connected, gpointer user)
{
    Room *room = user;
    if (connected)
        room_want_pass(room);
}

// -------------------------------------------------------------------------- from spare to room

static char **texts(const Json *array)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (guint i = 0; i < json_size(array); i++)
        if (json_text(json_at(array, i)) != NULL)
            g_strv_builder_add(builder, json_text(json_at(array, i)));
    return g_strv_builder_end(builder);
}

static void read_parameters(Room *room, const Json *parameters)
{
    room->id = g_strdup(json_get_text(parameters, "roomId"));
    room->url = g_strdup(json_get_text(parameters, "url"));
    room->epoch = (guint64)json_get_number(parameters, "epoch", 0);
    room->codecs = texts(json_get(parameters, "codecs"));
    room->addresses = texts(json_get(parameters, "addresses"));
    room->port = (guint16)json_get_number(parameters, "port", 0);
    room->candidates = candidates_lines((const char *const *)room->addresses, room->port);
    room->local = (SdpLocal){.codecs = (const char *const *)room->codecs,
                             .fingerprint = dtls_context_fingerprint(room->dtls),
                             .candidates = (const char *const *)room->candidates,
                             .address = room->addresses[0],
                             .port = room->port};
}

static void report_context(Room *room)
{
    const char *domain = service_domain(room->service);
    g_autofree char *url = g_strdup_printf("ctxt://%s/room/%s", domain, room->id);
    g_autofree char *schema =
        g_strdup_printf("hyperty-catalogue://catalogue.%s/.well-known/dataschema/Context", domain);
    g_autoptr(Json) data = json_new_object();
    g_autoptr(Json) nobody = json_new_array();
    json_set(data, "speakers", nobody);
    SyncObject *object =
        sync_object_new(url, schema, room->home.address, (room->epoch << 32) + 1, data);
    room->context = sync_reporter_new(room->home.bus, object, NULL, NULL);
}

static void on_routed(gpointer user)
{
    (void)user;
    spawn_send(SPAWN_CHANNEL, "{\"started\":true}", NULL, 0);
}

static void open_room(Room *room)
{
    room->home.epoch = room->epoch;
    room->home.members = members_new(room->home.media);
    room->attendance = attendance_new();
    room->heard_us = g_get_monotonic_time();
    room->tick = g_timeout_add(TICK_MS, room_on_tick, room);
    report_context(room);
    bus_watch_link(room->home.bus, on_link, room);
    bus_when_routed(room->home.bus, on_routed, room);
}

static void become_room(Room *room, const Json *parameters, const int *sockets)
{
    g_autoptr(GError) error = NULL;
    read_parameters(room, parameters);
    room->home.media = media_new(sockets[0], sockets[1], room_on_media, room, &error);
    if (room->home.media == NULL) {
        g_autoptr(Json) failed = json_new_object();
        json_set_text(failed, "failed", error->message);
        g_autofree char *text = json_print(failed, NULL);
        log_event(LOG_ERROR, "room.cannot_start", "room=%s reason=%s", room->id,
                  log_quote(error->message));
        spawn_send(SPAWN_CHANNEL, text, NULL, 0);
        service_stop(room->service, 1);
        return;
    }
    open_room(room);
    g_autofree char *all = g_strjoinv(",", room->addresses);
    log_event(LOG_INFO, "room.started",
              "room=%s url=%s epoch=%" G_GUINT64_FORMAT " port=%u addresses=%s receive_bytes=%d",
              room->id, room->url, room->epoch, room->port, all,
              (int)json_get_number(parameters, "receiveBytes", 0));
}

// The socket pair's other end is the host's. Without a host a room goes on, a spare is of no use.
static gboolean on_host(int fd, GIOCondition condition, gpointer user)
{
    (void)condition;
    Room *room = user;
    g_autofree char *text = NULL;
    int sockets[SPAWN_DESCRIPTORS_MAX];
    SpawnResult result = spawn_receive(fd, &text, sockets);
    if (result == SPAWN_EMPTY)
        return G_SOURCE_CONTINUE;
    if (result == SPAWN_CLOSED) {
        room->channel = 0;
        if (room->url == NULL)
            service_stop(room->service, 0);
        else
            log_event(LOG_WARNING, "room.host_gone", "room=%s", room->id);
        return G_SOURCE_REMOVE;
    }
    g_autoptr(Json) parameters = json_parse(text, strlen(text), SPAWN_MESSAGE_MAX, NULL);
    g_assert(room->url == NULL && parameters != NULL); // our own host says one thing, once
    gboolean ipv6_only = !json_truth(json_get(parameters, "ipv4"), TRUE);
    const int ordered[] = {ipv6_only ? -1 : sockets[0], ipv6_only ? sockets[0] : sockets[1]};
    log_set_trace(json_get_text(parameters, "trace"));
    become_room(room, parameters, ordered);
    log_set_trace(NULL);
    return G_SOURCE_CONTINUE;
}

static void connection_free_value(gpointer connection)
{
    connection_free(connection);
}

gboolean room_start(Service *service, GError **error)
{
    Room *room = g_new0(Room, 1);
    service_set_state(service, room);
    room->service = service;
    room->connections =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, connection_free_value);
    room->listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    room->absent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (fcntl(SPAWN_CHANNEL, F_SETFD, FD_CLOEXEC) != 0) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
                            "--room is started by a media-worker host, not by hand");
        return FALSE;
    }
    room->dtls = dtls_context_new(error);
    if (room->dtls == NULL)
        return FALSE;
    room->home = (ConnectionHome){
        .bus = service_bus(service),
        .dtls = room->dtls,
        .address =
            g_strdup_printf("hyperty://%s/media/%s", service_domain(service), service_id(service)),
        .on_wishes = room_want_pass,
        .user = room,
    };
    g_autofree char *ready = g_strdup_printf("{\"media\":\"%s\"}", room->home.address);
    spawn_send(SPAWN_CHANNEL, ready, NULL, 0);
    room->channel = g_unix_fd_add(SPAWN_CHANNEL, G_IO_IN | G_IO_HUP, on_host, room);
    return TRUE;
}

void room_presence(Service *service, Msg__Presence *presence)
{
    const Room *room = service_state(service);
    presence->address = g_strdup(room->home.address);
    if (room->home.members == NULL || room->superseded)
        return;
    Msg__RoomHealth *health = g_new(Msg__RoomHealth, 1);
    msg__room_health__init(health);
    health->roomid = g_strdup(room->id);
    health->url = g_strdup(room->url);
    health->has_epoch = health->has_participants = TRUE;
    health->epoch = room->epoch;
    health->participants = g_hash_table_size(room->connections);
    health->silent = room_silent(room, &health->n_silent);
    presence->room = health;
}

void room_drain(Service *service)
{
    const Room *room = service_state(service);
    if (g_hash_table_size(room->connections) == 0)
        service_stop(service, 0);
}

void room_stop(Service *service)
{
    Room *room = service_state(service);
    stop_timer(&room->channel);
    stop_timer(&room->tick);
    stop_timer(&room->pass);
    stop_timer(&room->linger);
    sync_observer_free(room->communication);
    g_hash_table_unref(room->connections);
    sync_reporter_free(room->context);
    members_free(room->home.members);
    if (room->home.media != NULL)
        media_free(room->home.media);
    dtls_context_free(room->dtls);
    attendance_free(room->attendance);
    g_hash_table_unref(room->listed);
    g_hash_table_unref(room->absent);
    g_strfreev(room->codecs);
    g_strfreev(room->addresses);
    g_strfreev(room->candidates);
    g_free(room->home.address);
    g_free(room->id);
    g_free(room->url);
    g_free(room);
}
