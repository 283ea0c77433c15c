// SPDX-License-Identifier: MIT
// The envelope in C: making, copying, packing, and the step between a reTHINK message in JSON and
// its envelope, which loses nothing (members that Body does not name, or that have an unexpected
// kind, go through Body.unknown).
//
// Ownership: an Envelope from envelope_new/copy/unpack/from_json is freed with envelope_free;
// strings put into one are copied by envelope_set and belong to it.
#pragma once
#include <glib.h>
#include "common/json.h"
#include "proto/envelope.pb-c.h"

typedef Msg__Envelope Envelope;
typedef Msg__Envelope__Type EnvelopeType;

Envelope *envelope_new(EnvelopeType type, const char *from, const char *to);
Envelope *envelope_copy(const Envelope *envelope);
// The answer to a request, without a body: from and to swapped, id, request number and trace as
// there.
Envelope *envelope_new_answer(const Envelope *request);
void envelope_free(Envelope *envelope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Envelope, envelope_free)

// The body, made where there is none.
Msg__Body *envelope_body(Envelope *envelope);
// Replaces a string member: *member is freed and becomes a copy of text (NULL clears).
void envelope_set(char **member, const char *text);
// Replaces a raw JSON member; has: its presence flag.
void envelope_set_json(ProtobufCBinaryData *member, protobuf_c_boolean *has, const Json *json);
void envelope_set_version(Envelope *envelope, guint64 version);

// Body as one JSON object, and from one. envelope_set_body replaces the whole body.
Json *envelope_body_json(const Envelope *envelope);
void envelope_set_body(Envelope *envelope, const Json *body);
// body.value parsed; NULL where absent.
Json *envelope_value(const Envelope *envelope);

// reTHINK JSON {id,type,from,to,body} <-> envelope. `to` must be a single string here (the gateway
// splits arrays). Mandatory: id (string or number), type, from (but not of `close`), to; the error
// names the missing member. Transport fields stay unset. envelope_to_json gives a message without
// an id of its own (what services publish) its number on the bus as id.
Envelope *envelope_from_json(const Json *message, GError **error);
Json *envelope_to_json(const Envelope *envelope);

GBytes *envelope_pack(const Envelope *envelope);
// NULL with an error if the bytes are no envelope, or type, from or to is missing or invalid.
Envelope *envelope_unpack(const guint8 *data, gsize length, GError **error);

// "create", …, "re-open"; type_text where the type is unknown.
const char *envelope_type_text(const Envelope *envelope);
// Case-insensitive; MSG__ENVELOPE__TYPE__UNKNOWN for what is not named.
EnvelopeType envelope_type_parse(const char *text);
// Whether it expects an answer on the bus: not a response, and not a publication
// (url_is_publication(to)); presence, digests and events are publications too.
gboolean envelope_is_request(const Envelope *envelope);
gint envelope_code(const Envelope *envelope); // body.code, 0 where absent
