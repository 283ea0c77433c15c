// SPDX-License-Identifier: MIT
// See service.h. The bus is made before `start`, so that a service may route in it, and freed after
// `stop`, so that it may still answer there.
#include "common/service.h"

#include <glib-unix.h>
#include <stdio.h>
#include <string.h>

#include "common/alive.h"
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"

#define PRESENCE_MS 1000
#define ALIVE_MS 1000
#define VERSION "0.1.0"

// All rows of one address.
typedef struct {
    Service *service;
    GPtrArray *rows; // const ServiceRow
} Group;

struct Service {
    const ServiceDefinition *definition;
    Config *config;
    Bus *bus;
    GMainLoop *loop;
    GHashTable *groups; // topic -> Group
    char *id, *process;
    char **arguments;
    int n_arguments, status;
    guint presence_timer, drain_timer;
    Alive *alive; // NULL where nobody looks
    guint alive_timer;
    guint drain_ms;
    gboolean draining;
    gpointer state;
};

static void group_free(gpointer data)
{
    Group *group = data;
    g_ptr_array_unref(group->rows);
    g_free(group);
}

static const ServiceRow *find_row(const Group *group, EnvelopeType type)
{
    for (guint i = 0; i < group->rows->len; i++) {
        const ServiceRow *row = g_ptr_array_index(group->rows, i);
        if (row->type == type || row->type == MSG__ENVELOPE__TYPE__UNKNOWN)
            return row;
    }
    return NULL;
}

static void answer_ping(BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    bus_answer(request, body);
}

static void on_message(const Envelope *message, BusRequest *request, gpointer user)
{
    const Group *group = user;
    const ServiceRow *row = find_row(group, message->type);
    if (row != NULL)
        row->handle(group->service, message, request);
    else if (request != NULL && message->type == MSG__ENVELOPE__TYPE__PING)
        answer_ping(request);
    else if (request != NULL)
        bus_refuse(request, MSG__REFUSAL__REASON__unsupported, envelope_type_text(message));
}

// The topic that a row's address stands for.
static char *row_topic(const Service *service, const char *address)
{
    g_autoptr(GString) topic = g_string_new(address);
    g_string_replace(topic, "%D", service_domain(service), 0);
    g_string_replace(topic, "%P", service->process, 0);
    g_string_replace(topic, "%I", service->id, 0);
    if (!g_str_has_suffix(topic->str, "/"))
        g_string_append_c(topic, ' ');
    return g_string_free(g_steal_pointer(&topic), FALSE);
}

static void route_rows(Service *service)
{
    const ServiceRow *row = service->definition->rows;
    for (; row != NULL && row->address != NULL; row++) {
        g_autofree char *topic = row_topic(service, row->address);
        Group *group = g_hash_table_lookup(service->groups, topic);
        if (group == NULL) {
            group = g_new0(Group, 1);
            group->service = service;
            group->rows = g_ptr_array_new();
            bus_route(service->bus, topic, on_message, group);
            g_hash_table_insert(service->groups, g_steal_pointer(&topic), group);
        }
        g_ptr_array_add(group->rows, (gpointer)row);
    }
}

static Json *presence_value(Service *service)
{
    Msg__Presence *presence = g_new(Msg__Presence, 1);
    msg__presence__init(presence);
    g_autoptr(Json) counters = metrics_json();
    presence->role = g_strdup(service->definition->role);
    presence->process = g_strdup(service->process);
    presence->has_incarnation = presence->has_draining = presence->has_counters = TRUE;
    presence->incarnation = bus_incarnation(service->bus);
    presence->draining = service->draining;
    presence->counters = codec_bytes(counters);
    if (service->definition->presence != NULL)
        service->definition->presence(service, presence);
    Json *value = codec_to_json(&presence->base);
    codec_free(presence);
    return value;
}

static void publish_presence(Service *service)
{
    g_autofree char *url =
        g_strdup_printf("ctxt://%s/process/%s", service_domain(service), service->process);
    g_autofree char *topic = g_strconcat(url, "/changes", NULL);
    g_autoptr(Json) value = presence_value(service);
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, url, topic);
    Msg__Body *body = envelope_body(update);
    envelope_set_json(&body->value, &body->has_value, value);
    bus_publish(service->bus, update);
}

static gboolean on_presence_due(gpointer user)
{
    publish_presence(user);
    return G_SOURCE_CONTINUE;
}

static void on_linked(gpointer user)
{
    publish_presence(user);
}

static gboolean on_alive_due(gpointer user)
{
    const Service *service = user;
    if (service->bus == NULL || bus_is_connected(service->bus, NULL))
        alive_touch(service->alive);
    return G_SOURCE_CONTINUE;
}

static gboolean open_alive(Service *service, GError **error)
{
    const char *path = config_text(service->config, CONFIG_SUITE_ALIVE_FILE);
    if (!alive_open(path, &service->alive, error))
        return FALSE;
    if (service->alive != NULL)
        service->alive_timer = g_timeout_add(ALIVE_MS, on_alive_due, service);
    return TRUE;
}

static gboolean on_drain_deadline(gpointer user)
{
    Service *service = user;
    service->drain_timer = 0;
    log_event(LOG_WARNING, "service.drain_deadline", "after_s=%u", service->drain_ms / 1000);
    service_stop(service, 0);
    return G_SOURCE_REMOVE;
}

static gboolean on_signal(gpointer user)
{
    Service *service = user;
    if (service->draining || service->definition->drain == NULL) {
        service_stop(service, 0);
        return G_SOURCE_CONTINUE;
    }
    log_event(LOG_INFO, "service.draining", "deadline_s=%u", service->drain_ms / 1000);
    service->draining = TRUE;
    service->drain_timer = g_timeout_add(service->drain_ms, on_drain_deadline, service);
    if (service->bus != NULL)
        publish_presence(service);
    service->definition->drain(service);
    return G_SOURCE_CONTINUE;
}

