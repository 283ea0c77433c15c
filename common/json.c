// SPDX-License-Identifier: MIT
// The one place that sees jansson. What arrives is scanned for size, depth and UTF-8 before the
// parser builds anything: recursive parsers die of depth first, and nobody else has to check again.
//
// jansson.h comes first because some of our names are macros or functions of its own; the macros
// are taken back below. It knows no const, although reading changes nothing: `own` casts it away.
#include <jansson.h>
static json_t *new_real(double number)
{
    return json_real(number);
}
static json_t *copy_top(const json_t *json)
{
    return json_copy((json_t *)(size_t)json);
}
#undef json_is_object
#undef json_is_array
#undef json_is_number
#include <string.h>
#include "common/json.h"
#include "common/limits.h"

static json_t *own(const Json *json)
{
    return (json_t *)(guintptr)json;
}

static gboolean has_kind(const Json *json, json_type kind)
{
    return json != NULL && json_typeof(json) == kind;
}

Json *json_ref(Json *json)
{
    return json_incref(json);
}

void json_unref(Json *json)
{
    json_decref(json);
}

// Depth of brackets outside of strings; stops counting above `most`.
static guint depth_of(const char *text, gsize length, guint most)
{
    guint depth = 0, deepest = 0;
    gboolean in_string = FALSE;
    for (gsize i = 0; i < length && deepest <= most; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = FALSE;
        } else if (text[i] == '"') {
            in_string = TRUE;
        } else if (text[i] == '{' || text[i] == '[') {
            depth++;
            deepest = MAX(deepest, depth);
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

static void refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error != NULL)
        *error = g_error_new_valist(g_quark_from_static_string("json"), 0, format, arguments);
    va_end(arguments);
}

static Json *parse(const char *text, gsize length, guint most_depth, GError **error)
{
    const char *bad = NULL;
    json_error_t problem;
    if (!g_utf8_validate_len(text, length, &bad)) {
        refuse(error, "not UTF-8 at byte %td", bad - text);
        return NULL;
    }
    if (depth_of(text, length, most_depth) > most_depth) {
        refuse(error, "nested deeper than %u levels", most_depth);
        return NULL;
    }
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (json == NULL)
        refuse(error, "%s at byte %d", problem.text, problem.position);
    return json;
}

Json *json_parse(const char *text, gsize length, gsize most_bytes, GError **error)
{
    if (length > most_bytes) {
        refuse(error, "longer than %" G_GSIZE_FORMAT " bytes", most_bytes);
        return NULL;
    }
    return parse(text, length, LIMIT_JSON_DEPTH, error);
}

Json *json_parse_bytes(const guint8 *data, gsize length)
{
    if (data == NULL)
        return NULL;
    return parse((const char *)data, length, 2 * LIMIT_JSON_DEPTH, NULL);
}

static char *print(const Json *json, size_t flags, gsize *ret_length)
{
    char *text = json_dumps(json, flags | JSON_COMPACT | JSON_ENCODE_ANY);
    g_assert(text != NULL);
    if (ret_length != NULL)
        *ret_length = strlen(text);
    return text;
}

char *json_print(const Json *json, gsize *ret_length)
{
    return print(json, 0, ret_length);
}

char *json_print_canonical(const Json *json, gsize *ret_length)
{
    return print(json, JSON_SORT_KEYS, ret_length);
}

char *json_hash(const Json *json)
{
    gsize length = 0;
    g_autofree char *text = json_print_canonical(json, &length);
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, length);
}

Json *json_new_object(void)
{
    return json_object();
}

Json *json_new_array(void)
{
    return json_array();
}

