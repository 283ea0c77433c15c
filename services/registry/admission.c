// SPDX-License-Identifier: MIT
// See admission.h. A door is one room's joins under way, in order of arrival; it goes with the last
// of them. A join is at one of four places:
//
//   waiting    for the room's placement
//   clearing   a room process from before this registry may have let this Connection in under a
//              number that was never stored: it is told to forget it first
//   admitting  asked of the room process; it may say 404, or nothing and be silent: then the room
//   is
//              placed anew; if it lives but is slow it is asked again
//   storing    in a batch; nothing can end it there but the batch
//
// If the registry dies in between, the gateway's repeat of the request starts again from the
// beginning: a room process that has let this very Connection in answers as it did.
#include "registry/admission.h"
#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sync_wire.h"
#include "registry/conference.h"
#include "registry/failover.h"
#include "registry/media.h"
#include "registry/placement.h"
#include "registry/reply.h"

typedef struct {
    Admissions *admissions;
    char *room;
    GQueue joins; // of Admission, oldest first
    gboolean placing;
} Door;

typedef enum { WAITING, CLEARING, ADMITTING, STORING } Place;

typedef struct {
    Door *door;
    Join *join;
    BusRequest *request;
    gboolean only_if_in;
    Place place;
    guint64 asked;    // number of the request to the room process
    guint64 epoch;    // of the placement under which it was asked
    gboolean retried; // the room has been placed anew for it
    guint unanswered; // how often a room process that lives has not answered in time
    gboolean cleared; // the room process has forgotten an earlier admission
    gint64 deadline_us;
    guint64 timer;
    ProtobufCBinaryData answer; // the room process' Connection, JSON
} Admission;

struct Admissions {
    Registry *registry;
    GHashTable *doors; // room id -> Door
    guint count;       // of Admission
};

static void go(Admission *admission);

static Registry *registry_of(const Admission *admission)
{
    return admission->door->admissions->registry;
}

static void on_deadline(gpointer user);

static void set_deadline(Admission *admission, guint after_ms)
{
    admission->timer =
        deadlines_add(bus_deadlines(registry_of(admission)->bus), after_ms, on_deadline, admission);
}

static void admission_free(gpointer data)
{
    Admission *admission = data;
    if (admission->asked != 0)
        bus_cancel(admission->door->admissions->registry->bus, admission->asked);
    admission->door->admissions->count--;
    deadlines_cancel(bus_deadlines(registry_of(admission)->bus), &admission->timer);
    bus_request_unref(admission->request);
    join_free(admission->join);
    g_free(admission->answer.data);
    g_free(admission);
}

static void door_free(gpointer data)
{
    Door *door = data;
    g_queue_clear_full(&door->joins, admission_free);
    g_free(door->room);
    g_free(door);
}

Admissions *admissions_new(Registry *registry)
{
    Admissions *admissions = g_new0(Admissions, 1);
    admissions->registry = registry;
    admissions->doors = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, door_free);
    return admissions;
}

void admissions_free(Admissions *admissions)
{
    if (admissions == NULL)
        return;
    g_hash_table_unref(admissions->doors);
    g_free(admissions);
}

gboolean admissions_are_under_way(const Admissions *admissions, const char *room)
{
    return g_hash_table_contains(admissions->doors, room);
}

guint admissions_count(const Admissions *admissions)
{
    return admissions->count;
}

static Room *room_of(const Admission *admission)
{
    return rooms_find(registry_of(admission)->rooms, admission->door->room);
}

// --- the end of a join

// A door that waits for a placement outlives its joins until that is done.
static void leave_door(Admission *admission)
{
    Door *door = admission->door;
    g_queue_remove(&door->joins, admission);
    admission_free(admission);
    if (g_queue_is_empty(&door->joins) && !door->placing)
        g_hash_table_remove(door->admissions->doors, door->room);
}

// Whom the room process let in, or may have, is put out there; not who is in by an earlier join.
static void put_out(const Admission *admission)
{
    const Room *room = room_of(admission);
    if (room == NULL || room_member(room, admission->join->participant) != NULL)
        return;
    RoomPlacement placement = room_placement(room);
    if (admission->epoch != 0 && placement.epoch == admission->epoch)
        media_drop(registry_of(admission)->bus, &placement, admission->join->connection);
}

// retry_after_s: 0: as usual for that reason.
static void refuse_for(Admission *admission, Refusal reason, const char *detail,
                       guint retry_after_s)
{
    log_set_trace(admission->join->trace);
    log_event(LOG_INFO, "join.refused", "room=%s participant=%s reason=%s detail=%s",
              admission->join->room, admission->join->participant, refusal_name(reason),
              log_quote(detail != NULL ? detail : ""));
    put_out(admission);
    if (retry_after_s > 0)
        bus_refuse_for(admission->request, reason, detail, retry_after_s);
    else
        bus_refuse(admission->request, reason, detail);
    leave_door(admission);
    log_set_trace(NULL);
}

