// SPDX-License-Identifier: MIT
// See rtp.h. The parser checks each length before it reads; the one case that is easy to get wrong
// is padding, whose length is the packet's last byte and must not reach into the header.
#include "media-worker/rtp.h"
#include <string.h>

#define ONE_BYTE_PROFILE 0xBEDE
#define TWO_BYTE_PROFILE 0x1000 // the low four bits are "appbits"

// Offset of the payload, 0 if the header reaches beyond length.
static gsize parse_header(RtpPacket *packet, const guint8 *data, gsize length)
{
    if (length < RTP_HEADER_MIN || length > G_MAXUINT16 || data[0] >> 6 != 2)
        return 0;
    gsize offset = RTP_HEADER_MIN + 4 * (data[0] & 0x0F);
    *packet = (RtpPacket){.data = data,
                          .length = (guint16)length,
                          .payload_type = data[1] & 0x7F,
                          .n_csrc = data[0] & 0x0F,
                          .marker = data[1] >> 7,
                          .sequence = rtp_get16(data + 2),
                          .timestamp = rtp_get32(data + 4),
                          .ssrc = rtp_get32(data + 8),
                          .csrc = data + RTP_HEADER_MIN};
    if (!(data[0] & 0x10))
        return offset <= length ? offset : 0;
    if (offset + 4 > length)
        return 0;
    packet->extension_profile = rtp_get16(data + offset);
    packet->extension_length = (guint16)(4 * rtp_get16(data + offset + 2));
    packet->extension = data + offset + 4;
    offset += 4 + 4 * (gsize)rtp_get16(data + offset + 2);
    return offset <= length ? offset : 0;
}

gboolean rtp_parse_protected(RtpPacket *packet, const guint8 *data, gsize length)
{
    RtpPacket parsed;
    gsize offset = parse_header(&parsed, data, length);
    if (offset == 0)
        return FALSE;
    parsed.payload = data + offset;
    parsed.payload_length = (guint16)(length - offset);
    *packet = parsed;
    return TRUE;
}

gboolean rtp_parse(RtpPacket *packet, const guint8 *data, gsize length)
{
    RtpPacket parsed;
    if (!rtp_parse_protected(&parsed, data, length))
        return FALSE;
    if (data[0] & 0x20) {
        guint8 padding = data[length - 1];
        if (padding == 0 || padding > parsed.payload_length)
            return FALSE;
        parsed.padding_length = padding;
        parsed.payload_length -= padding;
    }
    *packet = parsed;
    return TRUE;
}

guint32 rtp_csrc(const RtpPacket *packet, guint index)
{
    g_assert(index < packet->n_csrc);
    return rtp_get32(packet->csrc + 4 * (gsize)index);
}

// Elements of `id << 4 | length - 1`; id 0 is one byte of padding, 15 ends the block (section 4.2).
static const guint8 *find_one_byte(const RtpPacket *packet, guint8 id, guint8 *ret_length)
{
    const guint8 *at = packet->extension, *end = at + packet->extension_length;
    while (at < end && at[0] >> 4 != 15) {
        if (at[0] == 0) {
            at++;
            continue;
        }
        gsize length = (at[0] & 0x0F) + 1;
        if (length > (gsize)(end - at - 1))
            return NULL;
        if (at[0] >> 4 == id) {
            *ret_length = (guint8)length;
            return at + 1;
        }
        at += 1 + length;
    }
    return NULL;
}

// Elements of id, length; id 0 is one byte of padding (section 4.3).
static const guint8 *find_two_byte(const RtpPacket *packet, guint8 id, guint8 *ret_length)
{
    const guint8 *at = packet->extension, *end = at + packet->extension_length;
    while (at < end) {
        if (at[0] == 0) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] > end - at - 2)
            return NULL;
        if (at[0] == id) {
            *ret_length = at[1];
            return at + 2;
        }
        at += 2 + at[1];
    }
    return NULL;
}

const guint8 *rtp_extension(const RtpPacket *packet, guint8 id, guint8 *ret_length)
{
    if (packet->extension == NULL || id == 0)
        return NULL;
    if (packet->extension_profile == ONE_BYTE_PROFILE)
        return id < 15 ? find_one_byte(packet, id, ret_length) : NULL;
    if ((packet->extension_profile & 0xFFF0) == TWO_BYTE_PROFILE)
        return find_two_byte(packet, id, ret_length);
    return NULL;
}

static gboolean fits_one_byte(const RtpHeader *header)
{
    for (guint i = 0; i < header->n_extensions; i++)
        if (header->extensions[i].id > 14)
            return FALSE;
    return TRUE;
}

// Writes the extension block at `at`; returns where it ends: `at` itself if there is no element.
static guint8 *write_extensions(guint8 *at, const RtpHeader *header)
{
    gboolean short_form = fits_one_byte(header);
    guint8 *element = at + 4;
    for (guint i = 0; i < header->n_extensions; i++) {
        const RtpExtension *extension = &header->extensions[i];
        if (extension->id == 0)
            continue;
        g_assert(extension->length >= 1 && extension->length <= 16);
        if (short_form) {
            *element++ = (guint8)(extension->id << 4 | (extension->length - 1));
        } else {
            *element++ = extension->id;
            *element++ = extension->length;
        }
        memcpy(element, extension->data, extension->length);
        element += extension->length;
    }
    if (element == at + 4)
        return at;
    while ((element - at) % 4 != 0)
        *element++ = 0;
    rtp_put16(at, short_form ? ONE_BYTE_PROFILE : TWO_BYTE_PROFILE);
    rtp_put16(at + 2, (guint16)((element - at) / 4 - 1));
    return element;
}

gsize rtp_header_build(guint8 *out, const RtpHeader *header)
{
    g_assert(header->n_csrc <= RTP_CSRC_MAX && header->n_extensions <= RTP_EXTENSIONS_MAX &&
             header->payload_type < 128);
    out[1] = (guint8)((header->marker ? 0x80 : 0) | header->payload_type);
    rtp_put16(out + 2, header->sequence);
    rtp_put32(out + 4, header->timestamp);
    rtp_put32(out + 8, header->ssrc);
    guint8 *at = out + RTP_HEADER_MIN;
    for (guint i = 0; i < header->n_csrc; i++, at += 4)
        rtp_put32(at, header->csrc[i]);
    guint8 *end = write_extensions(at, header);
    out[0] = (guint8)(0x80 | (header->padding ? 0x20 : 0) | (end > at ? 0x10 : 0) | header->n_csrc);
    return (gsize)(end - out);
}

guint8 rtp_audio_level(const guint8 *element, guint8 length, gboolean *ret_voice)
{
    *ret_voice = length > 0 && element[0] >> 7;
    return length > 0 ? element[0] & 0x7F : 127;
}

void rtp_write_abs_send_time(guint8 out[3], gint64 now_us)
{
    // 64 s is the whole range, so the remainder keeps the multiplication small.
    guint64 fraction = ((guint64)now_us % (64 * G_USEC_PER_SEC)) << 18;
    guint32 value = (guint32)(fraction / G_USEC_PER_SEC) & 0xFFFFFF;
    out[0] = (guint8)(value >> 16);
    out[1] = (guint8)(value >> 8);
    out[2] = (guint8)value;
}
