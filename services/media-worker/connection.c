// SPDX-License-Identifier: MIT
// See connection.h. Of the client's object only `watch` is kept: the rest may be as large as a
// stranger likes.
#include "media-worker/connection.h"

#include <string.h>
#include "common/limits.h"
#include "common/log.h"
#include "common/url.h"

struct Connection {
    const ConnectionHome *home;
    char *participant, *url, *client_url;
    SyncReporter *reporter; // NULL before the first admission
    SyncObserver *client;
    Handshake *handshake;
    Member *member;
    guint64 offer_version;
    char *offer_hash;
};

// ------------------------------------------------------------------------------------- the offer

gboolean connection_read_offer(const char *participant, const Json *value,
                               ConnectionOffer *ret_offer)
{
    const Json *data = json_get(value, "data");
    const Json *description = json_get(data, "connectionDescription");
    ConnectionOffer offer = {.participant = participant,
                             .number = ret_offer->number,
                             .url = json_get_text(value, "url"),
                             .sdp = json_get_text(description, "sdp"),
                             .watch = json_get(data, "watch")};
    gint64 version = json_get_number(value, "version", 0);
    if (offer.url == NULL || offer.sdp == NULL || version < 0 || !url_is_valid(offer.url) ||
        g_strcmp0(url_last_segment(offer.url), participant) != 0 ||
        g_strcmp0(json_get_text(description, "type"), "offer") != 0)
        return FALSE;
    offer.version = (guint64)version;
    *ret_offer = offer;
    return TRUE;
}

static char *hash_of(const char *sdp)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, sdp, -1);
}

gboolean connection_has_answered(const Connection *connection, const ConnectionOffer *offer)
{
    g_autofree char *hash = hash_of(offer->sdp);
    return connection->offer_version == offer->version &&
           g_strcmp0(connection->offer_hash, hash) == 0;
}

// ------------------------------------------------------------------------------------- lifetime

Connection *connection_new(const ConnectionHome *home, const ConnectionOffer *offer)
{
    Connection *connection = g_new0(Connection, 1);
    connection->home = home;
    connection->participant = g_strdup(offer->participant);
    connection->url =
        g_strdup_printf("connection://%s/media-%s", bus_domain(home->bus), offer->participant);
    return connection;
}

static void leave(Connection *connection)
{
    g_clear_pointer(&connection->client, sync_observer_free);
    g_clear_pointer(&connection->handshake, handshake_free);
    if (connection->member != NULL)
        members_remove(connection->home->members, connection->member);
    connection->member = NULL;
}

void connection_free(Connection *connection)
{
    if (connection == NULL)
        return;
    leave(connection);
    sync_reporter_free(connection->reporter);
    g_free(connection->participant);
    g_free(connection->url);
    g_free(connection->client_url);
    g_free(connection->offer_hash);
    g_free(connection);
}

void connection_end(Connection *connection)
{
    if (connection->reporter != NULL)
        sync_reporter_delete(connection->reporter);
}

void connection_retire(Connection *connection)
{
    g_clear_pointer(&connection->client, sync_observer_free);
    g_clear_pointer(&connection->handshake, handshake_free);
    g_clear_pointer(&connection->reporter, sync_reporter_free);
}

Member *connection_member(const Connection *connection)
{
    return connection->member;
}

Json *connection_json(const Connection *connection)
{
    return sync_object_to_json(sync_reporter_object(connection->reporter));
}

// ------------------------------------------------------------------------------------ handshake

static void change_text(Connection *connection, const char *attribute, const char *text)
{
    g_autoptr(Json) value = json_new_text(text);
    const Json *data = sync_object_data(sync_reporter_object(connection->reporter));
    if (!json_equals(json_get(data, attribute), value))
        sync_reporter_change(connection->reporter, attribute, value);
}

static void send_datagram(const guint8 *data, gsize length, gpointer user)
{
    Connection *connection = user;
    media_send_dtls(connection->home->media, connection->member->media, data, length);
}

static void on_handshake(const char *state, const SrtpKeys *keys, gpointer user)
{
    Connection *connection = user;
    const char *failure = handshake_failure(connection->handshake);
    if (keys != NULL) {
        media_set_keys(connection->home->media, connection->member->media, keys);
        log_event(LOG_INFO, "peer.connected", "participant=%s profile=%s", connection->participant,
                  srtp_profile_name(keys->profile));
    }
    if (failure != NULL)
        log_event(LOG_WARNING, "peer.handshake_failed", "participant=%s reason=%s",
                  connection->participant, log_quote(failure));
    change_text(connection, "dtls", state);
}

// ---------------------------------------------------------------------------- the client's object

static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    (void)observer;
    Connection *connection = user;
    if (members_watch_all(connection->member, json_get(json_get(object, "data"), "watch")))
        connection->home->on_wishes(connection->home->user);
}

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    (void)observer;
    Connection *connection = user;
    const char *attribute = change->body->attribute;
    g_autoptr(Json) value = change->body->has_value ? json_parse_bytes(change->body->value.data,
                                                                       change->body->value.len)
                                                    : NULL;
    if (attribute == NULL || *attribute == '\0')
        members_watch_all(connection->member, json_get(value, "watch"));
    else if (strcmp(attribute, "watch") == 0)
        members_watch_all(connection->member, value);
    else if (g_str_has_prefix(attribute, "watch.") && strchr(attribute + 6, '.') == NULL)
        members_watch(connection->member, attribute + 6, json_is_object(value));
    else
        return;
    connection->home->on_wishes(connection->home->user);
}

