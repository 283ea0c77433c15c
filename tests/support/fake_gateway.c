// SPDX-License-Identifier: MIT
// See fake_gateway.h.
#include "tests/support/fake_gateway.h"
#include <string.h>

#define PRESENCE_MS 200
#define WAIT_MS 25000
#define CONFERENCE "hyperty://localhost/conference"
#define SESSIONS "hyperty://localhost/sessions"
#define PRESENCES "ctxt://localhost/process/"

typedef struct {
    SyncObserver *observer;
    SyncObject *object; // NULL: not there
    char *last_reason;
} Observed;

struct FakeGateway {
    Bus *bus;
    guint timer;
    GHashTable *sessions; // participant -> status
    GHashTable *observed; // url -> Observed
    GPtrArray *answers;   // of FakeAnswer
    char *registry;       // process heard last
};

static void answer_free(gpointer data)
{
    FakeAnswer *answer = data;
    g_free(answer->reason);
    g_free(answer->url);
    g_free(answer->participant);
    g_free(answer->media);
    json_unref(answer->body);
    g_free(answer);
}

static void observed_free(gpointer data)
{
    Observed *observed = data;
    sync_observer_free(observed->observer);
    sync_object_free(observed->object);
    g_free(observed->last_reason);
    g_free(observed);
}

// --- requests

static void on_answered(const Envelope *message, gpointer user)
{
    FakeAnswer *answer = user;
    if (envelope_code(message) < 200)
        return;
    answer->body = envelope_body_json(message);
    const Json *value = json_get(answer->body, "value");
    answer->reason = g_strdup(json_get_text(answer->body, "reason"));
    answer->retry_after = (guint)json_get_number(answer->body, "retry_after", 0);
    answer->url = g_strdup(json_get_text(value, "url"));
    answer->version = (guint64)json_get_number(value, "version", 0);
    answer->participant = g_strdup(json_get_text(answer->body, "participant"));
    answer->media = g_strdup(json_get_text(json_get(answer->body, "answer"), "url"));
    answer->code = envelope_code(message);
}

const FakeAnswer *fake_gateway_send(FakeGateway *gateway, Envelope *request)
{
    FakeAnswer *answer = g_new0(FakeAnswer, 1);
    g_ptr_array_add(gateway->answers, answer);
    bus_request(gateway->bus, request, 20000, on_answered, answer);
    return answer;
}

static Envelope *request_of(const char *participant, const char *session, EnvelopeType type)
{
    g_autofree char *from = g_strconcat("hyperty://localhost/h-", participant, NULL);
    Envelope *request = envelope_new(type, from, CONFERENCE);
    envelope_set(&request->session, session);
    envelope_set(&request->trace, participant);
    return request;
}

static Json *offer_of(const char *participant)
{
    g_autofree char *url = g_strconcat("connection://localhost/", participant, NULL);
    g_autoptr(Json) description = json_new_object();
    g_autoptr(Json) data = json_new_object();
    Json *connection = json_new_object();
    json_set_text(description, "type", "offer");
    json_set_text(description, "sdp", "v=0\r\n");
    json_set(data, "connectionDescription", description);
    json_set_text(connection, "url", url);
    json_set_number(connection, "version", 1);
    json_set(connection, "data", data);
    return connection;
}

static Envelope *join_message(const char *room, const char *participant, const char *session)
{
    Envelope *request = request_of(participant, session, MSG__ENVELOPE__TYPE__CREATE);
    Msg__Body *body = envelope_body(request);
    g_autoptr(Json) offer = offer_of(participant);
    envelope_set(&body->roomid, room);
    envelope_set_json(&body->value, &body->has_value, offer);
    return request;
}

const FakeAnswer *fake_gateway_join_as(FakeGateway *gateway, const char *room,
                                       const char *participant, const char *session)
{
    return fake_gateway_send(gateway, join_message(room, participant, session));
}

Envelope *fake_gateway_join_message(const char *room, const char *participant)
{
    g_autofree char *session = g_strconcat("s-", participant, NULL);
    return join_message(room, participant, session);
}

