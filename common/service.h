// SPDX-License-Identifier: MIT
// The life of a daemon, written once: settings, log, main loop, signals, bus, presence each second,
// handler table, drain, exit. A service is the table that it gives to service_main.
//
// Signals: the first SIGTERM or SIGINT calls `drain` (deadline service.drain_s, then stop), the
// second stops at once. Exit 0 after a stop, 1 if it could not start (one line says why).
#pragma once
#include "common/bus.h"
#include "proto/context.pb-c.h"

typedef struct Service Service;

// One row: messages of `type` (MSG__ENVELOPE__TYPE__UNKNOWN: of any type) to `address` go to
// `handle`. address: a URL in which %D stands for suite.domain, %P for the process name and %I for
// the id in it; a trailing "/" means everything below. request is NULL for publications. A ping
// that no row takes is answered 200: whoever asks wants to know whether the process lives. Any
// other request to a routed address that no row takes is refused (unsupported).
typedef struct {
    const char *address;
    EnvelopeType type;
    void (*handle)(Service *service, const Envelope *message, BusRequest *request);
} ServiceRow;

typedef struct {
    const char *role;       // "registry": first half of the process name
    const char *summary;    // first line of --help
    const ServiceRow *rows; // ends with {0}; may be NULL
    gboolean no_bus;        // the broker itself: no bus client, no presence
    // Makes the service's own state (service_set_state). Not yet on the bus; may route. FALSE with
    // an error: cannot start.
    gboolean (*start)(Service *service, GError **error);
    // Adds to the presence message of each second; may be NULL. Strings must be g_malloc'ed: the
    // message is freed.
    void (*presence)(Service *service, Msg__Presence *presence);
    // Asked to end: take nothing new, call service_stop when empty. NULL: stop at once.
    void (*drain)(Service *service);
    // Frees the state. The bus still works.
    void (*stop)(Service *service);
} ServiceDefinition;

// Runs the program; the result is its exit status. argv: settings (config.h), --help, --version.
int service_main(const ServiceDefinition *definition, int argc, char **argv);

void service_set_state(Service *service, gpointer state);
gpointer service_state(const Service *service);
Bus *service_bus(const Service *service);
const Config *service_config(const Service *service);
const char *service_process(const Service *service); // "registry-1f2e3d4c"
const char *service_id(const Service *service);      // "1f2e3d4c"
const char *service_domain(const Service *service);
gboolean service_is_draining(const Service *service);
guint service_drain_ms(const Service *service); // from the first signal to the end, at most
// What is left of argv after the settings (argv[0] first); borrowed.
char **service_arguments(const Service *service, int *ret_count);
// Ends the main loop; the exit status is `status`.
void service_stop(Service *service, int status);
