// SPDX-License-Identifier: MIT
// The messages by which objects travel; see the header for answers in parts. Parts are cut out of
// the value's JSON text, so that any value can be split without knowing what it is; a piece grows
// at most to twice its size inside JSON, which still fits a bus message.
#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/sync_wire.h"

Envelope *sync_update(const char *url, const SyncChange *change)
{
    g_autofree char *to = g_strconcat(url, "/changes", NULL);
    Envelope *update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, url, to);
    update->body = codec_copy(change->body);
    return update;
}

Json *sync_deltas(const SyncLog *log, guint64 version)
{
    g_autoptr(GPtrArray) since = sync_log_since(log, version);
    if (since == NULL)
        return NULL;
    g_autoptr(Json) changes = json_new_array();
    for (guint i = 0; i < since->len; i++) {
        const SyncChange *change = since->pdata[i];
        g_autoptr(Json) body = codec_to_json(&change->body->base);
        json_append(changes, body);
    }
    Json *deltas = json_new_object();
    json_set_number(deltas, "version", (gint64)sync_log_version(log));
    json_set_text(deltas, "chain", sync_log_chain(log));
    json_set(deltas, "changes", changes);
    return deltas;
}

// --- answers in parts

// Where the piece that starts at `from` ends: at most LIMIT_SNAPSHOT_PART on, between characters.
static gsize piece_end(const char *text, gsize length, gsize from)
{
    gsize end = from + LIMIT_SNAPSHOT_PART;
    if (end >= length)
        return length;
    while (end > from && ((guint8)text[end] & 0xc0) == 0x80)
        end--;
    return end;
}

static GPtrArray *cut(const char *text, gsize length)
{
    GPtrArray *pieces = g_ptr_array_new_with_free_func(g_free);
    for (gsize from = 0; from < length;) {
        gsize end = piece_end(text, length, from);
        g_ptr_array_add(pieces, g_strndup(text + from, end - from));
        from = end;
    }
    return pieces;
}

static Json *part_of(const GPtrArray *pieces, guint index)
{
    Json *part = json_new_object();
    json_set_number(part, "responses", pieces->len);
    json_set_number(part, "part", index);
    json_set_text(part, "text", pieces->pdata[index]);
    return part;
}

static void answer_in_parts(BusRequest *request, const Msg__Body *body, const GPtrArray *pieces)
{
    for (guint i = 0; i + 1 < pieces->len; i++) {
        g_autoptr(Json) provisional = json_new_object();
        g_autoptr(Json) part = part_of(pieces, i);
        json_set_number(provisional, "code", 100);
        json_set(provisional, "value", part);
        bus_answer_provisional(request, provisional);
    }
    g_autoptr(Json) part = part_of(pieces, pieces->len - 1);
    Msg__Body last = *body;
    last.value = codec_bytes(part);
    bus_answer_body(request, &last);
    g_free(last.value.data);
}

void sync_answer_body(BusRequest *request, const Msg__Body *body)
{
    if (!body->has_value || body->value.len <= LIMIT_SNAPSHOT_PART) {
        bus_answer_body(request, body);
        return;
    }
    g_autoptr(GPtrArray) pieces = cut((const char *)body->value.data, body->value.len);
    if (pieces->len > LIMIT_SNAPSHOT_PARTS)
        bus_refuse(request, MSG__REFUSAL__REASON__too_large, NULL);
    else
        answer_in_parts(request, body, pieces);
}

void sync_answer(BusRequest *request, const Json *body)
{
    Msg__Body *typed = CODEC_FROM_JSON(Msg__Body, msg__body__descriptor, body, NULL);
    g_assert(typed != NULL);
    sync_answer_body(request, typed);
    codec_free(typed);
}

struct SyncParts {
    GPtrArray *texts; // by part, NULL where it has not come; empty before the first part
};

SyncParts *sync_parts_new(void)
{
    SyncParts *parts = g_new0(SyncParts, 1);
    parts->texts = g_ptr_array_new_with_free_func(g_free);
    return parts;
}

void sync_parts_free(SyncParts *parts)
{
    if (parts == NULL)
        return;
    g_ptr_array_unref(parts->texts);
    g_free(parts);
}

// Keeps the text if value is a part.
static gboolean keep(SyncParts *parts, const Json *value)
{
    gint64 count = json_get_number(value, "responses", 0);
    gint64 index = json_get_number(value, "part", -1);
    const char *text = json_get_text(value, "text");
    if (text == NULL || count < 2 || count > LIMIT_SNAPSHOT_PARTS || index < 0 || index >= count)
        return FALSE;
    if (parts->texts->len != count) {
        g_ptr_array_set_size(parts->texts, 0);
        g_ptr_array_set_size(parts->texts, (gint)count);
    }
    g_free(parts->texts->pdata[index]);
    parts->texts->pdata[index] = g_strdup(text);
    return TRUE;
}

