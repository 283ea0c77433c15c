// SPDX-License-Identifier: MIT
// roomsrc: everything that a room receives, as a GStreamer element. One src pad per source
// ("src_<peer>_<index>"), added when that source is first heard; one GstBufferList of RTP packets
// per source and read. Its task is the room's streaming thread.
//
// A buffer is the memory that the datagram was read into, from a pool. PTS is the running time of
// arrival; offset is when the packet was sent, on the server's clock in microseconds; DISCONT: the
// source's numbers start anew. What downstream makes of a packet (errors too) is not roomsrc's
// concern: one branch never stops the others.
#pragma once
#include "media-worker/streaming.h"
#include <gst/gst.h>

GType room_src_get_type(void);
// Floating. Borrows streaming, which outlives it.
GstElement *room_src_new(Streaming *streaming);
