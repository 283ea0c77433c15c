// SPDX-License-Identifier: MIT
// What the parts of the streaming thread share: sockets, peers, the clock of this turn, what is due
// when, and the way up to the control thread. The parts are, in the order in which a packet meets
// them: ingest (datagrams become packets of sources), the pads of the graph, forward (packets go to
// slots), and beside them subscribe (who carries whom), feedback (RTCP) and liveness (who is
// there).
#pragma once
#include "common/metrics.h"
#include "media-worker/peer.h"
#include "media-worker/ring.h"
#include "media-worker/stun.h"

// How the memory of packets is kept while a history needs it.
typedef struct {
    gpointer (*hold)(gpointer reference);
    HistoryRelease release;
} HubMemory;

typedef struct {
    Transport *transport;
    Peers *peers;
    StunServer *stun;
    Ring *events; // of HubEvent
    HubMemory memory;
    GPtrArray *voices; // of Voice: every audio source that was ever heard
    gint64 now_us;     // monotonic, at the beginning of this turn or read
    gint64 feedback_due_us, voices_due_us, liveness_due_us;
    gboolean has_news;
    guint32 speaking[3]; // that the control thread was told of
    gint64 speaking_told_us;
    // Called before a source's memory goes: whoever passes its packets on lets go of it.
    void (*source_gone)(PeerSource *source, gpointer user);
    gpointer source_gone_user;
} Hub;

typedef struct {
    MediaEvent event;
    gint *waiting; // of a peer's DTLS datagrams; NULL: none
} HubEvent;
void hub_event_free(gpointer event); // any thread

// Takes over the sockets; borrows the ring.
Hub *hub_new(int socket4, int socket6, Ring *events);
void hub_free(Hub *hub);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hub, hub_free)

// A fresh event about a peer (NULL: about the room), to be filled in and posted.
HubEvent *hub_event(const Peer *peer, MediaEventType type);
void hub_post(Hub *hub, HubEvent *event);
// FALSE: too many datagrams of this peer wait already, or of all.
gboolean hub_post_dtls(Hub *hub, Peer *peer, const guint8 *data, gsize length);

static inline void hub_due(gint64 *due_us, gint64 at_us)
{
    *due_us = MIN(*due_us, at_us);
}
