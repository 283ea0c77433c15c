// SPDX-License-Identifier: MIT
// What the registry asks of a room process, to hyperty://D/media/<id>.
#pragma once
#include "common/service.h"

// AdmitRequest: the answer is the room's Connection object.
void room_on_create(Service *service, const Envelope *message, BusRequest *request);
// {resource: a client's Connection, version: epoch}: drops one participant.
void room_on_delete(Service *service, const Envelope *message, BusRequest *request);
// {version: epoch}: ends the room.
void room_on_close(Service *service, const Envelope *message, BusRequest *request);
