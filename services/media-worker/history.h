// SPDX-License-Identifier: MIT
// What a slot has sent lately, to answer NACKs. Payload is not copied: an entry holds a reference
// to the source's buffer, shared by all receivers, and the few rewritten fields from which the
// packet can be built again for RTX (RFC 4588): 40 bytes an entry. A peer without RTX must get the
// identical protected bytes again (srtp.h), so its history keeps copies of those, in one ring of
// bytes.
//
// Bounded by packets (and bytes) at creation; nothing allocates afterwards. One thread.
#pragma once
#include <glib.h>

#define HISTORY_PREFIX_MAX 6 // a VP8 descriptor

typedef struct {
    gpointer reference;    // keeps payload alive; given back by the release function
    const guint8 *payload; // behind the prefix's original
    guint32 timestamp, csrc;
    guint16 sequence, payload_length;
    guint8 prefix[HISTORY_PREFIX_MAX], prefix_length;
    guint8 marker : 1, used : 1;
    guint32 sent_ms; // when it was last sent; set by history_put and history_resend
} HistoryPacket;

typedef void (*HistoryRelease)(gpointer reference);
typedef struct History History;

// capacity: packets, a power of two (512 at 100 packets/s: five seconds). release may be NULL.
History *history_new(guint capacity, HistoryRelease release);
// The same for protected packets: copies, at most `bytes` of them in all.
History *history_new_copies(guint capacity, gsize bytes);
void history_free(History *history); // releases all
G_DEFINE_AUTOPTR_CLEANUP_FUNC(History, history_free)
void history_clear(History *history);

// Notes a packet; takes over packet->reference. The entry `capacity` numbers before falls out.
void history_put(History *history, const HistoryPacket *packet, gint64 now_us);
// Copies a protected packet (payload = all of its bytes, prefix unused).
void history_put_copy(History *history, guint16 sequence, const guint8 *packet, gsize length,
                      gint64 now_us);
// The packet `sequence` for sending it again, NULL if it is gone, or was sent less than `again_us`
// (the round trip) ago. Borrowed until the next put.
const HistoryPacket *history_resend(History *history, guint16 sequence, gint64 now_us,
                                    gint64 again_us);
// The packet `sequence`, NULL if it is gone. Borrowed until the next put.
const HistoryPacket *history_peek(History *history, guint16 sequence);
