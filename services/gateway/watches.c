// SPDX-License-Identifier: MIT
// See watches.h. A watch nobody needs is freed from an idle call, never from within its observer's
// own call.
#include "gateway/watches.h"

#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/sync_observer.h"
#include "common/sync_wire.h"
#include "gateway/address.h"

#define REASON(name) MSG__REFUSAL__REASON__##name

struct Watches {
    Bus *bus;
    char *asker;
    const WatchesCalls *calls;
    gpointer user;
    GHashTable *by_object; // URL -> Watch
    guint reaper;
};

typedef struct {
    Watches *all;
    char *object;
    SyncObserver *observer;
    GHashTable *followers; // Session -> Follower
    guint holds;
    gboolean gone; // the observer has ended
    gboolean of_client;
} Watch;

typedef struct {
    Watch *watch;
    Session *session;
    guint64 delivered; // version that the session has been given
    guint64 lost;      // request for what came before our log begins; 0 if none
    SyncParts *parts;  // of its answer
} Follower;

static void follower_free(gpointer data)
{
    Follower *follower = data;
    if (follower->lost != 0)
        bus_cancel(follower->watch->all->bus, follower->lost);
    sync_parts_free(follower->parts);
    g_free(follower);
}

static void watch_free(gpointer data)
{
    Watch *watch = data;
    sync_observer_free(watch->observer);
    g_hash_table_unref(watch->followers);
    g_free(watch->object);
    g_free(watch);
}

Watches *watches_new(Bus *bus, const char *asker, const WatchesCalls *calls, gpointer user)
{
    Watches *watches = g_new0(Watches, 1);
    watches->bus = bus;
    watches->asker = g_strdup(asker);
    watches->calls = calls;
    watches->user = user;
    watches->by_object = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, watch_free);
    return watches;
}

void watches_free(Watches *watches)
{
    if (watches == NULL)
        return;
    if (watches->reaper != 0)
        g_source_remove(watches->reaper);
    g_hash_table_unref(watches->by_object);
    g_free(watches->asker);
    g_free(watches);
}

// --- what is no longer needed ---

static gboolean is_unused(gpointer object, gpointer watch, gpointer user)
{
    const Watch *one = watch;
    (void)object;
    (void)user;
    return one->holds == 0 && g_hash_table_size(one->followers) == 0;
}

static gboolean reap(gpointer user)
{
    Watches *watches = user;
    watches->reaper = 0;
    g_hash_table_foreach_remove(watches->by_object, is_unused, NULL);
    return G_SOURCE_REMOVE;
}

static void reap_later(Watches *watches)
{
    if (watches->reaper == 0)
        watches->reaper = g_idle_add(reap, watches);
}

// --- what sessions are sent ---

static Text *change_text(const Watch *watch, const SyncChange *change)
{
    g_autoptr(Envelope) update = sync_update(watch->object, change);
    g_autoptr(Json) id = json_new_number((gint64)change->version);
    envelope_set_json(&update->id, &update->has_id, id);
    g_autoptr(Json) message = envelope_to_json(update);
    return text_from_json(message);
}

// A digest: the session sees that it lacks something, and asks.
static void send_digest(const Watch *watch, Session *session)
{
    if (watch->of_client)
        return; // runtimes that know nothing of digests observe it
    const SyncLog *log = sync_observer_log(watch->observer);
    g_autofree char *to = g_strconcat(watch->object, "/changes", NULL);
    g_autoptr(Envelope) event = envelope_new(MSG__ENVELOPE__TYPE__EVENT, watch->object, to);
    g_autoptr(Json) value = json_new_object();
    g_autoptr(Json) id = json_new_number((gint64)sync_log_version(log));
    json_set_number(value, "version", (gint64)sync_log_version(log));
    json_set_text(value, "chain", sync_log_chain(log));
    Msg__Body *body = envelope_body(event);
    envelope_set_json(&body->value, &body->has_value, value);
    envelope_set_json(&event->id, &event->has_id, id);
    g_autoptr(Json) message = envelope_to_json(event);
    g_autoptr(Text) text = text_from_json(message);
    session_send(session, text);
}

