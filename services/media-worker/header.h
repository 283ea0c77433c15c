// SPDX-License-Identifier: MIT
// The RTP header of what one slot sends: made once for its receiver (payload type, SSRC, extension
// ids are that receiver's own), then only numbers are written into it, packet by packet. Nothing of
// the sender's header is taken over. Pure.
#pragma once
#include "media-worker/media.h"

#define HEADER_MAX 64 // bytes: a CSRC, and mid, transport-cc, abs-send-time, level in either form

typedef struct {
    guint8 bytes[HEADER_MAX];
    guint8 length;
    guint8 payload_type;
    // Where the elements' values are; 0: not negotiated.
    guint8 at_transport_cc, at_send_time, at_level;
    guint8 level_element[2]; // the bytes in front of the level's value, to be put back
} Header;

// resent: as an RTX packet (RFC 4588), with its SSRC and payload type.
void header_init(Header *header, const MediaSlot *slot, const MediaExtensions *extensions,
                 gboolean resent);

#define HEADER_NO_LEVEL 0xFF
typedef struct {
    gboolean marker;
    guint16 sequence, transport_cc;
    guint32 timestamp, csrc;
    guint8 send_time[3];
    guint8 level; // RFC 6464's byte; HEADER_NO_LEVEL: the element is left out
} HeaderNumbers;
void header_write(Header *header, const HeaderNumbers *numbers);
