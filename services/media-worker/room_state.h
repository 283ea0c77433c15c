// SPDX-License-Identifier: MIT
// What a room process knows, shared by the files room*.c and by nobody else.
#pragma once
#include "common/service.h"
#include "media-worker/attendance.h"
#include "media-worker/connection.h"

typedef struct {
    Service *service;
    DtlsContext *dtls;
    ConnectionHome home;
    guint channel, tick, pass, linger;
    gboolean superseded; // the room lives elsewhere: media only, for those on their way
    guint ticks;
    // Of the room; unset in a spare.
    char *id, *url;
    guint64 epoch;
    char **codecs, **addresses, **candidates;
    guint16 port;
    SdpLocal local;
    GHashTable *connections; // participant -> Connection
    SyncReporter *context;
    SyncObserver *communication;
    Attendance *attendance;
    GHashTable *listed; // participants that the Communication has seen in
    GHashTable *absent; // participant -> since when it is listed without being here, gint64
    gint64 heard_us;    // when a client has last sent anything
    guint32 loudest;
} Room;

// Ends the process, and tells the host why: "closed", "idle", "stale_epoch", "drained".
void room_end(Room *room, const char *reason);
// The room lives elsewhere now. Ends the process, but not before people had time to follow.
void room_supersede(Room *room);
// Gives out the video slots anew, soon, once for all that changes meanwhile.
void room_want_pass(gpointer room);