static void give(Watch *watch, Session *session, Text *text, const SyncChange *change)
{
    session_send(session, text);
    watch->all->calls->on_change(session, watch->object, change, watch->all->user);
}

static void ask_for_lost(Follower *follower);

// A change may end the session's interest in the object; then nothing more of it is sent.
static void catch_up(Watch *watch, Session *session, Follower *follower)
{
    const SyncLog *log = sync_observer_log(watch->observer);
    guint64 version = sync_log_version(log);
    if (session->client == NULL || version <= follower->delivered || follower->lost != 0)
        return;
    g_autoptr(GPtrArray) changes = sync_log_since(log, follower->delivered);
    if (changes == NULL) {
        ask_for_lost(follower);
        return;
    }
    follower->delivered = version;
    for (guint i = 0; i < changes->len; i++) {
        g_autoptr(Text) text = change_text(watch, g_ptr_array_index(changes, i));
        if (g_hash_table_contains(watch->followers, session))
            give(watch, session, text, g_ptr_array_index(changes, i));
    }
}

static void give_change(Watch *watch, Session *session, Follower *follower, Text *text,
                        const SyncChange *change)
{
    gboolean due = change->version == 0 || change->version > follower->delivered;
    if (session->client == NULL || !due || follower->lost != 0)
        return;
    follower->delivered = MAX(follower->delivered, change->version);
    give(watch, session, text, change);
}

// --- what a session lacks from before our log begins ---

// The reporter has nothing so old either: the session sees that it lacks something, and asks.
static void give_up_lost(Follower *follower)
{
    follower->delivered = sync_log_version(sync_observer_log(follower->watch->observer));
    send_digest(follower->watch, follower->session);
}

static gboolean is_followed_still(const Watch *watch, const Session *session)
{
    return g_hash_table_contains(watch->followers, session);
}

static void give_lost(Follower *follower, const Msg__Deltas *deltas)
{
    Watch *watch = follower->watch;
    Session *session = follower->session;
    for (gsize i = 0; i < deltas->n_changes && is_followed_still(watch, session); i++) {
        const Msg__Body *body = deltas->changes[i];
        if (body->version <= follower->delivered)
            continue;
        g_autoptr(SyncChange) change = sync_change_new(codec_copy(body), body->version - 1);
        g_autoptr(Text) text = change_text(watch, change);
        follower->delivered = body->version;
        give(watch, session, text, change);
    }
    if (!is_followed_still(watch, session))
        return;
    const SyncLog *log = sync_observer_log(watch->observer);
    g_autoptr(GPtrArray) since = sync_log_since(log, follower->delivered);
    if (since != NULL)
        catch_up(watch, session, follower);
    else if (sync_log_version(log) > follower->delivered)
        give_up_lost(follower);
}

static void on_lost_answered(const Envelope *answer, gpointer user)
{
    Follower *follower = user;
    g_autoptr(Json) value = NULL;
    if (envelope_code(answer) < 200) {
        sync_parts_keep(follower->parts, answer);
        return;
    }
    follower->lost = 0;
    gboolean whole = sync_parts_join(follower->parts, answer, &value);
    g_clear_pointer(&follower->parts, sync_parts_free);
    Msg__Deltas *deltas = whole && value != NULL
                              ? CODEC_FROM_JSON(Msg__Deltas, msg__deltas__descriptor, value, NULL)
                              : NULL;
    if (deltas != NULL && deltas->n_changes > 0)
        give_lost(follower, deltas);
    else
        give_up_lost(follower);
    codec_free(deltas);
}

static void ask_for_lost(Follower *follower)
{
    const Watches *watches = follower->watch->all;
    g_autofree char *to = g_strconcat(follower->watch->object, "/subscription", NULL);
    Envelope *question = envelope_new(MSG__ENVELOPE__TYPE__SUBSCRIBE, watches->asker, to);
    Msg__Body *body = envelope_body(question);
    envelope_set(&body->source, watches->asker);
    body->has_resume = body->resume = TRUE;
    body->has_version = TRUE;
    body->version = follower->delivered;
    follower->parts = sync_parts_new();
    follower->lost =
        bus_request(watches->bus, question, LIMIT_DEADLINE_SERVICE_MS, on_lost_answered, follower);
}

