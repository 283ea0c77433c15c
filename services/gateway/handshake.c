// SPDX-License-Identifier: MIT
// See handshake.h. An opening has up to three steps that may take time (a delay for runtimes that
// open too often, a question to the registry, a probe of the older WebSocket); meanwhile the
// client is CLIENT_OPENING, and what it sends is held (dispatch.h).
#include "gateway/handshake.h"

#include <string.h>

#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/address.h"
#include "gateway/delivery.h"
#include "gateway/dispatch.h"
#include "gateway/identity.h"
#include "gateway/learning.h"
#include "gateway/message.h"
#include "gateway/routing.h"
#include "gateway/token.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define DELAY_MOST_MS 2000
#define DELAY_STEP_MS 10
#define PROBE_MS 1000
#define CLOSE_NORMAL 1000
#define CLOSE_POLICY 1008

// Opens of one runtime URL within one second.
typedef struct {
    gint64 since_us;
    guint count;
} Opens;

typedef struct Barrier Barrier;

// What an opening remembers until it is done.
typedef struct {
    Gateway *gateway;
    Client *client;
    Json *message;
    Json *identity; // that a token has shown; NULL: a guest's, or of the session that it re-opens
    char *runtime;
    char *session; // that a valid token names, or that was made; NULL for none
    guint64 deadline, request;
    gboolean asked; // the registry, whose the runtime URL is
    gint64 probed_us;
    Barrier *barrier; // while its routes are not in force
} Opening;

// Outlives an opening that is given up.
struct Barrier {
    Opening *opening;
};

static void opening_free(Opening *opening)
{
    deadlines_cancel(opening->gateway->deadlines, &opening->deadline);
    if (opening->request != 0)
        bus_cancel(opening->gateway->bus, opening->request);
    if (opening->barrier != NULL)
        opening->barrier->opening = NULL;
    opening->client->opening = NULL;
    json_unref(opening->message);
    json_unref(opening->identity);
    g_free(opening->runtime);
    g_free(opening->session);
    g_free(opening);
}

void handshake_free_opens(gpointer opens)
{
    g_free(opens);
}

static void on_too_late(gpointer user)
{
    Client *client = user;
    client->handshake = 0;
    metrics_refused(REASON(handshake_expected));
    client_close(client, CLOSE_POLICY, "no open within 5 s");
}

void handshake_begin(Gateway *gateway, Client *client)
{
    client->handshake = deadlines_add(gateway->deadlines, LIMIT_HANDSHAKE_MS, on_too_late, client);
}

void handshake_forget(Gateway *gateway, Client *client)
{
    deadlines_cancel(gateway->deadlines, &client->handshake);
    if (client->opening != NULL)
        opening_free(client->opening);
}

// --- answers ---

static void answer(Client *client, const Json *message, Json *body)
{
    g_autoptr(Json) owned = body;
    g_autoptr(Json) whole = message_answer(message, NULL, owned);
    client_send_json(client, whole);
}

static void refuse(Client *client, const Json *message, Refusal reason, const char *detail)
{
    metrics_refused(reason);
    log_event(LOG_INFO, "gateway.open_refused", "reason=%s", refusal_name(reason));
    answer(client, message, message_refusal_body(reason, detail));
}

// The domain tells a client, which knows our host's name at best, how our addresses begin.
static void give_token(const Gateway *gateway, Client *client, const Json *message,
                       const Session *session)
{
    Json *body = message_ok_body();
    json_set_text(body, "runtimeToken", session->token);
    json_set_text(body, "domain", gateway->domain);
    answer(client, message, body);
}

// Refused for good: the client may try again with another open.
static void fail(Opening *opening, Refusal reason, const char *detail)
{
    Client *client = opening->client;
    Gateway *gateway = opening->gateway;
    client->state = CLIENT_NEW;
    refuse(client, opening->message, reason, detail);
    opening_free(opening);
    handshake_begin(gateway, client);
    dispatch_held(gateway, client);
}

