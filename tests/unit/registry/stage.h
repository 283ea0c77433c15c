// SPDX-License-Identifier: MIT
// All parts of the registry around a bus in memory, with a store in a temporary folder: what a test
// does to them happens at once, in order. The test plays hosts, room processes and clients.
//
// Implements common/service.h too, inside the test's own object, so that handlers can be called.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/unit/common/fake_bus.h"
#include "registry/admission.h"
#include "registry/discovery.h"
#include "common/metrics.h"
#include "registry/failover.h"
#include "registry/judge.h"
#include "registry/loss.h"
#include "registry/placement.h"
#include "registry/registry.h"
#include "registry/requests.h"
#include "registry/watching.h"

#define CONFERENCE "hyperty://localhost/conference"
#define WORKER "hyperty://localhost/worker/w1"

struct Service {
    gpointer state;
    Bus *bus;
    Config *config;
    gboolean draining;
    gint stopped; // exit status + 1, 0: not stopped
};

// What a room process or host does with a request.
typedef struct {
    guint code; // 0: never answers
    const char *reason;
    guint asked;
} Conduct;

typedef struct {
    Service service;
    Registry registry;
    char *folder, *path;
    Conduct start, admit, drop, close, ping;
    GHashTable *media; // address -> topic, of room processes that were started
    guint64 last_number;
    GPtrArray *requests; // all that came: a registry that dies leaves some unanswered
} Stage;

typedef struct {
    gint code; // 0: none yet
    Json *body;
} Answer;

void service_set_state(Service *service, gpointer state)
{
    service->state = state;
}

gpointer service_state(const Service *service)
{
    return service->state;
}

const char *service_domain(const Service *service)
{
    (void)service;
    return "localhost";
}

Bus *service_bus(const Service *service)
{
    return service->bus;
}

const Config *service_config(const Service *service)
{
    return service->config;
}

gboolean service_is_draining(const Service *service)
{
    return service->draining;
}

void service_stop(Service *service, int status)
{
    service->stopped = status + 1;
}

// --- hosts and room processes

static void stage_conduct(Stage *stage, Conduct *conduct, BusRequest *request, Json *value)
{
    g_autoptr(Json) body = json_new_object();
    conduct->asked++;
    g_ptr_array_add(stage->requests, bus_request_ref(request));
    if (conduct->code == 0)
        return;
    json_set_number(body, "code", conduct->code);
    json_set_text(body, "reason", conduct->reason);
    if (value != NULL)
        json_set(body, "value", value);
    bus_answer(request, body);
}

static void stage_on_media(const Envelope *message, BusRequest *request, gpointer user)
{
    Stage *stage = user;
    g_autoptr(Json) object = json_new_object();
    if (message->type == MSG__ENVELOPE__TYPE__PING) {
        stage_conduct(stage, &stage->ping, request, NULL);
        return;
    }
    json_set_text(object, "url", "connection://localhost/media-x");
    if (message->type == MSG__ENVELOPE__TYPE__CREATE) {
        g_autoptr(Json) body = envelope_body_json(message);
        stage->last_number = (guint64)json_get_number(body, "number", 0);
        stage_conduct(stage, &stage->admit, request, stage->admit.code == 200 ? object : NULL);
    } else {
        stage_conduct(stage,
                      message->type == MSG__ENVELOPE__TYPE__DELETE ? &stage->drop : &stage->close,
                      request, NULL);
    }
}

