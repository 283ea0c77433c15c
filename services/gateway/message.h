// SPDX-License-Identifier: MIT
// The frames of WebSockets as reTHINK messages: from bytes to checked JSON, and the answers that
// the gateway gives itself. All input is a stranger's; nothing here knows sessions or sockets.
#pragma once
#include "common/json.h"
#include "common/refusal.h"

#define MESSAGE_VALIDATOR "mn:/validator"

// Why a message is refused: the reason, and in words what is wrong with this one. detail may be "".
typedef struct {
    Refusal reason;
    char detail[160];
} MessageFault;

// printf into a fault; returns FALSE, so that a check can end with it.
gboolean message_fault(MessageFault *fault, Refusal reason, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

// One object with id (number or string), type, from (except `close`) and to (a string, or an array
// of up to LIMIT_RECIPIENTS strings), all within their bounds. NULL with a fault otherwise;
// ret_partial: what could be parsed (for its id), may stay NULL.
Json *message_parse(const char *text, gsize length, MessageFault *fault, Json **ret_partial);
// The recipients, in order, each once; borrowed strings.
GPtrArray *message_recipients(const Json *message);

// An answer: id echoed, from and to turned round. body is not taken. message may be NULL or broken:
// members that it lacks are left out. from: NULL for the message's `to`.
Json *message_answer(const Json *message, const char *from, const Json *body);
// The body of a refusal: code, reason, and the sentence twice (desc, description).
Json *message_refusal_body(Refusal reason, const char *detail);
// Body with `code` 200.
Json *message_ok_body(void);
