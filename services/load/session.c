// SPDX-License-Identifier: MIT
// See session.h. One request is under way at a time; its id tells its answer from older ones.
#include "load/session.h"

#include <string.h>

#include "common/envelope.h"

#define OPEN_DOMAIN "localhost" // until the gateway says which domain this is
#define REQUEST_S 22            // longer than the 20 s after which a gateway answers by itself
#define LEAVE_S 5

typedef void (*Answered)(Session *session, const Json *body); // NULL: none in time

struct Session {
    SessionSettings settings;
    Websocket *websocket;
    char *uuid, *participant, *domain, *token;
    SyncObject *answer;
    char *changes; // its address
    gint64 last_id, asked;
    Answered answered;
    guint deadline;
    gboolean joined, leaving, healing;
    guint heals;
};

// --- requests --------------------------------------------------------------------------------
static gboolean on_too_late(gpointer user)
{
    Session *session = user;
    Answered answered = session->answered;
    session->deadline = 0;
    session->answered = NULL;
    answered(session, NULL);
    return G_SOURCE_REMOVE;
}

static void forget_request(Session *session)
{
    if (session->deadline != 0)
        g_source_remove(session->deadline);
    session->deadline = 0;
    session->answered = NULL;
}

static void say(Session *session, Json *message)
{
    g_autoptr(Json) owned = message;
    json_set_number(owned, "id", ++session->last_id);
    g_autofree char *text = json_print(owned, NULL);
    websocket_send(session->websocket, text);
}

static void ask(Session *session, Json *message, guint seconds, Answered answered)
{
    forget_request(session);
    say(session, message);
    session->asked = session->last_id;
    session->answered = answered;
    session->deadline = g_timeout_add_seconds(seconds, on_too_late, session);
}

// from: a scheme, for our address there.
static Json *message_new(const Session *session, const char *type, const char *scheme,
                         const char *to, Json *body)
{
    Json *message = json_new_object();
    g_autoptr(Json) owned = body;
    g_autofree char *from = g_strdup_printf("%s://%s/%s", scheme, session->domain, session->uuid);
    json_set_text(message, "type", type);
    json_set_text(message, "from", from);
    json_set_text(message, "to", to);
    if (owned != NULL)
        json_set(message, "body", owned);
    return message;
}

static void refuse(Session *session, const Json *body, const char *asked)
{
    gint code = body != NULL ? (gint)json_get_number(body, "code", 0) : 0;
    const char *desc = body != NULL ? json_get_text(body, "desc") : NULL;
    g_autofree char *text = body == NULL
                                ? g_strdup_printf("%s: no answer in %d s", asked, REQUEST_S)
                                : g_strdup_printf("%s: %s", asked, desc != NULL ? desc : "refused");
    const SessionRefusal refusal = {
        .text = text,
        .reason = body != NULL ? json_get_text(body, "reason") : NULL,
        .code = code,
        .retry_after_s = body != NULL ? (gint)json_get_number(body, "retry_after", 0) : 0};
    session->settings.refused(&refusal, session->settings.user);
}

static gboolean is_ok(const Json *body)
{
    return body != NULL && json_get_number(body, "code", 0) == 200;
}

// --- joining ---------------------------------------------------------------------------------
static Json *identity_body(const Session *session)
{
    Json *body = json_new_object();
    g_autoptr(Json) identity = json_new_object();
    g_autoptr(Json) profile = json_new_object();
    json_set_text(profile, "preferred_username", session->settings.name);
    json_set(identity, "userProfile", profile);
    json_set(body, "identity", identity);
    return body;
}

static Json *connection(const Session *session)
{
    Json *value = json_new_object();
    g_autoptr(Json) data = json_new_object();
    g_autoptr(Json) description = json_new_object();
    const char *domain = session->domain;
    g_autofree char *url = g_strdup_printf("connection://%s/%s", domain, session->participant);
    g_autofree char *reporter = g_strdup_printf("hyperty://%s/%s", domain, session->uuid);
    g_autofree char *runtime = g_strdup_printf("hyperty-runtime://%s/%s", domain, session->uuid);
    json_set_text(description, "type", "offer");
    json_set_text(description, "sdp", session->settings.offer);
    json_set_text(data, "status", "new");
    json_set(data, "connectionDescription", description);
    json_set_text(value, "url", url);
    json_set_text(value, "reporter", reporter);
    json_set_text(value, "runtime", runtime);
    json_set_text(value, "name", "connection");
    json_set_number(value, "version", 1);
    json_set(value, "data", data);
    return value;
}

