// SPDX-License-Identifier: MIT
// Whether the link to the broker stands, told by the one proof there is: an event of ours comes
// back through it. The same event tells when subscriptions are in force: it is sent to an address
// that was subscribed after all of them (a barrier).
//
// The hard thing: messages and subscriptions travel on two connections, so an event may overtake
// the subscription that it shall prove. It is sent again until it comes back.
#pragma once
#include "common/bus.h"

typedef struct BusPulse BusPulse;

typedef struct {
    void (*subscribe)(const char *topic, gpointer user);
    void (*unsubscribe)(const char *topic, gpointer user);
    void (*send)(const char *url, gpointer user); // an event to this address
    void (*on_change)(gboolean up, gpointer user);
} BusPulseCalls;

// url: the process' own address, subscribed already. calls: static.
BusPulse *bus_pulse_new(const char *url, const BusPulseCalls *calls, gpointer user);
void bus_pulse_free(BusPulse *pulse);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusPulse, bus_pulse_free)

// The sockets have a new connection (TRUE, also where the last one was not told lost), or none.
void bus_pulse_connection(BusPulse *pulse, gboolean connected);
// An event of ours came back; to: its address.
void bus_pulse_heard(BusPulse *pulse, const char *to);
gboolean bus_pulse_is_up(const BusPulse *pulse, gint64 *ret_since_us);
// See bus_when_routed.
void bus_pulse_when_routed(BusPulse *pulse, BusReady ready, gpointer user);
