// SPDX-License-Identifier: MIT
// The one step between JSON and the structs of proto/, by protobuf-c's descriptors.
//
// The hard part is to lose nothing: a member is put into a field only if it fits there exactly, and
// goes to the message's `unknown` bytes otherwise, so that printing gives back what came. A field
// whose element does not fit is kept whole in `unknown`, never in halves. A message without an
// `unknown` field drops what it does not know: only our own data has such messages.
#include <string.h>
#include "common/codec.h"

typedef struct {
    ProtobufCMessage *message;
    Json *unknown; // made when needed
    const char *misfit;
} Reading;

static gboolean read_element(const ProtobufCFieldDescriptor *field, gpointer element,
                             const Json *json);
static Json *write_element(const ProtobufCFieldDescriptor *field, gconstpointer element);

static gsize element_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(guint64);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(gpointer);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return sizeof(guint32);
    }
}

// Whether presence is shown by a flag (numbers, bytes) and not by a pointer.
static gboolean has_flag(const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
           field->type != PROTOBUF_C_TYPE_MESSAGE;
}

static gboolean is_entry(const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return FALSE;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    return g_str_has_suffix(entry->short_name, "Entry") && entry->n_fields == 2 &&
           strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0;
}

static const ProtobufCFieldDescriptor *unknown_field(const ProtobufCMessageDescriptor *descriptor)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(descriptor, "unknown");
    return field != NULL && field->type == PROTOBUF_C_TYPE_BYTES ? field : NULL;
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = g_malloc0(descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

// Bounds of the whole numbers; what lies beyond int64 is refused by the parser.
static gboolean is_within(const Json *json, gint64 least, gint64 most)
{
    gint64 number = json_number(json, 0);
    return json_is_whole(json) && number >= least && number <= most;
}

static gboolean read_whole(const ProtobufCFieldDescriptor *field, gpointer element,
                           const Json *json)
{
    gboolean is_wide =
        field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_INT64;
    gboolean is_unsigned =
        field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_UINT32;
    gint64 narrow_most = is_unsigned ? G_MAXUINT32 : G_MAXINT32;
    gint64 wide_least = is_wide ? G_MININT64 : G_MININT32;
    if (!is_within(json, is_unsigned ? 0 : wide_least, is_wide ? G_MAXINT64 : narrow_most))
        return FALSE;
    gint64 number = json_number(json, 0);
    if (is_wide)
        *(gint64 *)element = number;
    else
        *(guint32 *)element = (guint32)number;
    return TRUE;
}

static gboolean read_enum(const ProtobufCFieldDescriptor *field, gint32 *element, const Json *json)
{
    const ProtobufCEnumValue *value =
        json_is_text(json)
            ? protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, json_text(json))
            : NULL;
    if (value != NULL)
        *element = value->value;
    return value != NULL;
}

static gboolean read_message(const ProtobufCFieldDescriptor *field, gpointer *element,
                             const Json *json)
{
    *element = codec_from_json(field->descriptor, json, FALSE, NULL);
    return *element != NULL;
}

// One value into the memory of one element. FALSE if it does not fit; the element stays 0 then.
static gboolean read_element(const ProtobufCFieldDescriptor *field, gpointer element,
                             const Json *json)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)element = g_strdup(json_text(json));
        return json_is_text(json);
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)element = codec_bytes(json);
        return TRUE;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)element = json_truth(json, FALSE);
        return json_is_bool(json);
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)element = json_real(json, 0);
        return json_is_number(json);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(field, element, json);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(field, element, json);
    default:
        return read_whole(field, element, json);
    }
}

// Elements of a repeated field while they are read: their number grows as each one fits.
typedef struct {
    const ProtobufCFieldDescriptor *field;
    guint8 *elements;
    gsize count;
    gboolean fits;
} Elements;

static void read_entry(const char *key, Json *value, gpointer user)
{
    Elements *elements = user;
    if (!elements->fits)
        return;
    const ProtobufCMessageDescriptor *descriptor = elements->field->descriptor;
    ProtobufCMessage *entry = new_message(descriptor);
    const ProtobufCFieldDescriptor *member = &descriptor->fields[1];
    guint8 *bytes = (guint8 *)entry;
    *(char **)(bytes + descriptor->fields[0].offset) = g_strdup(key);
    elements->fits = read_element(member, bytes + member->offset, value);
    if (elements->fits && has_flag(member))
        *(protobuf_c_boolean *)(bytes + member->quantifier_offset) = TRUE;
    ((gpointer *)elements->elements)[elements->count++] = entry;
}

