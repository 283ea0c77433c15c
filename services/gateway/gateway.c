// SPDX-License-Identifier: MIT
// See gateway.h. This file wires the parts: the bus on one side, sockets on the other.
#include "gateway/gateway.h"

#include <string.h>
#include <sys/resource.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/url.h"
#include "gateway/asking.h"
#include "gateway/claims.h"
#include "gateway/delivery.h"
#include "gateway/dispatch.h"
#include "gateway/exposition.h"
#include "gateway/handshake.h"
#include "gateway/learning.h"
#include "gateway/relays.h"
#include "gateway/token.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define CLOSE_GOING_AWAY 1001
#define DESCRIPTORS 65536

// --- the bus ---

// The object whose changes (or digest) a message is; NULL if it is something else.
static char *changed_object(const Envelope *message)
{
    gboolean is_stream = (message->type == MSG__ENVELOPE__TYPE__UPDATE ||
                          message->type == MSG__ENVELOPE__TYPE__EVENT) &&
                         g_str_has_suffix(message->to, "/changes");
    return is_stream ? url_object(message->to) : NULL;
}

// Who follows an object gets its changes from there, in order and without holes.
static void give_to_routes(Gateway *gateway, const Envelope *message)
{
    g_autoptr(GPtrArray) sessions = routes_match(gateway->routes, message->to);
    if (sessions->len == 0)
        return;
    g_autofree char *object = changed_object(message);
    g_autoptr(Json) json = envelope_to_json(message);
    g_autoptr(Text) text = text_from_json(json);
    for (guint i = 0; i < sessions->len; i++) {
        Session *session = g_ptr_array_index(sessions, i);
        if (object == NULL || !watches_is_followed(gateway->watches, session, object))
            session_send(session, text);
    }
}

// The session is no observer of it any more: its reporter says so.
static void take_object(Gateway *gateway, Session *session, const char *object)
{
    if (session_owns(session, object))
        return; // its own
    routes_remove_under(gateway->routes, session, object);
    watches_unfollow(gateway->watches, session, object);
    registrar_tell(gateway->registrar, session);
}

static void give_to_owner(Gateway *gateway, const Envelope *message, BusRequest *request)
{
    Session *session = sessions_owner(gateway->sessions, message->to);
    if (session != NULL && message->taken != NULL)
        take_object(gateway, session, message->taken);
    if (session == NULL && request != NULL)
        bus_refuse(request, REASON(no_route), NULL);
    else if (session != NULL && request != NULL && !relays_answer(session, request))
        delivery_take(gateway->deadlines, session, request);
}

static void give_event(Gateway *gateway, const Envelope *message)
{
    Session *session = sessions_owner(gateway->sessions, message->to);
    if (session == NULL)
        return;
    g_autoptr(Json) json = envelope_to_json(message);
    g_autoptr(Text) text = text_from_json(json);
    session_send(session, text);
}

// Everything that comes for addresses and routes of sessions; each message once.
static void on_bus(const Envelope *message, BusRequest *request, gpointer user)
{
    Gateway *gateway = user;
    if (request != NULL)
        give_to_owner(gateway, message, request);
    else if (url_is_publication(message->to))
        give_to_routes(gateway, message);
    else if (message->type == MSG__ENVELOPE__TYPE__EVENT ||
             message->type == MSG__ENVELOPE__TYPE__RESPONSE)
        give_event(gateway, message);
}

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    Gateway *gateway = user;
    const Msg__Body *body = message->body;
    (void)request;
    if (body == NULL || !body->has_value || message->type != MSG__ENVELOPE__TYPE__UPDATE)
        return;
    Msg__Presence *presence =
        CODEC_FROM_BYTES(Msg__Presence, msg__presence__descriptor, &body->value, NULL);
    if (presence == NULL)
        return;
    gboolean anew = presences_hear(gateway->presences, presence, g_get_monotonic_time());
    if (g_strcmp0(presence->role, "registry") == 0)
        registrar_heard(gateway->registrar, anew);
    codec_free(presence);
}

