// SPDX-License-Identifier: MIT
// JSON to protobuf-c structs and back, by descriptor alone: one codec for every message of proto/.
//
// Conventions of proto/: field name = JSON name; a `bytes` field is raw JSON; an enumeration is its
// value's name; a repeated message named "…Entry" with the fields key and value is a JSON object; a
// `bytes` field named "unknown" takes every member that the message does not know, or whose value
// is of the wrong kind, so that nothing is lost.
#pragma once
#include <protobuf-c/protobuf-c.h>
#include "common/json.h"

// A struct to be freed with codec_free. NULL with an error if json is not an object, or (strict) a
// known member has the wrong kind. Not strict: such a member goes to `unknown`.
ProtobufCMessage *codec_from_json(const ProtobufCMessageDescriptor *descriptor, const Json *json,
                                  gboolean strict, GError **error);
// From raw JSON bytes, as they stand in a message's `bytes` fields. Not strict.
ProtobufCMessage *codec_from_bytes(const ProtobufCMessageDescriptor *descriptor,
                                   const ProtobufCBinaryData *bytes, GError **error);
Json *codec_to_json(const ProtobufCMessage *message);
void codec_free(gpointer message); // NULL is fine
// A deep copy of any struct of proto/, to be freed likewise; fields that its .proto does not know
// are left behind.
gpointer codec_copy(gconstpointer message);

// Raw JSON in `bytes` fields: a newly allocated copy of json's compact text / the parsed value
// (NULL if absent).
ProtobufCBinaryData codec_bytes(const Json *json);
Json *codec_json(const ProtobufCBinaryData *bytes);

#define CODEC_FROM_JSON(Type, descriptor, json, error)                                             \
    ((Type *)codec_from_json(&descriptor, json, FALSE, error))
#define CODEC_FROM_BYTES(Type, descriptor, bytes, error)                                           \
    ((Type *)codec_from_bytes(&descriptor, bytes, error))
