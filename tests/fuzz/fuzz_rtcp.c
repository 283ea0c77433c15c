// SPDX-License-Identifier: MIT
// RTCP compounds: every accessor on every packet of them, transport-wide feedback included.
#include "media-worker/rtcp.h"
#include "media-worker/twcc.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static guint sum;

static void inspect_reports(const RtcpPacket *packet)
{
    RtcpSenderInfo info;
    RtcpReport report;
    RtcpCname cname;
    guint32 ssrc;
    rtcp_sender_info(packet, &info);
    for (guint i = 0; i < 33; i++) {
        if (rtcp_report(packet, i, &report))
            sum += (guint)rtcp_round_trip_us(&report, report.jitter);
        if (rtcp_bye(packet, i, &ssrc))
            sum += ssrc;
        if (rtcp_cname(packet, i, &cname))
            for (guint k = 0; k < cname.length; k++)
                sum += (guint8)cname.text[k];
    }
}

static void inspect_feedback(const RtcpPacket *packet)
{
    static TwccArrival arrivals[0x10000];
    guint16 sequences[64];
    guint32 media;
    guint8 number;
    guint64 rate;
    g_assert(rtcp_nack_sequences(packet, sequences, 64) <= 64);
    rtcp_is_pli(packet, &media);
    for (guint i = 0; rtcp_fir(packet, i, &media, &number); i++)
        sum += media;
    rtcp_remb(packet, &rate);
    g_assert(twcc_parse(packet, arrivals, 100) <= 100);
    g_assert(twcc_parse(packet, arrivals, G_N_ELEMENTS(arrivals)) < G_N_ELEMENTS(arrivals));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    RtcpReader reader;
    RtcpPacket packet;
    rtcp_reader_init(&reader, data, length);
    while (rtcp_next(&reader, &packet)) {
        inspect_reports(&packet);
        inspect_feedback(&packet);
    }
    return 0;
}
