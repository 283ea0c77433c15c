// SPDX-License-Identifier: MIT
// The bus monitor: one line a message, live. It only subscribes, to what is no route, so it neither
// changes what the broker answers nor holds anybody up.
#include <unistd.h>

#include "busmon/monitor.h"
#include "busmon/output.h"
#include "common/bus_socket.h"
#include "common/service.h"

typedef struct {
    Service *service;
    Options *options;
    Monitor *monitor;
    Output *output;
    BusSocket *socket;
} Busmon;

static void show(Busmon *busmon, char *line)
{
    if (line != NULL)
        output_line(busmon->output, line);
    g_free(line);
}

static void on_message(const char *topic, const guint8 *data, gsize length, gpointer user)
{
    Busmon *busmon = user;
    show(busmon, monitor_frame(busmon->monitor, topic, data, length));
}

static void on_connection(gboolean connected, gpointer user)
{
    Busmon *busmon = user;
    show(busmon, monitor_link(busmon->monitor, service_process(busmon->service), connected));
}

static char *on_missed(guint64 lines, gpointer user)
{
    return monitor_missed(((Busmon *)user)->monitor, lines);
}

static void on_closed(gpointer user)
{
    service_stop(((Busmon *)user)->service, 0);
}

static gboolean connect_bus(Busmon *busmon, const Config *config, GError **error)
{
    static const BusSocketCalls calls = {on_message, on_connection};
    g_autofree char *topic = monitor_subscription(busmon->monitor);
    g_autofree char *own = g_strdup_printf("bus://process/%s ", service_process(busmon->service));
    busmon->socket =
        bus_socket_new(config_text(config, CONFIG_BUS_PUBLISH),
                       config_text(config, CONFIG_BUS_SUBSCRIBE), &calls, busmon, error);
    if (busmon->socket == NULL)
        return FALSE;
    bus_socket_subscribe(busmon->socket, own); // by which the broker knows our name
    bus_socket_subscribe(busmon->socket, topic);
    return TRUE;
}

static gboolean open_all(Busmon *busmon, GError **error)
{
    static const OutputCalls calls = {on_missed, on_closed};
    int argc = 0;
    char **argv = service_arguments(busmon->service, &argc);
    busmon->options = options_new(argc, argv, error);
    if (busmon->options == NULL)
        return FALSE;
    busmon->monitor = monitor_new(busmon->options);
    busmon->output = output_new(STDOUT_FILENO, &calls, busmon);
    return connect_bus(busmon, service_config(busmon->service), error);
}

static void stop(Service *service)
{
    Busmon *busmon = service_state(service);
    bus_socket_free(busmon->socket);
    output_free(busmon->output);
    monitor_free(busmon->monitor);
    options_free(busmon->options);
    g_free(busmon);
}

static gboolean start(Service *service, GError **error)
{
    Busmon *busmon = g_new0(Busmon, 1);
    busmon->service = service;
    service_set_state(service, busmon);
    if (open_all(busmon, error))
        return TRUE;
    stop(service);
    return FALSE;
}

int main(int argc, char **argv)
{
    static const ServiceDefinition definition = {
        .role = "busmon",
        .summary = "shows every message on the bus, one line each, secrets masked\n\n" OPTIONS_HELP,
        .no_bus = TRUE, // it has a subscription, and nothing to say
        .start = start,
        .stop = stop,
    };
    return service_main(&definition, argc, argv);
}
