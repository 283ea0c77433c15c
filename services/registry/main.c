// SPDX-License-Identifier: MIT
// The registry: conference hyperty and domain registry. It owns the Communication objects, decides
// who is in which room, and finds each room a process for its media. README.md says which file does
// what; this one says which message does what.
#include "registry/discovery.h"
#include "registry/registry.h"
#include "registry/requests.h"
#include "registry/watching.h"

#define CREATE MSG__ENVELOPE__TYPE__CREATE
#define READ MSG__ENVELOPE__TYPE__READ
#define UPDATE MSG__ENVELOPE__TYPE__UPDATE
#define DELETE MSG__ENVELOPE__TYPE__DELETE
#define EXECUTE MSG__ENVELOPE__TYPE__EXECUTE
#define EVENT MSG__ENVELOPE__TYPE__EVENT

static const ServiceRow rows[] = {
    // The conference: clients join, leave, mute; hosts report the end of a room process.
    {"hyperty://%D/conference", CREATE, on_join},
    {"hyperty://%D/conference", EXECUTE, on_execute},
    {"hyperty://%D/conference", DELETE, on_connection_deleted},
    // Sessions: gateways tell, and ask each other through us.
    {"hyperty://%D/sessions", CREATE, on_session_told},
    {"hyperty://%D/sessions", UPDATE, on_session_told},
    {"hyperty://%D/sessions", DELETE, on_session_ended},
    {"hyperty://%D/sessions", READ, on_session_asked},
    {"hyperty://%D/sessions", EXECUTE, on_session_claims},
    // The domain registry: who and what can be found here.
    {"domain://registry.%D", CREATE, on_register},
    {"domain://registry.%D", READ, on_discover},
    {"domain://registry.%D", UPDATE, on_entry_changed},
    {"domain://registry.%D", DELETE, on_entry_deleted},
    // Who is there, and who is not any more.
    {"ctxt://%D/process/", UPDATE, on_presence},
    {"bus://events", EVENT, on_bus_event},
    {0},
};

static const ServiceDefinition definition = {
    .role = "registry",
    .summary = "keeps Parley's rooms and participants, and places rooms on media workers",
    .rows = rows,
    .start = registry_start,
    .presence = registry_presence,
    .drain = registry_drain,
    .stop = registry_stop,
};

int main(int argc, char **argv)
{
    return service_main(&definition, argc, argv);
}
