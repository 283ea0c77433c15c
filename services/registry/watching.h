// SPDX-License-Identifier: MIT
// What others tell the registry without being asked: gateways of their sessions, every process of
// its presence, the broker of who comes and goes, hosts of rooms that ended. Handlers of main.c's
// table. Only our own processes may tell: what a client sends there is refused or ignored.
#pragma once
#include "common/service.h"

void on_session_told(Service *service, const Envelope *message, BusRequest *request);
void on_session_ended(Service *service, const Envelope *message, BusRequest *request);
void on_session_asked(Service *service, const Envelope *message, BusRequest *request);
void on_session_claims(Service *service, const Envelope *message, BusRequest *request);
void on_presence(Service *service, const Envelope *message, BusRequest *request);
void on_bus_event(Service *service, const Envelope *message, BusRequest *request);
