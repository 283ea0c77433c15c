// SPDX-License-Identifier: MIT
// What one incoming SSRC needs on arrival (RFC 3550 appendix A.1, A.3, A.8): is this packet new,
// what is missing and when is it asked for again, loss and jitter for reports, and where on the
// server's clock a timestamp of this source lies.
//
// Times are g_get_monotonic_time microseconds, the "server's clock", given by the caller. A Receive
// is plain data (about 4 KB), nothing allocates. Packets are authenticated, so there is no
// probation. One thread.
#pragma once
#include "media-worker/rtcp.h"

#define RECEIVE_WINDOW 1024     // numbers behind the newest within which a duplicate is known
#define RECEIVE_MISSING_MAX 128 // missing at one time; more is a broken link: ask for a key frame
#define RECEIVE_NACK_TRIES 10
#define RECEIVE_NACK_GIVE_UP_US 1000000

typedef struct {
    guint16 sequence;
    guint8 tries;
    gint64 since_us, due_us;
} ReceiveMissing;

typedef struct {
    guint32 ssrc, clock_rate;
    gboolean started, wants_nack;
    guint64 first, newest; // unwrapped sequence numbers, from 2^16
    guint64 seen[RECEIVE_WINDOW / 64];
    guint16 bad_sequence; // RFC 3550 A.1: a jump is believed when its successor comes
    gboolean has_bad_sequence;
    guint64 received, received_before, expected_before; // for reports
    guint32 transit;                                    // A.8
    guint32 jitter_x16;
    guint n_missing;
    ReceiveMissing missing[RECEIVE_MISSING_MAX]; // ascending
    gboolean given_up;
    gint64 rtt_us;
    gboolean has_report;
    RtcpSenderInfo report;  // the source's last sender report
    gint64 report_us;       // when it came
    guint32 base_timestamp; // the clock before the first report: this timestamp is
    gint64 base_us;         // this moment, by the arrival with the least delay
} Receive;

// wants_nack: the source answers NACKs. clock_rate: Hz, of the RTP timestamps.
void receive_init(Receive *receive, guint32 ssrc, guint32 clock_rate, gboolean wants_nack);

typedef enum {
    RECEIVE_NEXT,      // newer than all before
    RECEIVE_LATE,      // fills a hole: reordered, or resent
    RECEIVE_DUPLICATE, // had it: drop
    RECEIVE_OLD,       // behind the window, or a jump that its successor has not confirmed: drop
    RECEIVE_RESTART,   // the numbering has jumped: everything counts anew from here
} ReceiveResult;
// resent: unwrapped from RTX (does not count for jitter).
typedef struct {
    guint16 sequence;
    guint32 timestamp;
    gint64 now_us;
    gboolean resent;
} ReceiveArrival;
ReceiveResult receive_packet(Receive *receive, const ReceiveArrival *arrival);

// --- asking again --------------------------------------------------------------------------------
void receive_set_rtt(Receive *receive, gint64 rtt_us); // to the source; 100 ms before it is known
// The numbers to ask for now, ascending; counts each as a try. Returns how many.
guint receive_nacks(Receive *receive, gint64 now_us, guint16 *sequences, guint max);
// When receive_nacks has something next; G_MAXINT64: nothing is missing.
gint64 receive_nacks_due_us(const Receive *receive);
// A key frame began at `sequence`: what is missing before it is not needed.
void receive_key_frame(Receive *receive, guint16 sequence);
// TRUE once after missing packets were given up (too old, too many tries, too many at once): the
// decoder needs a key frame.
gboolean receive_take_given_up(Receive *receive);

// --- reports and clocks --------------------------------------------------------------------------
// The report block about this source since the last call (RFC 3550 A.3). FALSE: nothing arrived
// yet.
gboolean receive_report(Receive *receive, gint64 now_us, RtcpReport *ret_report);

// One per peer: its NTP clock against ours, from the sender reports of all of its SSRCs, so that
// audio and video of one person stay in step.
typedef struct {
    gboolean known;
    gint64 offset_us; // server's clock - peer's NTP clock (as microseconds since 1970)
    gint64 since_us;
} ReceiveClock;
void receive_sender_report(Receive *receive, ReceiveClock *clock, const RtcpSenderInfo *info,
                           gint64 now_us);
// When on the server's clock the media of this timestamp was sent (before the first sender report:
// by the arrival with the least delay). receive must have had a packet.
gint64 receive_server_us(const Receive *receive, const ReceiveClock *clock, guint32 timestamp);

// --- RTX (RFC 4588) ------------------------------------------------------------------------------
// Turns a plain RTX packet into the original, in place: returns its first byte (two behind
// `packet`) and shortens *length by two. NULL: no original inside (probing, or malformed); packet
// unchanged.
typedef struct {
    guint32 ssrc; // the original's
    guint8 payload_type;
} ReceiveOriginal;
guint8 *receive_unwrap_rtx(guint8 *packet, gsize *length, ReceiveOriginal original);