static void read_array(Elements *elements, const Json *json)
{
    gsize size = element_size(elements->field);
    for (guint i = 0; i < json_size(json) && elements->fits; i++) {
        gpointer element = elements->elements + i * size;
        elements->fits = read_element(elements->field, element, json_at(json, i));
        elements->count += elements->fits;
    }
}

static gboolean read_repeated(const ProtobufCFieldDescriptor *field, guint8 *message,
                              const Json *json)
{
    gboolean entries = is_entry(field);
    if (entries ? !json_is_object(json) : !json_is_array(json))
        return FALSE;
    if (json_size(json) == 0)
        return FALSE; // an empty list and none are one in a struct: kept as it came
    Elements elements = {field, g_malloc0_n(json_size(json), element_size(field)), 0, TRUE};
    if (entries)
        json_each(json, read_entry, &elements);
    else
        read_array(&elements, json);
    *(size_t *)(message + field->quantifier_offset) = elements.count;
    *(gpointer *)(message + field->offset) = elements.elements;
    return elements.fits;
}

static gboolean read_field(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message,
                           const Json *json)
{
    guint8 *bytes = (guint8 *)message;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_repeated(field, bytes, json);
    if (!read_element(field, bytes + field->offset, json))
        return FALSE;
    if (has_flag(field))
        *(protobuf_c_boolean *)(bytes + field->quantifier_offset) = TRUE;
    return TRUE;
}

// Frees what a repeated field has read before an element did not fit.
static void clear_repeated(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return;
    ProtobufCMessage *scrap = new_message(message->descriptor);
    guint8 *from = (guint8 *)message, *to = (guint8 *)scrap;
    *(size_t *)(to + field->quantifier_offset) = *(size_t *)(from + field->quantifier_offset);
    *(gpointer *)(to + field->offset) = *(gpointer *)(from + field->offset);
    *(size_t *)(from + field->quantifier_offset) = 0;
    *(gpointer *)(from + field->offset) = NULL;
    codec_free(scrap);
}

static void read_member(const char *name, Json *value, gpointer user)
{
    Reading *reading = user;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(reading->message->descriptor, name);
    if (field != NULL && field != unknown_field(reading->message->descriptor)) {
        if (read_field(field, reading->message, value))
            return;
        clear_repeated(field, reading->message);
        if (!(field->label == PROTOBUF_C_LABEL_REPEATED && json_size(value) == 0))
            reading->misfit = field->name;
    }
    if (reading->unknown == NULL)
        reading->unknown = json_new_object();
    json_set(reading->unknown, name, value);
}

static void keep_unknown(Reading *reading)
{
    const ProtobufCFieldDescriptor *field = unknown_field(reading->message->descriptor);
    if (field != NULL && reading->unknown != NULL)
        read_field(field, reading->message, reading->unknown);
    json_unref(reading->unknown);
}

static void set_error(GError **error, const char *what, const char *name)
{
    g_set_error(error, g_quark_from_static_string("codec"), 0, "%s%s", what, name);
}

ProtobufCMessage *codec_from_json(const ProtobufCMessageDescriptor *descriptor, const Json *json,
                                  gboolean strict, GError **error)
{
    if (!json_is_object(json)) {
        set_error(error, "not an object: ", descriptor->short_name);
        return NULL;
    }
    Reading reading = {new_message(descriptor), NULL, NULL};
    json_each(json, read_member, &reading);
    keep_unknown(&reading);
    if (!strict || reading.misfit == NULL)
        return reading.message;
    set_error(error, "of the wrong kind: ", reading.misfit);
    codec_free(reading.message);
    return NULL;
}

ProtobufCMessage *codec_from_bytes(const ProtobufCMessageDescriptor *descriptor,
                                   const ProtobufCBinaryData *bytes, GError **error)
{
    g_autoptr(Json) json = codec_json(bytes);
    return codec_from_json(descriptor, json, FALSE, error);
}

static Json *write_enum(const ProtobufCFieldDescriptor *field, gint32 number)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(field->descriptor, number);
    return value != NULL ? json_new_text(value->name) : NULL;
}

static Json *write_text(const char *text)
{
    return text != NULL ? json_new_text(text) : NULL;
}

// NULL where the element says nothing that JSON could hold.
static Json *write_element(const ProtobufCFieldDescriptor *field, gconstpointer element)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return write_text(*(char *const *)element);
    case PROTOBUF_C_TYPE_BYTES:
        return codec_json(element);
    case PROTOBUF_C_TYPE_BOOL:
        return json_new_bool(*(const protobuf_c_boolean *)element);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_new_double(*(const double *)element);
    case PROTOBUF_C_TYPE_ENUM:
        return write_enum(field, *(const gint32 *)element);
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(gpointer *)element != NULL ? codec_to_json(*(gpointer *)element) : NULL;
    case PROTOBUF_C_TYPE_UINT64:
        return json_new_number((gint64)MIN(*(const guint64 *)element, (guint64)G_MAXINT64));
    case PROTOBUF_C_TYPE_INT64:
        return json_new_number(*(const gint64 *)element);
    case PROTOBUF_C_TYPE_UINT32:
        return json_new_number(*(const guint32 *)element);
    default:
        return json_new_number(*(const gint32 *)element);
    }
}