static void refuse(Admission *admission, Refusal reason, const char *detail)
{
    refuse_for(admission, reason, detail, 0);
}

static void on_deadline(gpointer user)
{
    Admission *admission = user;
    admission->timer = 0;
    if (admission->place == STORING) // the batch answers within this turn of the loop
        set_deadline(admission, 1);
    else
        refuse(admission, MSG__REFUSAL__REASON__timeout,
               admission->place == WAITING ? "the room has no media worker yet"
                                           : "the room process has not answered");
}

// The text that the body borrows; NULL without relays.
static char *add_relays(const Turn *turn, const Join *join, Msg__Body *body)
{
    if (turn == NULL)
        return NULL;
    char *servers = turn_servers(turn, join->participant, g_get_real_time() / G_USEC_PER_SEC,
                                 &body->iceservers.len);
    body->has_iceservers = TRUE;
    body->iceservers.data = (guint8 *)servers;
    return servers;
}

static void accept(Admission *admission)
{
    Room *room = room_of(admission);
    const Join *join = admission->join;
    const GString *snapshot = room_snapshot(room);
    Msg__Body body = MSG__BODY__INIT;
    body.has_code = TRUE;
    body.code = 200;
    body.participant = join->participant;
    body.has_value = TRUE;
    body.value.data = (guint8 *)snapshot->str;
    body.value.len = snapshot->len;
    body.has_answer = TRUE;
    body.answer = admission->answer;
    g_autofree char *servers = add_relays(registry_of(admission)->turn, join, &body);
    metrics_add(METRIC_JOINS_STORED, 1);
    log_set_trace(join->trace);
    log_event(LOG_INFO, "room.joined",
              "room=%s participant=%s number=%u version=%" G_GUINT64_FORMAT " size=%u", join->room,
              join->participant, join->number, sync_object_version(room_object(room)),
              room_size(room));
    sync_answer_body(admission->request, &body);
    leave_door(admission);
    log_set_trace(NULL);
}

// --- storing

static Json *receipt(const Join *join)
{
    Json *answer = json_new_object();
    json_set_number(answer, "code", 200);
    json_set_text(answer, "participant", join->participant);
    return answer;
}

static Refusal apply_join(Batch *batch, gpointer user)
{
    const Admission *admission = user;
    Refusal refusal = conference_add_participant(batch, admission->join, admission->epoch);
    if (refusal == MSG__REFUSAL__REASON__none) {
        g_autoptr(Json) answer = receipt(admission->join);
        batch_remember(batch, admission->request, answer);
    }
    return refusal;
}

static void on_stored(Refusal result, gpointer user)
{
    Admission *admission = user;
    if (result == MSG__REFUSAL__REASON__none) {
        accept(admission);
    } else if (result == MSG__REFUSAL__REASON__stale_epoch && !admission->retried) {
        admission->retried = TRUE;
        go(admission);
    } else {
        refuse(admission, result, NULL);
    }
}

// --- admitting

// Whether the room process is surely gone: nobody listens there, it does not know the room, or it
// has been silent for long.
static gboolean is_gone(const Admission *admission, const Envelope *answer)
{
    const Room *room = room_of(admission);
    const Presence *media =
        room != NULL ? presences_at(registry_of(admission)->presences, room_placement(room).media)
                     : NULL;
    return envelope_code(answer) == 404 || envelope_code(answer) == 409 ||
           (envelope_code(answer) == 504 && !presence_is_live(media, g_get_monotonic_time()));
}

static void place_anew(Admission *admission)
{
    Room *room = room_of(admission);
    admission->retried = TRUE;
    if (room != NULL && room_placement(room).epoch == admission->epoch)
        room_unhouse(room, room_placement(room).media, admission->epoch);
    go(admission);
}

static void on_admitted(Admission *admission, const Envelope *answer)
{
    const ProtobufCBinaryData *value = &answer->body->value;
    admission->answer.data = g_memdup2(value->data, value->len);
    admission->answer.len = value->len;
    admission->place = STORING;
    metrics_add(METRIC_JOINS_ADMITTED, 1);
    batch_add(registry_of(admission)->batch, &(BatchStep){apply_join, on_stored, admission, FALSE});
}

// What the room process says beyond the sentence that every refusal of this kind has.
static const char *detail_of(const Msg__Body *body, Refusal reason)
{
    const char *text = body != NULL ? body->desc : NULL;
    if (text != NULL && g_str_has_prefix(text, refusal_text(reason)))
        text += strlen(refusal_text(reason)) + strspn(text + strlen(refusal_text(reason)), ": ");
    return text != NULL && *text != '\0' ? text : NULL;
}

