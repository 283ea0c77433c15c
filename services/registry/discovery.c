// SPDX-License-Identifier: MIT
// See discovery.h. Entries of our own are made from what exists when they are asked for; those of
// runtimes are kept (directory.h) and written with the batch, before they are answered. One that
// cannot be written holds all the same: it is a lease, and its owner renews it.
#include "registry/discovery.h"
#include <string.h>
#include "common/limits.h"
#include "common/metrics.h"
#include "common/sync_wire.h"
#include "common/url.h"
#include "registry/registry.h"

#define REASON(name) MSG__REFUSAL__REASON__##name

static Registry *registry_of(Service *service)
{
    return service_state(service);
}

// --- what is ours

static void set_list(Json *entry, const char *name, const char *const *texts)
{
    g_autoptr(Json) list = json_new_array();
    for (; *texts != NULL; texts++) {
        g_autoptr(Json) text = json_new_text(*texts);
        json_append(list, text);
    }
    json_set(entry, name, list);
}

static Json *room_entry(const Room *room)
{
    g_autoptr(Json) object = sync_object_to_json(room_object(room));
    static const char *const copied[] = {"url", "name", "schema", "reporter", "runtime"};
    Json *entry = json_new_object();
    for (guint i = 0; i < G_N_ELEMENTS(copied); i++)
        json_set_text(entry, copied[i], json_get_text(object, copied[i]));
    set_list(entry, "dataSchemes", (const char *[]){"comm", NULL});
    set_list(entry, "resources", (const char *[]){"audio", "video", NULL});
    json_set_text(entry, "status", "live");
    json_set_text(entry, "startingTime", json_get_text(json_get(object, "data"), "startingTime"));
    return entry;
}

static Json *conference_entry(const char *url, const char *domain)
{
    g_autofree char *descriptor =
        g_strdup_printf("hyperty-catalogue://catalogue.%s/.well-known/hyperty/Conference", domain);
    Json *entry = json_new_object();
    json_set_text(entry, "url", url);
    json_set_text(entry, "descriptor", descriptor);
    json_set_text(entry, "runtime", url);
    json_set_text(entry, "user", url); // the service's own identity
    set_list(entry, "dataSchemes", (const char *[]){"comm", "connection", NULL});
    set_list(entry, "resources", (const char *[]){"audio", "video", NULL});
    json_set_text(entry, "status", "live");
    return entry;
}

static void take_if_met(Json *entry, const Json *criteria, Json *found)
{
    g_autoptr(Json) owned = entry;
    if (json_size(found) < LIMIT_ENTRIES_FOUND && directory_matches(entry, criteria))
        json_set(found, json_get_text(entry, "url"), entry);
}

static void search_conference(const Registry *registry, const char *resource, const Json *criteria,
                              Json *found)
{
    g_autofree char *url = g_strdup_printf("hyperty://%s/conference", bus_domain(registry->bus));
    g_autofree char *by_user = g_strconcat("/hyperty/user/", url, NULL);
    if (strcmp(resource, url) == 0 || strcmp(resource, by_user) == 0 || strcmp(resource, ".") == 0)
        take_if_met(conference_entry(url, bus_domain(registry->bus)), criteria, found);
}

// Whether rooms are meant at all: they may be many, and all have this in common.
static gboolean may_be_rooms(const Room *room, const Json *criteria)
{
    static const char *const common[] = {"schema", "reporter", "runtime", "dataSchemes",
                                         "resources"};
    g_autoptr(Json) entry = room_entry(room);
    g_autoptr(Json) some = json_new_object();
    for (guint i = 0; i < G_N_ELEMENTS(common); i++)
        if (json_get(criteria, common[i]) != NULL)
            json_set(some, common[i], json_get(criteria, common[i]));
    return directory_matches(entry, some);
}

static void search_rooms(const Registry *registry, const char *resource, const Json *criteria,
                         Json *found)
{
    const Room *room = rooms_find(registry->rooms, resource);
    if (room == NULL)
        room = rooms_find_url(registry->rooms, resource);
    if (room != NULL)
        take_if_met(room_entry(room), criteria, found);
    if (strcmp(resource, ".") != 0)
        return;
    g_autoptr(GList) rooms = rooms_all(registry->rooms);
    if (rooms == NULL || !may_be_rooms(rooms->data, criteria))
        return;
    for (const GList *link = rooms; link != NULL; link = link->next)
        take_if_met(room_entry(link->data), criteria, found);
}

// --- read

