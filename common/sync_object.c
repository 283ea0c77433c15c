// SPDX-License-Identifier: MIT
// Data objects and their last changes.
//
// A tree of data is never changed in place: a change makes a new tree that shares the rest
// (json_with_path). So a copy of an object costs its log's references, and a snapshot that waits in
// a queue stays what it was. Main thread only.
#include <string.h>
#include "common/codec.h"
#include "common/limits.h"
#include "common/sync_object.h"
#include "common/url.h"

enum { MEMBER_BYTES = 32 }; // what a member costs beside its text
enum { CHAIN_BYTES = 16, CHAIN_DIGITS = 2 * CHAIN_BYTES };

typedef struct {
    guint8 bytes[CHAIN_BYTES];
    char text[CHAIN_DIGITS + 1];
} Chain;

struct SyncLog {
    char *url;
    guint64 version;
    Chain chain;
    GPtrArray *changes; // of SyncChange, oldest first
    gsize bytes;        // of the changes' values
};

struct SyncObject {
    Msg__Object *meta; // everything but data, version and chain
    Json *data;
    gsize data_bytes; // about what data takes as text; measured anew when it reaches the limit
    SyncLog *log;
};

char *sync_now(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%03dZ", seconds, g_date_time_get_microsecond(now) / 1000);
}

// --- one change

SyncChange *sync_change_new(Msg__Body *body, guint64 previous)
{
    SyncChange *change = g_new0(SyncChange, 1);
    change->version = body->version;
    change->previous = previous;
    change->body = body;
    g_atomic_ref_count_init(&change->references);
    return change;
}

SyncChange *sync_change_ref(SyncChange *change)
{
    g_atomic_ref_count_inc(&change->references);
    return change;
}

void sync_change_unref(SyncChange *change)
{
    if (change == NULL || !g_atomic_ref_count_dec(&change->references))
        return;
    codec_free(change->body);
    g_free(change);
}

static gsize change_bytes(const SyncChange *change)
{
    const Msg__Body *body = change->body;
    gsize attribute = body->attribute != NULL ? strlen(body->attribute) : 0;
    return attribute + (body->has_value ? body->value.len : 0) +
           (body->has_unknown ? body->unknown.len : 0);
}

// --- chain

static void chain_set(Chain *chain, const guint8 *bytes)
{
    static const char digits[] = "0123456789abcdef";
    memcpy(chain->bytes, bytes, CHAIN_BYTES);
    for (guint i = 0; i < CHAIN_BYTES; i++) {
        chain->text[2 * i] = digits[bytes[i] >> 4];
        chain->text[2 * i + 1] = digits[bytes[i] & 15];
    }
    chain->text[CHAIN_DIGITS] = '\0';
}

static void chain_finish(Chain *chain, GChecksum *checksum)
{
    guint8 digest[32];
    gsize length = sizeof digest;
    g_checksum_get_digest(checksum, digest, &length);
    chain_set(chain, digest);
}

static void chain_start(Chain *chain, const char *url)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, (const guchar *)url, -1);
    chain_finish(chain, checksum);
}

// The text and the 0 that ends it.
static void add_text(GChecksum *checksum, const char *text)
{
    const char *whole = text != NULL ? text : "";
    g_checksum_update(checksum, (const guchar *)whole, (gssize)strlen(whole) + 1);
}

static void chain_extend(Chain *chain, const SyncChange *change)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const Msg__Body *body = change->body;
    guint64 version = GUINT64_TO_BE(change->version);
    g_checksum_update(checksum, chain->bytes, CHAIN_BYTES);
    g_checksum_update(checksum, (const guchar *)&version, sizeof version);
    add_text(checksum, body->attribute);
    add_text(checksum, body->operation);
    if (body->has_value)
        g_checksum_update(checksum, body->value.data, (gssize)body->value.len);
    chain_finish(chain, checksum);
}

static gboolean chain_parse(Chain *chain, const char *text)
{
    guint8 bytes[CHAIN_BYTES];
    if (text == NULL || strlen(text) != CHAIN_DIGITS)
        return FALSE;
    for (guint i = 0; i < CHAIN_BYTES; i++) {
        gint high = g_ascii_xdigit_value(text[2 * i]);
        gint low = g_ascii_xdigit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return FALSE;
        bytes[i] = (guint8)(high << 4 | low);
    }
    chain_set(chain, bytes);
    return TRUE;
}

