// SPDX-License-Identifier: MIT
// The domain registry as far as it goes without entries of others: rooms by name or URL, and the
// conference hyperty itself. Handler of main.c's table.
#pragma once
#include "common/service.h"

void on_discover(Service *service, const Envelope *message, BusRequest *request);