static void count_present(const char *url, Json *entry, gpointer user)
{
    (void)url;
    if (g_strcmp0(json_get_text(entry, "status"), "disconnected") != 0)
        ++*(guint *)user;
}

static void answer_not_found(BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    metrics_refused(REASON(no_such_object));
    json_set_number(body, "code", refusal_code(REASON(no_such_object)));
    json_set_text(body, "reason", refusal_name(REASON(no_such_object)));
    json_set_text(body, "desc", "Not Found");
    json_set_text(body, "description", "Not Found");
    bus_answer(request, body);
}

// Who are all away is told, with a code that says so: they may return.
static void answer_found(BusRequest *request, Json *found)
{
    g_autoptr(Json) body = json_new_object();
    guint present = 0;
    json_each(found, count_present, &present);
    Refusal reason = present > 0 ? REASON(none) : REASON(disconnected);
    json_set_number(body, "code", refusal_code(reason));
    json_set(body, "value", found);
    if (reason != REASON(none)) {
        metrics_refused(reason);
        json_set_text(body, "reason", refusal_name(reason));
        json_set_text(body, "desc", refusal_text(reason));
        json_set_text(body, "description", refusal_text(reason));
    }
    sync_answer(request, body);
}

// What is asked for, without a slash at its end; NULL: nothing, and refused.
static char *resource_of(const Json *body, BusRequest *request)
{
    const char *resource = json_get_text(body, "resource");
    if (resource == NULL)
        resource = json_get_text(json_get(body, "value"), "url");
    if (resource == NULL || *resource == '\0' || strlen(resource) > LIMIT_URL) {
        bus_refuse(request, REASON(malformed), "resource");
        return NULL;
    }
    gsize length = strlen(resource);
    return g_strndup(resource, length > 1 && resource[length - 1] == '/' ? length - 1 : length);
}

void on_discover(Service *service, const Envelope *message, BusRequest *request)
{
    const Registry *registry = registry_of(service);
    if (request == NULL)
        return;
    g_autoptr(Json) body = envelope_body_json(message);
    g_autofree char *resource = resource_of(body, request);
    if (resource == NULL)
        return;
    const Json *criteria = json_get(body, "criteria");
    g_autoptr(Json) found = json_new_object();
    search_conference(registry, resource, criteria, found);
    search_rooms(registry, resource, criteria, found);
    directory_search(registry->directory, resource, criteria, found);
    if (json_size(found) == 0)
        answer_not_found(request);
    else
        answer_found(request, found);
}

// --- changes: what the directory says is answered when it is stored

typedef struct {
    BusRequest *request;
    Refusal refusal;
} Change;

// The repeat of what has been carried out must not find it gone.
static Refusal apply_change(Batch *batch, gpointer user)
{
    const Change *change = user;
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    if (bus_request_message(change->request)->type == MSG__ENVELOPE__TYPE__DELETE)
        batch_remember(batch, change->request, body);
    return REASON(none);
}

static void on_changed(Refusal result, gpointer user)
{
    Change *change = user;
    g_autoptr(Json) body = json_new_object();
    (void)result;
    json_set_number(body, "code", 200);
    bus_answer(change->request, body);
    bus_request_unref(change->request);
    g_free(change);
}

static void finish(Registry *registry, BusRequest *request, Refusal refusal)
{
    if (refusal == REASON(no_such_object)) {
        answer_not_found(request);
    } else if (refusal != REASON(none)) {
        bus_refuse(request, refusal, NULL);
    } else {
        Change *change = g_new0(Change, 1);
        change->request = bus_request_ref(request);
        batch_add(registry->batch, &(BatchStep){apply_change, on_changed, change, TRUE});
    }
}

static const char *user_of(const Json *identity)
{
    return json_get_text(json_get(identity, "userProfile"), "userURL");
}

static Json *identity_of(const Envelope *message)
{
    return message->has_identity ? json_parse_bytes(message->identity.data, message->identity.len)
                                 : NULL;
}

static DirectoryOwner owner_of(const Envelope *message, const Json *identity)
{
    return (DirectoryOwner){message->runtime != NULL ? message->runtime : message->from,
                            user_of(identity)};
}

// Whether an address is neither ours nor another session's.
static gboolean may_register(const Registry *registry, const Envelope *message, const char *url)
{
    g_autofree char *conference =
        g_strdup_printf("hyperty://%s/conference", bus_domain(registry->bus));
    const char *session = sessions_owner(registry->sessions, url);
    return strcmp(url, conference) != 0 && rooms_find_url(registry->rooms, url) == NULL &&
           (session == NULL || g_strcmp0(session, message->session) == 0);
}

