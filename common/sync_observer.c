// SPDX-License-Identifier: MIT
// The reading end of an object.
//
// One rule: whenever something may be missing, one request is under way that asks the reporter for
// it, and what arrives meanwhile is handed on only as far as it follows without a hole; the rest is
// held. Routes stand before the first question, so nothing falls between answer and changes. A
// reporter that does not answer is asked again for ever, more and more slowly: it may be
// restarting. Objects of clients differ in two ways: what follows what is told by their gateway's
// stamp, and a hole is given up after LIMIT_CLIENT_GAP_MS, because the client may not know how to
// fill it.
#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sync_observer.h"
#include "common/sync_wire.h"
#include "common/url.h"

// What bus_when_routed holds: outlives an observer that is freed meanwhile.
typedef struct {
    SyncObserver *observer;
} Start;

struct SyncObserver {
    Bus *bus;
    char *url;
    char *topic; // of its changes
    char *asker;
    SyncObserverCalls calls;
    gpointer user;
    gboolean is_client_object;
    gboolean is_relayed; // and a gateway answers for it

    SyncLog *log;
    gboolean is_known;     // log tells what we have; else only a snapshot will do
    gboolean is_behind_us; // the reporter says that it has less than we do: its snapshot counts
    GSequence *held;       // of SyncChange by version: what came too early
    gsize held_bytes;
    guint gap_timer; // client objects: ends the hold
    guint64 gap_at;  // what we had when it was started
    guint64 told;    // version of the object in the last answer

    Start *start;    // until the routes stand
    guint64 request; // under way, else 0
    guint64 asked;   // the version that it named
    SyncParts *parts;
    guint retry_timer;
    guint retry_ms;
    gint64 failing_since_us; // monotonic: since when nobody is there to answer; 0 while somebody is
};

static void ask(SyncObserver *observer);
static void settle(SyncObserver *observer);

// --- asking

static void stop_timer(guint *timer)
{
    if (*timer != 0)
        g_source_remove(*timer);
    *timer = 0;
}

static gboolean on_retry(gpointer user)
{
    SyncObserver *observer = user;
    observer->retry_timer = 0;
    ask(observer);
    return G_SOURCE_REMOVE;
}

static void ask_later(SyncObserver *observer)
{
    guint wait = (guint)g_random_int_range((gint)observer->retry_ms / 2, (gint)observer->retry_ms);
    if (observer->retry_timer == 0)
        observer->retry_timer = g_timeout_add(wait, on_retry, observer);
    observer->retry_ms = MIN(2 * observer->retry_ms, LIMIT_RESYNC_MOST_MS);
}

static void on_answer(const Envelope *answer, gpointer user);

static Envelope *new_question(const SyncObserver *observer)
{
    g_autofree char *to = g_strconcat(observer->url, "/subscription", NULL);
    Envelope *question = envelope_new(MSG__ENVELOPE__TYPE__SUBSCRIBE, observer->asker, to);
    g_autoptr(Json) body = json_new_object();
    json_set_text(body, "source", observer->asker);
    json_set_bool(body, "mutual", FALSE);
    if (observer->is_known) {
        json_set_bool(body, "resume", TRUE);
        json_set_number(body, "version", (gint64)sync_log_version(observer->log));
    }
    envelope_set_body(question, body);
    return question;
}

static void ask(SyncObserver *observer)
{
    if (observer->start != NULL || observer->request != 0)
        return;
    stop_timer(&observer->retry_timer);
    sync_parts_free(observer->parts);
    observer->parts = sync_parts_new();
    observer->asked = sync_log_version(observer->log);
    observer->request = bus_request(observer->bus, new_question(observer),
                                    LIMIT_DEADLINE_SERVICE_MS, on_answer, observer);
}

// Only a snapshot can tell where we are.
static void ask_for_snapshot(SyncObserver *observer)
{
    metrics_add(METRIC_SYNC_SNAPSHOTS, 1);
    observer->is_known = FALSE;
    ask(observer);
}

// --- what came early