static void tell_slots(Session *session)
{
    const Json *slots = json_get(sync_object_data(session->answer), "slots");
    session->settings.changed(slots, session->settings.user);
}

static gboolean take_answer(Session *session, const Json *object)
{
    SyncObject *answer = object != NULL ? sync_object_from_json(object, NULL) : NULL;
    if (answer == NULL)
        return FALSE;
    sync_object_free(session->answer);
    session->answer = answer;
    g_free(session->changes);
    session->changes = g_strconcat(sync_object_url(answer), "/changes", NULL);
    return TRUE;
}

static void on_joined(Session *session, const Json *body)
{
    if (!is_ok(body) || !take_answer(session, json_get(body, "answer"))) {
        refuse(session, body, "join");
        return;
    }
    g_autofree char *sdp = g_strdup(
        json_text(json_get_path(sync_object_data(session->answer), "connectionDescription.sdp")));
    session->joined = TRUE;
    session->settings.joined(sdp != NULL ? sdp : "", session->settings.user);
    tell_slots(session);
}

static void join(Session *session)
{
    g_autofree char *to = g_strdup_printf("hyperty://%s/conference", session->domain);
    g_autofree char *source = g_strdup_printf("hyperty://%s/%s", session->domain, session->uuid);
    g_autofree char *schema = g_strdup_printf(
        "hyperty-catalogue://catalogue.%s/.well-known/dataschema/Connection", session->domain);
    g_autoptr(Json) value = connection(session);
    Json *body = identity_body(session);
    json_set_text(body, "source", source);
    json_set_text(body, "schema", schema);
    json_set_text(body, "roomId", session->settings.room);
    json_set_text(body, "token", session->settings.token);
    json_set_bool(body, "mutual", FALSE);
    json_set(body, "value", value);
    ask(session, message_new(session, "create", "hyperty", to, body), REQUEST_S, on_joined);
}

static void on_session(Session *session, const Json *body)
{
    const char *token = body != NULL ? json_get_text(body, "runtimeToken") : NULL;
    const char *domain = body != NULL ? json_get_text(body, "domain") : NULL;
    if (!is_ok(body) || token == NULL) {
        refuse(session, body, "session");
        return;
    }
    session->token = g_strdup(token);
    if (domain != NULL) {
        g_free(session->domain);
        session->domain = g_strdup(domain);
    }
    join(session);
}

static void on_opened(gpointer user)
{
    Session *session = user;
    ask(session,
        message_new(session, "open", "hyperty-runtime", "mn:/session", identity_body(session)),
        REQUEST_S, on_session);
}

// --- the answering Connection ----------------------------------------------------------------
static gboolean apply(Session *session, const Json *body)
{
    g_autoptr(Envelope) holder = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "a:/b", "a:/b");
    envelope_set_body(holder, body);
    Msg__Body *change_body = g_steal_pointer(&holder->body);
    guint64 mine = sync_object_version(session->answer);
    g_autoptr(SyncChange) change =
        sync_change_new(change_body, change_body->version > 0 ? change_body->version - 1 : mine);
    return sync_object_apply(session->answer, change) != SYNC_GAP;
}

static void on_healed(Session *session, const Json *body)
{
    const Json *value = is_ok(body) ? json_get(body, "value") : NULL;
    const Json *changes = json_get(value, "changes");
    session->healing = FALSE;
    for (guint i = 0; i < json_size(changes); i++)
        apply(session, json_at(changes, i));
    if (value != NULL && changes == NULL)
        take_answer(session, value);
    if (value != NULL)
        tell_slots(session);
}

static void heal(Session *session)
{
    g_autofree char *to = g_strconcat(sync_object_url(session->answer), "/subscription", NULL);
    g_autofree char *source = g_strdup_printf("hyperty://%s/%s", session->domain, session->uuid);
    if (session->healing || session->leaving)
        return;
    Json *body = json_new_object();
    session->healing = TRUE;
    session->heals++;
    json_set_text(body, "source", source);
    json_set_bool(body, "mutual", FALSE);
    json_set_bool(body, "resume", TRUE);
    json_set_number(body, "version", (gint64)sync_object_version(session->answer));
    ask(session, message_new(session, "subscribe", "hyperty", to, body), REQUEST_S, on_healed);
}

