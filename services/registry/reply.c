// SPDX-License-Identifier: MIT
// See reply.h.
#include "registry/reply.h"
#include "common/log.h"
#include "common/metrics.h"

#define RETRY_AFTER_S 2

void reply_done(BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    bus_answer(request, body);
}

void reply_refuse(BusRequest *request, Refusal reason, const char *detail)
{
    if (refusal_code(reason) != 503) {
        bus_refuse(request, reason, detail);
        return;
    }
    const Envelope *message = bus_request_message(request);
    g_autoptr(Envelope) refusal = refusal_answer(message, reason, detail);
    refusal->body->has_retry_after = TRUE;
    refusal->body->retry_after = RETRY_AFTER_S;
    metrics_refused(reason);
    log_event(LOG_WARNING, "request.refused", "reason=%s from=%s", refusal_name(reason),
              log_quote(message->from));
    bus_answer_body(request, refusal->body);
}