gboolean sync_parts_keep(SyncParts *parts, const Envelope *answer)
{
    g_autoptr(Json) value = envelope_value(answer);
    return envelope_code(answer) < 200 && keep(parts, value);
}

static char *joined(const GPtrArray *texts)
{
    g_autoptr(GString) whole = g_string_new(NULL);
    for (guint i = 0; i < texts->len; i++) {
        if (texts->pdata[i] == NULL)
            return NULL;
        g_string_append(whole, texts->pdata[i]);
    }
    return g_string_free(g_steal_pointer(&whole), FALSE);
}

gboolean sync_parts_join(SyncParts *parts, const Envelope *answer, Json **ret_value)
{
    g_autoptr(Json) value = envelope_value(answer);
    if (!keep(parts, value)) {
        *ret_value = g_steal_pointer(&value);
        return TRUE;
    }
    g_autofree char *text = joined(parts->texts);
    g_autoptr(Json) whole =
        text != NULL ? json_parse_bytes((const guint8 *)text, strlen(text)) : NULL;
    if (whole == NULL)
        return FALSE;
    *ret_value = g_steal_pointer(&whole);
    return TRUE;
}

// --- digests

struct SyncDigest {
    Bus *bus;
    char *url;
    guint64 version;
    char *chain;
    gint64 changed_us, lost_us; // the last change; since when the link is gone
    gint64 due_us;              // when it is to be published
    guint64 deadline;           // when that is looked at: not later
};

static Envelope *digest_message(const SyncDigest *digest)
{
    g_autofree char *to = g_strconcat(digest->url, "/changes", NULL);
    g_autoptr(Json) value = json_new_object();
    Envelope *event = envelope_new(MSG__ENVELOPE__TYPE__EVENT, digest->url, to);
    Msg__Body *body = envelope_body(event);
    json_set_number(value, "version", (gint64)digest->version);
    json_set_text(value, "chain", digest->chain);
    envelope_set_json(&body->value, &body->has_value, value);
    return event;
}

static void on_digest_due(gpointer user);

static void look(SyncDigest *digest, guint after_ms)
{
    Deadlines *deadlines = bus_deadlines(digest->bus);
    deadlines_cancel(deadlines, &digest->deadline);
    digest->deadline = deadlines_add(deadlines, after_ms, on_digest_due, digest);
}

// A further change only moves the time on; the deadline that comes too early waits for the rest.
static void arm(SyncDigest *digest, guint after_ms)
{
    gint64 before_us = digest->due_us;
    digest->due_us = g_get_monotonic_time() + after_ms * G_TIME_SPAN_MILLISECOND;
    if (digest->deadline == 0 || digest->due_us < before_us)
        look(digest, after_ms);
}

static void on_digest_due(gpointer user)
{
    SyncDigest *digest = user;
    gint64 left_us = digest->due_us - g_get_monotonic_time();
    digest->deadline = 0;
    if (left_us > 0)
        look(digest, (guint)(left_us / G_TIME_SPAN_MILLISECOND) + 1);
    else
        sync_digest_publish(digest);
}

static void keep_state(SyncDigest *digest, const SyncLog *log)
{
    digest->version = sync_log_version(log);
    envelope_set(&digest->chain, sync_log_chain(log));
}

// What was published shortly before a link was found lost may have gone with it, and its digest
// too: nobody else would tell for ten seconds.
static void on_link(gboolean up, gpointer user)
{
    SyncDigest *digest = user;
    const gint64 doubtful_us = LIMIT_DIGEST_EVERY_MS * G_TIME_SPAN_MILLISECOND;
    if (!up)
        digest->lost_us = g_get_monotonic_time();
    else if (digest->changed_us != 0 && digest->changed_us > digest->lost_us - doubtful_us)
        sync_digest_publish(digest);
}

SyncDigest *sync_digest_new(Bus *bus, const char *url, const SyncLog *log)
{
    SyncDigest *digest = g_new0(SyncDigest, 1);
    digest->bus = bus;
    digest->url = g_strdup(url);
    keep_state(digest, log);
    arm(digest, LIMIT_DIGEST_EVERY_MS);
    bus_watch_link(bus, on_link, digest);
    return digest;
}

void sync_digest_free(SyncDigest *digest)
{
    if (digest == NULL)
        return;
    bus_unwatch_link(digest->bus, on_link, digest);
    deadlines_cancel(bus_deadlines(digest->bus), &digest->deadline);
    g_free(digest->url);
    g_free(digest->chain);
    g_free(digest);
}

void sync_digest_changed(SyncDigest *digest, const SyncLog *log)
{
    keep_state(digest, log);
    digest->changed_us = g_get_monotonic_time();
    arm(digest, LIMIT_DIGEST_FIRST_MS);
}

void sync_digest_publish(SyncDigest *digest)
{
    bus_publish(digest->bus, digest_message(digest));
    arm(digest, LIMIT_DIGEST_EVERY_MS);
}
