// SPDX-License-Identifier: MIT
// See bus_requests.h. All requests share one timer: a sequence sorted by what is due next, because
// a main loop with thousands of timers of its own goes through each of them in every turn.
#include "common/bus_requests.h"

#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/url.h"

#define ACKNOWLEDGED_MS 1000 // the request has arrived; its answer may have been lost
#define US_PER_MS 1000

static const guint repeat_ms[] = {150, 400, 900, 1600, 2500};

typedef struct {
    Envelope *envelope; // request = its number
    BusAnswered answered;
    gpointer user;
    gint64 deadline_us;
    gint64 first_us; // when it was first sent; 0: not yet
    guint repeats;
    gboolean acknowledged;
    Refusal failed; // none, or why it ends at once
    gint64 due_us;
    GSequenceIter *place; // in `due`
} Pending;

struct BusRequests {
    BusRequestsSend send;
    gpointer user;
    gboolean up;
    guint64 last;
    GHashTable *open; // number -> Pending
    GSequence *due;   // of Pending, borrowed
    GSource *timer;
};

static void pending_free(gpointer data)
{
    Pending *pending = data;
    envelope_free(pending->envelope);
    g_free(pending);
}

static gint by_due(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    gint64 left = ((const Pending *)a)->due_us, right = ((const Pending *)b)->due_us;
    return left < right ? -1 : left > right;
}

static void set_timer(BusRequests *requests)
{
    GSequenceIter *first = g_sequence_get_begin_iter(requests->due);
    const Pending *pending = g_sequence_iter_is_end(first) ? NULL : g_sequence_get(first);
    g_source_set_ready_time(requests->timer, pending == NULL ? -1 : pending->due_us);
}

// When the next repeat is due: by the table, counted from the first time, then again and again.
static gint64 repeat_due(const Pending *pending)
{
    guint last = G_N_ELEMENTS(repeat_ms) - 1;
    gboolean listed = pending->repeats <= last && !pending->acknowledged;
    gint64 from_us = listed ? pending->first_us : g_get_monotonic_time();
    guint after_ms =
        pending->acknowledged ? ACKNOWLEDGED_MS : repeat_ms[MIN(pending->repeats, last)];
    return from_us + (gint64)(after_ms * US_PER_MS * g_random_double_range(0.8, 1.2));
}

static gint64 next_due(const Pending *pending)
{
    if (pending->failed != MSG__REFUSAL__REASON__none)
        return 0;
    if (pending->first_us == 0)
        return pending->deadline_us;
    return MIN(pending->deadline_us, repeat_due(pending));
}

static void plan(BusRequests *requests, Pending *pending)
{
    pending->due_us = next_due(pending);
    if (pending->place == NULL)
        pending->place = g_sequence_insert_sorted(requests->due, pending, by_due, NULL);
    else
        g_sequence_sort_changed(pending->place, by_due, NULL);
    set_timer(requests);
}

// Takes it out of both tables; the caller frees it.
static Pending *take(BusRequests *requests, guint64 number)
{
    Pending *pending = NULL;
    if (!g_hash_table_steal_extended(requests->open, &number, NULL, (gpointer *)&pending))
        return NULL;
    g_sequence_remove(pending->place);
    set_timer(requests);
    return pending;
}

static void send_now(BusRequests *requests, Pending *pending)
{
    gint64 now_us = g_get_monotonic_time();
    Envelope *envelope = pending->envelope;
    gint64 left_ms = (pending->deadline_us - now_us) / US_PER_MS;
    envelope->has_ttl_ms = TRUE;
    envelope->ttl_ms = (guint32)MAX(left_ms, 1);
    if (pending->first_us == 0)
        pending->first_us = now_us;
    else
        metrics_add(METRIC_BUS_RETRIES, 1);
    if (!requests->send(envelope, requests->user))
        pending->failed = url_is_valid(envelope->to) ? MSG__REFUSAL__REASON__too_large
                                                     : MSG__REFUSAL__REASON__bad_address;
}

static void finish(Pending *pending, const Envelope *answer)
{
    log_set_trace(pending->envelope->trace);
    pending->answered(answer, pending->user);
    log_set_trace(NULL);
    pending_free(pending);
}

static void give_up(BusRequests *requests, guint64 number)
{
    Pending *pending = take(requests, number);
    gboolean failed = pending->failed != MSG__REFUSAL__REASON__none;
    g_autoptr(Envelope) answer = refusal_answer(
        pending->envelope, failed ? pending->failed : MSG__REFUSAL__REASON__timeout, NULL);
    if (!failed)
        metrics_add(METRIC_BUS_TIMEOUTS, 1);
    log_event(LOG_WARNING, "request.unanswered", "to=%s type=%s reason=%s trace=%s",
              log_quote(pending->envelope->to), log_quote(envelope_type_text(pending->envelope)),
              answer->body->reason,
              log_quote(pending->envelope->trace != NULL ? pending->envelope->trace : ""));
    finish(pending, answer);
}

