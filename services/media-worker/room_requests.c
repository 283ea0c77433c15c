// SPDX-License-Identifier: MIT
// See room_requests.h. The same offer has the same answer, however often it is asked for; any other
// offer of a participant replaces the one before, with ICE and DTLS anew.
#include "media-worker/room_requests.h"

#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/url.h"
#include "media-worker/room_people.h"

// Why the room does not take the participant; *ret_offer borrows from admit and value.
static Refusal check_admission(const Room *room, const Msg__AdmitRequest *admit, const Json *value,
                               ConnectionOffer *ret_offer)
{
    if (room->url == NULL || g_strcmp0(admit->url, room->url) != 0)
        return MSG__REFUSAL__REASON__no_such_room;
    if (admit->epoch != room->epoch || room->superseded)
        return MSG__REFUSAL__REASON__stale_epoch;
    if (service_is_draining(room->service) && members_count(room->home.members) == 0)
        return MSG__REFUSAL__REASON__draining;
    if (admit->participant == NULL || !url_is_key(admit->participant) || admit->number == 0)
        return MSG__REFUSAL__REASON__malformed;
    ret_offer->number = admit->number;
    if (!connection_read_offer(admit->participant, value, ret_offer))
        return MSG__REFUSAL__REASON__malformed;
    const Member *other = members_by_number(room->home.members, admit->number);
    if (other != NULL && strcmp(other->participant, admit->participant) != 0)
        return MSG__REFUSAL__REASON__malformed;
    if (!g_hash_table_contains(room->connections, admit->participant) &&
        members_count(room->home.members) >= LIMIT_PEERS)
        return MSG__REFUSAL__REASON__room_full;
    return MSG__REFUSAL__REASON__none;
}

static void answer_with(BusRequest *request, Json *value)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    if (value != NULL)
        json_set(body, "value", value);
    bus_answer(request, body);
}

static Connection *connection_of(Room *room, const ConnectionOffer *offer)
{
    Connection *connection = g_hash_table_lookup(room->connections, offer->participant);
    if (connection == NULL) {
        connection = connection_new(&room->home, offer);
        g_hash_table_insert(room->connections, g_strdup(offer->participant), connection);
    }
    return connection;
}

// FALSE with words: the offer cannot be answered.
static gboolean admit_offer(Room *room, const ConnectionOffer *offer, const char **ret_words)
{
    g_autoptr(SdpAnswer) answer = sdp_answer(offer->sdp, &room->local, ret_words);
    if (answer == NULL)
        return FALSE;
    log_event(LOG_INFO, "participant.admitted",
              "room=%s participant=%s number=%u version=%" G_GUINT64_FORMAT " sources=%u slots=%u",
              room->id, offer->participant, offer->number, offer->version,
              answer->description->n_sources, answer->description->n_slots);
    connection_admit(connection_of(room, offer), offer, answer);
    g_hash_table_remove(room->listed, offer->participant);
    g_hash_table_remove(room->absent, offer->participant);
    room->heard_us = g_get_monotonic_time();
    return TRUE;
}

// An answer that waits until the routes of the fresh object stand: its observers ask at once.
typedef struct {
    Room *room;
    BusRequest *request;
    char *participant;
} Admitted;

static void on_admission_routed(gpointer user)
{
    Admitted *admitted = user;
    const Connection *connection =
        g_hash_table_lookup(admitted->room->connections, admitted->participant);
    log_set_trace(bus_request_message(admitted->request)->trace);
    if (admitted->room->superseded) {
        bus_refuse(admitted->request, MSG__REFUSAL__REASON__stale_epoch, NULL);
    } else if (connection != NULL) {
        g_autoptr(Json) value = connection_json(connection);
        answer_with(admitted->request, value);
    } else {
        bus_refuse(admitted->request, MSG__REFUSAL__REASON__no_such_participant, NULL);
    }
    log_set_trace(NULL);
    bus_request_unref(admitted->request);
    g_free(admitted->participant);
    g_free(admitted);
}

static void answer_when_routed(Room *room, const char *participant, BusRequest *request)
{
    Admitted *admitted = g_new0(Admitted, 1);
    admitted->room = room;
    admitted->request = bus_request_ref(request);
    admitted->participant = g_strdup(participant);
    bus_when_routed(room->home.bus, on_admission_routed, admitted);
}

static void admit_or_refuse(Room *room, const ConnectionOffer *offer, BusRequest *request)
{
    const Connection *known = g_hash_table_lookup(room->connections, offer->participant);
    const char *words = NULL;
    if ((known == NULL || !connection_has_answered(known, offer)) &&
        !admit_offer(room, offer, &words)) {
        bus_refuse(request, MSG__REFUSAL__REASON__bad_offer, words);
        return;
    }
    answer_when_routed(room, offer->participant, request);
    room_observe(room);
    room_want_pass(room);
}

void room_on_create(Service *service, const Envelope *message, BusRequest *request)
{
    Room *room = service_state(service);
    ConnectionOffer offer = {0};
    g_autoptr(Json) body = envelope_body_json(message);
    Msg__AdmitRequest *admit =
        CODEC_FROM_JSON(Msg__AdmitRequest, msg__admit_request__descriptor, body, NULL);
    if (request != NULL && admit != NULL) {
        g_autoptr(Json) value = admit->has_value ? codec_json(&admit->value) : NULL;
        Refusal refusal = check_admission(room, admit, value, &offer);
        if (refusal == MSG__REFUSAL__REASON__none)
            admit_or_refuse(room, &offer, request);
        else
            bus_refuse(request, refusal, NULL);
    } else if (request != NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__malformed, NULL);
    }
    codec_free(admit);
}

// Whether the message speaks of this placement; answers if not.
static gboolean is_for_us(const Room *room, const Envelope *message, BusRequest *request)
{
    const Msg__Body *body = message->body;
    gboolean ours =
        room->url != NULL && body != NULL && (!body->has_version || body->version == room->epoch);
    if (!ours)
        bus_refuse(request,
                   room->url == NULL ? MSG__REFUSAL__REASON__no_such_room
                                     : MSG__REFUSAL__REASON__stale_epoch,
                   NULL);
    return ours;
}

void room_on_delete(Service *service, const Envelope *message, BusRequest *request)
{
    Room *room = service_state(service);
    if (request == NULL || !is_for_us(room, message, request))
        return;
    const char *resource = message->body->resource;
    const char *participant = resource == NULL ? "" : url_last_segment(resource);
    if (g_hash_table_contains(room->connections, participant))
        room_drop(room, participant, "deleted");
    answer_with(request, NULL);
}

void room_on_close(Service *service, const Envelope *message, BusRequest *request)
{
    Room *room = service_state(service);
    if (request == NULL || !is_for_us(room, message, request))
        return;
    answer_with(request, NULL);
    if (!room->superseded) // or it is about to end: people are on their way
        room_end(room, "closed");
}
