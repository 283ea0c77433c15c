// SPDX-License-Identifier: MIT
// From datagrams to packets of sources: who sent this, is it genuine, is it new, what is it. All
// that comes from the network comes through here, and nothing passes that is not authenticated:
// checks by their signature, everything else by the pair of addresses of such a check and then by
// DTLS or SRTP. No address is learned in any other way. What is dropped is counted by its reason.
#pragma once
#include "media-worker/hub.h"

#define INGEST_LEVEL_UNKNOWN 60 // -dBov, of audio that bears no level

// A packet of media in plain, inside the datagram's memory.
typedef struct {
    PeerSource *source;
    guint8 *data;
    gsize length;
    gint64 server_us;
    gboolean restart; // the source's numbers start anew
} IngestPacket;

// TRUE: it holds a packet of media, to be passed on. Everything else has been dealt with.
gboolean ingest_datagram(Hub *hub, TransportDatagram *datagram, IngestPacket *ret_packet);
