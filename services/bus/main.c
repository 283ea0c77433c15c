// SPDX-License-Identifier: MIT
// The broker: the one process that every other connects to. It uses no bus client; it is the bus.
#include "bus/broker.h"
#include "common/service.h"

static gboolean start(Service *service, GError **error)
{
    service_set_state(service,
                      broker_new(service_config(service), service_process(service), error));
    return service_state(service) != NULL;
}

static void stop(Service *service)
{
    broker_free(service_state(service));
}

int main(int argc, char **argv)
{
    static const ServiceDefinition definition = {
        .role = "bus",
        .summary = "the message bus: passes every message on, answers 404 where nobody listens",
        .no_bus = TRUE,
        .start = start,
        .stop = stop,
    };
    return service_main(&definition, argc, argv);
}
