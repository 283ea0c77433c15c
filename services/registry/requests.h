// SPDX-License-Identifier: MIT
// What clients ask of the conference hyperty. Handlers of main.c's table.
#pragma once
#include "common/service.h"

void on_join(Service *service, const Envelope *message, BusRequest *request);
// Methods by name: leaveRoom, setDirection; of media hosts roomEnded.
void on_execute(Service *service, const Envelope *message, BusRequest *request);
// The client gives its Connection up, which is to leave.
void on_connection_deleted(Service *service, const Envelope *message, BusRequest *request);
