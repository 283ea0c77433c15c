// SPDX-License-Identifier: MIT
// Counters of a process, in one table: name (Prometheus manner, without the "parley_" in front) and
// sentence. They travel in the presence message, so that any gateway shows those of all processes.
// Counting is an atomic add, from any thread.
#pragma once
#include <glib.h>
#include "common/json.h"
#include "common/refusal.h"

#define METRICS(METRIC)                                                                            \
    METRIC(BUS_SENT, "bus_sent_total", "messages put on the bus")                                  \
    METRIC(BUS_RECEIVED, "bus_received_total", "messages taken from the bus")                      \
    METRIC(BUS_MALFORMED, "bus_malformed_total", "frames from the bus that were no valid message") \
    METRIC(BUS_HOLES, "bus_holes_total", "holes seen in a source's sequence on one topic")         \
    METRIC(BUS_RETRIES, "bus_retries_total", "requests sent again")                                \
    METRIC(BUS_TIMEOUTS, "bus_timeouts_total", "requests whose deadline passed")                   \
    METRIC(BUS_REPEATS, "bus_repeats_total",                                                       \
           "repeated requests swallowed or answered from memory")                                  \
    METRIC(BUS_RECONNECTS, "bus_reconnects_total", "links to the broker that came back")           \
    METRIC(SYNC_GAPS, "sync_gaps_total", "gaps noticed in an object's versions")                   \
    METRIC(SYNC_SNAPSHOTS, "sync_snapshots_total", "snapshots asked for after a gap")              \
    METRIC(JOINS_ASKED, "joins_asked_total", "joins that arrived at the registry")                 \
    METRIC(JOINS_ADMITTED, "joins_admitted_total", "joins that a room process has answered")       \
    METRIC(JOINS_STORED, "joins_stored_total", "joins made durable and answered 200")              \
    METRIC(ROOMS, "rooms", "rooms that exist now")                                                 \
    METRIC(PARTICIPANTS, "participants", "participants of all rooms now")                          \
    METRIC(ROOMS_REPLACED, "rooms_replaced_total", "rooms that got a new process by themselves")   \
    METRIC(ROOMS_HOMELESS, "rooms_homeless", "rooms with people in them that have no process now") \
    METRIC(QUARANTINES, "quarantines_total",                                                       \
           "rooms put into quarantine: they killed two processes")                                 \
    METRIC(PROCESSES_LOST, "processes_lost_total",                                                 \
           "workers and room processes found dead without their host's word")                      \
    METRIC(MASS_SILENCES, "mass_silences_total",                                                   \
           "times that most workers fell silent together, and nothing was placed again")           \
    METRIC(PLACEMENTS_WAITING, "placements_waiting",                                               \
           "rooms that wait for their turn to be placed")                                          \
    METRIC(STORE_FAILED, "store_failed_total", "commits of the registry's store that failed")      \
    METRIC(GATEWAY_SESSIONS, "gateway_sessions", "sessions, those that are away included")         \
    METRIC(GATEWAY_SOCKETS, "gateway_websockets", "open WebSockets")                               \
    METRIC(GATEWAY_RECEIVED, "gateway_received_total", "messages from WebSockets")                 \
    METRIC(GATEWAY_SENT, "gateway_sent_total", "messages into WebSockets")                         \
    METRIC(GATEWAY_RESUMED, "gateway_resumed_total", "sessions that came back on a new WebSocket") \
    METRIC(GATEWAY_SLOW_READERS, "gateway_slow_readers_total",                                     \
           "WebSockets closed because they did not read")                                          \
    METRIC(GATEWAY_UNASKED, "gateway_unasked_answers_total",                                       \
           "answers of clients to nothing that they were asked")                                   \
    METRIC(MEDIA_RECEIVED, "media_received_total",                                                 \
           "datagrams that arrived at rooms: used or dropped, below")                              \
    METRIC(MEDIA_USED, "media_used_total", "of these, authenticated and used")                     \
    METRIC(MEDIA_STUN_MALFORMED, "media_dropped_stun_malformed_total",                             \
           "dropped: checks that are no STUN")                                                     \
    METRIC(MEDIA_STUN_NOT_ASKED, "media_dropped_stun_not_asked_total",                             \
           "dropped: STUN that asks for nothing")                                                  \
    METRIC(MEDIA_STUN_UNKNOWN_USER, "media_dropped_stun_unknown_user_total",                       \
           "dropped: checks of nobody that we know")                                               \
    METRIC(MEDIA_STUN_FORGED, "media_dropped_stun_forged_total",                                   \
           "dropped: checks with a wrong signature")                                               \
    METRIC(MEDIA_STUN_TAKEN, "media_dropped_stun_taken_total",                                     \
           "dropped: checks from an address that another peer uses")                               \
    METRIC(MEDIA_DTLS_UNVALIDATED, "media_dropped_dtls_unvalidated_total",                         \
           "dropped: DTLS from an address without a valid check")                                  \
    METRIC(MEDIA_DTLS_CROWDED, "media_dropped_dtls_crowded_total",                                 \
           "dropped: DTLS faster than handshakes go")                                              \
    METRIC(MEDIA_SRTP_UNVALIDATED, "media_dropped_srtp_unvalidated_total",                         \
           "dropped: media from an address without a valid check")                                 \
    METRIC(MEDIA_SRTP_EARLY, "media_dropped_srtp_early_total", "dropped: media before its keys")   \
    METRIC(MEDIA_SRTP_FORGED, "media_dropped_srtp_forged_total",                                   \
           "dropped: media with a wrong signature")                                                \
    METRIC(MEDIA_SRTP_REPLAYED, "media_dropped_srtp_replayed_total",                               \
           "dropped: media that had been here before")                                             \
    METRIC(MEDIA_SRTP_MALFORMED, "media_dropped_srtp_malformed_total",                             \
           "dropped: neither RTP nor RTCP behind a valid signature, or too short for one")         \
    METRIC(MEDIA_SRTP_CROWDED, "media_dropped_srtp_crowded_total",                                 \
           "dropped: more SSRCs than a peer may have")                                             \
    METRIC(MEDIA_SSRC_UNKNOWN, "media_dropped_ssrc_unknown_total",                                 \
           "dropped: SSRCs that no m-line names")                                                  \
    METRIC(MEDIA_LAYER, "media_dropped_layer_total",                                               \
           "dropped: simulcast layers that are not taken")                                         \
    METRIC(MEDIA_FORMAT, "media_dropped_format_total",                                             \
           "dropped: payload types that were not agreed")                                          \
    METRIC(MEDIA_DUPLICATE, "media_dropped_duplicate_total",                                       \
           "dropped: packets that came again, or far too late")                                    \
    METRIC(MEDIA_MUTED, "media_dropped_muted_total", "dropped: media of muted sources")            \
    METRIC(MEDIA_OTHER, "media_dropped_other_total",                                               \
           "dropped: neither STUN nor DTLS nor RTP, or too long")                                  \
    METRIC(MEDIA_FORWARDED, "media_forwarded_total", "packets sent on to receivers")               \
    METRIC(MEDIA_RESENT, "media_resent_total", "packets sent again because a receiver asked")      \
    METRIC(MEDIA_REFUSED, "media_refused_total", "datagrams that the kernel would not send")       \
    METRIC(MEDIA_KEY_FRAMES_ASKED, "media_key_frames_asked_total", "key frames asked of senders")  \
    METRIC(MEDIA_CAUGHT_UP, "media_caught_up_total",                                               \
           "slots that began with a key frame of before")                                          \
    METRIC(MEDIA_NACKED, "media_nacked_total", "packets asked again of senders")

typedef enum {
#define METRIC_ENUM(id, name, text) METRIC_##id,
    METRICS(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
} Metric;

void metrics_add(Metric metric, guint64 count);
void metrics_set(Metric metric, guint64 value); // for gauges
guint64 metrics_get(Metric metric);
// One refusal: counter refused_total by reason, for the process as a whole.
void metrics_refused(Refusal reason);
guint64 metrics_refused_count(Refusal reason);
// {"bus_sent_total": n, …, "refused_total{reason=\"locked\"}": n}: those that are not 0.
Json *metrics_json(void);
// HELP/TYPE text of a name, NULL where it is not in the table.
const char *metrics_help(const char *name);
void metrics_reset(void); // tests
