// SPDX-License-Identifier: MIT
// One slot: an RTP stream of ours that carries one source after another without its receiver being
// able to tell by numbers. Pure: packets and switch requests in, rewritten numbers out.
//
// The rules (the design's, each because a browser misbehaves otherwise): the old source stays until
// the first packet of the new one's key frame, and nothing of the new one goes before it; sequence
// numbers go on by one at a switch and never back; late packets of before the switch are dropped;
// timestamps are a linear function of the server's clock at each switch, and keep the source's own
// steps in between; VP8 picture ids and TL0PICIDX stay continuous.
//
// Between two switches everything is an offset to the source's numbers, so a packet can be
// rewritten again, for RTX, from the source's alone: nothing need be remembered per receiver.
#pragma once
#include "media-worker/vp8.h"

typedef struct {
    guint64 index; // the source's sequence number, unwrapped, from 2^16; a jump of
                   // SLOT_JUMP or more starts a new stretch
    guint32 timestamp;
    gint64 server_us;         // when it was sent, on the server's clock
    gboolean entry;           // a slot may begin here: any audio, the first packet of a key frame
    const Vp8Descriptor *vp8; // NULL: has none
} SlotPacket;

#define SLOT_JUMP 16384

typedef struct {
    guint16 sequence;
    guint32 timestamp;
    Vp8Numbers numbers; // if the packet has a descriptor
} SlotHeader;

// What names a source; only compared. NULL: none.
typedef const void *SlotSource;

// Plain data, 128 bytes.
typedef struct {
    SlotSource current, pending;
    gboolean started;   // something has been sent
    guint32 clock_rate; // Hz
    // The current stretch, from its first packet on.
    guint64 first_index, newest_index; // the source's
    guint64 sequence_offset;           // ours - the source's, unwrapped
    guint32 timestamp_offset;
    guint8 tl0picidx_offset;
    guint16 picture_in, picture_out; // the newest, the source's and ours
    guint8 tl0picidx_out;            // the newest, ours
    // The slot's own numbers.
    guint64 next_sequence;        // unwrapped
    gint64 newest_ticks;          // timestamp, unwrapped
    gint64 clock_us, clock_ticks; // a point of the linear function
} Slot;

typedef struct {
    guint32 clock_rate;
    guint16 first_sequence;
    guint32 first_timestamp; // at now_us
    guint16 first_picture;   // random: 15 bits
    gint64 now_us;           // server's clock
} SlotSettings;
void slot_init(Slot *slot, const SlotSettings *settings);

// The slot shall carry `source`, from its next entry on; NULL: nothing, at once. The source that it
// carries already: no more switch is pending. Returns TRUE if a key frame is needed for that.
gboolean slot_request(Slot *slot, SlotSource source);
// The source is gone. TRUE: it was the current one, the slot is empty now.
gboolean slot_forget(Slot *slot, SlotSource source);

typedef enum {
    SLOT_DROP,     // not this slot's, or too early or too late
    SLOT_FORWARD,  // goes on
    SLOT_SWITCHED, // the first packet of a new stretch
} SlotVerdict;
// What becomes of a packet of `source`. *ret_header is written unless it is dropped.
SlotVerdict slot_take(Slot *slot, SlotSource source, const SlotPacket *packet,
                      SlotHeader *ret_header);

// For RTX. Which packet of the current source went out as `sequence`; FALSE: none of this stretch.
gboolean slot_source_index(const Slot *slot, guint16 sequence, guint64 *ret_index);
// The numbers of a packet of the current stretch, as slot_take gave them.
void slot_header(const Slot *slot, const SlotPacket *packet, SlotHeader *ret_header);
// A timestamp of the current source on the slot's clock: for sender reports.
static inline guint32 slot_timestamp(const Slot *slot, guint32 source_timestamp)
{
    return source_timestamp + slot->timestamp_offset;
}