static void stage_on_worker(const Envelope *message, BusRequest *request, gpointer user)
{
    Stage *stage = user;
    if (message->type == MSG__ENVELOPE__TYPE__PING) {
        stage_conduct(stage, &stage->ping, request, NULL);
        return;
    }
    g_autoptr(Json) params =
        json_parse_bytes(message->body->params.data, message->body->params.len);
    g_autofree char *media = g_strdup_printf("hyperty://localhost/media/m%u", stage->start.asked);
    g_autoptr(Json) placement = json_new_object();
    json_set(placement, "epoch", json_get(json_at(params, 0), "epoch"));
    json_set_text(placement, "media", media);
    char *topic = g_strconcat(media, " ", NULL);
    if (stage->start.code == 200)
        bus_route(stage->registry.bus, topic, stage_on_media, stage);
    g_hash_table_insert(stage->media, g_steal_pointer(&media), topic);
    stage_conduct(stage, &stage->start, request, placement);
}

static const char *stage_media(const Stage *stage, const char *room)
{
    return room_placement(rooms_find(stage->registry.rooms, room)).media;
}

// The room's process is not there any more.
static void stage_end_media(Stage *stage, const char *room)
{
    const char *topic = g_hash_table_lookup(stage->media, stage_media(stage, room));
    bus_unroute(stage->registry.bus, topic, stage_on_media, stage);
}

static void stage_hear(Stage *stage, Msg__Presence *presence)
{
    g_autoptr(Envelope) update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "ctxt://localhost/x",
                                              "ctxt://localhost/x/changes");
    g_autoptr(Json) value = codec_to_json(&presence->base);
    Msg__Body *body = envelope_body(update);
    envelope_set(&update->source, presence->process);
    envelope_set_json(&body->value, &body->has_value, value);
    on_presence(&stage->service, update, NULL);
}

static void stage_hear_worker(Stage *stage, const char *process, const char *address)
{
    Msg__Presence presence = MSG__PRESENCE__INIT;
    presence.process = (char *)process;
    presence.role = (char *)"worker";
    presence.address = (char *)address;
    presence.has_capacity = TRUE;
    presence.capacity = 100;
    stage_hear(stage, &presence);
}

// The room's process says that these are silent (NULL-terminated).
static void stage_hear_media(Stage *stage, const char *room_id_, const char *const *silent)
{
    const Room *room = rooms_find(stage->registry.rooms, room_id_);
    Msg__RoomHealth health = MSG__ROOM_HEALTH__INIT;
    Msg__Presence presence = MSG__PRESENCE__INIT;
    health.url = (char *)room_url(room);
    health.has_epoch = TRUE;
    health.epoch = room_placement(room).epoch;
    health.n_silent = g_strv_length((char **)silent);
    health.silent = (char **)silent;
    g_autofree char *process =
        g_strconcat("media-", strrchr(stage_media(stage, room_id_), '/') + 1, NULL);
    presence.process = process;
    presence.role = (char *)"media";
    presence.address = (char *)stage_media(stage, room_id_);
    presence.room = &health;
    stage_hear(stage, &presence);
}

// The broker says that the last subscription of this process went.
static void stage_gone(Stage *stage, const char *from, const char *process)
{
    g_autoptr(Envelope) event = envelope_new(MSG__ENVELOPE__TYPE__EVENT, from, "bus://events");
    g_autoptr(Json) value = json_new_object();
    json_set_text(value, "event", "gone");
    json_set_text(value, "process", process);
    Msg__Body *body = envelope_body(event);
    envelope_set_json(&body->value, &body->has_value, value);
    on_bus_event(&stage->service, event, NULL);
}

// --- the stage

static void stage_on_conference(const Envelope *message, BusRequest *request, gpointer user)
{
    Stage *stage = user;
    g_ptr_array_add(stage->requests, bus_request_ref(request));
    if (message->type == MSG__ENVELOPE__TYPE__CREATE)
        on_join(&stage->service, message, request);
    else if (message->type == MSG__ENVELOPE__TYPE__EXECUTE)
        on_execute(&stage->service, message, request);
    else
        on_connection_deleted(&stage->service, message, request);
}

static void stage_on_broken(gpointer user)
{
    service_stop(&((Stage *)user)->service, 1);
}

static void stage_restore_room(Room *room, gpointer user)
{
    rooms_restore(user, room);
}

