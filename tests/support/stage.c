// SPDX-License-Identifier: MIT
// See stage.h.
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "common/codec.h"
#include "common/url.h"

#define WAIT_MS 5000
#define DOMAIN "localhost"
#define REGISTRY "hyperty://" DOMAIN "/conference"

typedef struct {
    char *media;
    guint64 epoch;
    SyncReporter *communication;
} Placed;

typedef struct {
    SyncReporter *client;
    SyncObserver *observer;
    Json *answer; // data of the room's Connection; NULL: deleted
} Joined;

struct Stage {
    Suite *suite;
    Bus *bus;
    char *worker;
    GHashTable *rooms;     // room -> Placed
    GHashTable *joined;    // participant -> Joined
    GHashTable *presences; // address -> Json
    GHashTable *ended;     // media -> Json
};

static void placed_free(gpointer data)
{
    Placed *placed = data;
    sync_reporter_free(placed->communication);
    g_free(placed->media);
    g_free(placed);
}

static void joined_free(gpointer data)
{
    Joined *joined = data;
    sync_observer_free(joined->observer);
    sync_reporter_free(joined->client);
    json_unref(joined->answer);
    g_free(joined);
}

static void json_free(gpointer json)
{
    json_unref(json);
}

// ------------------------------------------------------------------------------- what is heard

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)request;
    Stage *stage = user;
    Json *value = envelope_value(message);
    const char *address = json_get_text(value, "address");
    if (address == NULL) {
        json_unref(value);
        return;
    }
    if (g_strcmp0(json_get_text(value, "role"), "worker") == 0 && stage->worker == NULL)
        stage->worker = g_strdup(address);
    g_hash_table_replace(stage->presences, g_strdup(address), value);
}

static void on_conference(const Envelope *message, BusRequest *request, gpointer user)
{
    Stage *stage = user;
    g_autoptr(Json) params = message->body->has_params ? codec_json(&message->body->params) : NULL;
    Json *ended = json_at(params, 0);
    g_autoptr(Json) body = json_new_object();
    assert_string_equal(message->body->method, "roomEnded");
    g_hash_table_replace(stage->ended, g_strdup(json_get_text(ended, "media")), json_ref(ended));
    json_set_number(body, "code", 200);
    bus_answer(request, body);
}

static gboolean has_worker(gpointer user)
{
    return ((Stage *)user)->worker != NULL;
}

Stage *stage_new(Suite *suite)
{
    Stage *stage = g_new0(Stage, 1);
    stage->suite = suite;
    stage->rooms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, placed_free);
    stage->joined = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, joined_free);
    stage->presences = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, json_free);
    stage->ended = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, json_free);
    suite_start(suite, "bus", "bus", NULL);
    stage->bus = suite_bus(suite);
    bus_route(stage->bus, "ctxt://" DOMAIN "/process/", on_presence, stage);
    bus_route(stage->bus, REGISTRY " ", on_conference, stage);
    suite_start(suite, "media-worker", "media-worker", NULL);
    assert_true(suite_until(has_worker, stage, 2 * WAIT_MS));
    return stage;
}

// Rooms outlive their host: those that still run are asked to end.
static void close_room(Stage *stage, const char *media)
{
    pid_t pid = stage_pid(stage, media);
    if (pid != 0 && kill(pid, 0) == 0)
        json_unref(stage_ask(stage, MSG__ENVELOPE__TYPE__CLOSE, media, NULL));
}

void stage_free(Stage *stage)
{
    if (stage == NULL)
        return;
    bus_unroute(stage->bus, "ctxt://" DOMAIN "/process/", on_presence, stage);
    bus_unroute(stage->bus, REGISTRY " ", on_conference, stage);
    GHashTableIter iter;
    gpointer placed;
    g_hash_table_iter_init(&iter, stage->rooms);
    while (g_hash_table_iter_next(&iter, NULL, &placed))
        close_room(stage, ((Placed *)placed)->media);
    g_hash_table_unref(stage->joined);
    g_hash_table_unref(stage->rooms);
    g_hash_table_unref(stage->presences);
    g_hash_table_unref(stage->ended);
    g_free(stage->worker);
    g_free(stage);
}