static void on_due(BusRequests *requests, Pending *pending, gint64 now_us)
{
    if (pending->failed != MSG__REFUSAL__REASON__none || now_us >= pending->deadline_us) {
        give_up(requests, pending->envelope->request);
        return;
    }
    pending->repeats++;
    if (requests->up)
        send_now(requests, pending);
    plan(requests, pending);
}

static gboolean on_timer(gpointer user)
{
    BusRequests *requests = user;
    gint64 now_us = g_get_monotonic_time();
    for (guint i = 0; i < LIMIT_BUS_DISPATCH; i++) {
        GSequenceIter *first = g_sequence_get_begin_iter(requests->due);
        if (g_sequence_iter_is_end(first))
            break;
        Pending *pending = g_sequence_get(first);
        if (pending->due_us > now_us)
            break;
        on_due(requests, pending, now_us);
    }
    set_timer(requests);
    return G_SOURCE_CONTINUE;
}

static gboolean dispatch_timer(GSource *timer, GSourceFunc call, gpointer user)
{
    (void)timer;
    return call(user);
}

BusRequests *bus_requests_new(BusRequestsSend send, gpointer user)
{
    static GSourceFuncs functions = {.dispatch = dispatch_timer};
    BusRequests *requests = g_new0(BusRequests, 1);
    requests->send = send;
    requests->user = user;
    requests->open = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, pending_free);
    requests->due = g_sequence_new(NULL);
    requests->timer = g_source_new(&functions, sizeof *requests->timer);
    g_source_set_callback(requests->timer, on_timer, requests, NULL);
    g_source_attach(requests->timer, NULL);
    return requests;
}

void bus_requests_free(BusRequests *requests)
{
    if (requests == NULL)
        return;
    g_source_destroy(requests->timer);
    g_source_unref(requests->timer);
    g_sequence_free(requests->due);
    g_hash_table_unref(requests->open);
    g_free(requests);
}

guint64 bus_requests_add(BusRequests *requests, Envelope *request, guint deadline_ms,
                         BusAnswered answered, gpointer user)
{
    Pending *pending = g_new0(Pending, 1);
    pending->envelope = request;
    pending->answered = answered;
    pending->user = user;
    pending->deadline_us = g_get_monotonic_time() + (gint64)deadline_ms * US_PER_MS;
    request->has_request = TRUE;
    request->request = ++requests->last;
    if (g_hash_table_size(requests->open) >= LIMIT_BUS_REQUESTS_OPEN)
        pending->failed = MSG__REFUSAL__REASON__too_many;
    else if (requests->up)
        send_now(requests, pending);
    g_hash_table_insert(requests->open, &request->request, pending);
    plan(requests, pending);
    return request->request;
}

void bus_requests_cancel(BusRequests *requests, guint64 number)
{
    Pending *pending = take(requests, number);
    if (pending != NULL)
        pending_free(pending);
}

gboolean bus_is_provisional(const Envelope *answer)
{
    gint code = envelope_code(answer);
    return answer->body == NULL || (code >= 100 && code < 200);
}

void bus_requests_answer(BusRequests *requests, const Envelope *answer)
{
    Pending *pending = g_hash_table_lookup(requests->open, &answer->request);
    if (pending == NULL || !answer->has_request)
        return;
    if (!bus_is_provisional(answer)) {
        finish(take(requests, answer->request), answer);
        return;
    }
    if (answer->body == NULL) {
        pending->acknowledged = TRUE;
        plan(requests, pending);
        return;
    }
    log_set_trace(pending->envelope->trace);
    pending->answered(answer, pending->user);
    log_set_trace(NULL);
}

// After an outage nobody knows what has arrived, nor whether the listener is back as early as we
// are: all repeats begin anew.
static void start_anew(BusRequests *requests, Pending *pending)
{
    pending->acknowledged = FALSE;
    pending->repeats = 0;
    pending->first_us = 0;
    send_now(requests, pending);
    plan(requests, pending);
}

void bus_requests_link(BusRequests *requests, gboolean up)
{
    GHashTableIter iter;
    gpointer value;
    requests->up = up;
    if (!up)
        return;
    g_hash_table_iter_init(&iter, requests->open);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Pending *pending = value;
        if (pending->failed == MSG__REFUSAL__REASON__none)
            start_anew(requests, pending);
    }
}

guint bus_requests_open(const BusRequests *requests)
{
    return g_hash_table_size(requests->open);
}
