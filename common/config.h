// SPDX-License-Identifier: MIT
// Every setting of every program, in one table: name, default, whether it is secret, and one
// sentence. The table is
// --help, the sample file and the check for unknown keys. Flag over environment over file over
// default.
//
// File: GKeyFile, [section] key=value. Environment: PARLEY_SECTION_KEY; secrets also
// PARLEY_SECTION_KEY_FILE (first line of that file). Flag: --section.key=value.
#pragma once
#include <glib.h>

#define CONFIG_KEYS(KEY)                                                                           \
    KEY(SUITE_DOMAIN, "suite.domain", "localhost", FALSE,                                          \
        "domain of every address, and of this suite's services")                                   \
    KEY(SUITE_SECRET, "suite.secret", "", TRUE,                                                    \
        "signs session tokens; the same at every gateway; empty: made at start, sessions end "     \
        "with the gateway")                                                                        \
    KEY(SUITE_ALIVE_FILE, "suite.alive_file", "", FALSE,                                           \
        "touched each second while the process turns and reaches the bus, for health checks")      \
    KEY(BUS_PUBLISH, "bus.publish", "tcp://127.0.0.1:5550", FALSE,                                 \
        "where publishers connect (and the broker binds)")                                         \
    KEY(BUS_SUBSCRIBE, "bus.subscribe", "tcp://127.0.0.1:5551", FALSE,                             \
        "where subscribers connect (and the broker binds)")                                        \
    KEY(GATEWAY_LISTEN, "gateway.listen", "127.0.0.1", FALSE,                                      \
        "address to listen on; 0.0.0.0 for every IPv4 address, :: for every address")              \
    KEY(GATEWAY_PORT, "gateway.port", "8080", FALSE,                                               \
        "TCP port of page, WebSocket, health and metrics")                                         \
    KEY(GATEWAY_ORIGINS, "gateway.origins", "", FALSE,                                             \
        "origins that may open a WebSocket, separated by commas; * for any; empty: the gateway's " \
        "own")                                                                                     \
    KEY(GATEWAY_TLS_CERTIFICATE, "gateway.tls_certificate", "", FALSE,                             \
        "PEM file; with tls_key the gateway speaks https and wss")                                 \
    KEY(GATEWAY_TLS_KEY, "gateway.tls_key", "", FALSE, "PEM file of the private key")              \
    KEY(GATEWAY_CLIENT_PATH, "gateway.client_path", "", FALSE,                                     \
        "folder of the page and parley.js; empty: the one beside the program's sources")           \
    KEY(GATEWAY_OPEN_TAKEOVER, "gateway.open_takeover", "true", FALSE,                             \
        "whether a guest's open with a known runtime URL takes its session over")                  \
    KEY(AUTH_KEYS, "auth.keys", "", TRUE,                                                          \
        "keys of JSON Web Tokens, id:secret (32 bytes or more), separated by commas; the same at " \
        "every gateway and the registry; empty: no token is good")                                 \
    KEY(AUTH_GUESTS, "auth.guests", "true", FALSE,                                                 \
        "whether who shows no token may connect, and join every room; false needs auth.keys")      \
    KEY(REGISTRY_STORE, "registry.store", "build/run/registry.db", FALSE,                          \
        "SQLite file of rooms and participants")                                                   \
    KEY(REGISTRY_GRACE_S, "registry.grace_s", "20", FALSE,                                         \
        "seconds for which a participant without session and media is kept")                       \
    KEY(REGISTRY_QUARANTINE_S, "registry.quarantine_s", "60", FALSE,                               \
        "seconds for which a room gets no process after it has killed two within a minute; 0: "    \
        "never")                                                                                   \
    KEY(MEDIA_PORTS, "media.ports", "50000-50199", FALSE, "UDP ports of rooms, one a room")        \
    KEY(MEDIA_LISTEN, "media.listen", "", FALSE,                                                   \
        "addresses that rooms offer, separated by commas; empty: every interface that is up, or "  \
        "loopback while gateway and bus are there")                                                \
    KEY(MEDIA_ADVERTISE_IP, "media.advertise_ip", "", FALSE,                                       \
        "further addresses to offer, separated by commas: the public ones behind NAT")             \
    KEY(MEDIA_CAPACITY, "media.capacity", "100", FALSE, "rooms that one worker takes")             \
    KEY(TURN_URIS, "turn.uris", "", FALSE,                                                         \
        "relays that browsers are told of in the answer to a join, separated by commas, e.g. "     \
        "turn:meet.example.org:3478?transport=udp")                                                \
    KEY(TURN_SECRET, "turn.secret", "", TRUE,                                                      \
        "shared with the relays: makes the credentials that they check")                           \
    KEY(TURN_TTL_S, "turn.ttl_s", "3600", FALSE,                                                   \
        "seconds for which such a credential opens a relay")                                       \
    KEY(SERVICE_DRAIN_S, "service.drain_s", "30", FALSE,                                           \
        "seconds that a process has to end after the first SIGTERM; a worker moves its rooms "     \
        "elsewhere in the last ten of them")                                                       \
    KEY(LOG_LEVEL, "log.level", "info", FALSE, "debug, info, warning or error")                    \
    KEY(LOG_FORMAT, "log.format", "logfmt", FALSE, "logfmt or json")

typedef enum {
#define CONFIG_ENUM(id, name, fallback, secret, text) CONFIG_##id,
    CONFIG_KEYS(CONFIG_ENUM)
#undef CONFIG_ENUM
        CONFIG_COUNT
} ConfigKey;

typedef struct Config Config;

// Reads defaults, then the file named by --config, then the environment, then flags. Removes what
// it understood from argc/argv (GOption manner), so that a program may have flags of its own. An
// unknown key, an unreadable file or a malformed flag is an error that names it; an unknown
// PARLEY_* variable is a log line (config.unknown_variable).
Config *config_new(int *argc, char ***argv, GError **error);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

// Borrowed, never NULL ("" where unset).
const char *config_text(const Config *config, ConfigKey key);
// A whole number within [least, most]; FALSE with an error that names key, value and range.
gboolean config_number(const Config *config, ConfigKey key, gint64 least, gint64 most,
                       gint64 *ret_number, GError **error);
// true/false, yes/no, 1/0. FALSE with an error otherwise.
gboolean config_flag(const Config *config, ConfigKey key, gboolean *ret_flag, GError **error);
// Comma-separated list, blanks trimmed, empty elements dropped; NULL-terminated, owned by the
// caller.
char **config_list(const Config *config, ConfigKey key);
// Sets one value, as a flag would (tests; a parent that hands its settings to a child).
void config_set(Config *config, ConfigKey key, const char *value);
// The sample file: every key with its sentence and default. Owned by the caller.
char *config_sample(void);
// Every flag with its sentence and default, for --help. Owned by the caller.
char *config_help(void);
