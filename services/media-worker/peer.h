// SPDX-License-Identifier: MIT
// What the streaming thread knows of a peer: address pairs, SRTP, the sources that it sends and the
// slots that it is sent. Data and look-ups; what happens to it is in ingest, forward, subscribe and
// feedback. One thread.
//
// A source knows the slots that carry or await it, and nothing else of its receivers; a slot holds
// all that sending one packet touches, side by side.
#pragma once
#include "common/limits.h"
#include "media-worker/header.h"
#include "media-worker/history.h"
#include "media-worker/media.h"
#include "media-worker/receive.h"
#include "media-worker/slot.h"
#include "media-worker/speakers.h"
#include "media-worker/transport.h"
#include "media-worker/twcc.h"

#define PEER_RID_MAX 16

typedef struct Peer Peer;

// One m-line that the peer may send.
typedef struct {
    Peer *peer;
    guint index;
    const MediaSource *description;
    guint32 ssrc;               // that it is heard on; 0: not yet
    gboolean changed;           // that SSRC is a new one, its first packet has not come
    char rid[PEER_RID_MAX + 1]; // the layer that is taken; "": no simulcast
    gboolean muted, active;     // active: heard in the last two seconds
    gint64 heard_us;
    guint32 newest_timestamp; // of the newest packet
    Receive receive;
    Voice voice; // audio
    // Key frames, for all who need one: asked for at once, then again until one has come.
    gboolean wants_key_frame;
    gint64 asked_us;
    // For those who get it.
    gboolean has_index;
    guint64 newest_index;   // of the last packet, unwrapped
    History *history;       // video: what receivers may ask for again
    gboolean has_key_frame; // kept there: the newest, by its first packet
    guint64 key_frame_index;
    gint64 key_frame_us;
    GPtrArray *subscribers; // of PeerSlot, carrying or pending
    gpointer port;          // whoever passes its packets on keeps something here
} PeerSource;

#define PEER_RESENT 32 // numbers of which a slot remembers when it last sent them again

// One m-line that the peer is sent: a slot.
typedef struct {
    Slot numbers;
    SrtpStream stream;
    Header header;
    Peer *peer;
    PeerSource *carries; // numbers.current, typed
    guint32 packets, octets;
    History *copies; // protected packets, where there is no RTX
    guint index;
    const MediaSlot *description;
    PeerSource *wanted; // what it is to carry once that is no longer muted
    // Sending again.
    SrtpStream rtx_stream;
    Header rtx_header;
    guint16 rtx_sequence;
    struct {
        guint16 sequence;
        guint32 sent_ms;
    } resent[PEER_RESENT];
} PeerSlot;

typedef struct {
    TransportPath path;
    gint64 checked_us; // last authenticated check
} PeerPair;

typedef struct {
    guint32 ssrc;
    PeerSource *source;
    gboolean is_rtx;
    char rid[PEER_RID_MAX + 1]; // simulcast layer; "": no simulcast
} PeerBinding;

struct Peer {
    MediaPeer handle;
    guint32 number;
    SrtpOut *out;       // NULL: no keys yet
    TransportPath path; // of the selected pair
    gboolean has_path;
    guint16 transport_cc; // next number
    MediaPeerDescription *description;
    PeerSlot *slots;
    PeerSource *sources;
    SrtpIn *in;
    TwccRecorder *twcc; // NULL: not negotiated
    guint32 twcc_ssrc;  // of the last packet that it recorded
    ReceiveClock clock;
    guint n_bindings, n_pairs;
    PeerBinding bindings[LIMIT_SSRCS_PER_PEER];
    PeerPair pairs[LIMIT_ICE_PAIRS_PER_PEER];
    gint *dtls_waiting; // events that the control thread has not taken; atomic, reference counted
    gint64 heard_us;    // last thing that was authenticated
    gboolean connected, silent;
    gint64 rtt_us;
    gint64 report_due_us, twcc_due_us;
    gint64 resend_since_us; // a second in which at most so many packets are sent again
    guint resends;
};

// NULL where the description goes beyond a limit. Takes it in any case.
Peer *peer_new(MediaPeer handle, MediaPeerDescription *description, gint64 now_us);
void peer_free(Peer *peer); // nobody subscribes to its sources any more
// Keys come once in a peer's life.
void peer_set_keys(Peer *peer, const SrtpKeys *keys);
// Media can be sent to it.
static inline gboolean peer_is_ready(const Peer *peer)
{
    return peer->out != NULL && peer->has_path;
}
PeerSlot *peer_slot(Peer *peer, guint32 ssrc); // by the SSRC that it sends with; NULL: none

// --- which source an SSRC belongs to -------------------------------------------------------------
PeerBinding *peer_binding(Peer *peer, guint32 ssrc);
// Binds an SSRC to a source. NULL: too many.
PeerBinding *peer_bind(Peer *peer, const PeerBinding *binding);
// Are packets of this SSRC taken? Of several layers (rid) one is: the one heard first, until it has
// fallen silent. An SSRC without rid takes the place of the one before.
gboolean peer_takes_layer(PeerSource *source, const PeerBinding *binding);
// When a packet with this timestamp was sent, on the server's clock; now_us where that makes no
// sense, whatever the peer's reports say. The source must have had a packet.
gint64 peer_source_server_us(const PeerSource *source, guint32 timestamp, gint64 now_us);
PeerSource *peer_source_by_mid(Peer *peer, const guint8 *mid, gsize length);

// --- all of them ---------------------------------------------------------------------------------
typedef struct Peers Peers;
Peers *peers_new(void);
void peers_free(Peers *peers); // and each peer
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peers, peers_free)
void peers_add(Peers *peers, Peer *peer);
void peers_remove(Peers *peers, Peer *peer); // frees it
Peer *peers_find(const Peers *peers, MediaPeer handle);
Peer *peers_by_ufrag(const Peers *peers, const char *ufrag, gsize length);
Peer *peers_by_path(const Peers *peers, const TransportPath *path);
guint peers_count(const Peers *peers);
Peer *peers_nth(const Peers *peers, guint index);

// The check of a pair was authenticated: media on it is the peer's from now on. The first pair is
// selected, later ones when nominated. FALSE: another peer is heard on it, and keeps it (who sends
// from a forged address must not take it away).
typedef struct {
    TransportPath path;
    gboolean nominated;
    gint64 now_us;
} PeerCheck;
gboolean peers_pair_checked(Peers *peers, Peer *peer, const PeerCheck *check);
