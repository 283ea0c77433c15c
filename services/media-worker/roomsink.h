// SPDX-License-Identifier: MIT
// roomsink: everything that a room sends, as a GStreamer element. One sink pad per source
// ("sink_<peer>_<index>", on request), and behind it the fan-out to all slots that carry that
// source (forward.h). Packets leave when the streaming thread flushes, once per read.
//
// Its pads take packets on the streaming thread only. Buffers are system memory; their payload is
// referred to, not copied, as long as a receiver may ask for it again.
#pragma once
#include "media-worker/streaming.h"
#include <gst/gst.h>

GType room_sink_get_type(void);
// Floating. Borrows streaming, which outlives it.
GstElement *room_sink_new(Streaming *streaming);
