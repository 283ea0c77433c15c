// SPDX-License-Identifier: MIT
// Requests of ours: numbered, sent again until answered, ended by their deadline. No socket here:
// sending is a function that is given, time is the GLib main loop's.
//
// The one hard thing is that delivery is never certain: a request may arrive twice (the other side
// swallows repeats) and its answer may be lost (the other side repeats it), so it is sent again
// 150, 400, 900, 1600 and 2500 ms after the first time, then each 2500 ms, +-20 %, and whenever the
// link returns: a listener may be away for longer than any fixed list.
#pragma once
#include "common/bus.h"

typedef struct BusRequests BusRequests;
// Puts the request on the bus as it stands (request and ttl_ms are set). FALSE: it is too large.
typedef gboolean (*BusRequestsSend)(Envelope *request, gpointer user);

BusRequests *bus_requests_new(BusRequestsSend send, gpointer user);
// Forgets all that is open; nobody is called.
void bus_requests_free(BusRequests *requests);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusRequests, bus_requests_free)

// See bus_request and bus_cancel.
guint64 bus_requests_add(BusRequests *requests, Envelope *request, guint deadline_ms,
                         BusAnswered answered, gpointer user);
void bus_requests_cancel(BusRequests *requests, guint64 number);
// Whether another answer follows: an acknowledgement (no body), or a code from 100 to 199.
gboolean bus_is_provisional(const Envelope *answer);
// An answer came. Without a body it is an acknowledgement: repeats each second only, and the asker
// is not told.
void bus_requests_answer(BusRequests *requests, const Envelope *answer);
// The link stands (everything open is sent at once) or does not (nothing is sent).
void bus_requests_link(BusRequests *requests, gboolean up);
guint bus_requests_open(const BusRequests *requests);
