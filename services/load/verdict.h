// SPDX-License-Identifier: MIT
// What must not have happened in a run, in words. Plain data in and out.
#pragma once
#include "load/participant.h"

// Newly made sentences, none if all is well. figures: ParticipantFigures. max_loss: per cent.
GPtrArray *verdict_problems(const GArray *figures, double max_loss);
// Per cent of what should have come.
double verdict_loss_percent(const ParticipantFigures *figures);
