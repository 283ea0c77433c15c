// SPDX-License-Identifier: MIT
// The seam between a room process' two threads. Above it (control thread, GLib main loop): bus,
// SDP, DTLS handshakes, who watches whom. Below it (one streaming thread): the UDP socket, ICE
// checks, SRTP, RTP/RTCP, forwarding, the GStreamer graph.
//
// Only messages pass: commands go down through a bounded ring and an eventfd, events come up the
// same way and are handed to the listener on the control thread. Every function here is called on
// the control thread and returns at once; a command that names a peer that is gone is ignored.
// Peers are named by a handle that is never used again.
#pragma once
#include <glib.h>
#include <sys/socket.h>
#include "media-worker/srtp.h"

#define MEDIA_MID_MAX 16 // RFC 8843 mids are short tokens; ours to refuse when longer
#define MEDIA_UFRAG_MAX 32
#define MEDIA_PWD_MAX 64

typedef struct Media Media;
typedef guint32 MediaPeer; // handle, from 1

typedef enum { MEDIA_AUDIO, MEDIA_VIDEO } MediaKind;

// RTP header extension ids as one peer offered them (0: not offered). RFC 8285.
typedef struct {
    guint8 mid, rid, repaired_rid, audio_level, abs_send_time, transport_cc;
} MediaExtensions;

// One stream that the peer may send: a send-only (or sendrecv) m-line of its offer.
typedef struct {
    char mid[MEDIA_MID_MAX + 1];
    MediaKind kind;
    const char *label;       // static: "audio", "video" or "screen"
    guint8 payload_type;     // of the room's codec in this peer's offer
    guint8 rtx_payload_type; // 0: no RTX
    guint32 clock_rate;
    guint32 ssrc,
        rtx_ssrc; // from a=ssrc / a=ssrc-group:FID; 0: learned from mid of authenticated packets
    gboolean has_nack, has_transport_cc;
} MediaSource;

// One slot: a receive m-line of the peer's offer, answered sendonly with an SSRC for life.
typedef struct {
    char mid[MEDIA_MID_MAX + 1];
    MediaKind kind;
    guint8 payload_type,
        rtx_payload_type; // 0: no RTX (identical protected bytes are sent again instead)
    guint32 clock_rate;
    guint32 ssrc, rtx_ssrc;
    guint16 first_sequence; // below 2^15
    guint32 first_timestamp;
} MediaSlot;

typedef struct {
    guint32 number; // of the participant in the room: the CSRC of what it sends
    char local_ufrag[MEDIA_UFRAG_MAX + 1], local_pwd[MEDIA_PWD_MAX + 1];
    char remote_ufrag[256 + 1];
    MediaExtensions extensions;
    guint n_sources, n_slots;
    MediaSource *sources; // array, owned
    MediaSlot *slots;     // array, owned
    char *cname;          // ours towards this peer, owned
} MediaPeerDescription;
void media_peer_description_free(MediaPeerDescription *description);

typedef enum {
    MEDIA_EVENT_DTLS,   // a DTLS datagram from the peer's validated pair: data, length
    MEDIA_EVENT_ICE,    // ice: "checking", "connected", "disconnected" (no consent for 5 s)
    MEDIA_EVENT_SOURCE, // source index started (active) or fell silent for 2 s
    MEDIA_EVENT_SLOT, // slot index carries from now: from_number, from_source (index), from (first
                      // RTP timestamp on the slot's clock); from_number 0: empty
    MEDIA_EVENT_SPEAKERS, // the loudest changed: numbers[3], levels[3] (dBov, 0 = number unused);
                          // at most 5 a second
    MEDIA_EVENT_SILENCE,  // peer: silent = TRUE: neither media nor consent for
                          // LIMIT_MEDIA_SILENT_MS; FALSE: heard again
} MediaEventType;

typedef struct {
    MediaEventType type;
    MediaPeer peer;
    guint8 data[2048];
    gsize length;
    const char *ice;
    guint index; // source or slot
    gboolean active, silent;
    guint32 from_number, from_source, from;
    guint32 numbers[3];
    gint levels[3];
} MediaEvent;

typedef void (*MediaListener)(const MediaEvent *event, gpointer user); // control thread

// Takes over the bound UDP socket(s) (one IPv4, one IPv6 or -1). Starts the streaming thread with
// its pipeline.
Media *media_new(int socket4, int socket6, MediaListener listener, gpointer user, GError **error);
void media_free(Media *media); // stops and joins the thread

// Admits a peer; the description is taken. Its STUN checks are answered from now on.
MediaPeer media_add_peer(Media *media, MediaPeerDescription *description);
void media_remove_peer(Media *media, MediaPeer peer);
// SRTP keys of a finished handshake whose fingerprint was verified; copied. Media flows from now
// on.
void media_set_keys(Media *media, MediaPeer peer, const SrtpKeys *keys);
// Sends handshake bytes to the peer's current pair; copied; at most LIMIT_DATAGRAM.
void media_send_dtls(Media *media, MediaPeer peer, const guint8 *data, gsize length);
// What a video slot is to carry: source index `source` of `of`; of 0: nothing (the slot falls empty
// at once). The switch takes effect at the new source's next key frame (asked for at once) and is
// told by MEDIA_EVENT_SLOT. Audio slots are given by the streaming thread itself: to everybody
// while at most as many microphones are open as there are slots, else to the loudest.
void media_assign_slot(Media *media, MediaPeer peer, guint slot, MediaPeer of, guint source);
// A source is muted by its owner (direction "in"): it holds no audio slot and is not forwarded.
// TRUE: muted.
void media_mute_source(Media *media, MediaPeer peer, guint source, gboolean muted);
