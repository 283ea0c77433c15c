// SPDX-License-Identifier: MIT
// See rtcp.h. A packet's body begins with the sender's SSRC (all but SDES and BYE, which may have
// no source at all); offsets below count from there.
#include "media-worker/rtcp.h"
#include "media-worker/rtp.h"
#include <string.h>

#define HEADER 4
#define SENDER_INFO 20
#define REPORT 24
#define REPORTS_MAX 31
#define SDES_CNAME 1
#define REMB 0x52454D42                               // "REMB"
#define NTP_UNIX_EPOCH G_GUINT64_CONSTANT(2208988800) // 1970 in seconds since 1900

// --- reading -------------------------------------------------------------------------------------
// Bytes of the packet at the head, 0 if it is none.
static gsize packet_length(const guint8 *data, gsize left)
{
    if (left < HEADER || data[0] >> 6 != 2)
        return 0;
    gsize length = 4 * ((gsize)rtp_get16(data + 2) + 1);
    return length <= left ? length : 0;
}

// RFC 3550 wants multiples of four; libwebrtc pads its transport-wide feedback by one to three.
static gboolean is_padding_sound(const guint8 *data, gsize length, gsize left)
{
    if (!(data[0] & 0x20))
        return TRUE;
    guint8 padding = data[length - 1];
    return length == left && padding != 0 && padding <= length - HEADER;
}

gboolean rtcp_reader_init(RtcpReader *reader, const guint8 *data, gsize length)
{
    *reader = (RtcpReader){.data = data, .left = length};
    while (length > 0) {
        gsize packet = packet_length(data, length);
        if (packet == 0 || !is_padding_sound(data, packet, length)) {
            reader->left = 0;
            return FALSE;
        }
        data += packet;
        length -= packet;
    }
    return reader->left > 0;
}

gboolean rtcp_next(RtcpReader *reader, RtcpPacket *ret_packet)
{
    const guint8 *data = reader->data;
    gsize length = packet_length(data, reader->left);
    if (length == 0)
        return FALSE;
    gsize padding = data[0] & 0x20 ? data[length - 1] : 0;
    *ret_packet = (RtcpPacket){.type = data[1],
                               .count = data[0] & 0x1F,
                               .body = data + HEADER,
                               .length = (guint16)MIN(length - HEADER - padding, G_MAXUINT16)};
    if (ret_packet->length >= 4)
        ret_packet->sender = rtp_get32(ret_packet->body);
    reader->data += length;
    reader->left -= length;
    return TRUE;
}

gboolean rtcp_sender_info(const RtcpPacket *packet, RtcpSenderInfo *ret_info)
{
    if (packet->type != RTCP_SR || packet->length < 4 + SENDER_INFO)
        return FALSE;
    const guint8 *at = packet->body + 4;
    *ret_info = (RtcpSenderInfo){.ntp = (guint64)rtp_get32(at) << 32 | rtp_get32(at + 4),
                                 .rtp_timestamp = rtp_get32(at + 8),
                                 .packets = rtp_get32(at + 12),
                                 .octets = rtp_get32(at + 16)};
    return TRUE;
}

gboolean rtcp_report(const RtcpPacket *packet, guint index, RtcpReport *ret_report)
{
    gsize offset = packet->type == RTCP_SR ? 4 + SENDER_INFO : 4;
    if ((packet->type != RTCP_SR && packet->type != RTCP_RR) || index >= packet->count ||
        offset + (index + 1) * REPORT > packet->length)
        return FALSE;
    const guint8 *at = packet->body + offset + index * REPORT;
    guint32 lost = rtp_get32(at + 4);
    gint32 cumulative = (gint32)(lost & 0xFFFFFF);
    *ret_report =
        (RtcpReport){.ssrc = rtp_get32(at),
                     .fraction_lost = (guint8)(lost >> 24),
                     .cumulative_lost = cumulative > 0x7FFFFF ? cumulative - 0x1000000 : cumulative,
                     .highest_sequence = rtp_get32(at + 8),
                     .jitter = rtp_get32(at + 12),
                     .last_sr = rtp_get32(at + 16),
                     .delay_since_last_sr = rtp_get32(at + 20)};
    return TRUE;
}

