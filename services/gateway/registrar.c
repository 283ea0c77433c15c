// SPDX-License-Identifier: MIT
// See registrar.h. Of each session at most one message is under way: repeats of an older one must
// never overtake a newer one. Of all sessions at most WINDOW are, so that a registry which returns
// is not flooded.
#include "gateway/registrar.h"

#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/address.h"
#include "gateway/watches.h"

#define TYPE(name) MSG__ENVELOPE__TYPE__##name
#define WINDOW 256
#define HEARD_MS 3000

typedef struct {
    Registrar *all;
    char *session;
    Json *value;    // msg.Session as it is now
    gboolean known; // to the registry
    gboolean ended, due, queued;
    guint64 request; // under way; 0 if none
} Entry;

struct Registrar {
    Bus *bus;
    char *address, *asker;
    GHashTable *entries; // session id -> Entry
    GQueue due;          // Entry
    guint under_way;
    gint64 heard_us;  // a registry; 0: never
    gboolean failing; // the last answer was a refusal, or none: logged once
};

typedef struct {
    RegistrarFound on_found;
    gpointer user;
} Question;

static void entry_free(gpointer data)
{
    Entry *entry = data;
    json_unref(entry->value);
    g_free(entry->session);
    g_free(entry);
}

Registrar *registrar_new(Bus *bus)
{
    Registrar *registrar = g_new0(Registrar, 1);
    registrar->bus = bus;
    registrar->address = g_strdup_printf("hyperty://%s/sessions", bus_domain(bus));
    registrar->asker =
        g_strdup_printf("domain://msg-node.%s/%s", bus_domain(bus), bus_process(bus));
    registrar->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
    g_queue_init(&registrar->due);
    return registrar;
}

void registrar_free(Registrar *registrar)
{
    GHashTableIter iterator;
    gpointer value;
    if (registrar == NULL)
        return;
    g_hash_table_iter_init(&iterator, registrar->entries);
    while (g_hash_table_iter_next(&iterator, NULL, &value))
        bus_cancel(registrar->bus, ((Entry *)value)->request);
    g_queue_clear(&registrar->due);
    g_hash_table_unref(registrar->entries);
    g_free(registrar->address);
    g_free(registrar->asker);
    g_free(registrar);
}

static void pump(Registrar *registrar);

static void queue(Entry *entry)
{
    entry->due = TRUE;
    if (entry->queued || entry->request != 0)
        return;
    entry->queued = TRUE;
    g_queue_push_tail(&entry->all->due, entry);
    pump(entry->all);
}

static void on_answer(const Envelope *answer, gpointer user)
{
    Entry *entry = user;
    Registrar *registrar = entry->all;
    gint code = envelope_code(answer);
    if (code < 200)
        return;
    entry->request = 0;
    registrar->under_way--;
    if (code < 300)
        entry->known = TRUE;
    else if (!registrar->failing)
        log_event(LOG_WARNING, "gateway.session_not_told", "session=%s code=%d", entry->session,
                  code);
    registrar->failing = code >= 300;
    if (code < 300 && entry->ended && !entry->due)
        g_hash_table_remove(registrar->entries, entry->session);
    else if (code < 300 && entry->due)
        queue(entry);
    else if (code >= 300)
        entry->due = TRUE; // until the registry is heard
    pump(registrar);
}

static void send(Registrar *registrar, Entry *entry)
{
    EnvelopeType type = entry->ended ? TYPE(DELETE) : entry->known ? TYPE(UPDATE) : TYPE(CREATE);
    Envelope *message = envelope_new(type, registrar->asker, registrar->address);
    Msg__Body *body = envelope_body(message);
    envelope_set(&body->resource, entry->session);
    envelope_set_json(&body->value, &body->has_value, entry->value);
    entry->due = FALSE;
    registrar->under_way++;
    entry->request =
        bus_request(registrar->bus, message, LIMIT_DEADLINE_SERVICE_MS, on_answer, entry);
}

static void pump(Registrar *registrar)
{
    while (registrar->under_way < WINDOW && registrar->due.length > 0) {
        Entry *entry = g_queue_pop_head(&registrar->due);
        entry->queued = FALSE;
        if (entry->due && entry->request == 0)
            send(registrar, entry);
    }
}

