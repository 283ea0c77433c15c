// SPDX-License-Identifier: MIT
// The two ZMQ sockets of a process: PUB and SUB, connected to the broker, on the GLib main loop.
// Every option without which messages or subscriptions vanish is set here, and nowhere else in a
// client; nobody beyond this file sees ZMQ.
#pragma once
#include "common/envelope.h"

typedef struct BusSocket BusSocket;

typedef struct {
    // One message of two frames, within the limits; borrowed. topic is terminated.
    void (*on_message)(const char *topic, const guint8 *data, gsize length, gpointer user);
    // Both sockets have a connection (TRUE), or one of the two has lost it (FALSE). TRUE is told
    // again for each new connection of the subscribing side: subscriptions were sent again then.
    void (*on_connection)(gboolean connected, gpointer user);
} BusSocketCalls;

// Connects, lazily. calls: static. FALSE errors name the endpoint.
BusSocket *bus_socket_new(const char *publish, const char *subscribe, const BusSocketCalls *calls,
                          gpointer user, GError **error);
void bus_socket_free(BusSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusSocket, bus_socket_free)

// After these the subscription is behind all earlier ones, also those that a new connection
// repeats.
void bus_socket_subscribe(BusSocket *socket, const char *topic);
void bus_socket_unsubscribe(BusSocket *socket, const char *topic);
// FALSE: over LIMIT_BUS_MESSAGE, not sent. Without a connection the message is lost, as intended.
gboolean bus_socket_send(BusSocket *socket, const char *topic, const Envelope *envelope);