static void on_not_admitted(Admission *admission, const Envelope *answer)
{
    const Msg__Body *body = answer->body;
    Refusal reason = refusal_parse(body != NULL ? body->reason : NULL);
    if (is_gone(admission, answer) && !admission->retried) {
        place_anew(admission);
        return;
    }
    if (envelope_code(answer) == 504 && ++admission->unanswered < LIMIT_ADMISSION_TRIES) {
        go(admission);
        return;
    }
    if (is_gone(admission, answer) || reason == MSG__REFUSAL__REASON__none)
        reason = MSG__REFUSAL__REASON__timeout;
    refuse(admission, reason, detail_of(body, reason));
}

static void on_answered(const Envelope *answer, gpointer user)
{
    Admission *admission = user;
    if (envelope_code(answer) < 200)
        return;
    admission->asked = 0;
    if (envelope_code(answer) == 200 && answer->body->has_value)
        on_admitted(admission, answer);
    else
        on_not_admitted(admission, answer);
}

// The number that a join of the same participant at this door has already, or the room's next.
static guint32 number_for(const Admission *admission, Room *room)
{
    const char *participant = admission->join->participant;
    for (const GList *link = admission->door->joins.head; link != NULL; link = link->next) {
        const Join *other = ((const Admission *)link->data)->join;
        if (other->number != 0 && strcmp(other->participant, participant) == 0 &&
            room_member(room, participant) == NULL)
            return other->number;
    }
    return room_reserve_number(room, participant);
}

static Refusal check(const Admission *admission, const Room *room)
{
    const Join *join = admission->join;
    const Room *seat = rooms_seated(registry_of(admission)->rooms, join->connection);
    const char *owner = sessions_owner(registry_of(admission)->sessions, join->connection);
    if (owner != NULL && strcmp(owner, join->session) != 0)
        return MSG__REFUSAL__REASON__not_owner;
    if (seat != NULL && seat != room)
        return MSG__REFUSAL__REASON__bad_address;
    if (g_queue_get_length(&admission->door->joins) > LIMIT_PARTICIPANTS)
        return MSG__REFUSAL__REASON__room_full;
    return room != NULL ? room_may_join(room, join->participant, join->session)
                        : MSG__REFUSAL__REASON__none;
}

static void admit(Admission *admission, Room *room)
{
    Registry *registry = registry_of(admission);
    gint64 left_ms = (admission->deadline_us - g_get_monotonic_time()) / G_TIME_SPAN_MILLISECOND;
    guint deadline_ms = (guint)CLAMP(left_ms, 1, LIMIT_DEADLINE_SERVICE_MS);
    admission->join->number = number_for(admission, room);
    admission->epoch = room_placement(room).epoch;
    admission->place = ADMITTING;
    log_set_trace(admission->join->trace);
    admission->asked =
        media_admit(registry->bus, room, admission->join, deadline_ms, on_answered, admission);
    log_set_trace(NULL);
}

// --- clearing

static void on_cleared(const Envelope *answer, gpointer user)
{
    Admission *admission = user;
    if (envelope_code(answer) < 200)
        return;
    admission->asked = 0;
    admission->cleared = TRUE; // or it does not answer: then it will not answer the next either
    go(admission);
}

static gboolean must_clear(const Admission *admission, const Room *room)
{
    return room_is_inherited(room) && !admission->cleared &&
           room_member(room, admission->join->participant) == NULL;
}

static void clear(Admission *admission, const Room *room)
{
    RoomPlacement placement = room_placement(room);
    admission->place = CLEARING;
    log_set_trace(admission->join->trace);
    admission->asked = media_clear(registry_of(admission)->bus, &placement,
                                   admission->join->connection, on_cleared, admission);
    log_set_trace(NULL);
}

// --- waiting

static void go_all(Door *door, Refusal reason)
{
    g_autoptr(GPtrArray) waiting = g_ptr_array_new();
    for (const GList *link = door->joins.head; link != NULL; link = link->next)
        if (((const Admission *)link->data)->place == WAITING)
            g_ptr_array_add(waiting, link->data);
    for (guint i = 0; i < waiting->len; i++) // the last one may take the door with it
        if (reason == MSG__REFUSAL__REASON__none)
            go(waiting->pdata[i]);
        else
            refuse(waiting->pdata[i], reason, NULL);
}

static void on_placed(const char *room, Refusal reason, gpointer user)
{
    Admissions *admissions = user;
    Door *door = g_hash_table_lookup(admissions->doors, room);
    door->placing = FALSE;
    if (g_queue_is_empty(&door->joins))
        g_hash_table_remove(admissions->doors, room);
    else
        go_all(door, reason);
}

