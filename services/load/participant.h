// SPDX-License-Identifier: MIT
// One client of the load: a session at the gateway and a native peer in one room, and what became
// of it. Sends, receives or does both; checks who is in its slots; knows its figures.
//
// Main thread.
#pragma once
#include "load/histogram.h"
#include "load/native_peer.h"
#include "load/websocket.h"

typedef enum {
    PARTICIPANT_JOINING, // session, then the room's answer
    PARTICIPANT_LINKING, // ICE and DTLS
    PARTICIPANT_IN,      // media can flow
    PARTICIPANT_GONE,    // has left in good order
    PARTICIPANT_FAILED,  // was refused, got no media path, or lost one of its connections
} ParticipantState;

typedef struct Participant Participant;

// What all share.
typedef struct {
    Websockets *websockets;
    const char *token;
    NativeSettings media;  // what a sender sends; label and slots are each client's own
    gboolean no_video;     // cameras stay off
    GHashTable *by_id;     // participant id -> Participant: who are clients of ours
    gint64 join_timeout_s; // until media can flow
} ParticipantShared;

typedef struct {
    const char *room, *name; // copied
    guint32 label;           // of its payloads; not 0, and nobody else's
    gboolean sends;
    guint slots; // of each kind; 0: does not receive
} ParticipantRole;

Participant *participant_new(const ParticipantShared *shared, const ParticipantRole *role);
// Vanishes without a word if it is still in.
void participant_free(Participant *participant);
ParticipantState participant_state(const Participant *participant);
void participant_check(Participant *participant); // each second: timeouts, lost media
void participant_leave(Participant *participant); // if it is in
void participant_stop_sending(Participant *participant);
void participant_begin(Participant *participant); // figures count from now on

typedef struct {
    const char *room, *name, *id; // borrowed
    gboolean sends, receives, joined;
    const char *failure, *reason; // a sentence, and a refusal's reason; NULL: none
    gint code, retry_after_s;     // of the refusal
    gint64 answer_us, ready_us;   // from the first connect: to the room's answer, to media keys
    guint64 packets, octets;      // received: without resent ones' overhead
    guint64 lost;                 // that never came, the last ones of senders that stopped included
    guint64 lost_so_far;          // without those: senders go on
    guint recovered, reordered, duplicates;
    guint sources, sources_wanted; // slots that carry somebody; how many should
    guint switches, heals;
    guint faults; // of the native peer; foreign clients' payloads left out
    guint misnamed;
    guint64 overflowed; // datagrams that our own host had no room for
    guint64 sent, resent;
    const Histogram *delays; // µs
} ParticipantFigures;
// others: how many in its room send, itself left out.
void participant_figures(Participant *participant, guint others, ParticipantFigures *ret_figures);