// Routes that sessions have asked for; those that come with a room's object come with it again.
static Json *routes_of(const Registrar *registrar, const Session *session)
{
    Json *routes = json_new_array();
    GHashTableIter iterator;
    gpointer topic;
    if (session->topics == NULL)
        return routes;
    g_hash_table_iter_init(&iterator, session->topics);
    while (g_hash_table_iter_next(&iterator, &topic, NULL)) {
        if (address_kind(bus_domain(registrar->bus), topic) == ADDRESS_OBJECT)
            continue;
        g_autoptr(Json) text = json_new_text(topic);
        json_append(routes, text);
    }
    return routes;
}

static Json *session_value(const Registrar *registrar, const Session *session)
{
    Json *value = json_new_object();
    g_autoptr(Json) addresses = json_new_array();
    GHashTableIter iterator;
    gpointer address;
    g_hash_table_iter_init(&iterator, session->addresses);
    while (g_hash_table_iter_next(&iterator, &address, NULL)) {
        g_autoptr(Json) text = json_new_text(address);
        json_append(addresses, text);
    }
    json_set_text(value, "session", session->id);
    json_set_text(value, "runtimeURL", session->runtime);
    json_set(value, "addresses", addresses);
    json_set_text(value, "status", session->client != NULL ? "live" : "disconnected");
    json_set_text(value, "gateway", bus_process(registrar->bus));
    json_set(value, "identity", session->identity);
    g_autoptr(Json) routes = routes_of(registrar, session);
    g_autoptr(Json) follows = watches_told(session);
    json_set(value, "routes", routes);
    json_set(value, "follows", follows);
    return value;
}

void registrar_tell(Registrar *registrar, const Session *session)
{
    Entry *entry = g_hash_table_lookup(registrar->entries, session->id);
    if (entry == NULL) {
        entry = g_new0(Entry, 1);
        entry->all = registrar;
        entry->session = g_strdup(session->id);
        g_hash_table_insert(registrar->entries, entry->session, entry);
    }
    json_unref(entry->value);
    entry->value = session_value(registrar, session);
    entry->ended = FALSE;
    queue(entry);
}

void registrar_ended(Registrar *registrar, const Session *session)
{
    Entry *entry = g_hash_table_lookup(registrar->entries, session->id);
    if (entry == NULL)
        return;
    entry->ended = TRUE;
    queue(entry);
}

void registrar_moved(Registrar *registrar, const Session *session)
{
    Entry *entry = g_hash_table_lookup(registrar->entries, session->id);
    if (entry == NULL)
        return;
    if (entry->request != 0) {
        bus_cancel(registrar->bus, entry->request);
        registrar->under_way--;
    }
    g_queue_remove(&registrar->due, entry);
    g_hash_table_remove(registrar->entries, session->id);
}

void registrar_heard(Registrar *registrar, gboolean anew)
{
    g_autofree gpointer *sessions = g_hash_table_get_keys_as_array(registrar->entries, NULL);
    registrar->heard_us = g_get_monotonic_time();
    for (guint i = 0; sessions[i] != NULL; i++) {
        Entry *entry = g_hash_table_lookup(registrar->entries, sessions[i]);
        if (entry != NULL && anew)
            entry->known = FALSE;
        if (entry != NULL && (anew || entry->due))
            queue(entry);
    }
}

gboolean registrar_can_be_asked(const Registrar *registrar)
{
    return registrar->heard_us > 0 &&
           g_get_monotonic_time() - registrar->heard_us < HEARD_MS * G_TIME_SPAN_MILLISECOND;
}

static void on_found(const Envelope *answer, gpointer user)
{
    gint code = envelope_code(answer);
    if (code < 200)
        return;
    g_autofree Question *question = user;
    const Msg__Body *body = answer->body;
    Msg__Session *found = NULL;
    if (code == 200 && body != NULL && body->has_value)
        found = CODEC_FROM_BYTES(Msg__Session, msg__session__descriptor, &body->value, NULL);
    question->on_found(found, question->user);
    codec_free(found);
}

guint64 registrar_find(Registrar *registrar, const char *resource, RegistrarFound call,
                       gpointer user)
{
    Question *question = g_new0(Question, 1);
    question->on_found = call;
    question->user = user;
    Envelope *message = envelope_new(TYPE(READ), registrar->asker, registrar->address);
    envelope_set(&envelope_body(message)->resource, resource);
    return bus_request(registrar->bus, message, LIMIT_CLAIM_MS, on_found, question);
}
