// SPDX-License-Identifier: MIT
// RTCP: a reader that walks a compound packet (RFC 3550 section 6, reduced size RFC 5506) without
// copying, and a writer that appends packets to the caller's buffer. Feedback: RFC 4585 (NACK,
// PLI), RFC 5104 (FIR), REMB (draft-alvestrand-rmcat-remb-03); transport-wide feedback is in
// twcc.h.
//
// The reader trusts nothing: each accessor checks the packet's own length. All numbers are in host
// order. Pure functions, any thread.
#pragma once
#include <glib.h>

typedef enum {
    RTCP_SR = 200,
    RTCP_RR = 201,
    RTCP_SDES = 202,
    RTCP_BYE = 203,
    RTCP_TRANSPORT_FEEDBACK = 205,
    RTCP_PAYLOAD_FEEDBACK = 206,
} RtcpType;
typedef enum { RTCP_TRANSPORT_NACK = 1, RTCP_TRANSPORT_TWCC = 15 } RtcpTransportFormat;
typedef enum {
    RTCP_PAYLOAD_PLI = 1,
    RTCP_PAYLOAD_FIR = 4,
    RTCP_PAYLOAD_AFB = 15
} RtcpPayloadFormat;

// One packet of a compound.
typedef struct {
    guint8 type;        // RtcpType, or another that is to be passed over
    guint8 count;       // report count, source count or feedback format
    guint32 sender;     // SSRC of who speaks; 0 where the packet is too short for one
    const guint8 *body; // behind the 4 bytes of header; borrowed
    guint16 length;     // of body, padding taken off
} RtcpPacket;

typedef struct {
    const guint8 *data;
    gsize left;
} RtcpReader;

// FALSE: not RTCP from end to end (version, lengths that do not add up, padding other than in the
// last). Nothing of a bad compound should be used.
gboolean rtcp_reader_init(RtcpReader *reader, const guint8 *data, gsize length);
gboolean rtcp_next(RtcpReader *reader, RtcpPacket *ret_packet); // FALSE: no more

typedef struct {
    guint64 ntp; // 32.32 seconds since 1900
    guint32 rtp_timestamp, packets, octets;
} RtcpSenderInfo;
typedef struct {
    guint32 ssrc;
    guint8 fraction_lost;   // of 256, since the last report
    gint32 cumulative_lost; // 24 bits, signed
    guint32 highest_sequence, jitter, last_sr, delay_since_last_sr;
} RtcpReport;

gboolean rtcp_sender_info(const RtcpPacket *packet, RtcpSenderInfo *ret_info);
// Report block `index` of an SR or RR; FALSE: there are not so many.
gboolean rtcp_report(const RtcpPacket *packet, guint index, RtcpReport *ret_report);
// BYE: source `index`.
gboolean rtcp_bye(const RtcpPacket *packet, guint index, guint32 *ret_ssrc);
// SDES: the CNAME of chunk `index`; text is not terminated. FALSE: no such chunk or no CNAME in it.
typedef struct {
    guint32 ssrc;
    const char *text;
    guint8 length;
} RtcpCname;
gboolean rtcp_cname(const RtcpPacket *packet, guint index, RtcpCname *ret_cname);

// The media SSRC of NACK, PLI and TWCC; FALSE for anything else.
gboolean rtcp_is_nack(const RtcpPacket *packet, guint32 *ret_media);
gboolean rtcp_is_pli(const RtcpPacket *packet, guint32 *ret_media);
gboolean rtcp_is_twcc(const RtcpPacket *packet, guint32 *ret_media);
// The sequence numbers that a NACK asks for, at most `max`; returns how many.
guint rtcp_nack_sequences(const RtcpPacket *packet, guint16 *sequences, guint max);
// Entry `index` of a FIR: which SSRC shall send a key frame; `number` is repeated in repetitions.
gboolean rtcp_fir(const RtcpPacket *packet, guint index, guint32 *ret_ssrc, guint8 *ret_number);
gboolean rtcp_remb(const RtcpPacket *packet, guint64 *ret_bits_per_s);

// --- writing -------------------------------------------------------------------------------------
// Each function appends a whole packet, or returns FALSE and appends nothing if it does not fit.
typedef struct {
    guint8 *data;
    gsize size, length;
} RtcpWriter;

// report blocks: n <= 31. With n_reports 0 an RR is empty, as a compound's first packet may be.
gboolean rtcp_write_sr(RtcpWriter *writer, guint32 ssrc, const RtcpSenderInfo *info,
                       const RtcpReport *reports, guint n_reports);
gboolean rtcp_write_rr(RtcpWriter *writer, guint32 ssrc, const RtcpReport *reports,
                       guint n_reports);
gboolean rtcp_write_cname(RtcpWriter *writer, guint32 ssrc, const char *cname); // <= 255 bytes
gboolean rtcp_write_bye(RtcpWriter *writer, guint32 ssrc);
// sequences in ascending order (wrapping); those that lie within 16 of another share an entry.
gboolean rtcp_write_nack(RtcpWriter *writer, guint32 sender, guint32 media,
                         const guint16 *sequences, guint n_sequences);
gboolean rtcp_write_pli(RtcpWriter *writer, guint32 sender, guint32 media);
gboolean rtcp_write_fir(RtcpWriter *writer, guint32 sender, guint32 media, guint8 number);
gboolean rtcp_write_remb(RtcpWriter *writer, guint32 sender, guint64 bits_per_s,
                         const guint32 *ssrcs, guint n_ssrcs);
// Room for a feedback packet of `length` bytes of FCI (a multiple of 4); NULL: does not fit. The
// FCI is zeroed. type, format: RFC 4585 section 6.1.
typedef struct {
    guint8 type, format;
    guint32 sender, media;
} RtcpFeedback;
guint8 *rtcp_write_feedback(RtcpWriter *writer, const RtcpFeedback *feedback, gsize length);

// Time: 32.32 NTP of microseconds since 1970 (g_get_real_time), and back; the middle 32 bits are
// what last_sr and round trips are counted in (1/65536 s).
guint64 rtcp_ntp_from_us(gint64 real_us);
gint64 rtcp_ntp_to_us(guint64 ntp);
static inline guint32 rtcp_ntp_middle(guint64 ntp)
{
    return (guint32)(ntp >> 16);
}
// Round trip in microseconds from a report about what we sent; now: 32.32. -1: it holds none
// (last_sr is 0 or lies in the future).
gint64 rtcp_round_trip_us(const RtcpReport *report, guint64 now_ntp);
