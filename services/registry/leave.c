// SPDX-License-Identifier: MIT
// See leave.h. One leave is one step of a batch.
#include "registry/leave.h"
#include "common/log.h"
#include "registry/admission.h"
#include "registry/conference.h"
#include "registry/media.h"
#include "registry/reply.h"

typedef struct {
    Registry *registry;
    char *room;
    char *participant; // NULL: nobody, the room is empty
    char *connection;
    const char *reason; // static
    char *trace;
    BusRequest *request;
    guint64 epoch; // of the placement under which it was in; 0: none
    char *media;
} Leave;

static Leave *leave_new(Registry *registry, const Room *room)
{
    Leave *leave = g_new0(Leave, 1);
    RoomPlacement placement = room_placement(room);
    leave->registry = registry;
    leave->room = g_strdup(room_id(room));
    leave->trace = g_strdup(log_trace());
    leave->epoch = placement.epoch;
    leave->media = g_strdup(placement.media);
    return leave;
}

static void leave_free(Leave *leave)
{
    g_free(leave->room);
    g_free(leave->participant);
    g_free(leave->connection);
    g_free(leave->trace);
    g_free(leave->media);
    if (leave->request != NULL)
        bus_request_unref(leave->request);
    g_free(leave);
}

static void close_if_empty(Batch *batch, const Leave *leave)
{
    const Room *room = batch_draft(batch, leave->room);
    if (room != NULL && room_size(room) == 0 && !room_is_closed(room) &&
        !admissions_are_under_way(leave->registry->admissions, leave->room))
        conference_close(batch, leave->room);
}

static void remember_done(Batch *batch, const BusRequest *request)
{
    g_autoptr(Json) answer = json_new_object();
    json_set_number(answer, "code", 200);
    batch_remember(batch, request, answer);
}

static Refusal apply(Batch *batch, gpointer user)
{
    const Leave *leave = user;
    Refusal refusal =
        conference_remove_participant(batch, leave->room, leave->participant, leave->reason);
    if (refusal != MSG__REFUSAL__REASON__none)
        return refusal;
    close_if_empty(batch, leave);
    if (leave->request != NULL)
        remember_done(batch, leave->request);
    return MSG__REFUSAL__REASON__none;
}

static void on_left(const Leave *leave)
{
    RoomPlacement placement = {leave->epoch, leave->media, NULL};
    log_event(LOG_INFO, "room.left", "room=%s participant=%s reason=%s", leave->room,
              leave->participant, leave->reason);
    if (leave->epoch > 0)
        media_drop(leave->registry->bus, &placement, leave->connection);
}

static void on_done(Refusal result, gpointer user)
{
    Leave *leave = user;
    log_set_trace(leave->trace);
    if (result == MSG__REFUSAL__REASON__none)
        on_left(leave);
    if (leave->request != NULL && result == MSG__REFUSAL__REASON__none)
        reply_done(leave->request);
    else if (leave->request != NULL)
        bus_refuse(leave->request, result, NULL);
    log_set_trace(NULL);
    leave_free(leave);
}

void leave_start(Registry *registry, const Room *room, const Member *member, const char *reason,
                 BusRequest *request)
{
    Leave *leave = leave_new(registry, room);
    leave->participant = g_strdup(member->id);
    leave->connection = g_strdup(member->connection);
    leave->reason = reason;
    leave->request = request != NULL ? bus_request_ref(request) : NULL;
    batch_add(registry->batch, &(BatchStep){apply, on_done, leave, TRUE});
}

static Refusal apply_empty(Batch *batch, gpointer user)
{
    close_if_empty(batch, user);
    return MSG__REFUSAL__REASON__none;
}

static void on_empty_done(Refusal result, gpointer user)
{
    (void)result;
    leave_free(user);
}

void leave_empty(Registry *registry, const Room *room)
{
    Leave *leave = leave_new(registry, room);
    batch_add(registry->batch, &(BatchStep){apply_empty, on_empty_done, leave, TRUE});
}
