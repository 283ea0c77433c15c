// SPDX-License-Identifier: MIT
// See watching.h. A message that came through a gateway from a client bears its session; what our
// own processes say bears none.
#include "registry/watching.h"
#include <string.h>
#include "common/codec.h"
#include "common/log.h"
#include "registry/media.h"
#include "registry/placement.h"
#include "registry/registry.h"
#include "registry/reply.h"

static Registry *registry_of(Service *service)
{
    return service_state(service);
}

static Msg__Session *read_session(const Envelope *message)
{
    if (message->body == NULL || !message->body->has_value)
        return NULL;
    return CODEC_FROM_BYTES(Msg__Session, msg__session__descriptor, &message->body->value, NULL);
}

static gboolean is_from_client(const Envelope *message, BusRequest *request)
{
    if (message->session == NULL)
        return FALSE;
    if (request != NULL)
        bus_refuse(request, MSG__REFUSAL__REASON__forbidden, "only gateways tell of sessions");
    return TRUE;
}

void on_session_told(Service *service, const Envelope *message, BusRequest *request)
{
    if (request == NULL || is_from_client(message, request))
        return;
    Msg__Session *session = read_session(message);
    Refusal refusal = session != NULL
                          ? sessions_tell(registry_of(service)->sessions, session, message->source)
                          : MSG__REFUSAL__REASON__malformed;
    if (refusal == MSG__REFUSAL__REASON__none)
        reply_done(request);
    else
        bus_refuse(request, refusal, "session");
    codec_free(session);
}

void on_session_ended(Service *service, const Envelope *message, BusRequest *request)
{
    if (request == NULL || is_from_client(message, request))
        return;
    Msg__Session *session = read_session(message);
    const char *id = session != NULL         ? session->session
                     : message->body != NULL ? message->body->resource
                                             : NULL;
    if (id != NULL)
        sessions_forget(registry_of(service)->sessions, id, message->source);
    reply_done(request);
    codec_free(session);
}

void on_session_asked(Service *service, const Envelope *message, BusRequest *request)
{
    if (request == NULL || is_from_client(message, request))
        return;
    const char *id = message->body != NULL ? message->body->resource : NULL;
    const Msg__Session *session =
        id != NULL ? sessions_find(registry_of(service)->sessions, id) : NULL;
    if (session == NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__no_such_object, "session");
        return;
    }
    g_autoptr(Json) value = codec_to_json(&session->base);
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    json_set(body, "value", value);
    bus_answer(request, body);
}

// A room process whose room was closed or has moved while it could not hear it, and in which nobody
// is: told again to end.
static void end_if_stray(Registry *registry, const Msg__Presence *presence)
{
    const Msg__RoomHealth *health = presence->room;
    if (health == NULL || health->url == NULL || presence->address == NULL)
        return;
    const Room *room = rooms_find_url(registry->rooms, health->url);
    if (health->participants > 0 || (room != NULL && health->epoch >= room_placement(room).epoch))
        return;
    RoomPlacement placement = {health->epoch, presence->address, NULL};
    log_event(LOG_INFO, "placement.stray", "media=%s url=%s epoch=%" G_GUINT64_FORMAT,
              presence->address, log_quote(health->url), health->epoch);
    media_close(registry->bus, &placement);
}

static void log_if_new(const Registry *registry, const Msg__Presence *presence)
{
    if (g_strcmp0(presence->role, "worker") == 0 && presence->process != NULL &&
        presences_find(registry->presences, presence->process) == NULL)
        log_event(LOG_INFO, "worker.heard", "worker=%s capacity=%u load=%u",
                  log_quote(presence->process), presence->capacity, presence->load);
}

void on_presence(Service *service, const Envelope *message, BusRequest *request)
{
    Registry *registry = registry_of(service);
    if (request != NULL || message->session != NULL || message->body == NULL ||
        !message->body->has_value || message->source == NULL)
        return;
    Msg__Presence *presence =
        CODEC_FROM_BYTES(Msg__Presence, msg__presence__descriptor, &message->body->value, NULL);
    if (presence == NULL)
        return;
    log_if_new(registry, presence);
    if (presences_hear(registry->presences, presence, message->source, g_get_monotonic_time())) {
        end_if_stray(registry, presence);
        placements_retry(registry->placements);
    }
    codec_free(presence);
}

void on_bus_event(Service *service, const Envelope *message, BusRequest *request)
{
    if (request != NULL || message->session != NULL || strcmp(message->from, "bus://events") != 0)
        return;
    g_autoptr(Json) value = envelope_value(message);
    const char *process = json_get_text(value, "process");
    if (process != NULL && g_strcmp0(json_get_text(value, "event"), "gone") == 0)
        presences_gone(registry_of(service)->presences, process);
}