// --- log

static void on_change_dropped(gpointer change)
{
    sync_change_unref(change);
}

static SyncLog *new_log(const char *url, guint64 version)
{
    SyncLog *log = g_new0(SyncLog, 1);
    log->url = g_strdup(url);
    log->version = version;
    log->changes = g_ptr_array_new_with_free_func(on_change_dropped);
    return log;
}

SyncLog *sync_log_new(const char *url, guint64 version)
{
    SyncLog *log = new_log(url, version);
    chain_start(&log->chain, url);
    return log;
}

void sync_log_free(SyncLog *log)
{
    if (log == NULL)
        return;
    g_ptr_array_unref(log->changes);
    g_free(log->url);
    g_free(log);
}

static SyncLog *log_copy(const SyncLog *log)
{
    SyncLog *copy = new_log(log->url, log->version);
    copy->chain = log->chain;
    copy->bytes = log->bytes;
    for (guint i = 0; i < log->changes->len; i++)
        g_ptr_array_add(copy->changes, sync_change_ref(log->changes->pdata[i]));
    return copy;
}

guint64 sync_log_version(const SyncLog *log)
{
    return log->version;
}

const char *sync_log_chain(const SyncLog *log)
{
    return log->chain.text;
}

void sync_log_restart(SyncLog *log, guint64 version, const char *chain)
{
    g_ptr_array_set_size(log->changes, 0);
    log->bytes = 0;
    log->version = version;
    if (!chain_parse(&log->chain, chain))
        chain_start(&log->chain, log->url);
}

static void log_trim(SyncLog *log)
{
    while (log->changes->len > LIMIT_CHANGES_KEPT ||
           (log->bytes > LIMIT_CHANGES_KEPT_BYTES && log->changes->len > 1)) {
        log->bytes -= change_bytes(log->changes->pdata[0]);
        g_ptr_array_remove_index(log->changes, 0);
    }
}

void sync_log_add(SyncLog *log, SyncChange *change)
{
    g_assert(change->previous == log->version && change->version > log->version);
    g_ptr_array_add(log->changes, sync_change_ref(change));
    log->bytes += change_bytes(change);
    log->version = change->version;
    chain_extend(&log->chain, change);
    log_trim(log);
}

GPtrArray *sync_log_since(const SyncLog *log, guint64 version)
{
    guint first = log->changes->len;
    guint64 reached = log->version;
    while (reached > version && first > 0)
        reached = ((const SyncChange *)log->changes->pdata[--first])->previous;
    if (reached > version || version > log->version)
        return NULL;
    GPtrArray *since = g_ptr_array_new();
    for (; first < log->changes->len; first++)
        g_ptr_array_add(since, log->changes->pdata[first]);
    return since;
}

// --- object

static Msg__Object *new_meta(void)
{
    Msg__Object *meta = g_new(Msg__Object, 1);
    msg__object__init(meta);
    return meta;
}

SyncObject *sync_object_new(const char *url, const char *schema, const char *reporter,
                            guint64 version, Json *data)
{
    SyncObject *object = g_new0(SyncObject, 1);
    object->meta = new_meta();
    object->meta->url = g_strdup(url);
    object->meta->name = g_strdup(url_last_segment(url));
    object->meta->schema = g_strdup(schema);
    object->meta->reporter = g_strdup(reporter);
    object->meta->runtime = g_strdup(reporter);
    object->meta->created = sync_now();
    object->meta->lastmodified = g_strdup(object->meta->created);
    object->data = data != NULL ? json_ref(data) : json_new_object();
    object->data_bytes = LIMIT_OBJECT_DATA;
    object->log = sync_log_new(url, version);
    return object;
}

void sync_object_free(SyncObject *object)
{
    if (object == NULL)
        return;
    codec_free(object->meta);
    json_unref(object->data);
    sync_log_free(object->log);
    g_free(object);
}

SyncObject *sync_object_copy(const SyncObject *object)
{
    SyncObject *copy = g_new0(SyncObject, 1);
    copy->meta = codec_copy(object->meta);
    copy->data = json_ref(object->data);
    copy->data_bytes = object->data_bytes;
    copy->log = log_copy(object->log);
    return copy;
}

