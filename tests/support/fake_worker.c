// SPDX-License-Identifier: MIT
// See fake_worker.h.
#include "tests/support/fake_worker.h"
#include <string.h>

#define PRESENCE_MS 200

typedef struct {
    FakeWorker *worker;
    Bus *bus; // of its own: presence must come from the process that it is about
    char *address, *topic;
    char *room, *url;
    guint64 epoch;
    GHashTable *peers;  // participant ids
    GHashTable *silent; // participant ids
    guint closing;
} Room;

struct FakeWorker {
    Suite *suite;
    Bus *bus;
    char *address, *topic;
    guint capacity, starts, start_code, admit_code, timer;
    GPtrArray *rooms; // of Room
};

static char *new_process(const char *role)
{
    return g_strdup_printf("%s-%08x", role, g_random_int());
}

static Bus *new_bus(Suite *suite, const char *role)
{
    g_autofree char *process = new_process(role);
    return bus_new(suite_config(suite), process, NULL);
}

static char *address_of(const Bus *bus, const char *role)
{
    return g_strdup_printf("hyperty://localhost/%s/%s", role, strchr(bus_process(bus), '-') + 1);
}

static void answer(BusRequest *request, guint code, Json *value)
{
    g_autoptr(Json) body = json_new_object();
    if (code == 0) { // never: held until the test ends
        bus_request_ref(request);
        return;
    }
    json_set_number(body, "code", code);
    if (value != NULL)
        json_set(body, "value", value);
    bus_answer(request, body);
}

// --- a room process

static void room_free(gpointer data)
{
    Room *room = data;
    if (room->closing != 0)
        g_source_remove(room->closing);
    bus_free(room->bus);
    g_hash_table_unref(room->peers);
    g_hash_table_unref(room->silent);
    g_free(room->address);
    g_free(room->topic);
    g_free(room->room);
    g_free(room->url);
    g_free(room);
}

static Json *answering_connection(const Room *room, const char *participant)
{
    g_autofree char *url = g_strdup_printf("connection://localhost/media-%s", participant);
    g_autoptr(Json) data = json_new_object();
    Json *object = json_new_object();
    json_set_number(data, "offerVersion", 1);
    json_set_text(object, "url", url);
    json_set_number(object, "version", (gint64)(room->epoch << 32) + 1);
    json_set(object, "data", data);
    return object;
}

static void admit(Room *room, const Envelope *message, BusRequest *request)
{
    guint code = room->worker->admit_code;
    const char *participant = message->body->participant;
    g_autoptr(Json) value = answering_connection(room, participant);
    if (code == 200)
        g_hash_table_add(room->peers, g_strdup(participant));
    answer(request, code, code == 200 ? value : NULL);
}

// Not within the message that says so: a bus cannot go while it hands over.
static gboolean on_closed(gpointer user)
{
    Room *room = user;
    room->closing = 0;
    g_ptr_array_remove(room->worker->rooms, room);
    return G_SOURCE_REMOVE;
}

static void on_room_message(const Envelope *message, BusRequest *request, gpointer user)
{
    Room *room = user;
    if (message->type == MSG__ENVELOPE__TYPE__CREATE) {
        admit(room, message, request);
        return;
    }
    answer(request, 200, NULL);
    if (message->type == MSG__ENVELOPE__TYPE__DELETE)
        g_hash_table_remove(room->peers, strrchr(message->body->resource, '/') + 1);
    else if (message->type == MSG__ENVELOPE__TYPE__CLOSE)
        room->closing = room->closing != 0 ? room->closing : g_idle_add(on_closed, room);
}

static Room *room_new(FakeWorker *worker, const Json *start)
{
    Room *room = g_new0(Room, 1);
    room->worker = worker;
    room->bus = new_bus(worker->suite, "media");
    room->address = address_of(room->bus, "media");
    room->topic = g_strconcat(room->address, " ", NULL);
    room->room = g_strdup(json_get_text(start, "roomId"));
    room->url = g_strdup(json_get_text(start, "url"));
    room->epoch = (guint64)json_get_number(start, "epoch", 0);
    room->peers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    room->silent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bus_route(room->bus, room->topic, on_room_message, room);
    g_ptr_array_add(worker->rooms, room);
    return room;
}

// --- the host

typedef struct {
    BusRequest *request;
    Json *value;
} Started;

static void on_room_ready(gpointer user)
{
    Started *started = user;
    answer(started->request, 200, started->value);
    bus_request_unref(started->request);
    json_unref(started->value);
    g_free(started);
}

static void on_worker_message(const Envelope *message, BusRequest *request, gpointer user)
{
    FakeWorker *worker = user;
    g_autoptr(Json) params =
        json_parse_bytes(message->body->params.data, message->body->params.len);
    worker->starts++;
    if (worker->start_code != 200) {
        answer(request, worker->start_code, NULL);
        return;
    }
    const Room *room = room_new(worker, json_at(params, 0));
    Started *started = g_new0(Started, 1);
    started->request = bus_request_ref(request);
    started->value = json_new_object();
    json_set_number(started->value, "epoch", (gint64)room->epoch);
    json_set_text(started->value, "media", room->address);
    bus_when_routed(room->bus, on_room_ready, started);
}

// --- presence

static void publish(Bus *bus, Json *presence)
{
    g_autofree char *url = g_strdup_printf("ctxt://localhost/process/%s", bus_process(bus));
    g_autofree char *to = g_strconcat(url, "/changes", NULL);
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, url, to);
    Msg__Body *body = envelope_body(update);
    json_set_text(presence, "process", bus_process(bus));
    envelope_set_json(&body->value, &body->has_value, presence);
    bus_publish(bus, update);
}

