// SPDX-License-Identifier: MIT
// The registry's short answers.
#pragma once
#include "common/bus.h"

void reply_done(BusRequest *request); // 200
// As bus_refuse; where the reason may pass (503) with `retry_after`.
void reply_refuse(BusRequest *request, Refusal reason, const char *detail);