// Its gateway does not know it at present: the room asks again each few seconds.
static void on_gone(SyncObserver *observer, Refusal reason, gpointer user)
{
    (void)reason;
    Connection *connection = user;
    connection->client = NULL;
    sync_observer_free(observer);
}

static void observe(Connection *connection, SyncLog *known)
{
    static const SyncObserverCalls calls = {
        .on_snapshot = on_snapshot, .on_change = on_change, .on_gone = on_gone};
    connection->client = sync_observer_new(connection->home->bus, connection->client_url,
                                           connection->home->address, known, &calls, connection);
    sync_observer_set_client_object(connection->client, TRUE);
}

void connection_observe(Connection *connection)
{
    if (connection->client == NULL)
        observe(connection, NULL);
}

// ------------------------------------------------------------------------------------- admission

static Json *empty_slots(const Member *member)
{
    Json *slots = json_new_object();
    for (guint i = 0; i < member->n_slots; i++) {
        g_autoptr(Json) empty = json_new_object();
        json_set(slots, member->slots[i].mid, empty);
    }
    return slots;
}

static Json *initial_data(const Connection *connection, const char *sdp)
{
    Json *data = json_new_object();
    g_autoptr(Json) description = json_new_object();
    g_autoptr(Json) slots = empty_slots(connection->member);
    json_set_text(description, "type", "answer");
    json_set_text(description, "sdp", sdp);
    json_set_text(data, "status", "new");
    json_set_text(data, "dtls", "new");
    json_set_text(data, "owner", connection->home->address);
    json_set_text(data, "peer", connection->client_url);
    json_set_number(data, "offerVersion", (gint64)connection->offer_version);
    json_set(data, "connectionDescription", description);
    json_set(data, "slots", slots);
    return data;
}

static void report_first(Connection *connection, Json *data)
{
    const ConnectionHome *home = connection->home;
    g_autofree char *schema =
        g_strdup_printf("hyperty-catalogue://catalogue.%s/.well-known/dataschema/Connection",
                        bus_domain(home->bus));
    SyncObject *object =
        sync_object_new(connection->url, schema, home->address, (home->epoch << 32) + 1, data);
    connection->reporter = sync_reporter_new(home->bus, object, NULL, NULL);
}

static void change_attribute(const char *attribute, Json *value, gpointer user)
{
    Connection *connection = user;
    const Json *data = sync_object_data(sync_reporter_object(connection->reporter));
    if (!json_equals(json_get(data, attribute), value))
        sync_reporter_change(connection->reporter, attribute, value);
}

void connection_admit(Connection *connection, const ConnectionOffer *offer, SdpAnswer *answer)
{
    static const HandshakeCalls calls = {.send = send_datagram, .on_state = on_handshake};
    const ConnectionHome *home = connection->home;
    leave(connection);
    answer->description->number = offer->number;
    connection->member =
        members_add(home->members, offer->participant, g_steal_pointer(&answer->description));
    connection->member->owner = connection;
    members_watch_all(connection->member, offer->watch);
    connection->handshake = handshake_new(home->dtls, answer->fingerprint, &calls, connection);
    connection->offer_version = offer->version;
    envelope_set(&connection->client_url, offer->url);
    g_free(connection->offer_hash);
    connection->offer_hash = hash_of(offer->sdp);
    g_autoptr(Json) data = initial_data(connection, answer->text);
    if (connection->reporter == NULL)
        report_first(connection, data);
    else
        json_each(data, change_attribute, connection);
    observe(connection, sync_log_new(connection->client_url, offer->version));
}

// -------------------------------------------------------------------------------- what Media says

static void change_slot(Connection *connection, const MediaEvent *event)
{
    const Members *members = connection->home->members;
    if (!members_slot_changed(connection->member, event))
        return;
    const MemberSlot *slot = &connection->member->slots[event->index];
    g_autofree char *attribute = g_strconcat("slots.", slot->mid, NULL);
    g_autoptr(Json) value = members_slot_json(members, slot);
    sync_reporter_change(connection->reporter, attribute, value);
}

void connection_on_media(Connection *connection, const MediaEvent *event)
{
    if (event->type == MEDIA_EVENT_DTLS) {
        handshake_feed(connection->handshake, event->data, event->length);
    } else if (event->type == MEDIA_EVENT_ICE) {
        log_event(LOG_INFO, "peer.ice", "participant=%s state=%s", connection->participant,
                  event->ice);
        change_text(connection, "status", event->ice);
    } else if (event->type == MEDIA_EVENT_SLOT) {
        change_slot(connection, event);
    }
}

void connection_on_heard(Connection *connection)
{
    handshake_trim(connection->handshake);
}
