// SPDX-License-Identifier: MIT
// See native_feedback.h.
#include "load/native_feedback.h"
#include "media-worker/twcc.h"

#define REPORT_US 1000000
#define KEY_AGAIN_US 300000
#define NACKS_MAX 64
#define REPORTS_MAX 31

// --- to the room ---------------------------------------------------------------------------------
// Words, for libsrtp2.
typedef struct {
    _Alignas(4) guint8 bytes[1400];
    RtcpWriter writer;
} Compound;

static void begin(Compound *compound)
{
    compound->writer =
        (RtcpWriter){compound->bytes, sizeof(compound->bytes) - SRTP_OVERHEAD_MAX, 0};
}

static void send_compound(NativeFeedback *feedback, Compound *compound)
{
    gsize length =
        srtp_out_protect_rtcp(feedback->wire->srtp, compound->bytes, compound->writer.length);
    feedback->wire->send(compound->bytes, length, feedback->wire->user);
}

void native_feedback_nack(NativeFeedback *feedback, NativeReceiver *receiver,
                          const guint16 *sequences, guint n_sequences)
{
    Compound compound;
    begin(&compound);
    if (rtcp_write_nack(&compound.writer, feedback->audio->ssrc, receiver->slot.ssrc, sequences,
                        n_sequences))
        send_compound(feedback, &compound);
    receiver->slot.asked += n_sequences;
}

void native_feedback_pli(NativeFeedback *feedback, NativeReceiver *receiver)
{
    Compound compound;
    begin(&compound);
    rtcp_write_pli(&compound.writer, feedback->audio->ssrc, receiver->slot.ssrc);
    send_compound(feedback, &compound);
    receiver->slot.key_asked++;
}

static void write_sender_report(Compound *compound, const NativeSource *source,
                                const RtcpReport *reports, guint n_reports)
{
    gint64 now_us = g_get_monotonic_time();
    guint rate = source->is_video ? 90000 : 48000;
    const RtcpSenderInfo info = {.ntp = rtcp_ntp_from_us(g_get_real_time()),
                                 .rtp_timestamp =
                                     source->first_timestamp +
                                     (guint32)((now_us - source->start_us) * rate / G_USEC_PER_SEC),
                                 .packets = (guint32)source->packets,
                                 .octets = source->octets};
    rtcp_write_sr(&compound->writer, source->ssrc, &info, reports, n_reports);
}

static void send_reports(NativeFeedback *feedback, gint64 now_us)
{
    Compound compound;
    RtcpReport reports[REPORTS_MAX];
    guint n_reports = 0;
    begin(&compound);
    for (guint i = 0; i < feedback->n_receivers && n_reports < REPORTS_MAX; i++)
        n_reports += receive_report(&feedback->receivers[i].receive, now_us, &reports[n_reports]);
    if (feedback->audio->packets > 0)
        write_sender_report(&compound, feedback->audio, reports, n_reports);
    else
        rtcp_write_rr(&compound.writer, feedback->audio->ssrc, reports, n_reports);
    if (feedback->video->packets > 0)
        write_sender_report(&compound, feedback->video, NULL, 0);
    rtcp_write_cname(&compound.writer, feedback->audio->ssrc, feedback->cname);
    send_compound(feedback, &compound);
}

void native_feedback_run(NativeFeedback *feedback, gint64 now_us)
{
    guint16 sequences[NACKS_MAX];
    for (guint i = 0; i < feedback->n_receivers; i++) {
        NativeReceiver *receiver = &feedback->receivers[i];
        guint missing = receive_nacks(&receiver->receive, now_us, sequences, NACKS_MAX);
        if (missing > 0)
            native_feedback_nack(feedback, receiver, sequences, missing);
        if (receiver->key_due_us <= now_us) {
            native_feedback_pli(feedback, receiver);
            receiver->key_due_us = now_us + KEY_AGAIN_US;
        }
    }
    if (feedback->report_due_us <= now_us) {
        send_reports(feedback, now_us);
        feedback->report_due_us = now_us + REPORT_US;
    }
}

