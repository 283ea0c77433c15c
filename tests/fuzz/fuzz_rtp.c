// SPDX-License-Identifier: MIT
// RTP packets and header extensions: all that a view points to lies inside the packet; RTX is
// unwrapped inside it too.
#include "media-worker/receive.h"
#include "media-worker/rtp.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static guint sum; // so that reads are not optimised away

static void read_all(const guint8 *at, gsize length, const RtpPacket *packet)
{
    g_assert(at >= packet->data && at + length <= packet->data + packet->length);
    for (gsize i = 0; i < length; i++)
        sum += at[i];
}

static void inspect(const RtpPacket *packet)
{
    for (guint id = 0; id < 256; id++) {
        guint8 element_length = 0;
        const guint8 *element = rtp_extension(packet, (guint8)id, &element_length);
        if (element != NULL)
            read_all(element, element_length, packet);
    }
    for (guint i = 0; i < packet->n_csrc; i++)
        sum += rtp_csrc(packet, i);
    read_all(packet->payload, packet->payload_length, packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    RtpPacket packet;
    if (rtp_parse_protected(&packet, data, length))
        inspect(&packet);
    if (rtp_parse(&packet, data, length))
        inspect(&packet);
    g_autofree guint8 *copy = g_memdup2(data, length);
    gsize left = length;
    guint8 *original = receive_unwrap_rtx(copy, &left, (ReceiveOriginal){1, 96});
    if (original != NULL) {
        g_assert(original + left == copy + length && rtp_parse(&packet, original, left));
        inspect(&packet);
    }
    return 0;
}
