// SPDX-License-Identifier: MIT
// See reply.h.
#include "registry/reply.h"

void reply_done(BusRequest *request)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    bus_answer(request, body);
}
