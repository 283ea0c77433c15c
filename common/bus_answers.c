// SPDX-License-Identifier: MIT
// See bus_answers.h. An entry lives from a request's arrival until its answer is forgotten: too
// old, too many of one asker, too many or too much in all. Askers are sessions (a stranger must not
// push the answers of others out of memory) and, for what services ask each other, processes.
#include "common/bus_answers.h"

#include <string.h>

#include "common/bus_requests.h"
#include "common/codec.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"

#define BARE_ANSWER 256 // bytes that an answer takes beside its body, about

typedef struct {
    char *name;
    gboolean is_process;
    GQueue remembered; // of Entry, oldest first
} Asker;

typedef struct {
    const char *source; // both: of the request's key
    guint64 number;
    char *source_copy;
    BusRequest *pending; // not answered yet; borrowed
    Envelope *answer;    // remembered
    gsize size;
    gint64 answered_us;
    Asker *asker;
    GList by_age, by_asker; // links with data = the entry
} Entry;

struct BusAnswers {
    BusAnswersSend send;
    gpointer user;
    GHashTable *entries; // set of Entry
    GHashTable *askers;  // name -> Asker
    GQueue remembered;   // of Entry, oldest first
    gsize bytes;
    guint held;
};

struct BusRequest {
    guint references;
    BusAnswers *answers; // NULL: the bus is gone
    Entry *entry;        // NULL: answered
    Envelope *message;
};

static guint entry_hash(gconstpointer data)
{
    const Entry *entry = data;
    return g_str_hash(entry->source) ^ (guint)entry->number * 2654435761U;
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
    const Entry *left = a, *right = b;
    return left->number == right->number && strcmp(left->source, right->source) == 0;
}

static void entry_free(gpointer data)
{
    Entry *entry = data;
    envelope_free(entry->answer);
    g_free(entry->source_copy);
    g_free(entry);
}

static void asker_free(gpointer data)
{
    Asker *asker = data;
    g_free(asker->name);
    g_free(asker);
}

BusAnswers *bus_answers_new(BusAnswersSend send, gpointer user)
{
    BusAnswers *answers = g_new0(BusAnswers, 1);
    answers->send = send;
    answers->user = user;
    answers->entries = g_hash_table_new_full(entry_hash, entry_equal, entry_free, NULL);
    answers->askers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, asker_free);
    return answers;
}

void bus_answers_free(BusAnswers *answers)
{
    GHashTableIter iter;
    gpointer key;
    if (answers == NULL)
        return;
    g_hash_table_iter_init(&iter, answers->entries);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        BusRequest *pending = ((Entry *)key)->pending;
        if (pending != NULL) {
            pending->answers = NULL;
            pending->entry = NULL;
        }
    }
    g_hash_table_unref(answers->entries);
    g_hash_table_unref(answers->askers);
    g_free(answers);
}

guint bus_answers_remembered(const BusAnswers *answers)
{
    return answers->remembered.length;
}

static void forget(BusAnswers *answers, Entry *entry)
{
    Asker *asker = entry->asker;
    g_queue_unlink(&answers->remembered, &entry->by_age);
    g_queue_unlink(&asker->remembered, &entry->by_asker);
    answers->bytes -= entry->size;
    if (asker->remembered.length == 0)
        g_hash_table_remove(answers->askers, asker->name);
    g_hash_table_remove(answers->entries, entry);
}

static Asker *asker_of(BusAnswers *answers, const Envelope *request)
{
    gboolean is_process = request->session == NULL;
    const char *name = is_process ? request->source : request->session;
    Asker *asker = g_hash_table_lookup(answers->askers, name);
    if (asker != NULL)
        return asker;
    asker = g_new0(Asker, 1);
    asker->name = g_strdup(name);
    asker->is_process = is_process;
    g_hash_table_insert(answers->askers, asker->name, asker);
    return asker;
}

static gboolean is_over(const BusAnswers *answers, const Entry *oldest, gint64 now_us)
{
    return now_us - oldest->answered_us > (gint64)LIMIT_BUS_ANSWER_AGE_MS * 1000 ||
           answers->remembered.length > LIMIT_BUS_ANSWERS ||
           answers->bytes > LIMIT_BUS_ANSWERS_BYTES;
}

static void remember(BusAnswers *answers, Entry *entry, Envelope *answer, Asker *asker)
{
    guint most = asker->is_process ? LIMIT_BUS_ANSWERS_PER_PROCESS : LIMIT_BUS_ANSWERS_PER_ASKER;
    gint64 now_us = g_get_monotonic_time();
    entry->answer = answer;
    entry->size =
        BARE_ANSWER + (answer->body == NULL ? 0 : msg__body__get_packed_size(answer->body));
    entry->answered_us = now_us;
    entry->asker = asker;
    entry->by_age.data = entry->by_asker.data = entry;
    g_queue_push_tail_link(&answers->remembered, &entry->by_age);
    g_queue_push_tail_link(&asker->remembered, &entry->by_asker);
    answers->bytes += entry->size;
    if (asker->remembered.length > most)
        forget(answers, g_queue_peek_head(&asker->remembered));
    while (answers->remembered.length > 1 &&
           is_over(answers, g_queue_peek_head(&answers->remembered), now_us))
        forget(answers, g_queue_peek_head(&answers->remembered));
}

