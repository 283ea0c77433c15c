// SPDX-License-Identifier: MIT
// The registry's short answers.
#pragma once
#include "common/bus.h"

void reply_done(BusRequest *request); // 200