// Another gateway has a session that was ours: its client went there.
static void on_announced(const Envelope *message, BusRequest *request, gpointer user)
{
    Gateway *gateway = user;
    const char *id = message->body != NULL ? message->body->resource : NULL;
    Session *session = id != NULL ? sessions_by_id(gateway->sessions, id) : NULL;
    (void)request;
    if (session == NULL || g_strcmp0(message->source, gateway->process) == 0)
        return;
    log_event(LOG_INFO, "gateway.session_moved", "session=%s to=%s", session->id,
              log_quote(message->source != NULL ? message->source : ""));
    registrar_moved(gateway->registrar, session);
    gateway_end_session(gateway, session, FALSE);
}

static char *announcements(const Gateway *gateway, const char *end)
{
    return g_strdup_printf("domain://msg-node.%s/sessions/changes%s", gateway->domain, end);
}

void gateway_announce(Gateway *gateway, const Session *session)
{
    g_autofree char *to = announcements(gateway, "");
    g_autofree char *from =
        g_strdup_printf("domain://msg-node.%s/%s", gateway->domain, gateway->process);
    Envelope *event = envelope_new(MSG__ENVELOPE__TYPE__EVENT, from, to);
    envelope_set(&envelope_body(event)->resource, session->id);
    bus_publish(gateway->bus, event);
}

static void on_link(gboolean connected, gpointer user)
{
    if (connected)
        watches_check(((Gateway *)user)->watches);
}

// --- addresses and routes on the bus ---

static void on_owned(Session *session, const char *address, gboolean owned, gpointer user)
{
    Gateway *gateway = user;
    g_autofree char *exact = g_strconcat(address, " ", NULL);
    g_autofree char *below = g_strconcat(address, "/", NULL);
    void (*change)(Bus *, const char *, BusHandler, gpointer) = owned ? bus_route : bus_unroute;
    change(gateway->bus, exact, on_bus, gateway);
    change(gateway->bus, below, on_bus, gateway);
    if (!owned)
        relays_forget(session, address);
    if (session->openings > 0)
        registrar_tell(gateway->registrar, session);
}

static void on_route_used(const char *topic, gboolean used, gpointer user)
{
    Gateway *gateway = user;
    g_autofree char *bus_topic = g_strconcat(topic, g_str_has_suffix(topic, "/") ? "" : " ", NULL);
    if (used)
        bus_route(gateway->bus, bus_topic, on_bus, gateway);
    else
        bus_unroute(gateway->bus, bus_topic, on_bus, gateway);
}

// --- HTTP ---

static char *unready(gpointer user)
{
    const Gateway *gateway = user;
    if (gateway->draining)
        return g_strdup("this gateway is draining: it takes nobody new");
    if (!bus_is_connected(gateway->bus, NULL))
        return g_strdup("the bus does not answer");
    if (!presences_has(gateway->presences, "registry", g_get_monotonic_time()))
        return g_strdup("no registry has been heard on the bus for 3 s");
    return NULL;
}

void gateway_set_gauges(const Gateway *gateway)
{
    metrics_set(METRIC_GATEWAY_SESSIONS, sessions_count(gateway->sessions));
    metrics_set(METRIC_GATEWAY_SOCKETS, g_hash_table_size(gateway->clients));
}

static void add_presence(Exposition *exposition, const Presence *presence)
{
    exposition_add(exposition, presence->process, presence->counters);
    exposition_add_one(exposition, presence->process, "up", 1);
    exposition_add_one(exposition, presence->process, "draining", presence->draining);
    exposition_add_one(exposition, presence->process, "load", presence->load);
    if (presence->capacity > 0)
        exposition_add_one(exposition, presence->process, "capacity", presence->capacity);
}

static char *metrics(gboolean self_only, gpointer user)
{
    Gateway *gateway = user;
    Exposition *exposition = exposition_new();
    g_autoptr(GPtrArray) others = presences_recent(gateway->presences, g_get_monotonic_time());
    gateway_set_gauges(gateway);
    g_autoptr(Json) own = metrics_json();
    exposition_add(exposition, gateway->process, own);
    exposition_add_one(exposition, gateway->process, "up", 1);
    for (guint i = 0; !self_only && i < others->len; i++) {
        const Presence *presence = g_ptr_array_index(others, i);
        if (strcmp(presence->process, gateway->process) != 0)
            add_presence(exposition, presence);
    }
    return exposition_finish(exposition);
}

// --- sockets ---

