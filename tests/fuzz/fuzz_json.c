// SPDX-License-Identifier: MIT
// A WebSocket message: whatever parses must survive the step into an envelope and back unchanged.
#include <stdint.h>
#include "common/envelope.h"
#include "common/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    g_autoptr(Json) json = json_parse((const char *)data, length, LIMIT_WEBSOCKET_MESSAGE, NULL);
    g_autoptr(Envelope) envelope = json != NULL ? envelope_from_json(json, NULL) : NULL;
    if (envelope == NULL)
        return 0;
    g_autoptr(Envelope) copy = envelope_copy(envelope);
    g_autoptr(Json) again = envelope_to_json(copy);
    g_assert(json_equals(json, again));
    g_autofree char *hash = json_hash(again);
    return 0;
}