gint64 native_feedback_due_us(const NativeFeedback *feedback)
{
    gint64 due_us = feedback->report_due_us;
    for (guint i = 0; i < feedback->n_receivers; i++) {
        const NativeReceiver *receiver = &feedback->receivers[i];
        due_us = MIN(due_us, receiver->key_due_us);
        due_us = MIN(due_us, receive_nacks_due_us(&receiver->receive));
    }
    return due_us;
}

// --- from the room -------------------------------------------------------------------------------
static void read_report(NativeFeedback *feedback, const RtcpReport *report)
{
    NativeCounts *counts = feedback->counts;
    if (report->ssrc != feedback->audio->ssrc && report->ssrc != feedback->video->ssrc)
        return;
    gint64 rtt_us = rtcp_round_trip_us(report, rtcp_ntp_from_us(g_get_real_time()));
    counts->reports++;
    if (report->ssrc == feedback->video->ssrc)
        counts->fraction_lost = report->fraction_lost;
    if (rtt_us < 0)
        return;
    counts->rtt_us = rtt_us;
    for (guint i = 0; i < feedback->n_receivers; i++)
        receive_set_rtt(&feedback->receivers[i].receive, rtt_us);
}

static void read_sender(NativeFeedback *feedback, const RtcpPacket *packet, gint64 now_us)
{
    RtcpSenderInfo info;
    if (!rtcp_sender_info(packet, &info))
        return;
    for (guint i = 0; i < feedback->n_receivers; i++) {
        NativeReceiver *receiver = &feedback->receivers[i];
        if (receiver->slot.ssrc != packet->sender)
            continue;
        receiver->slot.reports++;
        receiver->slot.report_ntp = info.ntp;
        receiver->slot.report_timestamp = info.rtp_timestamp;
        receive_sender_report(&receiver->receive, &feedback->clock, &info, now_us);
    }
}

static void read_twcc(NativeFeedback *feedback, const RtcpPacket *packet)
{
    static TwccArrival arrivals[4096];
    guint told = twcc_parse(packet, arrivals, G_N_ELEMENTS(arrivals));
    feedback->counts->twcc_feedbacks++;
    for (guint i = 0; i < told; i++) {
        feedback->counts->twcc_received += arrivals[i].received;
        feedback->counts->twcc_lost += !arrivals[i].received;
    }
}

static void read_request(NativeFeedback *feedback, const RtcpPacket *packet, gint64 now_us)
{
    guint16 sequences[256];
    guint32 media = 0;
    guint8 number = 0;
    guint n_sequences = rtcp_nack_sequences(packet, sequences, G_N_ELEMENTS(sequences));
    if (n_sequences > 0 && rtcp_is_nack(packet, &media) && media == feedback->video->ssrc) {
        feedback->counts->nacked += n_sequences;
        for (guint i = 0; i < n_sequences; i++)
            native_source_resend(feedback->video, feedback->wire, sequences[i], now_us);
    }
    if ((rtcp_is_pli(packet, &media) || rtcp_fir(packet, 0, &media, &number)) &&
        media == feedback->video->ssrc) {
        feedback->counts->plis++;
        feedback->video->key_wanted = TRUE;
    }
    if (rtcp_is_twcc(packet, &media))
        read_twcc(feedback, packet);
}

void native_feedback_read(NativeFeedback *feedback, const guint8 *data, gsize length, gint64 now_us)
{
    RtcpReader reader;
    RtcpPacket packet;
    RtcpReport report;
    if (!rtcp_reader_init(&reader, data, length))
        return;
    while (rtcp_next(&reader, &packet)) {
        for (guint i = 0; rtcp_report(&packet, i, &report); i++)
            read_report(feedback, &report);
        read_sender(feedback, &packet, now_us);
        read_request(feedback, &packet, now_us);
    }
}