const char *sync_object_url(const SyncObject *object)
{
    return object->meta->url;
}

const char *sync_object_name(const SyncObject *object)
{
    return object->meta->name;
}

void sync_object_set_name(SyncObject *object, const char *name)
{
    envelope_set(&object->meta->name, name);
}

guint64 sync_object_version(const SyncObject *object)
{
    return object->log->version;
}

const char *sync_object_chain(const SyncObject *object)
{
    return object->log->chain.text;
}

const char *sync_object_last_modified(const SyncObject *object)
{
    return object->meta->lastmodified;
}

const Json *sync_object_data(const SyncObject *object)
{
    return object->data;
}

const SyncLog *sync_object_log(const SyncObject *object)
{
    return object->log;
}

// --- changing data

// Adds one value, or each element of a list.
static void append_all(Json *list, Json *value)
{
    if (!json_is_array(value)) {
        json_append(list, value);
        return;
    }
    for (guint i = 0; i < json_size(value); i++)
        json_append(list, json_at(value, i));
}

typedef struct {
    guint index;         // where
    guint dropped;       // how many of the old elements go
    Json *value;         // what comes in their place; NULL for nothing
    gboolean is_element; // value is one element even if it is a list
} Splice;

static Json *spliced(const Json *list, const Splice *splice)
{
    Json *result = json_new_array();
    for (guint i = 0; i < splice->index; i++)
        json_append(result, json_at(list, i));
    if (splice->value != NULL && splice->is_element)
        json_append(result, splice->value);
    else if (splice->value != NULL)
        append_all(result, splice->value);
    for (guint i = splice->index + splice->dropped; i < json_size(list); i++)
        json_append(result, json_at(list, i));
    return result;
}

// What `operation` means for a list of `size` elements. FALSE if it means nothing.
static gboolean splice_of(const Msg__Body *body, Json *value, guint size, Splice *ret_splice)
{
    if (g_strcmp0(body->operation, "add") == 0) {
        *ret_splice = (Splice){ret_splice->index, 0, value, FALSE};
        return value != NULL;
    }
    if (g_strcmp0(body->operation, "remove") == 0) {
        gint64 count = json_number(value, 1);
        *ret_splice = (Splice){ret_splice->index, (guint)CLAMP(count, 0, size), NULL, FALSE};
        return TRUE;
    }
    *ret_splice = (Splice){ret_splice->index, 1, value, TRUE};
    return value != NULL;
}

// The data after a change of one element of a list: attribute is "path.index".
static Json *with_element(const Json *data, const Msg__Body *body, Json *value)
{
    const char *dot = body->attribute != NULL ? strrchr(body->attribute, '.') : NULL;
    guint64 index = 0;
    if (dot == NULL || !g_ascii_string_to_unsigned(dot + 1, 10, 0, G_MAXUINT16, &index, NULL))
        return NULL;
    g_autofree char *path = g_strndup(body->attribute, (gsize)(dot - body->attribute));
    const Json *list = json_get_path(data, path);
    Splice splice = {.index = (guint)index};
    if (!json_is_array(list) || index > json_size(list) ||
        !splice_of(body, value, json_size(list), &splice))
        return NULL;
    g_autoptr(Json) changed = spliced(list, &splice);
    return json_with_path(data, path, changed);
}

// The data after the change; NULL if it cannot be done.
static Json *data_after(const Json *data, const Msg__Body *body, Json *value)
{
    if (body->attribute == NULL || *body->attribute == '\0')
        return json_is_object(value) ? json_ref(value) : NULL;
    if (g_strcmp0(body->attributetype, "array") == 0)
        return with_element(data, body, value);
    return json_with_path(data, body->attribute, value);
}

static gsize text_bytes(const Json *json)
{
    gsize length = 0;
    g_autofree char *text = json_print(json, &length);
    return length;
}

// What data takes after the change: measured by the change alone, and as a whole only
// where that reaches the limit.
static gsize bytes_after(const SyncObject *object, const SyncChange *change, const Json *data)
{
    const char *attribute = change->body->attribute != NULL ? change->body->attribute : "";
    const Json *replaced = json_get_path(object->data, attribute);
    gsize bytes = object->data_bytes + change_bytes(change) + MEMBER_BYTES;
    if (replaced != NULL)
        bytes -= MIN(bytes, text_bytes(replaced) + strlen(attribute) + MEMBER_BYTES);
    return bytes > LIMIT_OBJECT_DATA ? text_bytes(data) : bytes;
}

