// SPDX-License-Identifier: MIT
// See header.h. The layout is rtp_header_build's; where the values lie is found by reading it back.
// A level that is missing is overwritten with zeros, which are padding in both forms of RFC 8285.
#include "media-worker/header.h"
#include "media-worker/rtp.h"
#include <string.h>

static guint8 offset_of(const RtpPacket *packet, guint8 id)
{
    guint8 length;
    const guint8 *value = rtp_extension(packet, id, &length);
    return value == NULL ? 0 : (guint8)(value - packet->data);
}

void header_init(Header *header, const MediaSlot *slot, const MediaExtensions *extensions,
                 gboolean resent)
{
    static const guint8 zeros[3] = {0};
    guint32 csrc = 0;
    guint8 level_id = slot->kind == MEDIA_AUDIO && !resent ? extensions->audio_level : 0;
    guint8 mid_length = (guint8)strlen(slot->mid);
    RtpExtension elements[] = {
        {mid_length > 0 ? extensions->mid : 0, mid_length, (const guint8 *)slot->mid},
        {extensions->transport_cc, 2, zeros},
        {extensions->abs_send_time, 3, zeros},
        {level_id, 1, zeros},
    };
    RtpHeader first = {.payload_type = resent ? slot->rtx_payload_type : slot->payload_type,
                       .n_csrc = 1,
                       .n_extensions = G_N_ELEMENTS(elements),
                       .ssrc = resent ? slot->rtx_ssrc : slot->ssrc,
                       .csrc = &csrc,
                       .extensions = elements};
    guint8 built[RTP_HEADER_MAX];
    gsize length = rtp_header_build(built, &first);
    g_assert(length <= HEADER_MAX);
    RtpPacket packet;
    g_assert(rtp_parse(&packet, built, length));
    *header = (Header){.length = (guint8)length,
                       .payload_type = first.payload_type,
                       .at_transport_cc = offset_of(&packet, extensions->transport_cc),
                       .at_send_time = offset_of(&packet, extensions->abs_send_time),
                       .at_level = offset_of(&packet, level_id)};
    memcpy(header->bytes, built, length);
    if (header->at_level != 0)
        memcpy(header->level_element, built + header->at_level - 2, 2);
}

static void write_level(Header *header, guint8 level)
{
    guint8 *value = header->bytes + header->at_level;
    gboolean two_byte_form = header->bytes[16] == 0x10;
    gsize head = two_byte_form ? 2 : 1;
    if (level == HEADER_NO_LEVEL) {
        memset(value - head, 0, head + 1);
    } else {
        memcpy(value - head, header->level_element + 2 - head, head);
        *value = level;
    }
}

void header_write(Header *header, const HeaderNumbers *numbers)
{
    guint8 *bytes = header->bytes;
    bytes[1] = (guint8)((numbers->marker ? 0x80 : 0) | header->payload_type);
    rtp_put16(bytes + 2, numbers->sequence);
    rtp_put32(bytes + 4, numbers->timestamp);
    rtp_put32(bytes + RTP_HEADER_MIN, numbers->csrc);
    if (header->at_transport_cc != 0)
        rtp_put16(bytes + header->at_transport_cc, numbers->transport_cc);
    if (header->at_send_time != 0)
        memcpy(bytes + header->at_send_time, numbers->send_time, 3);
    if (header->at_level != 0)
        write_level(header, numbers->level);
}