static Json *health(const Room *room)
{
    g_autoptr(Json) silent = json_new_array();
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, room->silent);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        g_autoptr(Json) text = json_new_text(id);
        json_append(silent, text);
    }
    Json *json = json_new_object();
    json_set_text(json, "roomId", room->room);
    json_set_text(json, "url", room->url);
    json_set_number(json, "epoch", (gint64)room->epoch);
    json_set_number(json, "participants", g_hash_table_size(room->peers));
    json_set(json, "silent", silent);
    return json;
}

static gboolean on_presence_due(gpointer user)
{
    FakeWorker *worker = user;
    g_autoptr(Json) host = json_new_object();
    json_set_text(host, "role", "worker");
    json_set_text(host, "address", worker->address);
    json_set_number(host, "capacity", worker->capacity);
    json_set_number(host, "load", worker->rooms->len);
    publish(worker->bus, host);
    for (guint i = 0; i < worker->rooms->len; i++) {
        const Room *room = worker->rooms->pdata[i];
        g_autoptr(Json) media = json_new_object();
        g_autoptr(Json) its_health = health(room);
        json_set_text(media, "role", "media");
        json_set_text(media, "address", room->address);
        json_set(media, "room", its_health);
        publish(room->bus, media);
    }
    return G_SOURCE_CONTINUE;
}

FakeWorker *fake_worker_new(Suite *suite, guint capacity)
{
    FakeWorker *worker = g_new0(FakeWorker, 1);
    worker->suite = suite;
    worker->bus = new_bus(suite, "worker");
    worker->address = address_of(worker->bus, "worker");
    worker->topic = g_strconcat(worker->address, " ", NULL);
    worker->capacity = capacity;
    worker->start_code = worker->admit_code = 200;
    worker->rooms = g_ptr_array_new_with_free_func(room_free);
    worker->timer = g_timeout_add(PRESENCE_MS, on_presence_due, worker);
    bus_route(worker->bus, worker->topic, on_worker_message, worker);
    return worker;
}

void fake_worker_free(FakeWorker *worker)
{
    if (worker == NULL)
        return;
    g_source_remove(worker->timer);
    g_ptr_array_unref(worker->rooms);
    bus_free(worker->bus);
    g_free(worker->address);
    g_free(worker->topic);
    g_free(worker);
}

const char *fake_worker_process(const FakeWorker *worker)
{
    return bus_process(worker->bus);
}

void fake_worker_set_start_code(FakeWorker *worker, guint code)
{
    worker->start_code = code;
}

void fake_worker_set_admit_code(FakeWorker *worker, guint code)
{
    worker->admit_code = code;
}

// --- what it saw

guint fake_worker_starts(const FakeWorker *worker)
{
    return worker->starts;
}

guint fake_worker_rooms(const FakeWorker *worker)
{
    return worker->rooms->len;
}

static gboolean is_of(const Room *room, const char *id)
{
    return strcmp(room->room, id) == 0;
}

guint fake_worker_peers(const FakeWorker *worker, const char *room)
{
    guint count = 0;
    for (guint i = 0; i < worker->rooms->len; i++)
        if (is_of(worker->rooms->pdata[i], room))
            count += g_hash_table_size(((const Room *)worker->rooms->pdata[i])->peers);
    return count;
}

guint fake_worker_processes(const FakeWorker *worker, const char *room)
{
    guint count = 0;
    for (guint i = 0; i < worker->rooms->len; i++)
        count += is_of(worker->rooms->pdata[i], room);
    return count;
}

guint64 fake_worker_epoch(const FakeWorker *worker, const char *room)
{
    guint64 epoch = 0;
    for (guint i = 0; i < worker->rooms->len; i++)
        if (is_of(worker->rooms->pdata[i], room))
            epoch = MAX(epoch, ((const Room *)worker->rooms->pdata[i])->epoch);
    return epoch;
}

void fake_worker_silence(FakeWorker *worker, const char *room, const char *participant)
{
    for (guint i = 0; i < worker->rooms->len; i++)
        if (is_of(worker->rooms->pdata[i], room))
            g_hash_table_add(((Room *)worker->rooms->pdata[i])->silent, g_strdup(participant));
}

static void on_told(const Envelope *unused, gpointer user)
{
    (void)unused, (void)user;
}

static void tell_ended(const FakeWorker *worker, const Room *room)
{
    g_autoptr(Json) ended = health(room);
    g_autoptr(Json) params = json_new_array();
    json_set_text(ended, "media", room->address);
    json_set_text(ended, "reason", "killed");
    json_append(params, ended);
    Envelope *request = envelope_new(MSG__ENVELOPE__TYPE__EXECUTE, worker->address,
                                     "hyperty://localhost/conference");
    Msg__Body *body = envelope_body(request);
    envelope_set(&body->method, "roomEnded");
    envelope_set_json(&body->params, &body->has_params, params);
    bus_request(worker->bus, request, 3000, on_told, NULL);
}

void fake_worker_end(FakeWorker *worker, const char *room, gboolean told)
{
    for (guint i = worker->rooms->len; i-- > 0;) {
        if (!is_of(worker->rooms->pdata[i], room))
            continue;
        if (told)
            tell_ended(worker, worker->rooms->pdata[i]);
        g_ptr_array_remove_index(worker->rooms, i);
    }
}
