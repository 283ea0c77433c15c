// SPDX-License-Identifier: MIT
// The envelope, and the step between a reTHINK message in JSON and its envelope.
//
// The step loses nothing: body members go through the codec (what does not fit is kept in
// Body.unknown), a body that is no object at all is Body.unknown as it stands, further members of
// the message are Envelope.unknown, and a type that is written otherwise than ours keeps its text.
#include <string.h>
#include "common/codec.h"
#include "common/envelope.h"
#include "common/url.h"

#define TYPE(name) MSG__ENVELOPE__TYPE__##name

static const char *const type_names[] = {
    [TYPE(UNKNOWN)] = NULL,
    [TYPE(CREATE)] = "create",
    [TYPE(READ)] = "read",
    [TYPE(UPDATE)] = "update",
    [TYPE(DELETE)] = "delete",
    [TYPE(SUBSCRIBE)] = "subscribe",
    [TYPE(UNSUBSCRIBE)] = "unsubscribe",
    [TYPE(RESPONSE)] = "response",
    [TYPE(EXECUTE)] = "execute",
    [TYPE(FORWARD)] = "forward",
    [TYPE(OPEN)] = "open",
    [TYPE(REOPEN)] = "re-open",
    [TYPE(CLOSE)] = "close",
    [TYPE(EVENT)] = "event",
    [TYPE(HANDSHAKE)] = "handshake",
    [TYPE(INIT)] = "init",
    [TYPE(PING)] = "ping",
};

EnvelopeType envelope_type_parse(const char *text)
{
    for (guint i = 1; i < G_N_ELEMENTS(type_names); i++)
        if (g_ascii_strcasecmp(text, type_names[i]) == 0)
            return (EnvelopeType)i;
    return TYPE(UNKNOWN);
}

static const char *type_name(EnvelopeType type)
{
    return (guint)type < G_N_ELEMENTS(type_names) ? type_names[type] : NULL;
}

const char *envelope_type_text(const Envelope *envelope)
{
    const char *name = type_name(envelope->type);
    if (name != NULL)
        return name;
    return envelope->type_text != NULL ? envelope->type_text : "";
}

Envelope *envelope_new(EnvelopeType type, const char *from, const char *to)
{
    Envelope *envelope = g_new(Envelope, 1);
    msg__envelope__init(envelope);
    envelope->has_type = TRUE;
    envelope->type = type;
    envelope->from = g_strdup(from);
    envelope->to = g_strdup(to);
    return envelope;
}

Envelope *envelope_new_answer(const Envelope *request)
{
    Envelope *answer = envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, request->to, request->from);
    if (request->has_id) {
        answer->has_id = TRUE;
        answer->id.len = request->id.len;
        answer->id.data = g_memdup2(request->id.data, request->id.len);
    }
    answer->has_request = request->has_request;
    answer->request = request->request;
    envelope_set(&answer->trace, request->trace);
    return answer;
}

void envelope_free(Envelope *envelope)
{
    codec_free(envelope);
}

Envelope *envelope_copy(const Envelope *envelope)
{
    return codec_copy(envelope);
}

Msg__Body *envelope_body(Envelope *envelope)
{
    if (envelope->body == NULL) {
        envelope->body = g_new(Msg__Body, 1);
        msg__body__init(envelope->body);
    }
    return envelope->body;
}

void envelope_set(char **member, const char *text)
{
    char *copy = g_strdup(text);
    g_free(*member);
    *member = copy;
}

void envelope_set_json(ProtobufCBinaryData *member, protobuf_c_boolean *has, const Json *json)
{
    g_free(member->data);
    *member = codec_bytes(json);
    *has = json != NULL;
}

void envelope_set_version(Envelope *envelope, guint64 version)
{
    Msg__Body *body = envelope_body(envelope);
    body->has_version = TRUE;
    body->version = version;
}

Json *envelope_body_json(const Envelope *envelope)
{
    const Msg__Body *body = envelope->body;
    if (body == NULL)
        return NULL;
    g_autoptr(Json) unknown = body->has_unknown ? codec_json(&body->unknown) : NULL;
    if (unknown != NULL && !json_is_object(unknown))
        return g_steal_pointer(&unknown);
    return codec_to_json(&body->base);
}

void envelope_set_body(Envelope *envelope, const Json *body)
{
    codec_free(envelope->body);
    envelope->body = NULL;
    if (body == NULL)
        return;
    if (json_is_object(body)) {
        envelope->body = CODEC_FROM_JSON(Msg__Body, msg__body__descriptor, body, NULL);
        return;
    }
    Msg__Body *kept = envelope_body(envelope);
    envelope_set_json(&kept->unknown, &kept->has_unknown, body);
}

Json *envelope_value(const Envelope *envelope)
{
    if (envelope->body == NULL || !envelope->body->has_value)
        return NULL;
    return codec_json(&envelope->body->value);
}

static gboolean refuse(GError **error, const char *text)
{
    g_set_error_literal(error, g_quark_from_static_string("envelope"), 0, text);
    return FALSE;
}

