// SPDX-License-Identifier: MIT
// See watching.h. A message that came through a gateway from a client bears its session; what our
// own processes say bears none.
#include "registry/watching.h"
#include <string.h>
#include "common/codec.h"
#include "common/log.h"
#include "common/url.h"
#include "registry/discovery.h"
#include "registry/failover.h"
#include "registry/judge.h"
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
    if (refusal == MSG__REFUSAL__REASON__none && session->runtimeurl != NULL)
        discovery_look_after(session->runtimeurl, registry_of(service));
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

// Those of the addresses that belong to other sessions.
static Json *refused_claims(Sessions *sessions, const char *session, const Json *addresses)
{
    Json *refused = json_new_array();
    for (guint i = 0; i < json_size(addresses); i++) {
        Json *address = json_at(addresses, i);
        if (url_is_valid(json_text(address)) &&
            !sessions_claim(sessions, session, json_text(address)))
            json_append(refused, address);
    }
    return refused;
}

void on_session_claims(Service *service, const Envelope *message, BusRequest *request)
{
    if (request == NULL || is_from_client(message, request))
        return;
    const Msg__Body *body = message->body;
    g_autoptr(Json) params = body != NULL && body->has_params
                                 ? json_parse_bytes(body->params.data, body->params.len)
                                 : NULL;
    const char *session = json_text(json_at(params, 0));
    if (body == NULL || g_strcmp0(body->method, "claim") != 0 || session == NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__malformed, "claim [session, [address]]");
        return;
    }
    g_autoptr(Json) refused =
        refused_claims(registry_of(service)->sessions, session, json_at(params, 1));
    g_autoptr(Json) answer = json_new_object();
    json_set_number(answer, "code", 200);
    json_set(answer, "value", refused);
    bus_answer(request, answer);
}

// Most who are asked for are new: that is an answer, not a refusal to be logged.
static void answer_unknown(BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", refusal_code(MSG__REFUSAL__REASON__no_such_object));
    json_set_text(body, "reason", refusal_name(MSG__REFUSAL__REASON__no_such_object));
    bus_answer(request, body);
}

// By its id, or by an address that it owns.
static const Msg__Session *find_asked(const Registry *registry, const char *resource)
{
    const Msg__Session *session = sessions_find(registry->sessions, resource);
    const char *owner =
        session == NULL ? sessions_owner(registry->sessions, resource) : session->session;
    return owner != NULL ? sessions_find(registry->sessions, owner) : NULL;
}

void on_session_asked(Service *service, const Envelope *message, BusRequest *request)
{
    if (request == NULL || is_from_client(message, request))
        return;
    const Registry *registry = registry_of(service);
    const char *resource = message->body != NULL ? message->body->resource : NULL;
    const Msg__Session *session = resource != NULL ? find_asked(registry, resource) : NULL;
    if (session == NULL) {
        answer_unknown(request);
        return;
    }
    g_autoptr(Json) value = codec_to_json(&session->base);
    if (!discovery_is_present(registry, session))
        json_set_text(value, "status", "disconnected");
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    json_set(body, "value", value);
    bus_answer(request, body);
}

// Whether this process has no room any more: its room lives elsewhere under a later epoch, or was
// closed. Where the room is unknown people decide: a lost store file must not end calls.
static gboolean is_stray(const Registry *registry, const char *address,
                         const Msg__RoomHealth *health)
{
    const Room *room = rooms_find_url(registry->rooms, health->url);
    if (room == NULL)
        return health->participants == 0;
    RoomPlacement placement = room_placement(room);
    return health->epoch < room_last_epoch(room) &&
           (health->epoch != placement.epoch || g_strcmp0(placement.media, address) != 0);
}

// Told again to end: it may not have heard it, stopped or cut off as it was.
static void end_if_stray(Registry *registry, const Msg__Presence *presence)
{
    const Msg__RoomHealth *health = presence->room;
    if (health == NULL || health->url == NULL || presence->address == NULL ||
        !is_stray(registry, presence->address, health))
        return;
    RoomPlacement placement = {health->epoch, presence->address, NULL};
    log_event(LOG_INFO, "placement.stray", "media=%s url=%s epoch=%" G_GUINT64_FORMAT,
              presence->address, log_quote(health->url), health->epoch);
    media_close(registry->bus, &placement);
}

// Whether a worker speaks that could not be asked so far.
static gboolean is_new_worker(const Registry *registry, const Msg__Presence *presence,
                              gint64 now_us)
{
    return g_strcmp0(presence->role, "worker") == 0 && presence->process != NULL &&
           !presence_is_live(presences_find(registry->presences, presence->process), now_us);
}

static void on_new_worker(const Registry *registry, const Msg__Presence *presence)
{
    log_event(LOG_INFO, "worker.heard", "worker=%s capacity=%u load=%u",
              log_quote(presence->process), presence->capacity, presence->load);
    failover_hurry(registry->failover);
}

static void take_presence(Registry *registry, const Msg__Presence *presence, const char *source)
{
    gint64 now_us = g_get_monotonic_time();
    gboolean is_new = is_new_worker(registry, presence, now_us);
    if (!presences_hear(registry->presences, presence, source, now_us))
        return;
    judge_heard(registry->judge, source, now_us);
    if (is_new)
        on_new_worker(registry, presence);
    end_if_stray(registry, presence);
    failover_heard(registry->failover, presences_find(registry->presences, source));
    placements_retry(registry->placements);
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
    take_presence(registry, presence, message->source);
    codec_free(presence);
}

void on_bus_event(Service *service, const Envelope *message, BusRequest *request)
{
    if (request != NULL || message->session != NULL || strcmp(message->from, "bus://events") != 0)
        return;
    g_autoptr(Json) value = envelope_value(message);
    const char *process = json_get_text(value, "process");
    if (process != NULL && g_strcmp0(json_get_text(value, "event"), "gone") == 0)
        judge_gone(registry_of(service)->judge, process);
}
