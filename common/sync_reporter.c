// SPDX-License-Identifier: MIT
// The writing end of an object. Whoever asks after it has lost track and says which version it has
// gets the changes since, or the whole; nothing is remembered of who observes: the topic does that.
#include "common/sync_reporter.h"
#include "common/sync_wire.h"

struct SyncReporter {
    Bus *bus;
    SyncObject *object;
    SyncReporterMay may;
    gpointer user;
    char *address;      // topic of the object itself
    char *subscription; // topic of <url>/subscription
    SyncDigest *digest;
};

static Json *new_answer(const SyncReporter *reporter, Json *value)
{
    Json *body = json_new_object();
    g_autoptr(Json) whole = sync_object_to_json(reporter->object);
    json_set_number(body, "code", 200);
    json_set(body, "schema", json_get(whole, "schema"));
    json_set(body, "owner", json_get(whole, "reporter"));
    json_set(body, "value", value != NULL ? value : whole);
    return body;
}

// What the asker lacks: changes if it says what it has and the log reaches back so far, else NULL.
static Json *deltas_for(const SyncReporter *reporter, const Msg__Body *body)
{
    if (body == NULL || !body->has_resume || !body->resume || !body->has_version)
        return NULL;
    return sync_deltas(sync_object_log(reporter->object), body->version);
}

static void answer_subscribe(SyncReporter *reporter, BusRequest *request)
{
    g_autoptr(Json) deltas = deltas_for(reporter, bus_request_message(request)->body);
    g_autoptr(Json) body = new_answer(reporter, deltas);
    sync_answer(request, body);
}

static void answer_read(SyncReporter *reporter, BusRequest *request)
{
    g_autoptr(Json) body = new_answer(reporter, NULL);
    sync_answer(request, body);
}

static void answer_unsubscribe(BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    bus_answer(request, body);
}

static Refusal may(const SyncReporter *reporter, const Envelope *message)
{
    return reporter->may != NULL ? reporter->may(reporter, message, reporter->user)
                                 : MSG__REFUSAL__REASON__none;
}

static void answer_if_may(SyncReporter *reporter, BusRequest *request,
                          void (*answer)(SyncReporter *, BusRequest *))
{
    Refusal refusal = may(reporter, bus_request_message(request));
    if (refusal != MSG__REFUSAL__REASON__none)
        bus_refuse(request, refusal, NULL);
    else
        answer(reporter, request);
}

static void on_message(const Envelope *message, BusRequest *request, gpointer user)
{
    SyncReporter *reporter = user;
    if (request == NULL)
        return;
    switch (message->type) {
    case MSG__ENVELOPE__TYPE__SUBSCRIBE:
        answer_if_may(reporter, request, answer_subscribe);
        break;
    case MSG__ENVELOPE__TYPE__READ:
        answer_if_may(reporter, request, answer_read);
        break;
    case MSG__ENVELOPE__TYPE__UNSUBSCRIBE:
        answer_unsubscribe(request);
        break;
    default:
        bus_refuse(request, MSG__REFUSAL__REASON__unsupported, NULL);
    }
}

SyncReporter *sync_reporter_new(Bus *bus, SyncObject *object, SyncReporterMay may_see,
                                gpointer user)
{
    const char *url = sync_object_url(object);
    SyncReporter *reporter = g_new0(SyncReporter, 1);
    reporter->bus = bus;
    reporter->object = object;
    reporter->may = may_see;
    reporter->user = user;
    reporter->address = g_strconcat(url, " ", NULL);
    reporter->subscription = g_strconcat(url, "/subscription ", NULL);
    reporter->digest = sync_digest_new(bus, url, sync_object_log(object));
    bus_route(bus, reporter->address, on_message, reporter);
    bus_route(bus, reporter->subscription, on_message, reporter);
    return reporter;
}

void sync_reporter_free(SyncReporter *reporter)
{
    if (reporter == NULL)
        return;
    bus_unroute(reporter->bus, reporter->address, on_message, reporter);
    bus_unroute(reporter->bus, reporter->subscription, on_message, reporter);
    sync_digest_free(reporter->digest);
    sync_object_free(reporter->object);
    g_free(reporter->address);
    g_free(reporter->subscription);
    g_free(reporter);
}

const SyncObject *sync_reporter_object(const SyncReporter *reporter)
{
    return reporter->object;
}

static void publish(SyncReporter *reporter, const SyncChange *change)
{
    bus_publish(reporter->bus, sync_update(sync_object_url(reporter->object), change));
}

static void on_changed(SyncReporter *reporter)
{
    sync_digest_changed(reporter->digest, sync_object_log(reporter->object));
}

gboolean sync_reporter_change(SyncReporter *reporter, const char *attribute, Json *value)
{
    const SyncChange *change = sync_object_change(reporter->object, attribute, value, NULL);
    if (change == NULL)
        return FALSE;
    publish(reporter, change);
    on_changed(reporter);
    return TRUE;
}

void sync_reporter_commit(SyncReporter *reporter, SyncObject *newer)
{
    guint64 version = sync_object_version(reporter->object);
    sync_object_free(reporter->object);
    reporter->object = newer;
    g_autoptr(GPtrArray) since = sync_log_since(sync_object_log(newer), version);
    on_changed(reporter);
    // More changes than the log keeps: the digest makes every observer ask.
    if (since == NULL)
        sync_reporter_digest(reporter);
    for (guint i = 0; since != NULL && i < since->len; i++)
        publish(reporter, since->pdata[i]);
}

void sync_reporter_digest(SyncReporter *reporter)
{
    sync_digest_changed(reporter->digest, sync_object_log(reporter->object));
    sync_digest_publish(reporter->digest);
}

void sync_reporter_delete(SyncReporter *reporter)
{
    const char *url = sync_object_url(reporter->object);
    g_autofree char *from = g_strconcat(url, "/subscription", NULL);
    g_autofree char *to = g_strconcat(url, "/changes", NULL);
    bus_publish(reporter->bus, envelope_new(MSG__ENVELOPE__TYPE__DELETE, from, to));
}