static void wire_send(gpointer wire, Text *text)
{
    socket_send(wire, text);
}

static void wire_close(gpointer wire, guint code, const char *reason)
{
    socket_close(wire, code, reason);
}

static void wire_ping(gpointer wire)
{
    socket_ping(wire);
}

static gint64 wire_heard_us(gpointer wire)
{
    return socket_heard_us(wire);
}

static const ClientWire wire = {wire_send, wire_close, wire_ping, wire_heard_us};

static void on_socket_open(Socket *socket, gpointer gateway)
{
    socket_set_user(socket, gateway_add_client(gateway, &wire, socket));
}

static void on_socket_text(Socket *socket, const char *bytes, gsize length, gpointer gateway)
{
    dispatch_frame(gateway, socket_user(socket), bytes, length);
}

static void on_socket_fault(Socket *socket, Refusal reason, const char *detail, gpointer gateway)
{
    (void)gateway;
    dispatch_fault(socket_user(socket), NULL, reason, detail);
}

static void on_socket_closed(Socket *socket, gpointer gateway)
{
    gateway_remove_client(gateway, socket_user(socket));
}

static HttpAnswer *on_http(const HttpRequest *request, gpointer gateway)
{
    return http_answer(((Gateway *)gateway)->http, request);
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = MIN(limit.rlim_max, DESCRIPTORS);
    setrlimit(RLIMIT_NOFILE, &limit);
}

static gboolean read_keys(Gateway *gateway, const Config *config, GError **error)
{
    g_autoptr(GrantKeys) keys = NULL;
    if (!grant_keys_configure(config, &keys, &gateway->guests, error))
        return FALSE;
    grant_keys_free(gateway->keys);
    gateway->keys = g_steal_pointer(&keys);
    return TRUE;
}

gboolean gateway_listen(Gateway *gateway, const Config *config, GError **error)
{
    static const SocketCalls socket_calls = {on_socket_open, on_socket_text, on_socket_fault,
                                             on_socket_closed, on_http};
    static const HttpCalls http_calls = {unready, metrics};
    gint64 port = 0;
    if (!config_number(config, CONFIG_GATEWAY_PORT, 1, 65535, &port, error) ||
        !config_flag(config, CONFIG_GATEWAY_OPEN_TAKEOVER, &gateway->open_takeover, error) ||
        !read_keys(gateway, config, error))
        return FALSE;
    if ((*config_text(config, CONFIG_GATEWAY_TLS_CERTIFICATE) == '\0') !=
        (*config_text(config, CONFIG_GATEWAY_TLS_KEY) == '\0')) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "gateway.tls_certificate and gateway.tls_key belong together");
        return FALSE;
    }
    g_autofree char *folder =
        http_find_folder(config_text(config, CONFIG_GATEWAY_CLIENT_PATH), error);
    gateway->http = folder != NULL ? http_new(folder, &http_calls, gateway, error) : NULL;
    if (gateway->http == NULL)
        return FALSE;
    g_auto(GStrv) origins = config_list(config, CONFIG_GATEWAY_ORIGINS);
    SocketSettings settings = {config_text(config, CONFIG_GATEWAY_LISTEN), (guint)port,
                               config_text(config, CONFIG_GATEWAY_TLS_CERTIFICATE),
                               config_text(config, CONFIG_GATEWAY_TLS_KEY), origins};
    raise_descriptors();
    gateway->server =
        socket_server_new(&settings, gateway->deadlines, &socket_calls, gateway, error);
    if (gateway->server == NULL)
        return FALSE;
    log_event(LOG_INFO, "gateway.listening", "address=%s port=%u client=%s", settings.listen,
              settings.port, log_quote(folder));
    return TRUE;
}

Client *gateway_add_client(Gateway *gateway, const ClientWire *calls, gpointer user)
{
    Client *client = client_new(calls, user);
    g_hash_table_add(gateway->clients, client);
    handshake_begin(gateway, client);
    if (gateway->draining)
        client_close(client, CLOSE_GOING_AWAY, "going away");
    return client;
}

void gateway_remove_client(Gateway *gateway, Client *client)
{
    claims_forget(gateway, client);
    handshake_lost(gateway, client);
    g_hash_table_remove(gateway->clients, client);
    client_free(client);
    if (gateway->draining && g_hash_table_size(gateway->clients) == 0 && gateway->on_empty != NULL)
        gateway->on_empty(gateway->on_empty_user);
}