void on_register(Service *service, const Envelope *message, BusRequest *request)
{
    Registry *registry = registry_of(service);
    if (request == NULL)
        return;
    g_autoptr(Json) value = envelope_value(message);
    g_autoptr(Json) identity = identity_of(message);
    const char *url = json_get_text(value, "url");
    DirectoryOwner owner = owner_of(message, identity);
    if (url == NULL)
        bus_refuse(request, REASON(malformed), "value.url");
    else if (!may_register(registry, message, url))
        bus_refuse(request, REASON(not_owner), url);
    else
        finish(registry, request,
               directory_put(registry->directory, value, &owner, g_get_monotonic_time()));
}

// With an attribute that one changes; without, it is the keep-alive, and may bring new members.
void on_entry_changed(Service *service, const Envelope *message, BusRequest *request)
{
    Registry *registry = registry_of(service);
    if (request == NULL)
        return;
    g_autoptr(Json) body = envelope_body_json(message);
    g_autoptr(Json) identity = identity_of(message);
    g_autofree char *url = resource_of(body, request);
    if (url == NULL)
        return;
    Json *value = json_get(body, "value");
    const char *attribute = json_get_text(body, "attribute");
    DirectoryOwner owner = owner_of(message, identity);
    if (attribute != NULL)
        finish(registry, request,
               directory_set(registry->directory, url, attribute, value, &owner));
    else if (value != NULL && !json_is_object(value))
        bus_refuse(request, REASON(malformed), "value");
    else
        finish(registry, request,
               directory_renew(registry->directory, url, value, &owner, g_get_monotonic_time()));
}

// By URL, else by name, else all that the owner has registered for a user.
void on_entry_deleted(Service *service, const Envelope *message, BusRequest *request)
{
    static const char *const keys[] = {"url", "name", "user"};
    Registry *registry = registry_of(service);
    if (request == NULL)
        return;
    g_autoptr(Json) before = store_answer(registry->store, message->source, message->request);
    g_autoptr(Json) value = envelope_value(message);
    g_autoptr(Json) identity = identity_of(message);
    const char *key = message->body != NULL ? message->body->resource : NULL;
    DirectoryOwner owner = owner_of(message, identity);
    for (guint i = 0; i < G_N_ELEMENTS(keys) && key == NULL; i++)
        key = json_get_text(value, keys[i]);
    if (before != NULL)
        bus_answer(request, before);
    else if (key == NULL)
        bus_refuse(request, REASON(malformed), "value.url");
    else
        finish(registry, request, directory_remove(registry->directory, key, &owner));
}

// --- status

void discovery_told(const char *url, const char *status, gpointer user)
{
    const Registry *registry = user;
    g_autofree char *from = g_strdup_printf("domain://registry.%s", bus_domain(registry->bus));
    g_autofree char *to = g_strconcat(url, "/registration", NULL);
    if (!url_is_valid(to))
        return;
    Envelope *event = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, from, to);
    Msg__Body *body = envelope_body(event);
    g_autoptr(Json) value = json_new_text(status);
    envelope_set(&body->attribute, "status");
    envelope_set_json(&body->value, &body->has_value, value);
    bus_publish(registry->bus, event);
}

// A gateway that was never heard has just started.
gboolean discovery_is_present(const Registry *registry, const Msg__Session *session)
{
    const Presence *gateway =
        session->gateway != NULL ? presences_find(registry->presences, session->gateway) : NULL;
    return g_strcmp0(session->status, "live") == 0 &&
           (gateway == NULL || presence_is_live(gateway, g_get_monotonic_time()));
}

// A session that nobody tells of any more (ended in order, or a registry that has just started)
// says nothing about its runtime.
void discovery_look_after(const char *runtime, gpointer user)
{
    const Registry *registry = user;
    const char *owner = sessions_owner(registry->sessions, runtime);
    const Msg__Session *session = owner != NULL ? sessions_find(registry->sessions, owner) : NULL;
    if (session != NULL)
        directory_runtime(registry->directory, runtime, discovery_is_present(registry, session));
}

void discovery_tick(gpointer user, gint64 now_us)
{
    const Registry *registry = user;
    directory_expire(registry->directory, now_us);
    if (bus_is_connected(registry->bus, NULL))
        directory_each_runtime(registry->directory, discovery_look_after, user);
}
