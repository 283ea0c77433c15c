// SPDX-License-Identifier: MIT
// RTP packets (RFC 3550 section 5) and their header extensions (RFC 8285, one-byte and two-byte
// form): a view of received bytes, and a builder that writes a header anew for each receiver.
//
// Nothing here allocates or copies payload: a view points into the caller's buffer and lives as
// long as that. All numbers are in host order. Pure functions, any thread.
#pragma once
#include <glib.h>

#define RTP_HEADER_MIN 12
#define RTP_CSRC_MAX 15
#define RTP_EXTENSIONS_MAX 8 // that rtp_header_build writes
#define RTP_HEADER_MAX 256   // enough for whatever rtp_header_build writes with <= 16 bytes each

// One received packet in plain (unprotected).
typedef struct {
    const guint8 *data; // borrowed
    guint16 length;     // of all of it
    guint8 payload_type, n_csrc;
    gboolean marker;
    guint16 sequence;
    guint32 timestamp, ssrc;
    const guint8 *csrc;        // n_csrc numbers of 4 bytes, network order; see rtp_csrc
    const guint8 *extension;   // the extension's data behind its 4 bytes; NULL: none
    guint16 extension_profile; // 0xBEDE or 0x1000 to 0x100F are RFC 8285
    guint16 extension_length;  // bytes
    const guint8 *payload;
    guint16 payload_length; // without padding; 0 is legal (probing)
    guint8 padding_length;
} RtpPacket;

// FALSE: not a whole RTP packet (version, CSRCs, extension or padding reach beyond length). *packet
// is written only on success.
gboolean rtp_parse(RtpPacket *packet, const guint8 *data, gsize length);
// The same of a packet that is still protected: padding cannot be known and counts as payload.
gboolean rtp_parse_protected(RtpPacket *packet, const guint8 *data, gsize length);
guint32 rtp_csrc(const RtpPacket *packet, guint index); // index < n_csrc

// The element `id` (1 to 14, or to 255 in two-byte form) of RFC 8285; the first one where there are
// several. NULL: absent, id is 0, or the block is malformed before it. *ret_length may be 0 in
// two-byte form.
const guint8 *rtp_extension(const RtpPacket *packet, guint8 id, guint8 *ret_length);

// One element to be written; id 0 (not negotiated) is left out. length 1 to 16, data is copied.
typedef struct {
    guint8 id, length;
    const guint8 *data;
} RtpExtension;

typedef struct {
    guint8 payload_type; // < 128
    guint8 n_csrc, n_extensions;
    gboolean marker;
    gboolean padding; // the P bit: the caller appends the padding itself
    guint16 sequence;
    guint32 timestamp, ssrc;
    const guint32 *csrc; // host order
    const RtpExtension *extensions;
} RtpHeader;

// Writes the header to out, which has room for RTP_HEADER_MAX bytes; returns its length. One-byte
// form if all ids are <= 14, else two-byte form (needs a=extmap-allow-mixed).
gsize rtp_header_build(guint8 *out, const RtpHeader *header);

// Sequence numbers and timestamps wrap (RFC 1982): how far `a` is after `b`, negative if before.
static inline gint16 rtp_sequence_after(guint16 a, guint16 b)
{
    return (gint16)(guint16)(a - b);
}
static inline gint32 rtp_timestamp_after(guint32 a, guint32 b)
{
    return (gint32)(a - b);
}

// The audio level (RFC 6464) in -dBov: 0 loudest, 127 silence; 127 where the element is malformed.
guint8 rtp_audio_level(const guint8 *element, guint8 length, gboolean *ret_voice);
// abs-send-time: 24 bits, 6.18 fixed point seconds, of any clock in microseconds; three bytes.
void rtp_write_abs_send_time(guint8 out[3], gint64 now_us);

static inline guint16 rtp_get16(const guint8 *at)
{
    return (guint16)(at[0] << 8 | at[1]);
}
static inline guint32 rtp_get32(const guint8 *at)
{
    return (guint32)at[0] << 24 | (guint32)at[1] << 16 | (guint32)at[2] << 8 | at[3];
}
static inline void rtp_put16(guint8 *at, guint16 value)
{
    at[0] = (guint8)(value >> 8);
    at[1] = (guint8)value;
}
static inline void rtp_put32(guint8 *at, guint32 value)
{
    rtp_put16(at, (guint16)(value >> 16));
    rtp_put16(at + 2, (guint16)value);
}