const char *stage_worker(const Stage *stage)
{
    return stage->worker;
}

// -------------------------------------------------------------------------------------- asking

static void on_answer(const Envelope *answer, gpointer user)
{
    if (envelope_code(answer) >= 200)
        *(Json **)user = envelope_body_json(answer);
}

static gboolean is_answered(gpointer user)
{
    return *(Json **)user != NULL;
}

Json *stage_ask(Stage *stage, EnvelopeType type, const char *to, Json *body)
{
    Json *answer = NULL;
    Envelope *request = envelope_new(type, REGISTRY, to);
    g_autoptr(Json) taken = body != NULL ? body : json_new_object();
    envelope_set_body(request, taken);
    bus_request(stage->bus, request, WAIT_MS, on_answer, &answer);
    assert_true(suite_until(is_answered, &answer, 2 * WAIT_MS));
    return answer;
}

static char *communication_url(const char *room)
{
    return g_strdup_printf("comm://" DOMAIN "/%s-1", room);
}

Json *stage_start_room(Stage *stage, const char *room, guint64 epoch)
{
    Json *body = json_new_object();
    g_autofree char *url = communication_url(room);
    g_autoptr(Json) params = json_new_array();
    g_autoptr(Json) start = json_new_object();
    json_set_text(start, "roomId", room);
    json_set_text(start, "url", url);
    json_set_number(start, "epoch", (gint64)epoch);
    json_set_text(start, "mode", "forward");
    json_append(params, start);
    json_set_text(body, "method", "startRoom");
    json_set(body, "params", params);
    return stage_ask(stage, MSG__ENVELOPE__TYPE__EXECUTE, stage->worker, body);
}

const char *stage_place(Stage *stage, const char *room, guint64 epoch)
{
    g_autoptr(Json) answer = stage_start_room(stage, room, epoch);
    g_autofree char *url = communication_url(room);
    g_autoptr(Json) data = json_new_object();
    g_autoptr(Json) participants = json_new_object();
    assert_int_equal(json_get_number(answer, "code", 0), 200);
    json_set(data, "participants", participants);
    json_set(data, "placement", json_get(answer, "value"));
    Placed *placed = g_new0(Placed, 1);
    placed->media = g_strdup(json_get_text(json_get(answer, "value"), "media"));
    placed->epoch = epoch;
    placed->communication = sync_reporter_new(
        stage->bus, sync_object_new(url, "Communication", REGISTRY, 1, data), NULL, NULL);
    g_hash_table_replace(stage->rooms, g_strdup(room), placed);
    return placed->media;
}

pid_t stage_pid(const Stage *stage, const char *media)
{
    return suite_media_pid(stage->suite, media);
}

void stage_change(Stage *stage, const char *room, const char *attribute, Json *value)
{
    g_autoptr(Json) taken = value;
    const Placed *placed = g_hash_table_lookup(stage->rooms, room);
    assert_true(sync_reporter_change(placed->communication, attribute, taken));
}

// ------------------------------------------------------------------------------------- joining

static Json *client_data(const char *sdp)
{
    Json *data = json_new_object();
    g_autoptr(Json) description = json_new_object();
    g_autoptr(Json) watch = json_new_object();
    json_set_text(description, "type", "offer");
    json_set_text(description, "sdp", sdp);
    json_set_text(data, "status", "new");
    json_set(data, "connectionDescription", description);
    json_set(data, "watch", watch);
    return data;
}

Json *stage_offer(Stage *stage, const char *room, const char *participant, guint number,
                  guint64 version, const char *sdp)
{
    const Placed *placed = g_hash_table_lookup(stage->rooms, room);
    g_autofree char *url = g_strdup_printf("connection://" DOMAIN "/%s", participant);
    g_autofree char *of = communication_url(room);
    g_autoptr(Json) data = client_data(sdp);
    g_autoptr(Json) value = json_new_object();
    Json *body = json_new_object();
    json_set_text(value, "url", url);
    json_set_number(value, "version", (gint64)version);
    json_set(value, "data", data);
    json_set_text(body, "source", "hyperty://" DOMAIN "/client");
    json_set_text(body, "roomId", room);
    json_set_text(body, "url", of);
    json_set_text(body, "participant", participant);
    json_set_number(body, "number", number);
    json_set_number(body, "epoch", (gint64)placed->epoch);
    json_set(body, "value", value);
    return stage_ask(stage, MSG__ENVELOPE__TYPE__CREATE, placed->media, body);
}

