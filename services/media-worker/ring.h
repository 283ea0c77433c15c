// SPDX-License-Identifier: MIT
// A bounded queue of pointers between exactly two threads: one pushes, the other pops, neither ever
// waits. The waker (an eventfd) makes the popping side look.
//
// The hard thing is a full ring, which means that the other thread has been away for a while. What
// may be lost (a datagram) is refused by ring_push; what may not (a slot's news) goes by ring_keep
// into a list of the pushing side, as long as it must, and follows in order.
#pragma once
#include <glib.h>

typedef struct Ring Ring;
// capacity: pointers, a power of two. free_item: for what is still inside when the ring goes.
Ring *ring_new(guint capacity, GDestroyNotify free_item, GError **error);
void ring_free(Ring *ring); // no thread uses it any more
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ring, ring_free)

// --- the pushing thread --------------------------------------------------------------------------
// FALSE: half of the room is taken; the item stays the caller's.
gboolean ring_push(Ring *ring, gpointer item);
// Never refuses. Items that did not fit follow with the next call here or of ring_flush.
void ring_keep(Ring *ring, gpointer item);
void ring_flush(Ring *ring);
void ring_wake(Ring *ring); // once after some items; cheap when the other side is already told

// --- the popping thread --------------------------------------------------------------------------
int ring_fd(const Ring *ring); // readable when woken
gboolean ring_is_empty(const Ring *ring);
gpointer ring_pop(Ring *ring); // NULL: empty
void ring_slept(Ring *ring);   // takes the wake-up back, before popping
