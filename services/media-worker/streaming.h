// SPDX-License-Identifier: MIT
// The streaming thread's turn: sleep until a datagram, a command or a timer is there; carry out
// commands; let roomsrc read and push; then whatever is due, and one flush. roomsrc's task calls
// it, media.c gives the commands.
#pragma once
#include "media-worker/hub.h"

typedef enum {
    COMMAND_ADD_PEER,
    COMMAND_REMOVE_PEER,
    COMMAND_SET_KEYS,
    COMMAND_SEND_DTLS,
    COMMAND_ASSIGN_SLOT,
    COMMAND_MUTE_SOURCE,
} CommandType;

typedef struct {
    CommandType type;
    MediaPeer peer;
    MediaPeerDescription *description; // ADD_PEER
    SrtpKeys keys;                     // SET_KEYS
    guint index, source;               // slot or source; of the peer `of`
    MediaPeer of;
    gboolean muted;
    gsize length; // SEND_DTLS
    guint8 data[];
} Command;
void command_free(gpointer command); // wipes keys

typedef struct Streaming Streaming;
// Takes over the sockets; borrows the rings: of Command and of HubEvent.
Streaming *streaming_new(int socket4, int socket6, Ring *commands, Ring *events);
void streaming_free(Streaming *streaming); // when its thread has ended
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Streaming, streaming_free)
Hub *streaming_hub(Streaming *streaming);

void streaming_wake(Streaming *streaming); // control thread: ends the sleep

void streaming_remove_all(Streaming *streaming); // every peer; its thread has ended

// Sleeps until there is something to do.
void streaming_wait(Streaming *streaming);
// Reads datagrams into the batch; 0: no more.
guint streaming_read(Streaming *streaming, TransportDatagram *batch);
// What was commanded before a datagram was sent is carried out before that datagram is looked at:
// after each read, if there are commands, first all packets are passed on, since peers may go.
gboolean streaming_is_commanded(const Streaming *streaming);
void streaming_carry_out(Streaming *streaming);
// After what was read has been passed on.
void streaming_finish(Streaming *streaming);
