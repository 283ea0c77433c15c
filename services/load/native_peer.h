// SPDX-License-Identifier: MIT
// A WebRTC client without a browser, for load and for tests: makes an offer like a trimmed Chromium
// one (microphone and camera send-only, slots receive-only), takes the room's answer, connects (ICE
// controlling, DTLS client, SRTP), sends and receives, and checks what it receives.
//
// What it sends looks like Opus and VP8 from outside; the payload tells who sent it, a counter and
// when, so that a receiver can say whether the right packets come in the right order under the
// right name. Runs on the default GLib main loop; main thread only. A peer is one UDP socket and
// about 60 KB.
#pragma once
#include <glib.h>
#include <sys/socket.h>

typedef struct NativePeer NativePeer;
typedef struct NativeSlot NativeSlot;

typedef struct {
    guint32 label; // in each payload: who sent it; tests use the participant's number
    guint audio_slots, video_slots; // 0 and 0: sends only
    gboolean only_cm;               // SRTP without AES-GCM
    gboolean no_rtx, no_nack;       // does not offer RTX; does not ask for missing packets
    guint video_packets;            // a frame (0: 4), all of video_bytes
    guint video_bytes;              // RTP payload (0: 1188, so that packets have about 1,200 bytes)
    guint audio_bytes;              // (0: 148)
    guint frame_ms;                 // (0: 40)
    gboolean paced;                 // spreads a frame's packets over its time
    guint loss_in, loss_out;        // per cent of datagrams lost at random
    void (*on_packet)(const NativeSlot *slot, gint64 delay_us, gpointer user); // may be NULL
    // It has become ready or failed; may be NULL, and must not free the peer.
    void (*on_state)(NativePeer *peer, gpointer user);
    gpointer user;
} NativeSettings;

typedef enum {
    NATIVE_NEW,      // no answer yet
    NATIVE_CHECKING, // ICE
    NATIVE_SHAKING,  // DTLS
    NATIVE_READY,    // keys are there
    NATIVE_FAILED,   // DTLS failed, or no answer to consent checks for 30 s
} NativeState;

NativePeer *native_peer_new(const NativeSettings *settings);
// Vanishes without a word, like a browser that is killed.
void native_peer_free(NativePeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NativePeer, native_peer_free)

const char *native_peer_offer(const NativePeer *peer); // SDP, owned by the peer
// Takes the answer and begins to connect. FALSE (and a reason on stderr): it cannot be used.
gboolean native_peer_answer(NativePeer *peer, const char *sdp);
// The other way round, for servers that offer what they send: the offer's audio and video m-lines
// are the slots, in their order. Begins to connect; the answer is the caller's. NULL (and a reason
// on stderr): it cannot be used.
char *native_peer_take_offer(NativePeer *peer, const char *sdp);
NativeState native_peer_state(const NativePeer *peer);
// The addresses that the answer gave, for people; owned by the peer. "" before it.
const char *native_peer_candidates(NativePeer *peer);

// What it sends from now on (as soon as it is ready). Nothing at first.
void native_peer_send(NativePeer *peer, gboolean audio, gboolean video);
void native_peer_set_level(NativePeer *peer, guint8 level); // RFC 6464, -dBov; 30 at first

// --- what came in --------------------------------------------------------------------------------
// One slot: what the room sends on one m-line. Counters count packets, duplicates excluded.
struct NativeSlot {
    NativePeer *peer;
    gboolean is_video;
    guint index; // of its kind
    char mid[16 + 1];
    guint32 ssrc, rtx_ssrc;            // 0: the m-line was rejected
    guint64 packets, octets;           // of payload, resent ones included
    guint recovered;                   // that came by RTX
    guint duplicates, reordered, lost; // lost: missing by now
    guint frames, key_frames;          // last packets of frames; first packets of key frames
    guint csrc;                        // of the last packet; 0: none yet
    guint32 label;                     // of the last packet: who sent it
    guint32 counter;                   // of the last packet: how many that source had sent before
    guint switches;                    // changes of csrc
    guint32 switch_timestamp;          // first RTP timestamp after the last of them
    guint32 timestamp;                 // the last one
    guint16 sequence;                  // the newest
    gint64 heard_us;                   // when the last packet came (g_get_monotonic_time)
    gint64 longest_gap_us;             // between two packets
    gint64 longest_delay_us;           // from its sender to our kernel
    guint reports;                     // sender reports
    guint32 report_timestamp;
    guint64 report_ntp;
    guint asked;     // NACKed sequence numbers
    guint key_asked; // PLIs
    // What must never happen; 0 in a healthy room.
    guint bad_payloads;   // not what a native peer sends
    guint bad_names;      // one csrc with two labels
    guint bad_entries;    // a new csrc that does not begin with a key frame
    guint bad_pictures;   // picture ids that do not go on
    guint bad_timestamps; // going back while sequence numbers go on
    guint bad_extensions; // mid of another m-line
};
// Of either kind, in the order of the offer; NULL: not so many.
const NativeSlot *native_peer_audio_slot(const NativePeer *peer, guint index);
const NativeSlot *native_peer_video_slot(const NativePeer *peer, guint index);
// All of the bad_ counters over all slots.
guint native_peer_faults(const NativePeer *peer);
// How many of the bad payloads came under this number: somebody who is no native peer sends what
// cannot be read, and that is no fault.
guint native_peer_unreadable(const NativePeer *peer, guint32 csrc);

// --- what the room said of what we send ----------------------------------------------------------
typedef struct {
    guint64 audio_packets, video_packets; // sent, RTX excluded
    guint32 audio_ssrc, video_ssrc;
    guint key_frames; // sent
    guint plis;       // heard: PLI and FIR
    guint nacked, resent;
    guint reports;        // report blocks about us
    guint8 fraction_lost; // of the last one about the video
    gint64 rtt_us;        // -1: unknown
    guint twcc_feedbacks, twcc_received, twcc_lost;
    guint stun_answers; // consent that was given
    guint forged;       // packets that could not be unprotected
    guint64 overflowed; // datagrams that our own socket had no room for
} NativeCounts;
const NativeCounts *native_peer_counts(const NativePeer *peer);

// --- by hand -------------------------------------------------------------------------------------
void native_peer_request_key_frame(NativePeer *peer, guint video_slot); // PLI
// Asks again for a packet that has been received, as a test of RTX.
void native_peer_request_again(NativePeer *peer, guint video_slot, guint16 sequence); // NACK
// Raw bytes to the room, from this peer's socket: hostile tests.
void native_peer_inject(NativePeer *peer, const guint8 *data, gsize length);
// Moves to another local port without a word: what a changed network looks like.
void native_peer_rebind(NativePeer *peer);