// Puts the changed data in. FALSE, with nothing changed, if they cannot be made or are too large.
static gboolean change_data(SyncObject *object, const SyncChange *change, Json *value)
{
    g_autoptr(Json) data = data_after(object->data, change->body, value);
    if (data == NULL)
        return FALSE;
    gsize bytes = bytes_after(object, change, data);
    if (bytes > LIMIT_OBJECT_DATA)
        return FALSE;
    object->data_bytes = bytes;
    json_unref(object->data);
    object->data = g_steal_pointer(&data);
    return TRUE;
}

static void change_meta(SyncObject *object, const SyncChange *change)
{
    if (change->body->lastmodified != NULL)
        envelope_set(&object->meta->lastmodified, change->body->lastmodified);
}

static Msg__Body *new_change_body(const SyncObject *object, const char *attribute,
                                  const Json *value)
{
    Msg__Body *body = g_new(Msg__Body, 1);
    msg__body__init(body);
    body->has_version = TRUE;
    body->version = object->log->version + 1;
    body->attribute = g_strdup(attribute);
    body->source = g_strdup(object->meta->reporter);
    body->lastmodified = sync_now();
    envelope_set_json(&body->value, &body->has_value, value);
    return body;
}

SyncChange *sync_object_change(SyncObject *object, const char *attribute, Json *value,
                               const char *reason)
{
    Msg__Body *body = new_change_body(object, attribute, value);
    g_autoptr(SyncChange) change = sync_change_new(body, object->log->version);
    body->reason = g_strdup(reason);
    if (!change_data(object, change, value))
        return NULL;
    change_meta(object, change);
    sync_log_add(object->log, change);
    return change; // the log holds it
}

SyncResult sync_object_apply(SyncObject *object, SyncChange *change)
{
    if (change->version <= object->log->version)
        return SYNC_OLD;
    if (change->previous != object->log->version)
        return SYNC_GAP;
    g_autoptr(Json) value = change->body->has_value ? codec_json(&change->body->value) : NULL;
    gboolean is_sound = value != NULL || !change->body->has_value;
    gboolean fits = is_sound && change_data(object, change, value);
    change_meta(object, change);
    sync_log_add(object->log, change);
    return fits ? SYNC_APPLIED : SYNC_UNFIT;
}

// --- as snapshots travel

Json *sync_object_to_json(const SyncObject *object)
{
    Json *json = codec_to_json(&object->meta->base);
    json_set_number(json, "version", (gint64)object->log->version);
    json_set_text(json, "chain", object->log->chain.text);
    json_set(json, "data", object->data);
    return json;
}

static gboolean refuse(GError **error, const char *text)
{
    g_set_error_literal(error, g_quark_from_static_string("sync"), 0, text);
    return FALSE;
}

static gboolean is_snapshot(const Json *json, GError **error)
{
    const char *url = json_get_text(json, "url");
    const Json *data = json_get(json, "data");
    if (url == NULL || !url_is_valid(url))
        return refuse(error, "url is missing or no address");
    if (json_get_number(json, "version", -1) < 0)
        return refuse(error, "version is missing or no whole number");
    if (data != NULL && !json_is_object(data))
        return refuse(error, "data is not an object");
    return TRUE;
}

// What the object keeps in its own way leaves the metadata.
static void clear_kept(Msg__Object *meta)
{
    meta->has_version = FALSE;
    envelope_set(&meta->chain, NULL);
    envelope_set_json(&meta->data, &meta->has_data, NULL);
}

SyncObject *sync_object_from_json(const Json *json, GError **error)
{
    if (!is_snapshot(json, error))
        return NULL;
    const Json *data = json_get(json, "data");
    SyncObject *object = g_new0(SyncObject, 1);
    object->meta = CODEC_FROM_JSON(Msg__Object, msg__object__descriptor, json, NULL);
    object->data = data != NULL ? json_copy(data) : json_new_object();
    object->data_bytes = LIMIT_OBJECT_DATA;
    object->log = sync_log_new(object->meta->url, 0);
    sync_log_restart(object->log, object->meta->version, object->meta->chain);
    clear_kept(object->meta);
    return object;
}