static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    (void)observer;
    Joined *joined = user;
    json_unref(joined->answer);
    joined->answer = json_ref(json_get(object, "data"));
}

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    (void)observer;
    Joined *joined = user;
    g_autoptr(Json) value = change->body->has_value ? codec_json(&change->body->value) : NULL;
    Json *changed = json_with_path(joined->answer, change->body->attribute, value);
    assert_non_null(changed);
    json_unref(joined->answer);
    joined->answer = changed;
}

static void on_gone(SyncObserver *observer, Refusal reason, gpointer user)
{
    (void)observer;
    (void)reason;
    Joined *joined = user;
    json_unref(joined->answer);
    joined->answer = NULL;
}

static Joined *joined_new(Stage *stage, const char *participant, const char *sdp)
{
    static const SyncObserverCalls calls = {
        .on_snapshot = on_snapshot, .on_change = on_change, .on_gone = on_gone};
    g_autofree char *url = g_strdup_printf("connection://" DOMAIN "/%s", participant);
    g_autofree char *answer = g_strdup_printf("connection://" DOMAIN "/media-%s", participant);
    g_autoptr(Json) data = client_data(sdp);
    Joined *joined = g_new0(Joined, 1);
    joined->client = sync_reporter_new(
        stage->bus, sync_object_new(url, "Connection", "hyperty://" DOMAIN "/client", 1, data),
        NULL, NULL);
    joined->observer =
        sync_observer_new(stage->bus, answer, "hyperty://" DOMAIN "/client", NULL, &calls, joined);
    return joined;
}

static gboolean is_observed(gpointer user)
{
    return ((Joined *)user)->answer != NULL;
}

Json *stage_join(Stage *stage, const char *room, const char *participant, guint number,
                 const char *sdp)
{
    Json *answer = stage_offer(stage, room, participant, number, 1, sdp);
    g_autofree char *attribute = g_strconcat("participants.", participant, NULL);
    Json *listed = json_new_object();
    assert_int_equal(json_get_number(answer, "code", 0), 200);
    json_set_text(listed, "status", "joined");
    json_set_number(listed, "number", number);
    stage_change(stage, room, attribute, listed);
    Joined *joined = joined_new(stage, participant, sdp);
    g_hash_table_replace(stage->joined, g_strdup(participant), joined);
    assert_true(suite_until(is_observed, joined, WAIT_MS));
    return answer;
}

void stage_client_change(Stage *stage, const char *participant, const char *attribute, Json *value)
{
    g_autoptr(Json) taken = value;
    const Joined *joined = g_hash_table_lookup(stage->joined, participant);
    assert_true(sync_reporter_change(joined->client, attribute, taken));
}

const Json *stage_answer(const Stage *stage, const char *participant)
{
    const Joined *joined = g_hash_table_lookup(stage->joined, participant);
    return joined == NULL ? NULL : joined->answer;
}

const Json *stage_presence(const Stage *stage, const char *media)
{
    return g_hash_table_lookup(stage->presences, media);
}

const Json *stage_ended(const Stage *stage, const char *media)
{
    return g_hash_table_lookup(stage->ended, media);
}

typedef struct {
    const Stage *stage;
    const char *participant, *path, *text;
} Expected;

static gboolean is_as_expected(gpointer user)
{
    const Expected *expected = user;
    const Json *answer = stage_answer(expected->stage, expected->participant);
    return g_strcmp0(json_text(json_get_path(answer, expected->path)), expected->text) == 0;
}

gboolean stage_until_answer(Stage *stage, const char *participant, const char *path,
                            const char *text)
{
    Expected expected = {.stage = stage, .participant = participant, .path = path, .text = text};
    return suite_until(is_as_expected, &expected, WAIT_MS);
}

char *stage_sdp(const char *name)
{
    g_autofree char *path = g_build_filename("tests/fuzz/corpus/sdp", name, NULL);
    char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}
