// SPDX-License-Identifier: MIT
// A client's signalling: opens a session at the gateway, joins one room with one message, follows
// its answering Connection (the slots), leaves. What it is told of the rest of the room it does not
// read: with three hundred clients that would be ninety thousand messages for three hundred joins.
//
// Main thread. Each of joined, refused and ended is called at most once; the Session must be
// freed inside of none.
#pragma once
#include "common/sync_object.h"
#include "load/websocket.h"

typedef struct Session Session;

// Why it has come to nothing.
typedef struct {
    const char *text;   // a sentence
    const char *reason; // the room's, of proto/'s list; NULL: it was not asked
    gint code;          // the answer's; 0: none
    gint retry_after_s; // 0: not said
} SessionRefusal;

typedef struct {
    const char *room, *name, *token, *offer; // copied; token may be NULL; offer: SDP
    gpointer user;
    // sdp: the answer. Then changed is called for what the slots carry at first.
    void (*joined)(const char *sdp, gpointer user);
    void (*changed)(const Json *slots, gpointer user); // mid -> what it carries; all of them
    void (*refused)(const SessionRefusal *refusal, gpointer user);
    void (*left)(gpointer user);                  // after session_leave, or there was no answer
    void (*lost)(const char *why, gpointer user); // the connection, after the join
} SessionSettings;

extern const WebsocketCalls session_websocket_calls; // for websockets_new

Session *session_new(Websockets *websockets, const SessionSettings *settings);
// Without a word to the room.
void session_free(Session *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Session, session_free)
void session_leave(Session *session);                    // once, after joined
const char *session_participant(const Session *session); // our id in the room
// How often changes of the answering Connection were missing and asked for.
guint session_heals(const Session *session);