// --- who may have a session ---

// before: the session's identity; NULL where it is new, or nobody knows any more. A session's token
// is proof enough that it is the same one.
static gboolean may_have(const Opening *opening, const Json *before)
{
    if (!identity_is_user(before))
        return opening->identity != NULL || opening->gateway->guests;
    return opening->identity != NULL ? identity_is_same(opening->identity, before)
                                     : opening->session != NULL;
}

static void turn_away(Opening *opening, const Json *before)
{
    if (identity_is_user(before))
        fail(opening, REASON(not_owner), "the session is another identity's");
    else
        fail(opening, REASON(forbidden), "guests are not let in, a token is needed");
}

// --- the session gets its WebSocket ---

static void assert_identity(const Opening *opening, Session *session)
{
    Json *identity = opening->identity != NULL
                         ? json_ref(opening->identity)
                         : identity_assert(json_get(opening->message, "body"), session->identity,
                                           opening->gateway->domain, session->id);
    json_unref(session->identity);
    session->identity = identity;
}

static void replace_client(Session *session, Client *client)
{
    if (session->client != NULL) {
        session->client->state = CLIENT_REPLACED;
        session->client->session = NULL;
    }
    session->client = client;
    client->session = session;
    client->state = CLIENT_OPEN;
}

static void attach(Opening *opening, Session *session)
{
    Gateway *gateway = opening->gateway;
    Client *client = opening->client;
    assert_identity(opening, session);
    deadlines_cancel(gateway->deadlines, &session->grace);
    replace_client(session, client);
    if (session->openings++ > 0)
        metrics_add(METRIC_GATEWAY_RESUMED, 1);
    log_event(LOG_INFO, "gateway.opened", "session=%s openings=%u runtime=%s", session->id,
              session->openings, log_quote(session->runtime));
    give_token(gateway, client, opening->message, session);
    opening_free(opening);
    registrar_tell(gateway->registrar, session);
    session_send_kept(session);
    watches_resume(gateway->watches, session);
    delivery_resume(session);
    dispatch_held(gateway, client);
}

// --- a new session ---

static void on_grace_over(gpointer user)
{
    Session *session = user;
    Gateway *gateway = sessions_user(session->all);
    session->grace = 0;
    log_event(LOG_INFO, "gateway.session_collected", "session=%s", session->id);
    gateway_end_session(gateway, session, TRUE);
}

static void wait_for_client(Gateway *gateway, Session *session)
{
    session->grace =
        deadlines_add(gateway->deadlines, LIMIT_SESSION_GRACE_MS, on_grace_over, session);
}

static void on_routed(gpointer user)
{
    g_autofree Barrier *barrier = user;
    Opening *opening = barrier->opening;
    if (opening == NULL)
        return;
    opening->barrier = NULL;
    Session *session = sessions_by_id(opening->gateway->sessions, opening->session);
    if (session != NULL)
        attach(opening, session);
    else
        fail(opening, REASON(timeout), "the session has moved");
}

// Answered when its addresses are routed: who knows it may be asked through it.
static void attach_when_routed(Opening *opening, Session *session)
{
    Barrier *barrier = g_new(Barrier, 1);
    g_free(opening->session);
    opening->session = g_strdup(session->id);
    opening->barrier = barrier;
    barrier->opening = opening;
    wait_for_client(opening->gateway, session);
    bus_when_routed(opening->gateway->bus, on_routed, barrier);
}

static void start_session(Opening *opening, const char *id)
{
    Gateway *gateway = opening->gateway;
    if (!may_have(opening, NULL)) {
        turn_away(opening, NULL);
        return;
    }
    g_autofree char *token = token_make(gateway->secret, id);
    Refusal reason;
    Session *session = sessions_add(gateway->sessions, id, token, opening->runtime, &reason);
    if (session != NULL)
        attach_when_routed(opening, session);
    else
        fail(opening, reason, "from");
}

// --- take-over of a session by its runtime URL ---