const FakeAnswer *fake_gateway_join(FakeGateway *gateway, const char *room, const char *participant)
{
    return fake_gateway_send(gateway, fake_gateway_join_message(room, participant));
}

Envelope *fake_gateway_execute_message(const char *participant, const char *method,
                                       const char *const *params)
{
    g_autofree char *session = g_strconcat("s-", participant, NULL);
    Envelope *request = request_of(participant, session, MSG__ENVELOPE__TYPE__EXECUTE);
    Msg__Body *body = envelope_body(request);
    g_autoptr(Json) list = json_new_array();
    for (; *params != NULL; params++) {
        g_autoptr(Json) param = json_new_text(*params);
        json_append(list, param);
    }
    envelope_set(&body->method, method);
    envelope_set_json(&body->params, &body->has_params, list);
    return request;
}

const FakeAnswer *fake_gateway_execute(FakeGateway *gateway, const char *participant,
                                       const char *method, const char *const *params)
{
    return fake_gateway_send(gateway, fake_gateway_execute_message(participant, method, params));
}

static gboolean has_answer(gpointer user)
{
    return ((const FakeAnswer *)user)->code != 0;
}

gint fake_gateway_wait(const FakeAnswer *answer)
{
    suite_until(has_answer, (gpointer)answer, WAIT_MS);
    return answer->code;
}

// --- sessions

static void on_session_told(const Envelope *answer, gpointer user)
{
    (void)answer, (void)user;
}

static void tell(FakeGateway *gateway, const char *participant, const char *status)
{
    EnvelopeType type = status != NULL ? MSG__ENVELOPE__TYPE__UPDATE : MSG__ENVELOPE__TYPE__DELETE;
    g_autofree char *from =
        g_strdup_printf("domain://msg-node.localhost/%s", bus_process(gateway->bus));
    g_autofree char *id = g_strconcat("s-", participant, NULL);
    g_autofree char *connection = g_strconcat("connection://localhost/", participant, NULL);
    g_autoptr(Json) address = json_new_text(connection);
    g_autoptr(Json) addresses = json_new_array();
    g_autoptr(Json) session = json_new_object();
    json_append(addresses, address);
    json_set_text(session, "session", id);
    json_set(session, "addresses", addresses);
    json_set_text(session, "status", status);
    json_set_text(session, "gateway", bus_process(gateway->bus));
    Envelope *request = envelope_new(type, from, SESSIONS);
    Msg__Body *body = envelope_body(request);
    envelope_set_json(&body->value, &body->has_value, session);
    bus_request(gateway->bus, request, 3000, on_session_told, NULL);
}

void fake_gateway_session(FakeGateway *gateway, const char *participant, const char *status)
{
    tell(gateway, participant, status);
    if (status != NULL)
        g_hash_table_replace(gateway->sessions, g_strdup(participant), g_strdup(status));
    else
        g_hash_table_remove(gateway->sessions, participant);
}

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    FakeGateway *gateway = user;
    (void)request;
    if (!g_str_has_prefix(message->source, "registry-") ||
        g_strcmp0(message->source, gateway->registry) == 0)
        return;
    g_free(gateway->registry);
    gateway->registry = g_strdup(message->source);
    GHashTableIter iter;
    gpointer participant, status;
    g_hash_table_iter_init(&iter, gateway->sessions);
    while (g_hash_table_iter_next(&iter, &participant, &status))
        tell(gateway, participant, status);
}

static gboolean on_presence_due(gpointer user)
{
    FakeGateway *gateway = user;
    g_autofree char *url = g_strconcat(PRESENCES, bus_process(gateway->bus), NULL);
    g_autofree char *to = g_strconcat(url, "/changes", NULL);
    g_autoptr(Json) presence = json_new_object();
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, url, to);
    Msg__Body *body = envelope_body(update);
    json_set_text(presence, "role", "gateway");
    json_set_text(presence, "process", bus_process(gateway->bus));
    envelope_set_json(&body->value, &body->has_value, presence);
    bus_publish(gateway->bus, update);
    return G_SOURCE_CONTINUE;
}

