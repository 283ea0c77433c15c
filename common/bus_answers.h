// SPDX-License-Identifier: MIT
// Requests of others: each is handed to its handler once, although it may arrive several times, and
// its answer is remembered and given again. No socket here: sending is a function that is given.
//
// A request's key is (source, request number). Answers that say "not now" (408, 429, 5xx) are not
// remembered: the next repeat may fare better. The public face of a request, bus_request_* and
// bus_answer*, is here too.
#pragma once
#include "common/bus.h"

typedef struct BusAnswers BusAnswers;
// Publishes an answer on the asking process' own topic. FALSE: it is too large.
typedef gboolean (*BusAnswersSend)(Envelope *answer, const char *process, gpointer user);

BusAnswers *bus_answers_new(BusAnswersSend send, gpointer user);
// Requests that handlers still hold stay valid; their answers go nowhere.
void bus_answers_free(BusAnswers *answers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusAnswers, bus_answers_free)

// Takes a request that came (it has source and request). NULL: a repeat, which was swallowed or
// answered from memory, or one too many, which was refused.
BusRequest *bus_answers_take(BusAnswers *answers, Envelope *message);
guint bus_answers_remembered(const BusAnswers *answers);