static gint compare_versions(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    const SyncChange *first = a, *second = b;
    return first->version < second->version ? -1 : first->version > second->version;
}

static void on_held_dropped(gpointer change)
{
    sync_change_unref(change);
}

static gsize value_bytes(const SyncChange *change)
{
    return change->body->has_value ? change->body->value.len : 0;
}

static SyncChange *first_held(const SyncObserver *observer)
{
    GSequenceIter *first = g_sequence_get_begin_iter(observer->held);
    return g_sequence_iter_is_end(first) ? NULL : g_sequence_get(first);
}

static void drop_first_held(SyncObserver *observer)
{
    GSequenceIter *first = g_sequence_get_begin_iter(observer->held);
    observer->held_bytes -= value_bytes(g_sequence_get(first));
    g_sequence_remove(first);
}

static void drop_held(SyncObserver *observer)
{
    while (first_held(observer) != NULL)
        drop_first_held(observer);
}

static void hand_on(SyncObserver *observer, SyncChange *change)
{
    sync_log_add(observer->log, change);
    observer->calls.on_change(observer, change, observer->user);
}

// Whether nothing is missing between what we have and the change.
static gboolean follows(const SyncObserver *observer, SyncChange *change)
{
    guint64 version = sync_log_version(observer->log);
    if (!observer->is_client_object || change->previous > version)
        return change->previous == version;
    change->previous = version; // a client's reporter skipped numbers, or restarted its gateway
    return TRUE;
}

// Hands on what is held as far as it follows, and forgets what is old. (Before a first snapshot
// nothing follows.)
static void release_held(SyncObserver *observer)
{
    for (SyncChange *change; observer->is_known && (change = first_held(observer)) != NULL;) {
        gboolean is_old = change->version <= sync_log_version(observer->log);
        if (!is_old && !follows(observer, change))
            return;
        g_autoptr(SyncChange) next = sync_change_ref(change);
        drop_first_held(observer);
        if (!is_old)
            hand_on(observer, next);
    }
}

// A client's object: nobody will fill the hole, so it is none.
static void give_up_gap(SyncObserver *observer)
{
    stop_timer(&observer->gap_timer);
    while (observer->is_known && first_held(observer) != NULL) {
        first_held(observer)->previous = sync_log_version(observer->log);
        release_held(observer);
    }
}

static gboolean on_gap_over(gpointer user)
{
    SyncObserver *observer = user;
    observer->gap_timer = 0;
    if (observer->request != 0)
        bus_cancel(observer->bus, observer->request);
    observer->request = 0;
    stop_timer(&observer->retry_timer);
    give_up_gap(observer);
    settle(observer);
    return G_SOURCE_REMOVE;
}

static gboolean is_too_much(const SyncObserver *observer)
{
    return g_sequence_get_length(observer->held) > LIMIT_CHANGES_HELD ||
           observer->held_bytes > LIMIT_CHANGES_KEPT_BYTES;
}

static void on_too_much_held(SyncObserver *observer)
{
    if (observer->is_client_object && observer->is_known) {
        give_up_gap(observer);
        return;
    }
    drop_held(observer);
    if (observer->is_known)
        ask_for_snapshot(observer);
}

// Holds the change, unless it is there already.
static void hold(SyncObserver *observer, SyncChange *change)
{
    if (g_sequence_lookup(observer->held, change, compare_versions, NULL) != NULL)
        return;
    g_sequence_insert_sorted(observer->held, sync_change_ref(change), compare_versions, NULL);
    observer->held_bytes += value_bytes(change);
}

static void on_gap(SyncObserver *observer)
{
    if (observer->request == 0 && observer->retry_timer == 0) {
        metrics_add(METRIC_SYNC_GAPS, 1);
        log_event(LOG_INFO, "sync.gap", "object=%s version=%" G_GUINT64_FORMAT, observer->url,
                  sync_log_version(observer->log));
        ask(observer);
    }
    if (!observer->is_client_object || observer->gap_timer != 0)
        return;
    observer->gap_at = sync_log_version(observer->log);
    observer->gap_timer = g_timeout_add(
        observer->is_relayed ? LIMIT_RELAYED_GAP_MS : LIMIT_CLIENT_GAP_MS, on_gap_over, observer);
}