FakeGateway *fake_gateway_new(Suite *suite)
{
    FakeGateway *gateway = g_new0(FakeGateway, 1);
    g_autofree char *process = g_strdup_printf("gateway-%08x", g_random_int());
    gateway->bus = bus_new(suite_config(suite), process, NULL);
    gateway->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    gateway->observed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, observed_free);
    gateway->answers = g_ptr_array_new_with_free_func(answer_free);
    gateway->timer = g_timeout_add(PRESENCE_MS, on_presence_due, gateway);
    bus_route(gateway->bus, PRESENCES, on_presence, gateway);
    return gateway;
}

void fake_gateway_free(FakeGateway *gateway)
{
    if (gateway == NULL)
        return;
    g_source_remove(gateway->timer);
    g_hash_table_unref(gateway->observed);
    bus_free(gateway->bus);
    g_ptr_array_unref(gateway->answers);
    g_hash_table_unref(gateway->sessions);
    g_free(gateway->registry);
    g_free(gateway);
}

// --- observing

static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    Observed *observed = user;
    (void)observer;
    sync_object_free(observed->object);
    observed->object = sync_object_from_json(object, NULL);
}

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    Observed *observed = user;
    (void)observer;
    if (!change->body->has_value) {
        g_free(observed->last_reason);
        observed->last_reason = g_strdup(change->body->reason);
    }
    sync_object_apply(observed->object, change);
}

static void on_gone(SyncObserver *observer, Refusal reason, gpointer user)
{
    Observed *observed = user;
    (void)observer, (void)reason;
    g_clear_pointer(&observed->object, sync_object_free);
}

static gboolean has_snapshot(gpointer user)
{
    return ((const Observed *)user)->object != NULL;
}

void fake_gateway_observe(FakeGateway *gateway, const char *url)
{
    static const SyncObserverCalls calls = {on_snapshot, on_change, on_gone};
    if (g_hash_table_contains(gateway->observed, url))
        return;
    g_autofree char *asker =
        g_strdup_printf("domain://msg-node.localhost/%s", bus_process(gateway->bus));
    Observed *observed = g_new0(Observed, 1);
    g_hash_table_insert(gateway->observed, g_strdup(url), observed);
    observed->observer = sync_observer_new(gateway->bus, url, asker, NULL, &calls, observed);
    suite_until(has_snapshot, observed, 5000);
}

static const SyncObject *object_of(const FakeGateway *gateway, const char *url)
{
    const Observed *observed = g_hash_table_lookup(gateway->observed, url);
    return observed != NULL ? observed->object : NULL;
}

const Json *fake_gateway_communication(const FakeGateway *gateway, const char *url)
{
    const SyncObject *object = object_of(gateway, url);
    return object != NULL ? sync_object_data(object) : NULL;
}

guint64 fake_gateway_version(const FakeGateway *gateway, const char *url)
{
    const SyncObject *object = object_of(gateway, url);
    return object != NULL ? sync_object_version(object) : 0;
}

const char *fake_gateway_last_reason(const FakeGateway *gateway, const char *url)
{
    const Observed *observed = g_hash_table_lookup(gateway->observed, url);
    return observed != NULL && observed->last_reason != NULL ? observed->last_reason : "";
}

typedef struct {
    const FakeGateway *gateway;
    const char *url;
    guint count;
} Wanted;

static gboolean has_participants(gpointer user)
{
    const Wanted *wanted = user;
    const Json *data = fake_gateway_communication(wanted->gateway, wanted->url);
    return data != NULL && json_size(json_get(data, "participants")) == wanted->count;
}

gboolean fake_gateway_until_participants(FakeGateway *gateway, const char *url, guint count)
{
    Wanted wanted = {gateway, url, count};
    return suite_until(has_participants, &wanted, 10000);
}