gboolean rtcp_bye(const RtcpPacket *packet, guint index, guint32 *ret_ssrc)
{
    if (packet->type != RTCP_BYE || index >= packet->count || 4 * (index + 1) > packet->length)
        return FALSE;
    *ret_ssrc = rtp_get32(packet->body + 4 * (gsize)index);
    return TRUE;
}

// Reads the items of a chunk from `at` on (behind its SSRC); returns where the next chunk begins,
// NULL if it does not end in the packet.
static const guint8 *read_chunk(const RtcpPacket *packet, const guint8 *at, RtcpCname *cname)
{
    const guint8 *end = packet->body + packet->length;
    while (at < end && *at != 0) {
        if (end - at < 2 || at[1] > end - at - 2)
            return NULL;
        if (at[0] == SDES_CNAME) {
            cname->text = (const char *)at + 2;
            cname->length = at[1];
        }
        at += 2 + at[1];
    }
    gsize used = (gsize)(at - packet->body) + 1; // items end in one to four zeros
    return at < end ? packet->body + (used + 3) / 4 * 4 : NULL;
}

gboolean rtcp_cname(const RtcpPacket *packet, guint index, RtcpCname *ret_cname)
{
    const guint8 *at = packet->body, *end = packet->body + packet->length;
    if (packet->type != RTCP_SDES || index >= packet->count)
        return FALSE;
    for (guint chunk = 0; at != NULL && end - at >= 4; chunk++) {
        RtcpCname cname = {.ssrc = rtp_get32(at)};
        at = read_chunk(packet, at + 4, &cname);
        if (chunk < index)
            continue;
        if (at != NULL && cname.text != NULL)
            *ret_cname = cname;
        return at != NULL && cname.text != NULL;
    }
    return FALSE;
}

static gboolean is_feedback(const RtcpPacket *packet, guint8 type, guint8 format,
                            guint32 *ret_media)
{
    if (packet->type != type || packet->count != format || packet->length < 8)
        return FALSE;
    *ret_media = rtp_get32(packet->body + 4);
    return TRUE;
}

gboolean rtcp_is_nack(const RtcpPacket *packet, guint32 *ret_media)
{
    return is_feedback(packet, RTCP_TRANSPORT_FEEDBACK, RTCP_TRANSPORT_NACK, ret_media);
}

gboolean rtcp_is_pli(const RtcpPacket *packet, guint32 *ret_media)
{
    return is_feedback(packet, RTCP_PAYLOAD_FEEDBACK, RTCP_PAYLOAD_PLI, ret_media);
}

gboolean rtcp_is_twcc(const RtcpPacket *packet, guint32 *ret_media)
{
    return is_feedback(packet, RTCP_TRANSPORT_FEEDBACK, RTCP_TRANSPORT_TWCC, ret_media);
}

// An entry is a sequence number and a mask of the 16 that follow it (RFC 4585 section 6.2.1).
guint rtcp_nack_sequences(const RtcpPacket *packet, guint16 *sequences, guint max)
{
    guint count = 0;
    guint32 media;
    if (!rtcp_is_nack(packet, &media))
        return 0;
    for (gsize offset = 8; offset + 4 <= packet->length; offset += 4) {
        guint16 first = rtp_get16(packet->body + offset);
        guint32 mask = (guint32)rtp_get16(packet->body + offset + 2) << 1 | 1;
        for (guint i = 0; i <= 16 && count < max; i++)
            if (mask & 1U << i)
                sequences[count++] = (guint16)(first + i);
    }
    return count;
}

gboolean rtcp_fir(const RtcpPacket *packet, guint index, guint32 *ret_ssrc, guint8 *ret_number)
{
    guint32 media;
    gsize offset = 8 + 8 * (gsize)index;
    if (!is_feedback(packet, RTCP_PAYLOAD_FEEDBACK, RTCP_PAYLOAD_FIR, &media) ||
        offset + 8 > packet->length)
        return FALSE;
    *ret_ssrc = rtp_get32(packet->body + offset);
    *ret_number = packet->body[offset + 4];
    return TRUE;
}