// After each event: nothing held means no hole; something held needs a question under way.
static void settle(SyncObserver *observer)
{
    release_held(observer);
    if (is_too_much(observer))
        on_too_much_held(observer);
    // Each hole has its own time.
    if (first_held(observer) == NULL || sync_log_version(observer->log) > observer->gap_at)
        stop_timer(&observer->gap_timer);
    if (first_held(observer) != NULL && observer->is_known)
        on_gap(observer);
}

// A gateway knows all that its client has said: what it does not tell is nowhere. But what is held
// may be newer than the answer.
static void settle_relayed(SyncObserver *observer)
{
    while (first_held(observer) != NULL && first_held(observer)->previous <= observer->told) {
        first_held(observer)->previous = sync_log_version(observer->log);
        release_held(observer);
    }
    settle(observer);
}

// After an answer: it should have filled the hole. If it did not, and does not a while later, the
// reporter has not published what we hold, or has forgotten it: the reporter is right.
static void settle_answered(SyncObserver *observer)
{
    release_held(observer);
    if (first_held(observer) == NULL) {
        observer->retry_ms = LIMIT_RESYNC_MS;
        stop_timer(&observer->gap_timer);
        return;
    }
    if (observer->is_relayed) {
        settle_relayed(observer);
        return;
    }
    if (observer->retry_ms > LIMIT_RESYNC_MS)
        drop_held(observer);
    else
        ask_later(observer);
}

// --- answers

static gboolean take_snapshot(SyncObserver *observer, const Json *object)
{
    gint64 version = json_get_number(object, "version", -1);
    gboolean is_ours = g_strcmp0(json_get_text(object, "url"), observer->url) == 0;
    if (!is_ours || version < 0 || (guint64)version > LIMIT_VERSION)
        return FALSE;
    if (observer->is_known && !observer->is_behind_us &&
        (guint64)version <= sync_log_version(observer->log))
        return TRUE; // older than what has been handed on since the question
    observer->is_behind_us = FALSE;
    observer->is_known = TRUE;
    sync_log_restart(observer->log, (guint64)version, json_get_text(object, "chain"));
    observer->calls.on_snapshot(observer, object, observer->user);
    return TRUE;
}

// One change of an answer. The changes of an answer follow each other, whatever their numbers.
static gboolean take_delta(SyncObserver *observer, const Json *json, guint64 *previous)
{
    Msg__Body *body = CODEC_FROM_JSON(Msg__Body, msg__body__descriptor, json, NULL);
    if (body == NULL || !body->has_version || body->version <= *previous ||
        body->version > LIMIT_VERSION) {
        codec_free(body);
        return FALSE;
    }
    g_autoptr(SyncChange) change = sync_change_new(body, *previous);
    *previous = change->version;
    if (change->version <= sync_log_version(observer->log))
        return TRUE;
    if (!follows(observer, change))
        return FALSE;
    hand_on(observer, change);
    return TRUE;
}

static gboolean take_deltas(SyncObserver *observer, const Json *deltas)
{
    const Json *changes = json_get(deltas, "changes");
    guint64 previous = observer->asked;
    if (!observer->is_known || !json_is_array(changes))
        return FALSE;
    for (guint i = 0; i < json_size(changes); i++)
        if (!take_delta(observer, json_at(changes, i), &previous))
            return FALSE;
    return TRUE;
}

// Whether we are where the answer said, by another way: then a change has been lost or forged.
static gboolean differs(const SyncObserver *observer, const Json *state)
{
    const char *chain = json_get_text(state, "chain");
    gint64 version = json_get_number(state, "version", -1);
    return !observer->is_client_object && chain != NULL &&
           (guint64)version == sync_log_version(observer->log) &&
           strcmp(chain, sync_log_chain(observer->log)) != 0;
}