static void open_by_runtime(Opening *opening);

static void on_probed(gpointer user)
{
    Opening *opening = user;
    opening->deadline = 0;
    Session *session = sessions_by_runtime(opening->gateway->sessions, opening->runtime);
    if (session == NULL) {
        g_autofree char *id = token_new_session();
        start_session(opening, id);
        return;
    }
    const Client *older = session->client;
    if (!may_have(opening, session->identity))
        turn_away(opening, session->identity);
    else if (older != NULL && older->calls->heard_us(older->wire) >= opening->probed_us)
        fail(opening, REASON(not_owner), "another WebSocket is open for this runtime");
    else
        attach(opening, session);
}

static void probe(Opening *opening, const Session *session)
{
    Client *older = session->client;
    opening->probed_us = g_get_monotonic_time();
    older->calls->ping(older->wire);
    opening->deadline = deadlines_add(opening->gateway->deadlines, PROBE_MS, on_probed, opening);
}

static void restore(Opening *opening, const Msg__Session *found);

static void start_new_session(Opening *opening)
{
    g_autofree char *id = token_new_session();
    start_session(opening, id);
}

static Json *told_identity(const Msg__Session *found)
{
    return found != NULL && found->has_identity ? codec_json(&found->identity) : NULL;
}

// The session that has the runtime URL at another gateway goes on here, if it may be taken over at
// all. What the registry still has of this gateway and is not here any more has just ended.
static void on_owner(const Msg__Session *found, gpointer user)
{
    Opening *opening = user;
    Gateway *gateway = opening->gateway;
    opening->request = 0;
    gboolean here = sessions_by_runtime(gateway->sessions, opening->runtime) != NULL;
    g_autoptr(Json) before = told_identity(found);
    if (here)
        open_by_runtime(opening);
    else if (found == NULL || g_strcmp0(found->gateway, gateway->process) == 0)
        start_new_session(opening);
    else if (!may_have(opening, before))
        turn_away(opening, before);
    else if (g_strcmp0(found->runtimeurl, opening->runtime) != 0 ||
             (g_strcmp0(found->status, "live") == 0 && !identity_is_user(before) &&
              !gateway->open_takeover))
        fail(opening, REASON(not_owner), "another WebSocket is open for this runtime");
    else {
        g_free(opening->session);
        opening->session = g_strdup(found->session);
        restore(opening, found);
    }
}

static void open_by_runtime(Opening *opening)
{
    Gateway *gateway = opening->gateway;
    Session *session = sessions_by_runtime(gateway->sessions, opening->runtime);
    g_clear_pointer(&opening->session, g_free); // a token of another session is proof of nothing
    if (session == NULL && !opening->asked && registrar_can_be_asked(gateway->registrar)) {
        opening->asked = TRUE;
        opening->request = registrar_find(gateway->registrar, opening->runtime, on_owner, opening);
    } else if (session == NULL) {
        start_new_session(opening);
    } else if (!may_have(opening, session->identity)) {
        turn_away(opening, session->identity);
    } else if (session->client == NULL || identity_is_user(session->identity) ||
               gateway->open_takeover) {
        attach(opening, session);
    } else {
        probe(opening, session);
    }
}

// --- re-open ---

// Everything that the other gateway has told of it: addresses, routes, and the objects that it
// follows, from the versions on that it surely has.
static void take_over(Gateway *gateway, Session *session, const Msg__Session *found)
{
    for (gsize i = 0; i < found->n_addresses; i++)
        sessions_bind(gateway->sessions, session, found->addresses[i]);
    session->identity = told_identity(found);
    for (gsize i = 0; i < found->n_routes; i++)
        routing_restore(gateway, session, found->routes[i]);
    for (gsize i = 0; i < found->n_follows; i++)
        learning_restore(gateway, session, found->follows[i]);
}

