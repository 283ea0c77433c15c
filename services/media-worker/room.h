// SPDX-License-Identifier: MIT
// The room process above the media: who is let in, who is dropped, who gets which video slot, and
// when the process ends. One room, one placement epoch.
//
// It never ends for silence of bus, registry or host: running calls go on. It ends when it is told,
// when it hears its room under another placement, or when no client has sent anything for a minute.
// What may never happen: a face under a wrong name; so while the bus is away no video slot changes.
#pragma once
#include "common/service.h"

gboolean room_start(Service *service, GError **error);
void room_presence(Service *service, Msg__Presence *presence);
void room_drain(Service *service);
void room_stop(Service *service);
