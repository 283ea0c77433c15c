// SPDX-License-Identifier: MIT
// A frame from the bus: whatever unpacks can be printed, packed again and given to the objects.
#include <stdint.h>
#include "common/codec.h"
#include "common/envelope.h"
#include "common/sync_object.h"
#include "proto/connection.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void read_value(const Json *value)
{
    g_autoptr(SyncObject) object = sync_object_from_json(value, NULL);
    gpointer connection =
        value == NULL ? NULL : codec_from_json(&msg__connection__descriptor, value, FALSE, NULL);
    codec_free(connection);
}

static void apply(const Envelope *envelope)
{
    if (envelope->body == NULL || envelope->body->version == 0)
        return;
    g_autoptr(SyncObject) object =
        sync_object_new("comm://localhost/a", "", "", envelope->body->version - 1, NULL);
    g_autoptr(Envelope) copy = envelope_copy(envelope);
    Msg__Body *body = g_steal_pointer(&copy->body);
    g_autoptr(SyncChange) change = sync_change_new(body, body->version - 1);
    sync_object_apply(object, change);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    g_autoptr(Envelope) envelope = envelope_unpack(data, length, NULL);
    if (envelope == NULL)
        return 0;
    g_autoptr(Json) json = envelope_to_json(envelope);
    g_autofree char *text = json_print(json, NULL);
    g_autoptr(GBytes) packed = envelope_pack(envelope);
    g_autoptr(Json) value = envelope_value(envelope);
    read_value(value);
    apply(envelope);
    return 0;
}