static void restore(Opening *opening, const Msg__Session *found)
{
    Sessions *sessions = opening->gateway->sessions;
    Refusal reason;
    g_autofree char *token = token_make(opening->gateway->secret, opening->session);
    Session *session = sessions_add(sessions, opening->session, token, opening->runtime, &reason);
    if (session == NULL) {
        open_by_runtime(opening);
        return;
    }
    if (found != NULL)
        take_over(opening->gateway, session, found);
    gateway_announce(opening->gateway, session);
    attach_when_routed(opening, session);
}

static void attach_owned(Opening *opening, Session *session)
{
    if (may_have(opening, session->identity))
        attach(opening, session);
    else
        turn_away(opening, session->identity);
}

// A runtime URL that is not the session's gets a session of its own.
static void on_found(const Msg__Session *found, gpointer user)
{
    Opening *opening = user;
    opening->request = 0;
    gboolean differs = found != NULL && g_strcmp0(found->runtimeurl, opening->runtime) != 0;
    Session *here = sessions_by_id(opening->gateway->sessions, opening->session);
    g_autoptr(Json) before = told_identity(found);
    if (here != NULL && strcmp(here->runtime, opening->runtime) == 0)
        attach_owned(opening, here);
    else if (differs || here != NULL)
        open_by_runtime(opening);
    else if (!may_have(opening, before))
        turn_away(opening, before);
    else
        restore(opening, found);
}

static void open_by_token(Opening *opening)
{
    Session *session = sessions_by_id(opening->gateway->sessions, opening->session);
    if (session == NULL)
        opening->request =
            registrar_find(opening->gateway->registrar, opening->session, on_found, opening);
    else if (strcmp(session->runtime, opening->runtime) == 0)
        attach_owned(opening, session);
    else
        open_by_runtime(opening);
}

static void go_on(gpointer user)
{
    Opening *opening = user;
    opening->deadline = 0;
    if (opening->session != NULL)
        open_by_token(opening);
    else
        open_by_runtime(opening);
}

// --- open ---

static gboolean is_stale(gpointer runtime, gpointer value, gpointer now_us)
{
    (void)runtime;
    return *(gint64 *)now_us - ((const Opens *)value)->since_us > G_USEC_PER_SEC;
}

// How long a runtime that opens too often has to wait.
static guint delay_ms(Gateway *gateway, const char *runtime)
{
    gint64 now_us = g_get_monotonic_time();
    Opens *opens = g_hash_table_lookup(gateway->opens, runtime);
    if (opens == NULL) {
        if (g_hash_table_size(gateway->opens) >= LIMIT_OPENING_RUNTIMES)
            g_hash_table_foreach_remove(gateway->opens, is_stale, &now_us);
        if (g_hash_table_size(gateway->opens) >= LIMIT_OPENING_RUNTIMES)
            return 0;
        opens = g_new0(Opens, 1);
        g_hash_table_insert(gateway->opens, g_strdup(runtime), opens);
    }
    if (now_us - opens->since_us > G_USEC_PER_SEC)
        *opens = (Opens){now_us, 0};
    guint over = ++opens->count > LIMIT_OPENS_PER_S ? opens->count - LIMIT_OPENS_PER_S : 0;
    return MIN(over * DELAY_STEP_MS, DELAY_MOST_MS);
}

// `<runtimeURL>/<token>` in a re-open; the token's session if its signature holds.
static void read_token(Opening *opening, const char *from)
{
    const char *slash = strrchr(from, '/');
    if (slash == NULL || !token_has_form(slash + 1)) {
        opening->runtime = g_strdup(from);
        return;
    }
    opening->runtime = g_strndup(from, (gsize)(slash - from));
    opening->session = token_session(opening->gateway->secret, slash + 1);
    if (opening->session == NULL)
        metrics_refused(REASON(bad_token));
}