static void stage_restore_entry(const Json *record, gpointer user)
{
    directory_restore(((Registry *)user)->directory, record, g_get_monotonic_time());
}

static void stage_make_parts(Stage *stage)
{
    Registry *registry = &stage->registry;
    g_autoptr(GError) error = NULL;
    registry->store = store_open(stage->path, &error);
    assert_null(error);
    registry->rooms = rooms_new(registry->bus);
    registry->batch = batch_new(registry->rooms, registry->store, stage_on_broken, stage);
    registry->directory = directory_new(discovery_told, registry);
    batch_set_directory(registry->batch, registry->directory);
    registry->policy = policy_new(grant_keys_new("", NULL), TRUE, "localhost");
    registry->sessions = sessions_new();
    registry->presences = presences_new();
    registry->placements = placements_new(registry);
    registry->admissions = admissions_new(registry);
    registry->loss = loss_new(registry, 1);
    registry->judge = judge_new(registry);
    registry->failover = failover_new(registry, 60);
    assert_true(store_load(registry->store, stage_restore_room, registry->rooms, NULL));
    assert_true(store_load_entries(registry->store, stage_restore_entry, registry, NULL));
}

static void stage_free_parts(Stage *stage)
{
    Registry *registry = &stage->registry;
    failover_free(registry->failover);
    judge_free(registry->judge);
    loss_free(registry->loss);
    admissions_free(registry->admissions);
    placements_free(registry->placements);
    batch_free(registry->batch);
    directory_free(registry->directory);
    presences_free(registry->presences);
    sessions_free(registry->sessions);
    policy_free(registry->policy);
    rooms_free(registry->rooms);
    store_close(registry->store);
}

static void stage_forget(gpointer data)
{
    BusRequest *request = data;
    request->is_answered = TRUE;
    bus_request_unref(request);
}

static int stage_set_up(void **state)
{
    Stage *stage = g_new0(Stage, 1);
    stage->folder = g_dir_make_tmp("parley-registry-XXXXXX", NULL);
    stage->path = g_build_filename(stage->folder, "registry.db", NULL);
    stage->service.state = &stage->registry;
    stage->registry.service = &stage->service;
    stage->registry.bus = bus_new(NULL, "registry-1", NULL);
    stage->requests = g_ptr_array_new_with_free_func(stage_forget);
    stage->media = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    stage->start.code = stage->admit.code = stage->drop.code = stage->close.code = 200;
    stage->ping.code = 200;
    stage_make_parts(stage);
    bus_route(stage->registry.bus, WORKER " ", stage_on_worker, stage);
    bus_route(stage->registry.bus, CONFERENCE " ", stage_on_conference, stage);
    stage_hear_worker(stage, "worker-w1", WORKER);
    *state = stage;
    return 0;
}

static int stage_tear_down(void **state)
{
    Stage *stage = *state;
    GHashTableIter iter;
    gpointer topic;
    stage_free_parts(stage);
    fake_reset();
    g_ptr_array_unref(stage->requests);
    g_hash_table_iter_init(&iter, stage->media);
    while (g_hash_table_iter_next(&iter, NULL, &topic))
        bus_unroute(stage->registry.bus, topic, stage_on_media, stage);
    bus_unroute(stage->registry.bus, WORKER " ", stage_on_worker, stage);
    bus_unroute(stage->registry.bus, CONFERENCE " ", stage_on_conference, stage);
    g_hash_table_unref(stage->media);
    bus_free(stage->registry.bus);
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *file = g_strconcat(stage->path, endings[i], NULL);
        g_unlink(file);
    }
    g_rmdir(stage->folder);
    g_free(stage->folder);
    g_free(stage->path);
    g_free(stage);
    return 0;
}

// The registry dies here and is started again: what is not stored is gone.
static void stage_restart(Stage *stage)
{
    stage_free_parts(stage);
    fake_pump();
    stage_make_parts(stage);
    stage_hear_worker(stage, "worker-w1", WORKER);
}

