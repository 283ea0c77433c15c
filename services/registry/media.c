// SPDX-License-Identifier: MIT
// See media.h. An admission's Connection object goes on as the bytes that came: up to 128 KiB that
// nobody here needs to parse.
#include "registry/media.h"
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"

static Envelope *new_request(Bus *bus, EnvelopeType type, const char *to)
{
    g_autofree char *from = g_strdup_printf("hyperty://%s/conference", bus_domain(bus));
    return envelope_new(type, from, to);
}

static Json *start_params(const Room *room)
{
    const Json *data = sync_object_data(room_object(room));
    g_autoptr(Json) start = json_new_object();
    Json *params = json_new_array();
    json_set_text(start, "roomId", room_id(room));
    json_set_text(start, "url", room_url(room));
    json_set_number(start, "epoch", (gint64)room_last_epoch(room));
    json_set(start, "mode", json_get(data, "mode"));
    json_set(start, "codecs", json_get(data, "codecs"));
    json_append(params, start);
    return params;
}

guint64 media_start_room(Bus *bus, const char *worker, const Room *room, BusAnswered answered,
                         gpointer user)
{
    Envelope *request = new_request(bus, MSG__ENVELOPE__TYPE__EXECUTE, worker);
    Msg__Body *body = envelope_body(request);
    g_autoptr(Json) params = start_params(room);
    envelope_set(&body->method, "startRoom");
    envelope_set_json(&body->params, &body->has_params, params);
    return bus_request(bus, request, LIMIT_DEADLINE_SERVICE_MS, answered, user);
}

guint64 media_admit(Bus *bus, const Room *room, const Join *join, guint deadline_ms,
                    BusAnswered answered, gpointer user)
{
    RoomPlacement placement = room_placement(room);
    Envelope *request = new_request(bus, MSG__ENVELOPE__TYPE__CREATE, placement.media);
    Msg__Body *body = envelope_body(request);
    g_autoptr(Json) rest = json_new_object();
    json_set_text(rest, "url", room_url(room));
    json_set_number(rest, "number", join->number);
    json_set_number(rest, "epoch", (gint64)placement.epoch);
    envelope_set_json(&body->unknown, &body->has_unknown, rest);
    envelope_set(&body->source, join->hyperty);
    envelope_set(&body->roomid, join->room);
    envelope_set(&body->participant, join->participant);
    body->has_value = TRUE;
    body->value.data = g_memdup2(join->offer->data, join->offer->len);
    body->value.len = join->offer->len;
    return bus_request(bus, request, deadline_ms, answered, user);
}

// user: what was asked, a constant text: the answer may never come.
static void on_told(const Envelope *answer, gpointer user)
{
    if (envelope_code(answer) > 200)
        log_event(LOG_INFO, "media.unanswered", "asked=%s media=%s code=%d", (const char *)user,
                  log_quote(answer->from), envelope_code(answer));
}

static Envelope *drop_request(Bus *bus, const RoomPlacement *placement, const char *connection)
{
    Envelope *request = new_request(bus, MSG__ENVELOPE__TYPE__DELETE, placement->media);
    envelope_set(&envelope_body(request)->resource, connection);
    envelope_set_version(request, placement->epoch);
    return request;
}

guint64 media_clear(Bus *bus, const RoomPlacement *placement, const char *connection,
                    BusAnswered answered, gpointer user)
{
    return bus_request(bus, drop_request(bus, placement, connection), LIMIT_DEADLINE_SERVICE_MS,
                       answered, user);
}

void media_drop(Bus *bus, const RoomPlacement *placement, const char *connection)
{
    bus_request(bus, drop_request(bus, placement, connection), LIMIT_DEADLINE_SERVICE_MS, on_told,
                (gpointer) "drop");
}

void media_close(Bus *bus, const RoomPlacement *placement)
{
    Envelope *request = new_request(bus, MSG__ENVELOPE__TYPE__CLOSE, placement->media);
    envelope_set_version(request, placement->epoch);
    bus_request(bus, request, LIMIT_DEADLINE_SERVICE_MS, on_told, (gpointer) "close");
}