// --- what observers tell ---

static void on_change(SyncObserver *observer, SyncChange *change, gpointer user)
{
    Watch *watch = user;
    g_autoptr(Text) text = change_text(watch, change);
    g_autofree gpointer *sessions = g_hash_table_get_keys_as_array(watch->followers, NULL);
    (void)observer;
    for (guint i = 0; sessions[i] != NULL; i++) {
        Follower *follower = g_hash_table_lookup(watch->followers, sessions[i]);
        if (follower != NULL)
            give_change(watch, sessions[i], follower, text, change);
    }
}

// More was lost than deltas can tell: what the sessions have is told by no change, so they ask.
static void on_snapshot(SyncObserver *observer, const Json *object, gpointer user)
{
    Watch *watch = user;
    g_autofree gpointer *sessions = g_hash_table_get_keys_as_array(watch->followers, NULL);
    (void)observer;
    (void)object;
    for (guint i = 0; sessions[i] != NULL; i++)
        catch_up(watch, sessions[i], g_hash_table_lookup(watch->followers, sessions[i]));
}

static void observe(Watch *watch, guint64 version, const char *chain);

static void send_delete(const Watch *watch, Session *session)
{
    if (watch->of_client)
        return; // the client's own message reaches it
    g_autofree char *from = g_strconcat(watch->object, "/subscription", NULL);
    g_autofree char *to = g_strconcat(watch->object, "/changes", NULL);
    g_autoptr(Envelope) message = envelope_new(MSG__ENVELOPE__TYPE__DELETE, from, to);
    g_autoptr(Json) id = json_new_number(0);
    envelope_set_json(&message->id, &message->has_id, id);
    g_autoptr(Json) json = envelope_to_json(message);
    g_autoptr(Text) text = text_from_json(json);
    session_send(session, text);
}

static void forget_followers(Watch *watch)
{
    g_autofree gpointer *sessions = g_hash_table_get_keys_as_array(watch->followers, NULL);
    for (guint i = 0; sessions[i] != NULL; i++) {
        send_delete(watch, sessions[i]);
        watches_unfollow(watch->all, sessions[i], watch->object);
        watch->all->calls->on_gone(sessions[i], watch->object, watch->all->user);
    }
}

// A reporter that nobody has heard for long may still return, and calls go on without it.
static gboolean may_return(Refusal reason)
{
    return reason == REASON(no_route) || reason == REASON(timeout);
}

static void on_gone(SyncObserver *observer, Refusal reason, gpointer user)
{
    Watch *watch = user;
    const SyncLog *log = sync_observer_log(observer);
    log_event(LOG_INFO, "gateway.object_gone", "object=%s reason=%s", log_quote(watch->object),
              refusal_name(reason));
    if (!may_return(reason)) {
        watch->gone = TRUE;
        forget_followers(watch);
        return;
    }
    observe(watch, sync_log_version(log), sync_log_chain(log));
    sync_observer_free(observer);
}

static void observe(Watch *watch, guint64 version, const char *chain)
{
    static const SyncObserverCalls calls = {on_snapshot, on_change, on_gone};
    SyncLog *log = sync_log_new(watch->object, version);
    sync_log_restart(log, version, chain);
    watch->observer =
        sync_observer_new(watch->all->bus, watch->object, watch->all->asker, log, &calls, watch);
    if (watch->of_client)
        sync_observer_set_relayed(watch->observer);
}

// --- API ---

static Watch *find(const Watches *watches, const char *object)
{
    return g_hash_table_lookup(watches->by_object, object);
}

void watches_hold(Watches *watches, const char *object, guint64 version, const char *chain)
{
    Watch *watch = find(watches, object);
    if (watch == NULL) {
        watch = g_new0(Watch, 1);
        watch->all = watches;
        watch->object = g_strdup(object);
        watch->of_client = address_kind(bus_domain(watches->bus), object) == ADDRESS_CLIENT;
        watch->followers = g_hash_table_new_full(NULL, NULL, NULL, follower_free);
        observe(watch, version, chain);
        g_hash_table_insert(watches->by_object, watch->object, watch);
    } else if (watch->gone) {
        sync_observer_free(watch->observer);
        watch->gone = FALSE;
        observe(watch, version, chain);
    } else if (sync_log_version(sync_observer_log(watch->observer)) < version) {
        sync_observer_check(watch->observer);
    }
    watch->holds++;
}