static void take_value(SyncObserver *observer, const Json *value)
{
    gboolean is_snapshot = json_get(value, "url") != NULL;
    gboolean taken = is_snapshot ? take_snapshot(observer, value) : take_deltas(observer, value);
    if (!taken || differs(observer, value)) {
        observer->is_known = observer->is_known && observer->is_client_object;
        ask_later(observer);
        return;
    }
    observer->is_behind_us = FALSE;
    observer->failing_since_us = 0;
    observer->told = (guint64)MAX(json_get_number(value, "version", 0), 0);
    settle_answered(observer);
}

static void gone(SyncObserver *observer, Refusal reason)
{
    stop_timer(&observer->retry_timer);
    stop_timer(&observer->gap_timer);
    if (observer->request != 0)
        bus_cancel(observer->bus, observer->request);
    observer->request = 0;
    if (observer->calls.on_gone != NULL)
        observer->calls.on_gone(observer, reason, observer->user); // may free the observer
}

// Whether asking again may help: the reporter may be restarting, or busy.
static gboolean is_passing(const Envelope *answer, Refusal reason)
{
    gint code = envelope_code(answer);
    return reason == MSG__REFUSAL__REASON__no_route || code == 408 || code == 429 || code >= 500;
}

static gboolean has_failed_for_long(SyncObserver *observer)
{
    gint64 now = g_get_monotonic_time();
    if (observer->failing_since_us == 0)
        observer->failing_since_us = now;
    return now - observer->failing_since_us > LIMIT_RESYNC_GIVE_UP_MS * G_TIME_SPAN_MILLISECOND;
}

static void take_refusal(SyncObserver *observer, const Envelope *answer)
{
    const char *name = answer->body != NULL ? answer->body->reason : NULL;
    Refusal reason = name != NULL ? refusal_parse(name) : MSG__REFUSAL__REASON__none;
    if (reason == MSG__REFUSAL__REASON__none)
        reason = envelope_code(answer) == 404 ? MSG__REFUSAL__REASON__no_such_object
                                              : MSG__REFUSAL__REASON__forbidden;
    gboolean is_worth_waiting = is_passing(answer, reason) || observer->is_client_object;
    if (is_worth_waiting && !has_failed_for_long(observer))
        ask_later(observer);
    else
        gone(observer, reason);
}

static void on_answer(const Envelope *answer, gpointer user)
{
    SyncObserver *observer = user;
    gint code = envelope_code(answer);
    if (code < 200) {
        sync_parts_keep(observer->parts, answer);
        return;
    }
    observer->request = 0;
    g_autoptr(Json) value = NULL;
    if (code >= 300)
        take_refusal(observer, answer);
    else if (!sync_parts_join(observer->parts, answer, &value))
        ask_later(observer);
    else
        take_value(observer, value);
}

// --- what the reporter publishes

// What follows what is told by the gateway's stamp in a client's object, by the numbers in ours.
static guint64 previous_of(const SyncObserver *observer, const Envelope *update)
{
    if (!observer->is_client_object)
        return update->body->version - 1;
    return update->has_previous_version ? update->previous_version : 0;
}

static void on_update(SyncObserver *observer, const Envelope *update)
{
    const Msg__Body *body = update->body;
    if (body == NULL)
        return;
    g_autoptr(SyncChange) change = sync_change_new(codec_copy(body), 0);
    if (!body->has_version) {
        observer->calls.on_change(observer, change, observer->user);
        return;
    }
    if (body->version == 0 || body->version > LIMIT_VERSION)
        return;
    change->previous = previous_of(observer, update);
    if (change->previous >= change->version)
        return;
    if (!observer->is_known || change->version > sync_log_version(observer->log))
        hold(observer, change);
    settle(observer);
}

