// SPDX-License-Identifier: MIT
// The media-worker host: tells its capacity, starts one room process for each room, reports the end
// of one at once. It touches no media and shares nothing with its rooms, which go on without it.
//
// A spare process is kept warm (on the bus, certificate made), so that a room stands as soon as a
// message has crossed a socket pair.
#pragma once
#include "common/service.h"

// How room processes are called: arguments of this program, settings included; copied. Before
// host_start.
void host_set_arguments(int argc, char **argv);

gboolean host_start(Service *service, GError **error);
void host_presence(Service *service, Msg__Presence *presence);
void host_drain(Service *service);
void host_stop(Service *service);

// To hyperty://D/worker/<id>: execute startRoom [StartRoom].
void host_on_execute(Service *service, const Envelope *message, BusRequest *request);
