// SPDX-License-Identifier: MIT
// See requests.h. Every change is looked up first among the stored answers: the request may be the
// repeat of one that a registry before this one has carried out.
#include "registry/requests.h"
#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/url.h"
#include "registry/admission.h"
#include "registry/conference.h"
#include "registry/failover.h"
#include "registry/leave.h"
#include "registry/reply.h"

static Registry *registry_of(Service *service)
{
    return service_state(service);
}

static Json *answer_before(Registry *registry, const BusRequest *request)
{
    const Envelope *message = bus_request_message(request);
    return store_answer(registry->store, message->source, message->request);
}

// --- joinRoom

static void refuse_join(BusRequest *request, Refusal reason, const char *detail)
{
    log_event(LOG_INFO, "join.refused", "reason=%s detail=%s", refusal_name(reason),
              log_quote(detail != NULL ? detail : ""));
    bus_refuse(request, reason, detail);
}

void on_join(Service *service, const Envelope *message, BusRequest *request)
{
    Registry *registry = registry_of(service);
    Refusal refusal = MSG__REFUSAL__REASON__none;
    const char *detail = NULL;
    if (request == NULL)
        return;
    metrics_add(METRIC_JOINS_ASKED, 1);
    g_autoptr(Join) join = join_parse(message, service_domain(service), &refusal, &detail);
    if (join != NULL && service_is_draining(service))
        refusal = MSG__REFUSAL__REASON__draining;
    else if (join != NULL && admissions_count(registry->admissions) >= LIMIT_JOINS_UNDER_WAY)
        refusal = MSG__REFUSAL__REASON__overloaded;
    else if (join != NULL)
        refusal = conference_on_join_room(registry->policy, join,
                                          rooms_find(registry->rooms, join->room), &detail);
    if (refusal != MSG__REFUSAL__REASON__none) {
        refuse_join(request, refusal, detail);
        return;
    }
    g_autoptr(Json) before = answer_before(registry, request);
    admissions_start(registry->admissions, g_steal_pointer(&join), request, before != NULL);
}

// --- leaveRoom, setDirection

// One method call. room: NULL where there is none.
typedef struct {
    Registry *registry;
    const Envelope *message;
    BusRequest *request;
    const Json *params;
    const Room *room;
} Call;

static const char *param(const Call *call, guint index)
{
    return json_text(json_at(call->params, index));
}

// The participant on whose behalf the call is. NULL: refused.
static const Member *caller(const Call *call)
{
    const Member *member = NULL;
    if (call->room != NULL && call->message->session != NULL)
        member = room_member_of(call->room, call->message->session, call->message->from);
    if (call->room == NULL)
        bus_refuse(call->request, MSG__REFUSAL__REASON__no_such_room, param(call, 0));
    else if (member == NULL && room_has_session(call->room, call->message->session))
        bus_refuse(call->request, MSG__REFUSAL__REASON__malformed,
                   "which of the session's participants? send it from that one's hyperty");
    else if (member == NULL)
        bus_refuse(call->request, MSG__REFUSAL__REASON__not_participating, NULL);
    return member;
}

static void call_leave_room(const Call *call)
{
    const char *session = call->message->session;
    gboolean is_in = call->room != NULL && session != NULL && room_has_session(call->room, session);
    guint given_up =
        session != NULL && param(call, 0) != NULL
            ? admissions_give_up(call->registry->admissions, param(call, 0), session, NULL)
            : 0;
    if (given_up > 0 && !is_in) {
        reply_done(call->request);
        return;
    }
    const Member *member = caller(call);
    if (member != NULL)
        leave_start(call->registry, call->room, member, "left", call->request);
}

typedef struct {
    BusRequest *request;
    char *room, *participant, *type, *direction;
} Direction;

static Refusal apply_direction(Batch *batch, gpointer user)
{
    const Direction *wanted = user;
    Room *room = batch_draft(batch, wanted->room);
    return room != NULL
               ? room_set_direction(room, wanted->participant, wanted->type, wanted->direction)
               : MSG__REFUSAL__REASON__no_such_room;
}

static void on_direction_done(Refusal result, gpointer user)
{
    Direction *wanted = user;
    if (result == MSG__REFUSAL__REASON__none)
        reply_done(wanted->request);
    else
        bus_refuse(wanted->request, result, NULL);
    bus_request_unref(wanted->request);
    g_free(wanted->room);
    g_free(wanted->participant);
    g_free(wanted->type);
    g_free(wanted->direction);
    g_free(wanted);
}

static void call_set_direction(const Call *call)
{
    const Member *member = caller(call);
    if (member == NULL)
        return;
    Direction *wanted = g_new0(Direction, 1);
    wanted->request = bus_request_ref(call->request);
    wanted->room = g_strdup(room_id(call->room));
    wanted->participant = g_strdup(member->id);
    wanted->type = g_strdup(param(call, 1));
    wanted->direction = g_strdup(param(call, 2));
    batch_add(call->registry->batch,
              &(BatchStep){apply_direction, on_direction_done, wanted, FALSE});
}