// Everything that can happen without time passing has happened.
static void stage_settle(void)
{
    do
        fake_pump();
    while (g_main_context_iteration(NULL, FALSE));
    fake_pump();
}

static gboolean stage_on_time_over(gpointer over)
{
    *(gboolean *)over = TRUE;
    return G_SOURCE_REMOVE;
}

static void stage_let_pass(guint ms)
{
    gboolean over = FALSE;
    g_timeout_add(ms, stage_on_time_over, &over);
    for (fake_pump(); !over; fake_pump())
        g_main_context_iteration(NULL, TRUE);
    stage_settle();
}

// --- clients

static void stage_on_answered(const Envelope *message, gpointer user)
{
    Answer *answer = user;
    if (envelope_code(message) < 200)
        return;
    answer->code = envelope_code(message);
    answer->body = envelope_body_json(message);
}

// Not settled: the answer's code is 0 until it comes. Owned by the caller.
static Answer *stage_send(Stage *stage, Envelope *request)
{
    Answer *answer = g_new0(Answer, 1);
    bus_request(stage->registry.bus, request, 20000, stage_on_answered, answer);
    return answer;
}

static void answer_free(Answer *answer)
{
    json_unref(answer->body);
    g_free(answer);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answer, answer_free)

static Envelope *stage_request(const char *participant, EnvelopeType type)
{
    g_autofree char *from = g_strconcat("hyperty://localhost/h-", participant, NULL);
    g_autofree char *session = g_strconcat("s-", participant, NULL);
    Envelope *request = envelope_new(type, from, CONFERENCE);
    envelope_set(&request->session, session);
    envelope_set(&request->source, "gateway-1");
    return request;
}

static Envelope *stage_join_request(const char *room, const char *participant)
{
    Envelope *request = stage_request(participant, MSG__ENVELOPE__TYPE__CREATE);
    g_autofree char *text = g_strdup_printf("{\"url\":\"connection://localhost/%s\",\"version\":1,"
                                            "\"data\":{\"connectionDescription\":"
                                            "{\"type\":\"offer\",\"sdp\":\"v=0\"}}}",
                                            participant);
    g_autoptr(Json) value = json_parse_bytes((const guint8 *)text, strlen(text));
    Msg__Body *body = envelope_body(request);
    envelope_set(&body->roomid, room);
    envelope_set_json(&body->value, &body->has_value, value);
    return request;
}

static Answer *stage_join(Stage *stage, const char *room, const char *participant)
{
    Answer *answer = stage_send(stage, stage_join_request(room, participant));
    stage_settle();
    return answer;
}

static void stage_join_well(Stage *stage, const char *room, const char *participant)
{
    g_autoptr(Answer) answer = stage_join(stage, room, participant);
    assert_int_equal(answer->code, 200);
}

static Envelope *stage_call_request(const char *participant, const char *method, const char *params)
{
    Envelope *request = stage_request(participant, MSG__ENVELOPE__TYPE__EXECUTE);
    g_autoptr(Json) list = json_parse_bytes((const guint8 *)params, strlen(params));
    Msg__Body *body = envelope_body(request);
    envelope_set(&body->method, method);
    envelope_set_json(&body->params, &body->has_params, list);
    return request;
}

// params: JSON of the array.
static Answer *stage_call(Stage *stage, const char *participant, const char *method,
                          const char *params)
{
    Answer *answer = stage_send(stage, stage_call_request(participant, method, params));
    stage_settle();
    return answer;
}

static void assert_refused(const Answer *answer, const char *reason)
{
    assert_int_not_equal(answer->code, 0);
    assert_string_equal(json_get_text(answer->body, "reason"), reason);
}

static const Room *stage_room(const Stage *stage, const char *id)
{
    return rooms_find(stage->registry.rooms, id);
}

#define STAGE_TEST(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
