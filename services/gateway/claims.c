// SPDX-License-Identifier: MIT
// See claims.h. What a message would bind is guessed generously: an address too many in the
// question costs nothing, for only the rules (router.h) bind.
#include "gateway/claims.h"

#include <string.h>

#include "common/limits.h"
#include "common/url.h"
#include "gateway/address.h"
#include "gateway/dispatch.h"
#include "gateway/resources.h"

typedef struct {
    Gateway *gateway;
    Client *client;
    Text *frame;
    guint64 request;
} Claim;

static void claim_free(Claim *claim)
{
    claim->client->claim = NULL;
    text_unref(claim->frame);
    g_free(claim);
}

// --- what would be bound

static void add(const Gateway *gateway, GHashTable *urls, const char *url)
{
    if (url == NULL || !url_is_valid(url) || url_is_publication(url))
        return;
    g_autofree char *base = sessions_base(url);
    if (address_may_bind(gateway->domain, base) &&
        sessions_owner(gateway->sessions, base) == NULL &&
        g_hash_table_size(urls) < LIMIT_SESSION_ADDRESSES)
        g_hash_table_add(urls, g_steal_pointer(&base));
}

static void add_object(const Gateway *gateway, GHashTable *urls, const char *to)
{
    if (to == NULL || !url_is_valid(to) || !url_is_publication(to))
        return;
    g_autofree char *object = url_object(to);
    if (!g_str_has_prefix(to + strlen(object), "/children"))
        add(gateway, urls, object);
}

static gboolean is_for(const Gateway *gateway, const char *to, AddressKind kind)
{
    return to != NULL && address_kind(gateway->domain, to) == kind;
}

static void add_resources(const Gateway *gateway, GHashTable *urls, const Json *body)
{
    g_autoptr(GPtrArray) resources = resources_of(body);
    for (guint i = 0; resources != NULL && i < resources->len; i++)
        add(gateway, urls, g_ptr_array_index(resources, i));
}

static GHashTable *new_addresses(const Gateway *gateway, const Json *message)
{
    GHashTable *urls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const Json *to = json_get(message, "to"), *body = json_get(message, "body");
    const char *first = json_text(json_is_array(to) ? json_at(to, 0) : to);
    add(gateway, urls, json_get_text(message, "from"));
    add_object(gateway, urls, json_text(to));
    for (guint i = 0; json_is_array(to) && i < json_size(to); i++)
        add_object(gateway, urls, json_text(json_at(to, i)));
    if (is_for(gateway, first, ADDRESS_SERVICE)) {
        add(gateway, urls, json_get_text(body, "source"));
        add(gateway, urls, json_get_text(json_get(body, "value"), "url"));
    } else if (is_for(gateway, first, ADDRESS_ROUTING)) {
        add_resources(gateway, urls, body);
    }
    return urls;
}

// --- the question

static void note_refused(Session *session, const Json *refused)
{
    session->refused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < json_size(refused); i++)
        if (json_is_text(json_at(refused, i)))
            g_hash_table_add(session->refused, g_strdup(json_text(json_at(refused, i))));
}

static void on_answer(const Envelope *answer, gpointer user)
{
    Claim *claim = user;
    if (envelope_code(answer) < 200)
        return;
    Gateway *gateway = claim->gateway;
    Client *client = claim->client;
    Session *session = client->session;
    g_autoptr(Text) frame = text_ref(claim->frame);
    g_autoptr(Json) refused = envelope_value(answer);
    claim_free(claim);
    if (client->state == CLIENT_CLAIMING) {
        note_refused(session, refused);
        client->state = CLIENT_OPEN;
    }
    dispatch_claimed(gateway, client, frame);
    if (client->session == session && session != NULL)
        g_clear_pointer(&session->refused, g_hash_table_unref);
    dispatch_held(gateway, client);
}

static Envelope *question(const Gateway *gateway, const Session *session, GHashTable *urls)
{
    g_autofree char *from =
        g_strdup_printf("domain://msg-node.%s/%s", gateway->domain, gateway->process);
    g_autofree char *to = g_strdup_printf("hyperty://%s/sessions", gateway->domain);
    Envelope *envelope = envelope_new(MSG__ENVELOPE__TYPE__EXECUTE, from, to);
    Msg__Body *body = envelope_body(envelope);
    g_autoptr(Json) params = json_new_array(), list = json_new_array();
    g_autoptr(Json) id = json_new_text(session->id);
    GHashTableIter iterator;
    gpointer url;
    g_hash_table_iter_init(&iterator, urls);
    while (g_hash_table_iter_next(&iterator, &url, NULL)) {
        g_autoptr(Json) text = json_new_text(url);
        json_append(list, text);
    }
    json_append(params, id);
    json_append(params, list);
    envelope_set(&body->method, "claim");
    envelope_set_json(&body->params, &body->has_params, params);
    return envelope;
}

gboolean claims_wait(Gateway *gateway, Client *client, const Json *message, const Text *frame)
{
    g_autoptr(GHashTable) urls = new_addresses(gateway, message);
    if (g_hash_table_size(urls) == 0 || !registrar_can_be_asked(gateway->registrar))
        return FALSE;
    Claim *claim = g_new0(Claim, 1);
    claim->gateway = gateway;
    claim->client = client;
    claim->frame = text_ref((Text *)frame);
    client->claim = claim;
    client->state = CLIENT_CLAIMING;
    claim->request = bus_request(gateway->bus, question(gateway, client->session, urls),
                                 LIMIT_CLAIM_MS, on_answer, claim);
    return TRUE;
}

void claims_forget(Gateway *gateway, Client *client)
{
    Claim *claim = client->claim;
    if (claim == NULL)
        return;
    bus_cancel(gateway->bus, claim->request);
    claim_free(claim);
}
