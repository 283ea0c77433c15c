// SPDX-License-Identifier: MIT
// See discovery.h. Entries are made from what exists when they are asked for: nothing is kept.
#include "registry/discovery.h"
#include <string.h>
#include "registry/registry.h"

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
    set_list(entry, "dataSchemes", (const char *[]){"comm", "connection", NULL});
    set_list(entry, "resources", (const char *[]){"audio", "video", NULL});
    json_set_text(entry, "status", "live");
    return entry;
}

// NULL: there is nothing of that name.
static Json *find(const Registry *registry, const char *resource, const char **ret_url)
{
    g_autofree char *conference =
        g_strdup_printf("hyperty://%s/conference", bus_domain(registry->bus));
    if (strcmp(resource, conference) == 0) {
        *ret_url = resource;
        return conference_entry(conference, bus_domain(registry->bus));
    }
    const Room *room = rooms_find(registry->rooms, resource);
    if (room == NULL)
        room = rooms_find_url(registry->rooms, resource);
    if (room == NULL)
        return NULL;
    *ret_url = room_url(room);
    return room_entry(room);
}

void on_discover(Service *service, const Envelope *message, BusRequest *request)
{
    const char *resource = message->body != NULL ? message->body->resource : NULL;
    const char *url = NULL;
    if (request == NULL)
        return;
    if (resource == NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__malformed, "resource");
        return;
    }
    g_autoptr(Json) entry = find(service_state(service), resource, &url);
    if (entry == NULL) {
        bus_refuse(request, MSG__REFUSAL__REASON__no_such_object, "Not Found");
        return;
    }
    g_autoptr(Json) value = json_new_object();
    g_autoptr(Json) body = json_new_object();
    json_set(value, url, entry);
    json_set_number(body, "code", 200);
    json_set(body, "value", value);
    bus_answer(request, body);
}
