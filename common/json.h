// SPDX-License-Identifier: MIT
// JSON trees with bounds: the one place that sees jansson. Parsing checks size, depth and UTF-8
// before it builds anything; printing can be canonical (keys sorted by bytes, no blanks), which is
// what hashes are made over.
//
// Reference counting: json_new_*, json_parse* and json_copy return a reference of the caller;
// json_get* borrow; json_set* and json_append take a reference of their own (the caller keeps its).
#pragma once
#include <glib.h>

// libjansson has functions of these two names: ours must not take their place in the program.
#define json_copy parley_json_copy
#define json_real parley_json_real

typedef struct json_t Json;

Json *json_ref(Json *json);
void json_unref(Json *json); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Json, json_unref)

// Parses exactly one value out of `length` bytes. most_bytes: refuse more. Depth: LIMIT_JSON_DEPTH.
// Duplicate keys: refused. NULL with an error that says what and where, in words fit for the
// sender.
Json *json_parse(const char *text, gsize length, gsize most_bytes, GError **error);
// For bytes that this suite has already checked (twice the depth: what was checked may have been
// wrapped since, in an answer or a list of changes); NULL if they are no JSON after all.
Json *json_parse_bytes(const guint8 *data, gsize length);

// Compact text in insertion order, and canonical text; both newly allocated. ret_length may be
// NULL.
char *json_print(const Json *json, gsize *ret_length);
char *json_print_canonical(const Json *json, gsize *ret_length);
// SHA-256 of the canonical text as 64 lower-case hexadecimal digits; newly allocated.
char *json_hash(const Json *json);

Json *json_new_object(void);
Json *json_new_array(void);
Json *json_new_text(const char *text); // must be UTF-8
Json *json_new_number(gint64 number);
Json *json_new_double(double number);
Json *json_new_bool(gboolean value);
Json *json_new_null(void);
Json *json_copy(const Json *json); // deep

gboolean json_is_object(const Json *json); // all json_is_*: FALSE for NULL
gboolean json_is_array(const Json *json);
gboolean json_is_text(const Json *json);
gboolean json_is_number(const Json *json); // whole or real
gboolean json_is_whole(const Json *json);
gboolean json_is_bool(const Json *json);
gboolean json_is_nothing(const Json *json); // JSON null
gboolean json_equals(const Json *a, const Json *b);

// Borrowed; NULL / fallback where json is not of that kind.
const char *json_text(const Json *json);
gint64 json_number(const Json *json, gint64 fallback);
double json_real(const Json *json, double fallback);
gboolean json_truth(const Json *json, gboolean fallback);

// Members of an object; borrowed; NULL where absent or not an object.
Json *json_get(const Json *json, const char *name);
const char *json_get_text(const Json *json, const char *name);
gint64 json_get_number(const Json *json, const char *name, gint64 fallback);
void json_set(Json *object, const char *name, Json *value);
void json_set_text(Json *object, const char *name, const char *text); // NULL text: not set
void json_set_number(Json *object, const char *name, gint64 number);
void json_set_bool(Json *object, const char *name, gboolean value);
void json_remove(Json *object, const char *name);
// Adds or replaces every member of `from`.
void json_merge(Json *object, const Json *from);

guint json_size(const Json *json); // members or elements; 0 otherwise
Json *json_at(const Json *array, guint index);
void json_append(Json *array, Json *value);

typedef void (*JsonEach)(const char *name, Json *value, gpointer user);
void json_each(const Json *object, JsonEach each, gpointer user);

// Dotted path ("participants.p1"): reTHINK attributes. An empty path is the whole. json_set_path
// makes what lies between (objects); value NULL removes. FALSE where a segment on the way is not an
// object, and for a path that is empty, holds an empty segment or has more than LIMIT_JSON_DEPTH.
Json *json_get_path(const Json *json, const char *path);
gboolean json_set_path(Json *json, const char *path, Json *value);
// The same without changing json: a new tree that shares with it whatever the path does not touch.
// NULL where the path cannot be set.
Json *json_with_path(const Json *json, const char *path, Json *value);