gboolean rtcp_remb(const RtcpPacket *packet, guint64 *ret_bits_per_s)
{
    guint32 media;
    if (!is_feedback(packet, RTCP_PAYLOAD_FEEDBACK, RTCP_PAYLOAD_AFB, &media) ||
        packet->length < 16 || rtp_get32(packet->body + 8) != REMB)
        return FALSE;
    guint32 value = rtp_get32(packet->body + 12) & 0xFFFFFF;
    guint shift = value >> 18;
    guint64 mantissa = value & 0x3FFFF;
    *ret_bits_per_s = shift > 45 ? G_MAXUINT64 >> 1 : mantissa << shift;
    return TRUE;
}

// --- writing -------------------------------------------------------------------------------------
// Takes room for a packet with `length` bytes of body (a multiple of 4), zeroed; NULL: does not
// fit.
static guint8 *append(RtcpWriter *writer, guint8 type, guint8 count, gsize length)
{
    g_assert(length % 4 == 0 && count <= REPORTS_MAX);
    if (writer->size - writer->length < HEADER + length)
        return NULL;
    guint8 *at = writer->data + writer->length;
    at[0] = 0x80 | count;
    at[1] = type;
    rtp_put16(at + 2, (guint16)(length / 4));
    memset(at + HEADER, 0, length);
    writer->length += HEADER + length;
    return at + HEADER;
}

static void put_reports(guint8 *at, const RtcpReport *reports, guint n_reports)
{
    for (guint i = 0; i < n_reports; i++, at += REPORT) {
        rtp_put32(at, reports[i].ssrc);
        rtp_put32(at + 4, (guint32)reports[i].fraction_lost << 24 |
                              ((guint32)reports[i].cumulative_lost & 0xFFFFFF));
        rtp_put32(at + 8, reports[i].highest_sequence);
        rtp_put32(at + 12, reports[i].jitter);
        rtp_put32(at + 16, reports[i].last_sr);
        rtp_put32(at + 20, reports[i].delay_since_last_sr);
    }
}

gboolean rtcp_write_sr(RtcpWriter *writer, guint32 ssrc, const RtcpSenderInfo *info,
                       const RtcpReport *reports, guint n_reports)
{
    guint8 *at =
        append(writer, RTCP_SR, (guint8)n_reports, 4 + SENDER_INFO + n_reports * (gsize)REPORT);
    if (at == NULL)
        return FALSE;
    rtp_put32(at, ssrc);
    rtp_put32(at + 4, (guint32)(info->ntp >> 32));
    rtp_put32(at + 8, (guint32)info->ntp);
    rtp_put32(at + 12, info->rtp_timestamp);
    rtp_put32(at + 16, info->packets);
    rtp_put32(at + 20, info->octets);
    put_reports(at + 4 + SENDER_INFO, reports, n_reports);
    return TRUE;
}

gboolean rtcp_write_rr(RtcpWriter *writer, guint32 ssrc, const RtcpReport *reports, guint n_reports)
{
    guint8 *at = append(writer, RTCP_RR, (guint8)n_reports, 4 + n_reports * (gsize)REPORT);
    if (at == NULL)
        return FALSE;
    rtp_put32(at, ssrc);
    put_reports(at + 4, reports, n_reports);
    return TRUE;
}

gboolean rtcp_write_cname(RtcpWriter *writer, guint32 ssrc, const char *cname)
{
    gsize length = strlen(cname);
    g_assert(length <= G_MAXUINT8);
    guint8 *at = append(writer, RTCP_SDES, 1, (4 + 2 + length + 1 + 3) / 4 * 4);
    if (at == NULL)
        return FALSE;
    rtp_put32(at, ssrc);
    at[4] = SDES_CNAME;
    at[5] = (guint8)length;
    memcpy(at + 6, cname, at[5]);
    return TRUE;
}

gboolean rtcp_write_bye(RtcpWriter *writer, guint32 ssrc)
{
    guint8 *at = append(writer, RTCP_BYE, 1, 4);
    if (at != NULL)
        rtp_put32(at, ssrc);
    return at != NULL;
}

guint8 *rtcp_write_feedback(RtcpWriter *writer, const RtcpFeedback *feedback, gsize length)
{
    guint8 *at = append(writer, feedback->type, feedback->format, 8 + length);
    if (at == NULL)
        return NULL;
    rtp_put32(at, feedback->sender);
    rtp_put32(at + 4, feedback->media);
    return at + 8;
}

// How many sequence numbers from `first` on one NACK entry takes.
static guint nack_run(const guint16 *sequences, guint n_sequences, guint first)
{
    guint next = first + 1;
    while (next < n_sequences && (guint16)(sequences[next] - sequences[first] - 1) < 16)
        next++;
    return next - first;
}