static void on_digest(SyncObserver *observer, const Envelope *event)
{
    g_autoptr(Json) value = envelope_value(event);
    gint64 version = json_get_number(value, "version", -1);
    guint64 mine = sync_log_version(observer->log);
    if (version < 0 || !observer->is_known || observer->request != 0)
        return;
    if (differs(observer, value)) {
        log_event(LOG_WARNING, "sync.differs", "object=%s version=%" G_GUINT64_FORMAT,
                  observer->url, mine);
        observer->is_behind_us = TRUE;
        ask_for_snapshot(observer);
    } else if ((guint64)version > mine) {
        on_gap(observer);
    } else if ((guint64)version < mine && !observer->is_client_object) {
        observer->is_behind_us = TRUE;
        ask(observer);
    }
}

static void on_message(const Envelope *message, BusRequest *request, gpointer user)
{
    SyncObserver *observer = user;
    (void)request; // publications only
    if (!url_is_under(message->from, observer->url)) {
        metrics_refused(MSG__REFUSAL__REASON__not_owner);
        return;
    }
    if (message->type == MSG__ENVELOPE__TYPE__UPDATE)
        on_update(observer, message);
    else if (message->type == MSG__ENVELOPE__TYPE__EVENT)
        on_digest(observer, message);
    else if (message->type == MSG__ENVELOPE__TYPE__DELETE)
        gone(observer, MSG__REFUSAL__REASON__none);
}

// --- life

static void on_routed(gpointer user)
{
    Start *start = user;
    SyncObserver *observer = start->observer;
    g_free(start);
    if (observer == NULL)
        return;
    observer->start = NULL;
    ask(observer);
}

static gboolean is_client_object(const char *url)
{
    return g_str_has_prefix(url, "connection://") &&
           !g_str_has_prefix(url_last_segment(url), "media-");
}

SyncObserver *sync_observer_new(Bus *bus, const char *url, const char *asker, SyncLog *known,
                                const SyncObserverCalls *calls, gpointer user)
{
    SyncObserver *observer = g_new0(SyncObserver, 1);
    observer->bus = bus;
    observer->url = g_strdup(url);
    observer->topic = g_strconcat(url, "/changes ", NULL);
    observer->asker = g_strdup(asker);
    observer->calls = *calls;
    observer->user = user;
    observer->is_client_object = is_client_object(url);
    observer->is_known = known != NULL;
    observer->log = known != NULL ? known : sync_log_new(url, 0);
    observer->held = g_sequence_new(on_held_dropped);
    observer->parts = sync_parts_new();
    observer->retry_ms = LIMIT_RESYNC_MS;
    observer->start = g_new(Start, 1);
    observer->start->observer = observer;
    bus_route(bus, observer->topic, on_message, observer);
    bus_when_routed(bus, on_routed, observer->start);
    return observer;
}

void sync_observer_free(SyncObserver *observer)
{
    if (observer == NULL)
        return;
    bus_unroute(observer->bus, observer->topic, on_message, observer);
    if (observer->request != 0)
        bus_cancel(observer->bus, observer->request);
    if (observer->start != NULL)
        observer->start->observer = NULL;
    stop_timer(&observer->retry_timer);
    stop_timer(&observer->gap_timer);
    sync_parts_free(observer->parts);
    sync_log_free(observer->log);
    g_sequence_free(observer->held);
    g_free(observer->url);
    g_free(observer->topic);
    g_free(observer->asker);
    g_free(observer);
}

const char *sync_observer_url(const SyncObserver *observer)
{
    return observer->url;
}

gboolean sync_observer_is_current(const SyncObserver *observer)
{
    return observer->is_known && observer->start == NULL && observer->request == 0 &&
           observer->retry_timer == 0 && first_held(observer) == NULL;
}

const SyncLog *sync_observer_log(const SyncObserver *observer)
{
    return observer->log;
}

void sync_observer_check(SyncObserver *observer)
{
    ask(observer);
}

void sync_observer_set_relayed(SyncObserver *observer)
{
    observer->is_client_object = observer->is_relayed = TRUE;
}

void sync_observer_set_client_object(SyncObserver *observer, gboolean on)
{
    observer->is_client_object = on;
}