void watches_release(Watches *watches, const char *object)
{
    Watch *watch = find(watches, object);
    g_assert(watch != NULL && watch->holds > 0);
    watch->holds--;
    reap_later(watches);
}

void watches_follow(Watches *watches, Session *session, const char *object, guint64 version)
{
    Watch *watch = find(watches, object);
    g_assert(watch != NULL);
    Follower *follower = g_hash_table_lookup(watch->followers, session);
    if (follower == NULL) {
        follower = g_new0(Follower, 1);
        follower->watch = watch;
        follower->session = session;
        g_hash_table_insert(watch->followers, session, follower);
        if (session->follows == NULL)
            session->follows = g_hash_table_new(NULL, NULL);
        g_hash_table_add(session->follows, watch);
    }
    follower->delivered = version;
    catch_up(watch, session, follower);
}

static void unfollow(Watch *watch, Session *session)
{
    g_hash_table_remove(watch->followers, session);
    g_hash_table_remove(session->follows, watch);
    reap_later(watch->all);
}

void watches_unfollow(Watches *watches, Session *session, const char *object)
{
    Watch *watch = find(watches, object);
    if (watch != NULL && g_hash_table_contains(watch->followers, session))
        unfollow(watch, session);
}

void watches_unfollow_all(Watches *watches, Session *session)
{
    (void)watches;
    if (session->follows == NULL)
        return;
    g_autofree gpointer *all = g_hash_table_get_keys_as_array(session->follows, NULL);
    for (guint i = 0; all[i] != NULL; i++)
        unfollow(all[i], session);
}

gboolean watches_is_followed(const Watches *watches, const Session *session, const char *object)
{
    const Watch *watch = find(watches, object);
    return watch != NULL && g_hash_table_contains(watch->followers, session);
}

Json *watches_told(const Session *session)
{
    Json *list = json_new_array();
    GHashTableIter iterator;
    gpointer watch;
    if (session->follows == NULL)
        return list;
    g_hash_table_iter_init(&iterator, session->follows);
    while (g_hash_table_iter_next(&iterator, &watch, NULL)) {
        const Follower *follower = g_hash_table_lookup(((Watch *)watch)->followers, session);
        const SyncLog *log = sync_observer_log(((Watch *)watch)->observer);
        g_autoptr(Json) follow = json_new_object();
        json_set_text(follow, "object", ((Watch *)watch)->object);
        json_set_number(follow, "version", (gint64)follower->delivered);
        if (follower->delivered == sync_log_version(log))
            json_set_text(follow, "chain", sync_log_chain(log));
        json_append(list, follow);
    }
    return list;
}

Json *watches_deltas(Watches *watches, Session *session, const char *object, guint64 version)
{
    Watch *watch = find(watches, object);
    Follower *follower = watch != NULL ? g_hash_table_lookup(watch->followers, session) : NULL;
    if (follower == NULL)
        return NULL;
    Json *deltas = sync_deltas(sync_observer_log(watch->observer), version);
    if (deltas != NULL)
        follower->delivered = sync_log_version(sync_observer_log(watch->observer));
    return deltas;
}

void watches_resume(Watches *watches, Session *session)
{
    (void)watches;
    if (session->follows == NULL)
        return;
    g_autofree gpointer *all = g_hash_table_get_keys_as_array(session->follows, NULL);
    for (guint i = 0; all[i] != NULL; i++) {
        Watch *watch = all[i];
        Follower *follower = g_hash_table_lookup(watch->followers, session);
        if (follower != NULL)
            catch_up(watch, session, follower);
    }
}

void watches_check(Watches *watches)
{
    GHashTableIter iterator;
    gpointer watch;
    g_hash_table_iter_init(&iterator, watches->by_object);
    while (g_hash_table_iter_next(&iterator, NULL, &watch))
        if (!((Watch *)watch)->gone)
            sync_observer_check(((Watch *)watch)->observer);
}
