// SPDX-License-Identifier: MIT
// A process' place on the bus: one PUB socket and one SUB socket to the broker, on the GLib main
// loop.
//
// Frames: [topic][Envelope]. The hard parts are here so that nobody else meets them: ZMQ's
// edge-triggered descriptor as a GSource, socket options without which subscriptions vanish,
// requests that are repeated until answered, and handlers that see each request once although it
// may arrive several times. Main thread only.
//
// Delivery is never trusted: publications carry versions, requests are repeated (150, 400, 900,
// 1600, 2500 ms later, then each 2500 ms, +-20 %, and when the link returns) until answered or
// until the deadline.
#pragma once
#include "common/config.h"
#include "common/deadlines.h"
#include "common/envelope.h"
#include "common/refusal.h"

typedef struct Bus Bus;
typedef struct BusRequest BusRequest;

// A message arrived on a subscribed topic. message: borrowed until the handler returns
// (envelope_copy to keep it). request: NULL for a publication; else to be answered exactly once,
// now or later (bus_request_ref to keep it; a request whose last reference goes unanswered is
// answered 504 timeout).
typedef void (*BusHandler)(const Envelope *message, BusRequest *request, gpointer user);
// The answer to a request of ours, once, never from within bus_request: the peer's, or a synthetic
// one with code 504 (deadline) or 404 (from the broker: nobody listens). Provisional answers (code
// < 200) come before it, any number.
typedef void (*BusAnswered)(const Envelope *answer, gpointer user);
typedef void (*BusLink)(gboolean connected, gpointer user);

// Connects (lazily: the broker need not be there yet). process: "<role>-<id>", copied; also our
// topic for answers.
Bus *bus_new(const Config *config, const char *process, GError **error);
void bus_free(Bus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bus, bus_free)

const char *bus_process(const Bus *bus);
const char *bus_domain(const Bus *bus); // suite.domain
guint64 bus_incarnation(const Bus *bus);
Deadlines *bus_deadlines(const Bus *bus); // for whatever lives no longer than the bus
// Whether our own messages come back to us through the broker (self-ping), and since when on
// g_get_monotonic_time.
gboolean bus_is_connected(const Bus *bus, gint64 *ret_since_us);
// Called on each change of bus_is_connected, until unwatched with the same two.
void bus_watch_link(Bus *bus, BusLink on_link, gpointer user);
void bus_unwatch_link(Bus *bus, BusLink on_link, gpointer user);

// Subscribes. topic: "<url> " for one address, "<prefix>/" for everything below, "" (or any other
// prefix) to watch only. The same (topic, handler, user) may be routed once; a message that matches
// several routes of one (handler, user) is handed over once. Routing the same topic by others is
// counted, the subscription goes with the last.
void bus_route(Bus *bus, const char *topic, BusHandler handler, gpointer user);
void bus_unroute(Bus *bus, const char *topic, BusHandler handler, gpointer user);
// Calls `ready` when all that was routed before is surely in force at the broker (self-ping
// barrier, about 0.2 ms; at the latest after 1 s, with the link down).
typedef void (*BusReady)(gpointer user);
void bus_when_routed(Bus *bus, BusReady ready, gpointer user);

// Publishes to the topic of envelope->to; fills the transport fields (source, incarnation,
// sequence, previous; trace from log's current one where unset). Takes the envelope. FALSE (and a
// counter, a log line) if it is over LIMIT_BUS_MESSAGE.
gboolean bus_publish(Bus *bus, Envelope *envelope);

// Sends a request and calls `answered` exactly once with the final answer. Takes the envelope.
// Returns its number (> 0), the key under which bus_cancel forgets it (no call then). deadline_ms:
// LIMIT_DEADLINE_SERVICE_MS or _CLIENT_MS usually.
guint64 bus_request(Bus *bus, Envelope *envelope, guint deadline_ms, BusAnswered answered,
                    gpointer user);
void bus_cancel(Bus *bus, guint64 request);

BusRequest *bus_request_ref(BusRequest *request);
void bus_request_unref(BusRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusRequest, bus_request_unref)
// The request's message, borrowed from the request.
const Envelope *bus_request_message(const BusRequest *request);
// Answers: from = the request's `to`, to = its `from`, id echoed; published on the asker's own
// topic. body: the answer's body, code included; not taken. The answer is remembered and repeated
// if the request comes again (never 408, 429, 5xx).
void bus_answer(BusRequest *request, const Json *body);
// The same with a body already in an envelope of which only `body` is used (no JSON step): for
// relays such as the gateway.
void bus_answer_body(BusRequest *request, const Msg__Body *body);
// A provisional answer (code < 200), e.g. 100 ringing: seen by the asker, repeats of the request go
// on being swallowed.
void bus_answer_provisional(BusRequest *request, const Json *body);
// Tells the asking process that the request has arrived and will be answered (a gateway that handed
// it to a client): repeats each second only, in case the answer is lost. The asker itself does not
// see it.
void bus_acknowledge(BusRequest *request);
// Answers with reason's code, name and sentence (detail, may be NULL, is appended), one log line
// (request.refused) and the counter.
void bus_refuse(BusRequest *request, Refusal reason, const char *detail);
// The same, for a reason whose end is known: the answer's retry_after says so.
void bus_refuse_for(BusRequest *request, Refusal reason, const char *detail, guint retry_after_s);
