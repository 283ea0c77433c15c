// SPDX-License-Identifier: MIT
// The gateway: the message node that clients connect to. Its table is empty, because it listens to
// no address of its own: what it subscribes on the bus are the addresses of its sessions.
#include "common/log.h"
#include "common/service.h"
#include "gateway/gateway.h"

static gboolean start(Service *service, GError **error)
{
    const Config *config = service_config(service);
    const char *secret = config_text(config, CONFIG_SUITE_SECRET);
    if (*secret == '\0')
        log_event(LOG_WARNING, "gateway.no_secret", "setting=suite.secret");
    g_autoptr(Gateway) gateway = gateway_new(service_bus(service), secret);
    if (!gateway_listen(gateway, config, error))
        return FALSE;
    service_set_state(service, g_steal_pointer(&gateway));
    return TRUE;
}

static void presence(Service *service, Msg__Presence *message)
{
    const Gateway *gateway = service_state(service);
    gateway_set_gauges(gateway);
    message->has_load = TRUE;
    message->load = sessions_count(gateway->sessions);
}

static void on_empty(gpointer service)
{
    service_stop(service, 0);
}

static void drain(Service *service)
{
    gateway_drain(service_state(service), on_empty, service);
}

static void stop(Service *service)
{
    gateway_free(service_state(service));
}

int main(int argc, char **argv)
{
    static const ServiceDefinition definition = {
        .role = "gateway",
        .summary = "message node: WebSocket sessions, the page, health and metrics",
        .start = start,
        .presence = presence,
        .drain = drain,
        .stop = stop,
    };
    return service_main(&definition, argc, argv);
}