static Refusal may_be_placed(const Admission *admission, guint *ret_retry_after_s)
{
    const Registry *registry = registry_of(admission);
    Refusal refusal = failover_refusal(registry->failover, admission->door->room,
                                       g_get_monotonic_time(), ret_retry_after_s);
    if (refusal == MSG__REFUSAL__REASON__none && placements_are_crowded(registry->placements))
        return MSG__REFUSAL__REASON__overloaded;
    return refusal;
}

static void wait_for_placement(Admission *admission)
{
    Door *door = admission->door;
    guint retry_after_s = 0;
    admission->place = WAITING;
    if (door->placing)
        return;
    Refusal refusal = may_be_placed(admission, &retry_after_s);
    if (refusal != MSG__REFUSAL__REASON__none) {
        refuse_for(admission, refusal, NULL, retry_after_s);
        return;
    }
    door->placing = TRUE;
    log_set_trace(admission->join->trace);
    placements_place(registry_of(admission)->placements, door->room, on_placed, door->admissions);
    log_set_trace(NULL);
}

// The next step from wherever the join is.
static void go(Admission *admission)
{
    Room *room = room_of(admission);
    Refusal refusal = check(admission, room);
    if (refusal == MSG__REFUSAL__REASON__none && admission->only_if_in &&
        (room == NULL || room_member(room, admission->join->participant) == NULL))
        refusal = MSG__REFUSAL__REASON__no_such_participant;
    if (refusal != MSG__REFUSAL__REASON__none)
        refuse(admission, refusal, NULL);
    else if (room == NULL || !room_is_housed(room))
        wait_for_placement(admission);
    else if (must_clear(admission, room))
        clear(admission, room);
    else
        admit(admission, room);
}

static GPtrArray *asked_there(const Door *door)
{
    GPtrArray *asked = g_ptr_array_new();
    for (const GList *link = door->joins.head; link != NULL; link = link->next)
        if (((const Admission *)link->data)->asked != 0)
            g_ptr_array_add(asked, link->data);
    return asked;
}

void admissions_turn_away(Admissions *admissions, const char *room)
{
    const Door *door = g_hash_table_lookup(admissions->doors, room);
    if (door == NULL)
        return;
    g_autoptr(GPtrArray) asked = asked_there(door);
    for (guint i = 0; i < asked->len; i++) { // the last one may take the door with it
        Admission *admission = asked->pdata[i];
        bus_cancel(admissions->registry->bus, admission->asked);
        admission->asked = 0;
        go(admission);
    }
}

// --- arrivals and departures

static Door *door_to(Admissions *admissions, const char *room)
{
    Door *door = g_hash_table_lookup(admissions->doors, room);
    if (door == NULL) {
        door = g_new0(Door, 1);
        door->admissions = admissions;
        door->room = g_strdup(room);
        g_queue_init(&door->joins);
        g_hash_table_insert(admissions->doors, door->room, door);
    }
    return door;
}

static guint patience_ms(const BusRequest *request)
{
    const Envelope *message = bus_request_message(request);
    guint ttl_ms = message->has_ttl_ms ? message->ttl_ms : LIMIT_JOIN_WAITS_MS;
    return CLAMP(ttl_ms, 1, LIMIT_JOIN_WAITS_MS);
}

void admissions_start(Admissions *admissions, Join *join, BusRequest *request, gboolean only_if_in)
{
    guint wait_ms = patience_ms(request);
    Admission *admission = g_new0(Admission, 1);
    admissions->count++;
    admission->door = door_to(admissions, join->room);
    admission->join = join;
    admission->request = bus_request_ref(request);
    admission->only_if_in = only_if_in;
    admission->deadline_us = g_get_monotonic_time() + wait_ms * G_TIME_SPAN_MILLISECOND;
    set_deadline(admission, wait_ms);
    g_queue_push_tail(&admission->door->joins, admission);
    go(admission);
}

static gboolean is_of(const Admission *admission, const char *session, const char *connection)
{
    const Join *join = admission->join;
    return strcmp(join->session, session) == 0 &&
           (connection == NULL || strcmp(join->connection, connection) == 0);
}

static guint give_up_at(const Door *door, const char *session, const char *connection)
{
    g_autoptr(GList) joins = g_list_copy(door->joins.head);
    guint count = 0;
    for (const GList *link = joins; link != NULL; link = link->next) {
        Admission *admission = link->data;
        if (admission->place == STORING || !is_of(admission, session, connection))
            continue;
        refuse(admission, MSG__REFUSAL__REASON__not_participating, "left before it was in");
        count++;
    }
    return count;
}

guint admissions_give_up(Admissions *admissions, const char *room, const char *session,
                         const char *connection)
{
    g_autoptr(GList) doors = g_hash_table_get_values(admissions->doors);
    guint count = 0;
    for (const GList *link = doors; link != NULL; link = link->next)
        if (room == NULL || strcmp(((const Door *)link->data)->room, room) == 0)
            count += give_up_at(link->data, session, connection);
    return count;
}