// body.token, a JWT. FALSE: answered that it is no good. *ret_identity is NULL where none is shown.
static gboolean read_identity(const Gateway *gateway, Client *client, const Json *message,
                              Json **ret_identity)
{
    const Json *token = json_get(json_get(message, "body"), "token");
    Refusal reason = REASON(malformed);
    const char *detail = "token";
    if (token == NULL || json_is_nothing(token))
        return TRUE;
    g_autoptr(Grants) grants = NULL;
    if (json_is_text(token))
        grants = grants_read(gateway->keys, json_text(token), g_get_real_time() / G_USEC_PER_SEC,
                             &reason, &detail);
    if (grants == NULL)
        refuse(client, message, reason, detail);
    else
        *ret_identity = identity_of_token(grants, gateway->domain);
    return grants != NULL;
}

static void start_opening(Gateway *gateway, Client *client, const Json *message, gboolean again)
{
    g_autoptr(Json) identity = NULL;
    if (!read_identity(gateway, client, message, &identity))
        return;
    Opening *opening = g_new0(Opening, 1);
    const char *from = json_get_text(message, "from");
    opening->gateway = gateway;
    opening->client = client;
    opening->message = json_ref((Json *)message);
    opening->identity = g_steal_pointer(&identity);
    if (again)
        read_token(opening, from);
    else
        opening->runtime = g_strdup(from);
    client->opening = opening;
    client->state = CLIENT_OPENING;
    deadlines_cancel(gateway->deadlines, &client->handshake);
    guint wait_ms = delay_ms(gateway, opening->runtime);
    if (wait_ms > 0)
        opening->deadline = deadlines_add(gateway->deadlines, wait_ms, go_on, opening);
    else
        go_on(opening);
}

// An open on a WebSocket that has its session already is a repeat, or somebody else's.
static void open_again(const Gateway *gateway, Client *client, const Json *message)
{
    const char *from = json_get_text(message, "from");
    if (session_owns(client->session, from))
        give_token(gateway, client, message, client->session);
    else
        refuse(client, message, REASON(not_owner), "this WebSocket has another session");
}

static void take_open(Gateway *gateway, Client *client, const Json *message, gboolean again)
{
    const char *from = json_get_text(message, "from");
    if (client->state == CLIENT_OPEN)
        open_again(gateway, client, message);
    else if (address_kind(gateway->domain, from) != ADDRESS_CLIENT)
        refuse(client, message, REASON(bad_address), "from is no runtime URL");
    else if (gateway->draining)
        refuse(client, message, REASON(draining), NULL);
    else
        start_opening(gateway, client, message, again);
}

// --- close ---

void handshake_lost(Gateway *gateway, Client *client)
{
    Session *session = client->session;
    handshake_forget(gateway, client);
    if (session == NULL)
        return;
    client->session = NULL;
    session->client = NULL;
    wait_for_client(gateway, session);
    if (gateway->draining)
        return; // it goes on elsewhere, and is told of there
    log_event(LOG_INFO, "gateway.away", "session=%s", session->id);
    registrar_tell(gateway->registrar, session);
}

static void take_close(Gateway *gateway, Client *client)
{
    Session *session = client->session;
    if (session != NULL) {
        log_event(LOG_INFO, "gateway.closed", "session=%s", session->id);
        client->session = NULL;
        session->client = NULL;
        gateway_end_session(gateway, session, TRUE);
    }
    client_close(client, CLOSE_NORMAL, "closed");
}

void handshake_take(Gateway *gateway, Client *client, const Json *message)
{
    switch (envelope_type_parse(json_get_text(message, "type"))) {
    case MSG__ENVELOPE__TYPE__OPEN:
        take_open(gateway, client, message, FALSE);
        return;
    case MSG__ENVELOPE__TYPE__REOPEN:
        take_open(gateway, client, message, TRUE);
        return;
    case MSG__ENVELOPE__TYPE__CLOSE:
        take_close(gateway, client);
        return;
    case MSG__ENVELOPE__TYPE__PING:
        answer(client, message, message_ok_body());
        return;
    default:
        refuse(client, message, REASON(unsupported), json_get_text(message, "type"));
    }
}
