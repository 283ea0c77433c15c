// SPDX-License-Identifier: MIT
// A join as a client may write it: the JSON message through its envelope into a Join.
#include <stdint.h>
#include "common/limits.h"
#include "registry/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    g_autoptr(Json) json = json_parse((const char *)data, length, LIMIT_WEBSOCKET_MESSAGE, NULL);
    g_autoptr(Envelope) message = json != NULL ? envelope_from_json(json, NULL) : NULL;
    if (message == NULL)
        return 0;
    Refusal reason = MSG__REFUSAL__REASON__none;
    const char *detail = NULL;
    envelope_set(&message->session, "0123456789abcdef");
    envelope_set_json(&message->identity, &message->has_identity, json_get(json, "identity"));
    g_autoptr(Join) join = join_parse(message, "localhost", &reason, &detail);
    g_assert((join == NULL) == (reason != MSG__REFUSAL__REASON__none));
    return 0;
}
