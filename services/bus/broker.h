// SPDX-License-Identifier: MIT
// The message bus: XSUB for publishers, XPUB for subscribers, everything in between is passing on.
// Stateless but for who listens. Three things happen here because only the broker can see them: a
// request without a route is answered 404; sockets are watched, and who connects, fails or
// disappears is published by process name; frames that are no message are dropped.
#pragma once
#include "common/config.h"
#include "common/envelope.h"

typedef struct Broker Broker;

// Binds bus.publish and bus.subscribe. process: "bus-<id>", copied. FALSE errors name the endpoint.
Broker *broker_new(const Config *config, const char *process, GError **error);
void broker_free(Broker *broker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Broker, broker_free)