static Json *write_entries(const ProtobufCFieldDescriptor *field, const guint8 *const *entries,
                           gsize count)
{
    Json *object = json_new_object();
    const ProtobufCFieldDescriptor *members =
        ((const ProtobufCMessageDescriptor *)field->descriptor)->fields;
    for (gsize i = 0; i < count; i++) {
        const char *key = *(char *const *)(entries[i] + members[0].offset);
        g_autoptr(Json) name = write_text(key);
        g_autoptr(Json) value = write_element(&members[1], entries[i] + members[1].offset);
        if (name != NULL)
            json_set(object, json_text(name), value);
    }
    return object;
}

static Json *write_repeated(const ProtobufCFieldDescriptor *field, const guint8 *message)
{
    gsize count = *(const size_t *)(message + field->quantifier_offset);
    const guint8 *elements = *(guint8 *const *)(message + field->offset);
    if (count == 0)
        return NULL;
    if (is_entry(field))
        return write_entries(field, (const guint8 *const *)(gconstpointer)elements, count);
    Json *array = json_new_array();
    for (gsize i = 0; i < count; i++) {
        g_autoptr(Json) value = write_element(field, elements + i * element_size(field));
        if (value != NULL)
            json_append(array, value);
    }
    return array;
}

static Json *write_field(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const guint8 *bytes = (const guint8 *)message;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return write_repeated(field, bytes);
    if (has_flag(field) && !*(const protobuf_c_boolean *)(bytes + field->quantifier_offset))
        return NULL;
    return write_element(field, bytes + field->offset);
}

// A member of `unknown` never takes the place of a field.
static void add_unknown(const char *name, Json *value, gpointer user)
{
    Json *object = user;
    if (json_get(object, name) == NULL)
        json_set(object, name, value);
}

Json *codec_to_json(const ProtobufCMessage *message)
{
    Json *object = json_new_object();
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    const ProtobufCFieldDescriptor *unknown = unknown_field(descriptor);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (&descriptor->fields[i] == unknown)
            continue;
        g_autoptr(Json) value = write_field(&descriptor->fields[i], message);
        json_set(object, descriptor->fields[i].name, value);
    }
    g_autoptr(Json) rest = unknown != NULL ? write_field(unknown, message) : NULL;
    if (json_is_object(rest))
        json_each(rest, add_unknown, object);
    return object;
}

void codec_free(gpointer message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

// What a copied element points to becomes its own.
static void own_element(const ProtobufCFieldDescriptor *field, gpointer element)
{
    ProtobufCBinaryData *bytes = element;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        *(char **)element = g_strdup(*(char **)element);
    else if (field->type == PROTOBUF_C_TYPE_BYTES)
        bytes->data = g_memdup2(bytes->data, bytes->len);
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(gpointer *)element != NULL)
        *(gpointer *)element = codec_copy(*(gpointer *)element);
}

static void own_repeated(const ProtobufCFieldDescriptor *field, guint8 *message)
{
    gsize count = *(size_t *)(message + field->quantifier_offset), size = element_size(field);
    guint8 **elements = (guint8 **)(gpointer)(message + field->offset);
    *elements = g_memdup2(*elements, count * size);
    for (gsize i = 0; i < count; i++)
        own_element(field, *elements + i * size);
}

gpointer codec_copy(gconstpointer message)
{
    const ProtobufCMessageDescriptor *descriptor = ((const ProtobufCMessage *)message)->descriptor;
    guint8 *copy = g_memdup2(message, descriptor->sizeof_message);
    ProtobufCMessage *base = (ProtobufCMessage *)(gpointer)copy;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            own_repeated(field, copy);
        else
            own_element(field, copy + field->offset);
    }
    base->n_unknown_fields = 0;
    base->unknown_fields = NULL;
    return copy;
}

ProtobufCBinaryData codec_bytes(const Json *json)
{
    ProtobufCBinaryData bytes = {0, NULL};
    if (json != NULL)
        bytes.data = (uint8_t *)json_print(json, &bytes.len);
    return bytes;
}

Json *codec_json(const ProtobufCBinaryData *bytes)
{
    return json_parse_bytes(bytes->data, bytes->len);
}