// --- life ---

Gateway *gateway_new(Bus *bus, const char *secret)
{
    static const WatchesCalls watches_calls = {learning_changed, learning_gone};
    Gateway *gateway = g_new0(Gateway, 1);
    gateway->bus = bus;
    gateway->domain = bus_domain(bus);
    gateway->process = bus_process(bus);
    gateway->secret = *secret != '\0' ? g_strdup(secret) : token_new_secret();
    gateway->keys = grant_keys_new("", NULL);
    gateway->guests = TRUE;
    gateway->open_takeover = TRUE;
    gateway->deadlines = deadlines_new();
    gateway->sessions = sessions_new(gateway->domain);
    sessions_set_owned_handler(gateway->sessions, on_owned, gateway);
    gateway->routes = routes_new(on_route_used, gateway);
    g_autofree char *asker =
        g_strdup_printf("domain://msg-node.%s/%s", gateway->domain, gateway->process);
    gateway->watches = watches_new(bus, asker, &watches_calls, gateway);
    gateway->registrar = registrar_new(bus);
    gateway->presences = presences_new();
    gateway->clients = g_hash_table_new(NULL, NULL);
    gateway->opens = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, handshake_free_opens);
    g_autofree char *presences = g_strdup_printf("ctxt://%s/process/", gateway->domain);
    g_autofree char *announced = announcements(gateway, " ");
    bus_route(bus, presences, on_presence, gateway);
    bus_route(bus, announced, on_announced, gateway);
    bus_watch_link(bus, on_link, gateway);
    return gateway;
}

void gateway_end_session(Gateway *gateway, Session *session, gboolean told)
{
    session->openings = 0; // what it loses from here on is nobody's business
    if (session->client != NULL) {
        session->client->state = CLIENT_REPLACED;
        session->client->session = NULL;
        session->client = NULL;
    }
    deadlines_cancel(gateway->deadlines, &session->grace);
    asking_end(session);
    delivery_end(session);
    watches_unfollow_all(gateway->watches, session);
    routes_remove_under(gateway->routes, session, NULL);
    if (told)
        registrar_ended(gateway->registrar, session);
    sessions_remove(gateway->sessions, session);
}

static void end_quietly(Session *session, gpointer gateway)
{
    gateway_end_session(gateway, session, FALSE);
}

static void unroute(Gateway *gateway)
{
    g_autofree char *presences = g_strdup_printf("ctxt://%s/process/", gateway->domain);
    g_autofree char *announced = announcements(gateway, " ");
    bus_unwatch_link(gateway->bus, on_link, gateway);
    bus_unroute(gateway->bus, presences, on_presence, gateway);
    bus_unroute(gateway->bus, announced, on_announced, gateway);
}

void gateway_free(Gateway *gateway)
{
    if (gateway == NULL)
        return;
    gateway->draining = TRUE;
    gateway->on_empty = NULL;
    socket_server_free(gateway->server);
    sessions_each(gateway->sessions, end_quietly, gateway);
    unroute(gateway);
    watches_free(gateway->watches);
    routes_free(gateway->routes);
    sessions_free(gateway->sessions);
    registrar_free(gateway->registrar);
    presences_free(gateway->presences);
    http_free(gateway->http);
    g_hash_table_unref(gateway->clients);
    g_hash_table_unref(gateway->opens);
    deadlines_free(gateway->deadlines);
    g_free(gateway->secret);
    grant_keys_free(gateway->keys);
    g_free(gateway);
}

void gateway_drain(Gateway *gateway, void (*empty)(gpointer user), gpointer user)
{
    g_autofree gpointer *clients = g_hash_table_get_keys_as_array(gateway->clients, NULL);
    gateway->draining = TRUE;
    gateway->on_empty = empty;
    gateway->on_empty_user = user;
    if (gateway->server != NULL)
        socket_server_drain(gateway->server);
    for (guint i = 0; clients[i] != NULL; i++)
        client_close(clients[i], CLOSE_GOING_AWAY, "going away");
    if (g_hash_table_size(gateway->clients) == 0)
        empty(user);
}
