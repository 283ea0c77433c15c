// SPDX-License-Identifier: MIT
// Why something was refused: the enumeration of proto/conference.proto, its code and its sentence,
// in one table. Wire, log line, counter and code share it.
#pragma once
#include <glib.h>
#include "common/envelope.h"
#include "proto/conference.pb-c.h"

typedef Msg__Refusal__Reason Refusal; // MSG__REFUSAL__REASON__none means accepted

const char *refusal_name(Refusal reason); // "locked"
gint refusal_code(Refusal reason);        // 403; 200 for none
const char *refusal_text(Refusal reason); // "the room takes nobody in"
Refusal refusal_parse(const char *name);  // none where unknown

// The answer that refuses: code, reason and sentence, the sentence twice (`desc`, and `description`
// for clients that look there), and retry_after with a 503. detail: appended to the sentence, may
// be NULL. Neither counted nor logged here.
Envelope *refusal_answer(const Envelope *request, Refusal reason, const char *detail);