static Envelope *new_refusal(const Envelope *request, Refusal reason, const char *detail)
{
    metrics_refused(reason);
    log_event(LOG_INFO, "request.refused", "reason=%s to=%s from=%s type=%s detail=%s trace=%s",
              refusal_name(reason), log_quote(request->to), log_quote(request->from),
              log_quote(envelope_type_text(request)), log_quote(detail == NULL ? "" : detail),
              log_quote(request->trace == NULL ? "" : request->trace));
    return refusal_answer(request, reason, detail);
}

static gboolean is_to_remember(const Envelope *answer)
{
    gint code = envelope_code(answer);
    return code != 408 && code != 429 && code < 500;
}

// The final answer; takes it.
static void conclude(BusRequest *request, Envelope *answer)
{
    Entry *entry = g_steal_pointer(&request->entry);
    BusAnswers *answers = request->answers;
    if (!answers->send(answer, request->message->source, answers->user)) {
        envelope_free(answer);
        answer = new_refusal(request->message, MSG__REFUSAL__REASON__too_large, "the answer");
        answers->send(answer, request->message->source, answers->user);
    }
    answers->held--;
    entry->pending = NULL;
    if (is_to_remember(answer)) {
        remember(answers, entry, answer, asker_of(answers, request->message));
    } else {
        g_hash_table_remove(answers->entries, entry);
        envelope_free(answer);
    }
}

static void on_repeat(BusAnswers *answers, const Entry *entry, const Envelope *message)
{
    metrics_add(METRIC_BUS_REPEATS, 1);
    if (entry->answer != NULL)
        answers->send(entry->answer, message->source, answers->user);
}

BusRequest *bus_answers_take(BusAnswers *answers, Envelope *message)
{
    Entry key = {.source = message->source, .number = message->request};
    const Entry *known = g_hash_table_lookup(answers->entries, &key);
    if (known != NULL || answers->held >= LIMIT_BUS_REQUESTS_HELD) {
        if (known != NULL) {
            on_repeat(answers, known, message);
        } else {
            g_autoptr(Envelope) refusal =
                new_refusal(message, MSG__REFUSAL__REASON__too_many, NULL);
            answers->send(refusal, message->source, answers->user);
        }
        envelope_free(message);
        return NULL;
    }
    BusRequest *request = g_new0(BusRequest, 1);
    Entry *entry = g_new0(Entry, 1);
    entry->source_copy = g_strdup(message->source);
    entry->source = entry->source_copy;
    entry->number = message->request;
    entry->pending = request;
    *request =
        (BusRequest){.references = 1, .answers = answers, .entry = entry, .message = message};
    g_hash_table_add(answers->entries, entry);
    answers->held++;
    return request;
}

BusRequest *bus_request_ref(BusRequest *request)
{
    request->references++;
    return request;
}

void bus_request_unref(BusRequest *request)
{
    if (request == NULL || --request->references > 0)
        return;
    if (request->entry != NULL) {
        request->references++;
        bus_refuse(request, MSG__REFUSAL__REASON__timeout, NULL);
        request->references--;
    }
    envelope_free(request->message);
    g_free(request);
}

const Envelope *bus_request_message(const BusRequest *request)
{
    return request->message;
}

// Whether an answer still counts: not the second one, and the bus is there.
static gboolean may_answer(const BusRequest *request)
{
    if (request->entry != NULL)
        return TRUE;
    if (request->answers != NULL)
        log_event(LOG_WARNING, "request.answered_twice",
                  "to=%s source=%s request=%" G_GUINT64_FORMAT, log_quote(request->message->to),
                  log_quote(request->message->source), request->message->request);
    return FALSE;
}

static void send_provisional(BusRequest *request, Envelope *answer)
{
    BusAnswers *answers = request->answers;
    answers->send(answer, request->message->source, answers->user);
    envelope_free(answer);
}

static void answer_with(BusRequest *request, Envelope *answer)
{
    envelope_body(answer); // an answer without one is an acknowledgement
    if (bus_is_provisional(answer))
        send_provisional(request, answer);
    else
        conclude(request, answer);
}

void bus_answer(BusRequest *request, const Json *body)
{
    if (!may_answer(request))
        return;
    Envelope *answer = envelope_new_answer(request->message);
    envelope_set_body(answer, body);
    answer_with(request, answer);
}

void bus_answer_body(BusRequest *request, const Msg__Body *body)
{
    if (!may_answer(request))
        return;
    Envelope *answer = envelope_new_answer(request->message);
    answer->body = codec_copy(body);
    answer_with(request, answer);
}

void bus_answer_provisional(BusRequest *request, const Json *body)
{
    if (!may_answer(request))
        return;
    Envelope *answer = envelope_new_answer(request->message);
    envelope_set_body(answer, body);
    envelope_body(answer);
    send_provisional(request, answer);
}

void bus_acknowledge(BusRequest *request)
{
    if (may_answer(request))
        send_provisional(request, envelope_new_answer(request->message));
}

void bus_refuse(BusRequest *request, Refusal reason, const char *detail)
{
    if (may_answer(request))
        conclude(request, new_refusal(request->message, reason, detail));
}

void bus_refuse_for(BusRequest *request, Refusal reason, const char *detail, guint retry_after_s)
{
    if (!may_answer(request))
        return;
    Envelope *answer = new_refusal(request->message, reason, detail);
    answer->body->has_retry_after = TRUE;
    answer->body->retry_after = retry_after_s;
    conclude(request, answer);
}
