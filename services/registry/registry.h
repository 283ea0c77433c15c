// SPDX-License-Identifier: MIT
// What the parts of the registry share: each part by its name. Made at start, freed at the end.
#pragma once
#include "common/service.h"
#include "registry/batch.h"
#include "registry/directory.h"
#include "registry/policy.h"
#include "registry/presence.h"
#include "registry/rooms.h"
#include "registry/sessions.h"
#include "registry/store.h"
#include "registry/turn.h"

typedef struct Admissions Admissions;
typedef struct Placements Placements;
typedef struct Loss Loss;
typedef struct Judge Judge;
typedef struct Failover Failover;

typedef struct {
    Service *service;
    Bus *bus;
    Store *store;
    Turn *turn; // NULL: no relays
    Policy *policy;
    Rooms *rooms;
    Batch *batch;
    Directory *directory;
    Sessions *sessions;
    Presences *presences;
    Placements *placements;
    Admissions *admissions;
    Loss *loss;
    Judge *judge;
    Failover *failover;
    guint tick; // each half second
    guint ticks;
} Registry;

// For ServiceDefinition.
gboolean registry_start(Service *service, GError **error);
void registry_presence(Service *service, Msg__Presence *presence);
void registry_drain(Service *service);
void registry_stop(Service *service);