// --- roomEnded and moveRoom, from the host of a room process

// What a host says of a room process: the first parameter.
typedef struct {
    Room *room; // NULL: not known
    const char *url, *media, *reason;
    guint64 epoch;
} RoomNews;

static RoomNews read_news(const Call *call)
{
    const Json *told = json_at(call->params, 0);
    RoomNews news = {
        .url = json_get_text(told, "url"),
        .media = json_get_text(told, "media"),
        .reason = json_get_text(told, "reason"),
        .epoch = (guint64)json_get_number(told, "epoch", 0),
    };
    if (news.url != NULL && news.media != NULL && url_is_valid(news.media))
        news.room = rooms_find_url(call->registry->rooms, news.url);
    return news;
}

// Answers if not.
static gboolean is_from_host(const Call *call)
{
    g_autofree char *hosts =
        g_strdup_printf("hyperty://%s/worker/", bus_domain(call->registry->bus));
    if (call->message->session == NULL && g_str_has_prefix(call->message->from, hosts))
        return TRUE;
    bus_refuse(call->request, MSG__REFUSAL__REASON__forbidden, "only a media host tells that");
    return FALSE;
}

static void call_room_ended(const Call *call)
{
    RoomNews news = read_news(call);
    if (!is_from_host(call))
        return;
    log_event(LOG_WARNING, "placement.ended",
              "url=%s media=%s epoch=%" G_GUINT64_FORMAT " reason=%s",
              log_quote(news.url != NULL ? news.url : ""),
              log_quote(news.media != NULL ? news.media : ""), news.epoch,
              log_quote(news.reason != NULL ? news.reason : ""));
    if (news.room != NULL)
        failover_ended(call->registry->failover, news.room, news.media, news.epoch, news.reason);
    reply_done(call->request);
}

static gboolean is_placed_there(const RoomNews *news)
{
    if (news->room == NULL)
        return FALSE;
    RoomPlacement placement = room_placement(news->room);
    return placement.epoch == news->epoch && g_strcmp0(placement.media, news->media) == 0;
}

// A host that is about to end wants its rooms to go elsewhere.
static void call_move_room(const Call *call)
{
    RoomNews news = read_news(call);
    if (!is_from_host(call))
        return;
    if (is_placed_there(&news))
        failover_move(call->registry->failover, news.room, call->request);
    else
        bus_refuse(call->request, MSG__REFUSAL__REASON__stale_epoch, news.media);
}

static const struct {
    const char *name;
    void (*call)(const Call *call);
} methods[] = {
    {"leaveRoom", call_leave_room},
    {"setDirection", call_set_direction},
    {"roomEnded", call_room_ended},
    {"moveRoom", call_move_room},
};

static void call_method(const Call *call)
{
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        if (strcmp(methods[i].name, call->message->body->method) == 0) {
            methods[i].call(call);
            return;
        }
    bus_refuse(call->request, MSG__REFUSAL__REASON__unsupported, call->message->body->method);
}

void on_execute(Service *service, const Envelope *message, BusRequest *request)
{
    const Msg__Body *body = message->body;
    if (request == NULL)
        return;
    if (body == NULL || body->method == NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__malformed, "method");
        return;
    }
    g_autoptr(Json) before = answer_before(registry_of(service), request);
    if (before != NULL) {
        bus_answer(request, before);
        return;
    }
    g_autoptr(Json) params =
        body->has_params ? json_parse_bytes(body->params.data, body->params.len) : NULL;
    Call call = {registry_of(service), message, request, params, NULL};
    if (param(&call, 0) != NULL)
        call.room = rooms_find(call.registry->rooms, param(&call, 0));
    call_method(&call);
}

// --- delete of a Connection

// A join that is not through yet is called off. TRUE: there was one.
static gboolean give_up_joins(Registry *registry, const Envelope *message, const char *connection)
{
    return message->session != NULL &&
           admissions_give_up(registry->admissions, NULL, message->session, connection) > 0;
}

void on_connection_deleted(Service *service, const Envelope *message, BusRequest *request)
{
    Registry *registry = registry_of(service);
    const char *connection = message->body != NULL ? message->body->resource : NULL;
    if (request == NULL)
        return;
    if (connection == NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__malformed, "resource");
        return;
    }
    g_autoptr(Json) before = answer_before(registry, request);
    const Room *room = rooms_seated(registry->rooms, connection);
    const Member *member = room != NULL ? room_member(room, url_last_segment(connection)) : NULL;
    gboolean given_up = give_up_joins(registry, message, connection);
    if (before != NULL || (member == NULL && given_up))
        reply_done(request);
    else if (member == NULL)
        bus_refuse(request, MSG__REFUSAL__REASON__no_such_participant, connection);
    else if (g_strcmp0(member->session, message->session) != 0)
        bus_refuse(request, MSG__REFUSAL__REASON__not_owner, NULL);
    else
        leave_start(registry, room, member, "left", request);
}