static gboolean is_complete(const Json *message, GError **error)
{
    const Json *id = json_get(message, "id");
    const char *type = json_get_text(message, "type");
    if (!json_is_object(message))
        return refuse(error, "the message is not an object");
    if (!json_is_text(id) && !json_is_number(id))
        return refuse(error, "id is missing or neither a number nor a string");
    if (type == NULL || *type == '\0')
        return refuse(error, "type is missing or not a string");
    // `close` is between a client and its gateway, which knows who speaks.
    if (json_get_text(message, "from") == NULL && envelope_type_parse(type) != TYPE(CLOSE))
        return refuse(error, "from is missing or not a string");
    if (json_get_text(message, "to") == NULL)
        return refuse(error, "to is missing or not a string");
    return TRUE;
}

typedef struct {
    const Envelope *envelope;
    Json *members;
} Others;

static void keep_other(const char *name, Json *value, gpointer user)
{
    static const char *const named[] = {"id", "type", "to", "body", NULL};
    Others *others = user;
    if (g_strv_contains(named, name))
        return;
    if (strcmp(name, "from") == 0 && others->envelope->from != NULL)
        return;
    if (others->members == NULL)
        others->members = json_new_object();
    json_set(others->members, name, value);
}

Envelope *envelope_from_json(const Json *message, GError **error)
{
    if (!is_complete(message, error))
        return NULL;
    const char *text = json_get_text(message, "type");
    EnvelopeType type = envelope_type_parse(text);
    Envelope *envelope =
        envelope_new(type, json_get_text(message, "from"), json_get_text(message, "to"));
    if (g_strcmp0(text, type_name(type)) != 0)
        envelope->type_text = g_strdup(text);
    envelope_set_json(&envelope->id, &envelope->has_id, json_get(message, "id"));
    envelope_set_body(envelope, json_get(message, "body"));
    Others others = {envelope, NULL};
    json_each(message, keep_other, &others);
    envelope_set_json(&envelope->unknown, &envelope->has_unknown, others.members);
    json_unref(others.members);
    return envelope;
}

static void add_member(const char *name, Json *value, gpointer user)
{
    if (json_get(user, name) == NULL)
        json_set(user, name, value);
}

// The id as sent. What our services publish has none of its own: its number on the bus serves.
static Json *id_of(const Envelope *envelope)
{
    if (envelope->has_id)
        return codec_json(&envelope->id);
    return envelope->has_sequence ? json_new_number((gint64)(envelope->sequence & G_MAXINT64))
                                  : NULL;
}

Json *envelope_to_json(const Envelope *envelope)
{
    Json *message = json_new_object();
    g_autoptr(Json) id = id_of(envelope);
    g_autoptr(Json) body = envelope_body_json(envelope);
    g_autoptr(Json) others = envelope->has_unknown ? codec_json(&envelope->unknown) : NULL;
    const char *type = envelope->type_text;
    json_set(message, "id", id);
    json_set_text(message, "type", type != NULL ? type : envelope_type_text(envelope));
    json_set_text(message, "from", envelope->from);
    json_set_text(message, "to", envelope->to);
    json_set(message, "body", body);
    if (json_is_object(others))
        json_each(others, add_member, message);
    return message;
}

GBytes *envelope_pack(const Envelope *envelope)
{
    gsize length = msg__envelope__get_packed_size(envelope);
    guint8 *data = g_malloc(length);
    msg__envelope__pack(envelope, data);
    return g_bytes_new_take(data, length);
}

static gboolean is_sound(const Envelope *envelope, GError **error)
{
    if (!envelope->has_type || (guint)envelope->type >= G_N_ELEMENTS(type_names))
        return refuse(error, "the type is missing or none of ours");
    if (envelope->type == TYPE(UNKNOWN) && envelope->type_text == NULL)
        return refuse(error, "the type is missing");
    if (envelope->from == NULL || !url_is_valid(envelope->from))
        return refuse(error, "from is missing or no address");
    if (envelope->to == NULL || !url_is_valid(envelope->to))
        return refuse(error, "to is missing or no address");
    return TRUE;
}

// Fields that envelope.proto does not know. protobuf-c would pack them again, also where that gives
// bytes that nobody can unpack (a field number of 0).
static void drop_unknown_fields(ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++)
        g_free(message->unknown_fields[i].data);
    g_free(message->unknown_fields);
    message->unknown_fields = NULL;
    message->n_unknown_fields = 0;
}

Envelope *envelope_unpack(const guint8 *data, gsize length, GError **error)
{
    Envelope *envelope = msg__envelope__unpack(NULL, length, data);
    if (envelope == NULL) {
        refuse(error, "not an envelope");
        return NULL;
    }
    drop_unknown_fields(&envelope->base);
    if (envelope->body != NULL)
        drop_unknown_fields(&envelope->body->base);
    if (is_sound(envelope, error))
        return envelope;
    envelope_free(envelope);
    return NULL;
}

gboolean envelope_is_request(const Envelope *envelope)
{
    return envelope->type != TYPE(RESPONSE) && envelope->type != TYPE(EVENT) &&
           !url_is_publication(envelope->to);
}

gint envelope_code(const Envelope *envelope)
{
    return envelope->body != NULL && envelope->body->has_code ? envelope->body->code : 0;
}
