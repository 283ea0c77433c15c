// SPDX-License-Identifier: MIT
// See learning.h. A session takes part in a room as long as it follows the room's Communication.
// It is told of its own leaving by that object too (its entry is removed), in order with all else.
#include "gateway/learning.h"

#include <string.h>

#include "common/limits.h"
#include "common/url.h"
#include "gateway/address.h"

#define TELL_EACH 64 // changes: a session that moves goes on from the version that was told last

void learned_free(gpointer object)
{
    LearnedObject *learned = object;
    g_free(learned->url);
    g_free(learned->chain);
    g_free(learned);
}

// --- from answers ---

static void learn(Gateway *gateway, GPtrArray *objects, const char *url, const Json *state)
{
    gint64 version = json_get_number(state, "version", -1);
    if (url == NULL || version < 0)
        return;
    LearnedObject *learned = g_new0(LearnedObject, 1);
    learned->url = g_strdup(url);
    learned->version = (guint64)version;
    learned->chain = g_strdup(json_get_text(state, "chain"));
    watches_hold(gateway->watches, learned->url, learned->version, learned->chain);
    g_ptr_array_add(objects, learned);
}

static void learn_ours(Gateway *gateway, GPtrArray *objects, const Json *state)
{
    const char *url = json_get_text(state, "url");
    if (url != NULL && address_kind(gateway->domain, url) == ADDRESS_OBJECT)
        learn(gateway, objects, url, state);
}

// A client's object whose changes the session has routed. Its log costs us memory, which is bounded
// by how many one session may follow; more than that pass as they come.
static gboolean may_follow(const Session *session, const char *object)
{
    g_autofree char *changes = g_strconcat(object, "/changes", NULL);
    return routes_has(session, changes) && !session_owns(session, object) &&
           (session->follows == NULL ||
            g_hash_table_size(session->follows) < LIMIT_SESSION_ADDRESSES);
}

GPtrArray *learning_hold(Gateway *gateway, const Session *session, const char *to,
                         EnvelopeType type, const Json *body)
{
    GPtrArray *objects = g_ptr_array_new_with_free_func(learned_free);
    AddressKind kind = address_kind(gateway->domain, to);
    const Json *value = json_get(body, "value"), *answer = json_get(body, "answer");
    if (json_get_number(body, "code", 0) != 200)
        return objects;
    if (kind == ADDRESS_SERVICE && type == MSG__ENVELOPE__TYPE__CREATE) {
        learn_ours(gateway, objects, value);
        learn_ours(gateway, objects, answer);
    } else if (type == MSG__ENVELOPE__TYPE__SUBSCRIBE && g_str_has_suffix(to, "/subscription")) {
        g_autofree char *object = url_object(to);
        if (kind == ADDRESS_OBJECT || (kind == ADDRESS_CLIENT && may_follow(session, object)))
            learn(gateway, objects, object, value);
    }
    return objects;
}

// --- taking part ---

static char *context_topic(const Gateway *gateway, const char *room)
{
    return g_strdup_printf("ctxt://%s/room/%s/changes", gateway->domain, room);
}

static void enter(Gateway *gateway, Session *session, const char *communication)
{
    g_autofree char *room = address_room(gateway->domain, communication);
    if (room == NULL)
        return;
    g_autofree char *context = context_topic(gateway, room);
    g_autofree char *children = g_strconcat(communication, "/children/", NULL);
    routes_add(gateway->routes, session, context);
    routes_add(gateway->routes, session, children);
}

static void remember_answer(Session *session, const char *communication, const char *answer)
{
    if (session->rooms == NULL)
        session->rooms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(session->rooms, g_strdup(communication), g_strdup(answer));
}

void learning_follow(Gateway *gateway, Session *session, const GPtrArray *objects)
{
    for (guint i = 0; i < objects->len; i++) {
        const LearnedObject *learned = g_ptr_array_index(objects, i);
        watches_follow(gateway->watches, session, learned->url, learned->version);
        enter(gateway, session, learned->url);
    }
    registrar_tell(gateway->registrar, session);
    if (objects->len == 2)
        remember_answer(session, ((LearnedObject *)objects->pdata[0])->url,
                        ((LearnedObject *)objects->pdata[1])->url);
}

void learning_restore(Gateway *gateway, Session *session, const Msg__Follow *follow)
{
    AddressKind kind =
        follow->object != NULL ? address_kind(gateway->domain, follow->object) : ADDRESS_INVALID;
    if (kind != ADDRESS_OBJECT && (kind != ADDRESS_CLIENT || !may_follow(session, follow->object)))
        return;
    watches_hold(gateway->watches, follow->object, follow->version, follow->chain);
    watches_follow(gateway->watches, session, follow->object, follow->version);
    enter(gateway, session, follow->object);
    watches_release(gateway->watches, follow->object);
}

void learning_release(Gateway *gateway, const GPtrArray *objects)
{
    for (guint i = 0; i < objects->len; i++)
        watches_release(gateway->watches, ((LearnedObject *)objects->pdata[i])->url);
}

// --- leaving ---

// What came with the Communication goes with it. answer: NULL where it is not known.
static void leave(Gateway *gateway, Session *session, const char *communication,
                  const char *participant)
{
    g_autofree char *room = address_room(gateway->domain, communication);
    if (room == NULL)
        return;
    g_autofree char *url = g_strdup(communication);
    g_autofree char *context = context_topic(gateway, room);
    g_autofree char *media = participant != NULL ? g_strdup_printf("connection://%s/media-%s",
                                                                   gateway->domain, participant)
                                                 : NULL;
    const char *answer = session->rooms != NULL ? g_hash_table_lookup(session->rooms, url) : NULL;
    if (answer != NULL || media != NULL)
        watches_unfollow(gateway->watches, session, answer != NULL ? answer : media);
    if (session->rooms != NULL)
        g_hash_table_remove(session->rooms, url);
    watches_unfollow(gateway->watches, session, url);
    routes_remove_under(gateway->routes, session, url);
    routes_remove(gateway->routes, session, context);
    registrar_tell(gateway->registrar, session);
}

static gboolean is_own(const Gateway *gateway, const Session *session, const char *communication,
                       const char *participant)
{
    g_autofree char *connection =
        g_strdup_printf("connection://%s/%s", gateway->domain, participant);
    g_autofree char *media =
        g_strdup_printf("connection://%s/media-%s", gateway->domain, participant);
    const char *answer =
        session->rooms != NULL ? g_hash_table_lookup(session->rooms, communication) : NULL;
    return session_owns(session, connection) || g_strcmp0(answer, media) == 0;
}

// The participant that a change removes, if it is the session's own; NULL otherwise.
static const char *own_removed(const Gateway *gateway, const Session *session,
                               const char *communication, const SyncChange *change)
{
    static const char prefix[] = "participants.";
    const char *attribute = change->body->attribute;
    if (change->body->has_value || attribute == NULL || !g_str_has_prefix(attribute, prefix))
        return NULL;
    const char *participant = attribute + sizeof prefix - 1;
    return is_own(gateway, session, communication, participant) ? participant : NULL;
}

void learning_changed(Session *session, const char *object, const SyncChange *change, gpointer user)
{
    Gateway *gateway = user;
    const char *participant = own_removed(gateway, session, object, change);
    if (++session->changes % TELL_EACH == 0)
        registrar_tell(gateway->registrar, session);
    if (participant != NULL)
        leave(gateway, session, object, participant);
}

void learning_gone(Session *session, const char *object, gpointer user)
{
    leave(user, session, object, NULL);
}
