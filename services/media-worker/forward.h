// SPDX-License-Identifier: MIT
// The fan-out: each packet of a source goes to every slot that carries it, with a header of the
// receiver's own, encrypted once from the shared payload straight into the send arena. This is the
// hot path: no allocation, no lock, nothing looked up per packet and receiver; and all packets of
// one source and read go to one receiver before the next one's turn, so that they leave together.
#pragma once
#include "media-worker/hub.h"

#define FORWARD_BATCH 64

typedef struct {
    const guint8 *payload; // shared, never written to
    gsize length;
    gpointer reference; // keeps payload alive (hub->memory)
    gboolean marker;
    guint8 level;       // RFC 6464's byte, HEADER_NO_LEVEL: none
    SlotPacket numbers; // vp8 points to the descriptor below
    Vp8Descriptor vp8;
} ForwardPacket;

// Reads a packet of `source` in plain. restart: the source's numbers start anew. server_us: when it
// was sent, on the server's clock. FALSE: no RTP.
typedef struct {
    const guint8 *data;
    gsize length;
    gpointer reference;
    gint64 server_us;
    gboolean restart;
} ForwardInput;
gboolean forward_read(ForwardPacket *packet, PeerSource *source, const ForwardInput *input);
// Sends them, at most FORWARD_BATCH, to all who carry the source. They leave with the next flush.
void forward_packets(Hub *hub, PeerSource *source, const ForwardPacket *packets, guint n);

// Sends them to one slot that carries or awaits the source; returns how many.
guint forward_to_slot(Hub *hub, PeerSlot *slot, PeerSource *source, const ForwardPacket *packets,
                      guint n);

// For resend.c. Sets numbers.vp8 and numbers.entry by the payload.
void forward_read_descriptor(ForwardPacket *packet, MediaKind kind);
// Sends a packet of the slot's current stretch as RTX.
void forward_again(Hub *hub, PeerSlot *slot, const ForwardPacket *packet);