gboolean rtcp_write_nack(RtcpWriter *writer, guint32 sender, guint32 media,
                         const guint16 *sequences, guint n_sequences)
{
    guint entries = 0;
    for (guint i = 0; i < n_sequences; i += nack_run(sequences, n_sequences, i))
        entries++;
    const RtcpFeedback feedback = {RTCP_TRANSPORT_FEEDBACK, RTCP_TRANSPORT_NACK, sender, media};
    guint8 *at = entries > 0 ? rtcp_write_feedback(writer, &feedback, 4 * (gsize)entries) : NULL;
    if (at == NULL)
        return FALSE;
    for (guint i = 0; i < n_sequences; at += 4) {
        guint run = nack_run(sequences, n_sequences, i);
        guint16 mask = 0;
        for (guint k = 1; k < run; k++)
            mask |= (guint16)(1U << (guint16)(sequences[i + k] - sequences[i] - 1));
        rtp_put16(at, sequences[i]);
        rtp_put16(at + 2, mask);
        i += run;
    }
    return TRUE;
}

gboolean rtcp_write_pli(RtcpWriter *writer, guint32 sender, guint32 media)
{
    const RtcpFeedback feedback = {RTCP_PAYLOAD_FEEDBACK, RTCP_PAYLOAD_PLI, sender, media};
    return rtcp_write_feedback(writer, &feedback, 0) != NULL;
}

gboolean rtcp_write_fir(RtcpWriter *writer, guint32 sender, guint32 media, guint8 number)
{
    // The media SSRC of the packet itself is unused and 0 (RFC 5104 section 4.3.1.2).
    const RtcpFeedback feedback = {RTCP_PAYLOAD_FEEDBACK, RTCP_PAYLOAD_FIR, sender, 0};
    guint8 *at = rtcp_write_feedback(writer, &feedback, 8);
    if (at == NULL)
        return FALSE;
    rtp_put32(at, media);
    at[4] = number;
    return TRUE;
}

gboolean rtcp_write_remb(RtcpWriter *writer, guint32 sender, guint64 bits_per_s,
                         const guint32 *ssrcs, guint n_ssrcs)
{
    g_assert(n_ssrcs <= G_MAXUINT8);
    const RtcpFeedback feedback = {RTCP_PAYLOAD_FEEDBACK, RTCP_PAYLOAD_AFB, sender, 0};
    guint8 *at = rtcp_write_feedback(writer, &feedback, 8 + 4 * (gsize)n_ssrcs);
    if (at == NULL)
        return FALSE;
    guint shift = 0;
    while (bits_per_s >> shift > 0x3FFFF)
        shift++;
    rtp_put32(at, REMB);
    rtp_put32(at + 4, n_ssrcs << 24 | shift << 18 | (guint32)(bits_per_s >> shift));
    for (guint i = 0; i < n_ssrcs; i++)
        rtp_put32(at + 8 + 4 * (gsize)i, ssrcs[i]);
    return TRUE;
}

// --- time ----------------------------------------------------------------------------------------
guint64 rtcp_ntp_from_us(gint64 real_us)
{
    guint64 seconds = (guint64)real_us / G_USEC_PER_SEC;
    guint64 fraction = (((guint64)real_us % G_USEC_PER_SEC) << 32) / G_USEC_PER_SEC;
    return (seconds + NTP_UNIX_EPOCH) << 32 | fraction;
}

gint64 rtcp_ntp_to_us(guint64 ntp)
{
    gint64 seconds = (gint64)(ntp >> 32) - (gint64)NTP_UNIX_EPOCH;
    guint64 fraction = (((ntp & 0xFFFFFFFF) * G_USEC_PER_SEC) + (1U << 31)) >> 32;
    return seconds * G_USEC_PER_SEC + (gint64)fraction;
}

gint64 rtcp_round_trip_us(const RtcpReport *report, guint64 now_ntp)
{
    gint32 units =
        (gint32)(rtcp_ntp_middle(now_ntp) - report->last_sr - report->delay_since_last_sr);
    return report->last_sr == 0 || units < 0 ? -1 : (gint64)units * G_USEC_PER_SEC >> 16;
}