static void on_publication(Session *session, const Json *message)
{
    const Json *body = json_get(message, "body");
    const char *type = json_get_text(message, "type");
    if (g_strcmp0(json_get_text(message, "to"), session->changes) != 0)
        return;
    if (g_strcmp0(type, "update") == 0 && !session->healing) {
        if (apply(session, body))
            tell_slots(session);
        else
            heal(session);
    } else if (g_strcmp0(type, "event") == 0) {
        gint64 told = json_get_number(json_get(body, "value"), "version", 0);
        if ((guint64)told > sync_object_version(session->answer))
            heal(session);
    }
}

// --- what comes ------------------------------------------------------------------------------
static void on_response(Session *session, const Json *message)
{
    const Json *body = json_get(message, "body");
    Answered answered = session->answered;
    if (answered == NULL || json_get_number(message, "id", -1) != session->asked ||
        json_get_number(body, "code", 0) < 200)
        return; // of an older request, or a part of a large answer: its end has what we need
    forget_request(session);
    answered(session, body);
}

static gboolean mentions(const char *text, gsize length, const char *what)
{
    return memmem(text, length, what, strlen(what)) != NULL;
}

static void on_message(const char *text, gsize length, gpointer user)
{
    Session *session = user;
    gboolean is_response = mentions(text, length, "\"response\"");
    if (!is_response && (session->changes == NULL || !mentions(text, length, session->changes)))
        return;
    g_autoptr(Json) message = json_parse_bytes((const guint8 *)text, length);
    if (message == NULL)
        return;
    if (g_strcmp0(json_get_text(message, "type"), "response") == 0)
        on_response(session, message);
    else
        on_publication(session, message);
}

static void on_closed(const char *why, gpointer user)
{
    Session *session = user;
    const SessionRefusal refusal = {.text = why};
    forget_request(session);
    if (session->leaving)
        session->settings.left(session->settings.user);
    else if (session->joined)
        session->settings.lost(why, session->settings.user);
    else
        session->settings.refused(&refusal, session->settings.user);
}

const WebsocketCalls session_websocket_calls = {on_opened, on_message, on_closed};

// --- life ------------------------------------------------------------------------------------
Session *session_new(Websockets *websockets, const SessionSettings *settings)
{
    Session *session = g_new0(Session, 1);
    g_autofree char *uuid = g_uuid_string_random();
    session->settings = *settings;
    session->settings.room = g_strdup(settings->room);
    session->settings.name = g_strdup(settings->name);
    session->settings.token = g_strdup(settings->token);
    session->settings.offer = g_strdup(settings->offer);
    session->uuid = g_uuid_string_random();
    session->participant = g_strndup(uuid, 13);
    session->domain = g_strdup(OPEN_DOMAIN);
    session->websocket = websocket_new(websockets, session);
    return session;
}

void session_free(Session *session)
{
    if (session == NULL)
        return;
    forget_request(session);
    websocket_free(session->websocket);
    sync_object_free(session->answer);
    g_free((char *)session->settings.room);
    g_free((char *)session->settings.name);
    g_free((char *)session->settings.token);
    g_free((char *)session->settings.offer);
    g_free(session->changes);
    g_free(session->uuid);
    g_free(session->participant);
    g_free(session->domain);
    g_free(session->token);
    g_free(session);
}

static void on_session_closed(Session *session, const Json *body)
{
    (void)body;
    session->settings.left(session->settings.user);
}

static void on_room_left(Session *session, const Json *body)
{
    (void)body;
    Json *message = message_new(session, "close", "hyperty-runtime", "mn:/session", NULL);
    ask(session, message, LEAVE_S, on_session_closed);
}

// The room first, then the session, whose WebSocket the gateway may close without an answer.
void session_leave(Session *session)
{
    g_autofree char *to = g_strdup_printf("hyperty://%s/conference", session->domain);
    Json *body = json_new_object();
    g_autoptr(Json) params = json_new_array();
    g_autoptr(Json) room = json_new_text(session->settings.room);
    session->leaving = TRUE;
    json_append(params, room);
    json_set_text(body, "method", "leaveRoom");
    json_set(body, "params", params);
    ask(session, message_new(session, "execute", "hyperty", to, body), LEAVE_S, on_room_left);
}

const char *session_participant(const Session *session)
{
    return session->participant;
}

guint session_heals(const Session *session)
{
    return session->heals;
}