// Place of `word` in `words`; -1 with an error that lists them.
static gint choose(const char *key, const char *word, const char *const *words, GError **error)
{
    for (gint i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    g_autofree char *list = g_strjoinv(", ", (char **)words);
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s is one of %s, not %s", key,
                list, word);
    return -1;
}

static gboolean open_log(Service *service, GError **error)
{
    static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
    static const char *const formats[] = {"logfmt", "json", NULL};
    gint level = choose("log.level", config_text(service->config, CONFIG_LOG_LEVEL), levels, error);
    if (level < 0)
        return FALSE;
    gint format =
        choose("log.format", config_text(service->config, CONFIG_LOG_FORMAT), formats, error);
    if (format < 0)
        return FALSE;
    log_open(service->process, (LogLevel)level, format == 1);
    return TRUE;
}

static gboolean read_drain(Service *service, GError **error)
{
    gint64 drain_s = 0;
    if (!config_number(service->config, CONFIG_SERVICE_DRAIN_S, 0, LIMIT_DRAIN_MS / 1000, &drain_s,
                       error))
        return FALSE;
    service->drain_ms = (guint)drain_s * 1000;
    return TRUE;
}

static gboolean join_bus(Service *service, GError **error)
{
    if (service->definition->no_bus)
        return TRUE;
    service->bus = bus_new(service->config, service->process, error);
    if (service->bus == NULL)
        return FALSE;
    route_rows(service);
    return TRUE;
}

static gboolean start(Service *service, int *argc, char ***argv, GError **error)
{
    service->config = config_new(argc, argv, error);
    service->arguments = *argv;
    service->n_arguments = *argc;
    if (service->config == NULL || !open_log(service, error) || !read_drain(service, error) ||
        !join_bus(service, error))
        return FALSE;
    if (!open_alive(service, error)) // before a child of ours could
        return FALSE;
    if (service->definition->start != NULL && !service->definition->start(service, error))
        return FALSE;
    if (service->bus == NULL)
        return TRUE;
    service->presence_timer = g_timeout_add(PRESENCE_MS, on_presence_due, service);
    bus_when_routed(service->bus, on_linked, service);
    return TRUE;
}

static void run(Service *service)
{
    guint terminate = g_unix_signal_add(SIGTERM, on_signal, service);
    guint interrupt = g_unix_signal_add(SIGINT, on_signal, service);
    log_event(LOG_INFO, "service.started", "pid=%d domain=%s", (int)getpid(),
              service_domain(service));
    g_main_loop_run(service->loop);
    log_event(LOG_INFO, "service.stopped", "status=%d", service->status);
    g_source_remove(terminate);
    g_source_remove(interrupt);
    if (service->definition->stop != NULL)
        service->definition->stop(service);
}

static void service_clear(Service *service)
{
    if (service->presence_timer != 0)
        g_source_remove(service->presence_timer);
    if (service->drain_timer != 0)
        g_source_remove(service->drain_timer);
    if (service->alive_timer != 0)
        g_source_remove(service->alive_timer);
    alive_free(service->alive);
    bus_free(service->bus);
    g_hash_table_unref(service->groups);
    config_free(service->config);
    g_main_loop_unref(service->loop);
    g_free(service->id);
    g_free(service->process);
}

static gboolean print_if_asked(const ServiceDefinition *definition, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            printf("parley-%s %s\n", definition->role, VERSION);
            return TRUE;
        }
        if (strcmp(argv[i], "--help") == 0) {
            g_autofree char *help = config_help();
            printf("parley-%s: %s\n\nusage: [--config FILE] [--section.key=value …]\n\n%s",
                   definition->role, definition->summary, help);
            return TRUE;
        }
    }
    return FALSE;
}

int service_main(const ServiceDefinition *definition, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Service service = {.definition = definition, .status = 0};
    if (print_if_asked(definition, argc, argv))
        return 0;
    signal(SIGPIPE, SIG_IGN);
    service.id = g_strdup_printf("%08x", g_random_int());
    service.process = g_strdup_printf("%s-%s", definition->role, service.id);
    service.loop = g_main_loop_new(NULL, FALSE);
    service.groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, group_free);
    log_open(service.process, LOG_INFO, FALSE);
    if (start(&service, &argc, &argv, &error)) {
        run(&service);
    } else {
        log_event(LOG_ERROR, "service.cannot_start", "reason=%s",
                  log_quote(error != NULL ? error->message : "unknown"));
        service.status = 1;
    }
    service_clear(&service);
    return service.status;
}

void service_set_state(Service *service, gpointer state)
{
    service->state = state;
}

gpointer service_state(const Service *service)
{
    return service->state;
}

Bus *service_bus(const Service *service)
{
    return service->bus;
}

const Config *service_config(const Service *service)
{
    return service->config;
}

const char *service_process(const Service *service)
{
    return service->process;
}

const char *service_id(const Service *service)
{
    return service->id;
}

const char *service_domain(const Service *service)
{
    return config_text(service->config, CONFIG_SUITE_DOMAIN);
}

gboolean service_is_draining(const Service *service)
{
    return service->draining;
}

guint service_drain_ms(const Service *service)
{
    return service->drain_ms;
}

char **service_arguments(const Service *service, int *ret_count)
{
    *ret_count = service->n_arguments;
    return service->arguments;
}

void service_stop(Service *service, int status)
{
    service->status = status;
    g_main_loop_quit(service->loop);
}