Json *json_new_text(const char *text)
{
    json_t *json = json_string(text);
    if (json != NULL)
        return json;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

Json *json_new_number(gint64 number)
{
    return json_integer(number);
}

Json *json_new_double(double number)
{
    json_t *json = new_real(number);
    return json != NULL ? json : json_null();
}

Json *json_new_bool(gboolean value)
{
    return json_boolean(value);
}

Json *json_new_null(void)
{
    return json_null();
}

Json *json_copy(const Json *json)
{
    return json_deep_copy(json);
}

gboolean json_is_object(const Json *json)
{
    return has_kind(json, JSON_OBJECT);
}

gboolean json_is_array(const Json *json)
{
    return has_kind(json, JSON_ARRAY);
}

gboolean json_is_text(const Json *json)
{
    return has_kind(json, JSON_STRING);
}

gboolean json_is_number(const Json *json)
{
    return has_kind(json, JSON_INTEGER) || has_kind(json, JSON_REAL);
}

gboolean json_is_whole(const Json *json)
{
    return has_kind(json, JSON_INTEGER);
}

gboolean json_is_bool(const Json *json)
{
    return has_kind(json, JSON_TRUE) || has_kind(json, JSON_FALSE);
}

gboolean json_is_nothing(const Json *json)
{
    return has_kind(json, JSON_NULL);
}

gboolean json_equals(const Json *a, const Json *b)
{
    return a == b || json_equal(a, b);
}

const char *json_text(const Json *json)
{
    return json_string_value(json);
}

gint64 json_number(const Json *json, gint64 fallback)
{
    return json_is_whole(json) ? json_integer_value(json) : fallback;
}

double json_real(const Json *json, double fallback)
{
    return json_is_number(json) ? json_number_value(json) : fallback;
}

gboolean json_truth(const Json *json, gboolean fallback)
{
    return json_is_bool(json) ? has_kind(json, JSON_TRUE) : fallback;
}

Json *json_get(const Json *json, const char *name)
{
    return json_object_get(json, name);
}

const char *json_get_text(const Json *json, const char *name)
{
    return json_text(json_get(json, name));
}

gint64 json_get_number(const Json *json, const char *name, gint64 fallback)
{
    return json_number(json_get(json, name), fallback);
}

void json_set(Json *object, const char *name, Json *value)
{
    if (value != NULL)
        json_object_set(object, name, value);
}

void json_set_text(Json *object, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, name, json_new_text(text));
}

void json_set_number(Json *object, const char *name, gint64 number)
{
    json_object_set_new(object, name, json_integer(number));
}

void json_set_bool(Json *object, const char *name, gboolean value)
{
    json_object_set_new(object, name, json_boolean(value));
}

void json_remove(Json *object, const char *name)
{
    json_object_del(object, name);
}

void json_merge(Json *object, const Json *from)
{
    json_object_update(object, own(from));
}

guint json_size(const Json *json)
{
    return (guint)(json_is_array(json) ? json_array_size(json) : json_object_size(json));
}

Json *json_at(const Json *array, guint index)
{
    return json_array_get(array, index);
}

void json_append(Json *array, Json *value)
{
    json_array_append(array, value);
}

void json_each(const Json *object, JsonEach each, gpointer user)
{
    const char *name;
    json_t *value;
    json_object_foreach(own(object), name, value) each(name, value, user);
}

Json *json_get_path(const Json *json, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    const Json *at = json;
    for (char **name = names; *name != NULL && at != NULL; name++)
        at = json_get(at, *name);
    return own(at);
}

// The names of a path to set; NULL if it is empty, has an empty name or is deeper than a message.
static GStrv path_names(const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", LIMIT_JSON_DEPTH + 1);
    guint count = g_strv_length(names);
    if (count == 0 || count > LIMIT_JSON_DEPTH || g_strv_contains((const char *const *)names, ""))
        return NULL;
    return g_steal_pointer(&names);
}

// The object `name` in parent, made if there is nothing; NULL if something else is.
static Json *step_into(Json *parent, const char *name)
{
    Json *child = json_get(parent, name);
    if (child == NULL) {
        child = json_object();
        json_object_set_new(parent, name, child);
    }
    return json_is_object(child) ? child : NULL;
}

gboolean json_set_path(Json *json, const char *path, Json *value)
{
    g_auto(GStrv) names = path_names(path);
    if (names == NULL || !json_is_object(json))
        return FALSE;
    char **name = names;
    for (; name[1] != NULL; name++) {
        if (value == NULL && json_get(json, *name) == NULL)
            return TRUE;
        json = step_into(json, *name);
        if (json == NULL)
            return FALSE;
    }
    if (value != NULL)
        return json_object_set(json, *name, value) == 0;
    json_object_del(json, *name);
    return TRUE;
}

// A copy of object in which the tree under the names has been replaced likewise. Removing what is
// not there makes nothing on the way.
static Json *with_names(const Json *object, char **names, Json *value)
{
    g_autoptr(Json) below = NULL;
    if (object != NULL && !json_is_object(object))
        return NULL;
    if (value == NULL && json_get(object, names[0]) == NULL)
        return json_ref(own(object));
    if (names[1] != NULL) {
        value = below = with_names(json_get(object, names[0]), names + 1, value);
        if (below == NULL)
            return NULL;
    }
    Json *copy = object != NULL ? copy_top(object) : json_object();
    if (value != NULL)
        json_object_set(copy, names[0], value);
    else
        json_object_del(copy, names[0]);
    return copy;
}

Json *json_with_path(const Json *json, const char *path, Json *value)
{
    g_auto(GStrv) names = path_names(path);
    if (names == NULL || !json_is_object(json))
        return NULL;
    return with_names(json, names, value);
}
