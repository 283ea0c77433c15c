// SPDX-License-Identifier: MIT
// See feedback.h. What is due is looked for peer by peer; the earliest next time is kept, so
// nothing is looked at before.
#include "media-worker/feedback.h"
#include "media-worker/resend.h"
#include "media-worker/subscribe.h"

#define COMPOUND_MAX 1200
#define NACKS_MAX 64 // numbers in one compound
#define REPORTS_MAX 31
#define NO_SSRC 1 // of a peer without slots: browsers use 1 for those who only receive

// --- writing -------------------------------------------------------------------------------------
static RtcpWriter begin_compound(Hub *hub)
{
    return (RtcpWriter){.data = transport_reserve(hub->transport), .size = COMPOUND_MAX};
}

static void end_compound(Hub *hub, const Peer *peer, const RtcpWriter *writer)
{
    if (writer->length == 0)
        return;
    gsize length = srtp_out_protect_rtcp(peer->out, writer->data, writer->length);
    transport_commit(hub->transport, &peer->path, length);
}

static guint32 own_ssrc(const Peer *peer)
{
    return peer->description->n_slots > 0 ? peer->description->slots[0].ssrc : NO_SSRC;
}

// --- reports -------------------------------------------------------------------------------------
static guint gather_reports(Hub *hub, Peer *peer, RtcpReport *reports)
{
    guint n = 0;
    for (guint i = 0; i < peer->description->n_sources && n < REPORTS_MAX; i++)
        if (peer->sources[i].active &&
            receive_report(&peer->sources[i].receive, hub->now_us, &reports[n]))
            n++;
    return n;
}

// Where the media of `slot` stands now, on the slot's clock and on ours.
static RtcpSenderInfo sender_info(const Hub *hub, const PeerSlot *slot)
{
    guint32 newest = slot->carries->newest_timestamp;
    gint64 age_us = hub->now_us - peer_source_server_us(slot->carries, newest, hub->now_us);
    gint64 age = age_us * (gint64)slot->numbers.clock_rate / G_USEC_PER_SEC;
    return (RtcpSenderInfo){.ntp = rtcp_ntp_from_us(g_get_real_time()),
                            .rtp_timestamp = slot_timestamp(&slot->numbers, newest) + (guint32)age,
                            .packets = slot->packets,
                            .octets = slot->octets};
}

typedef struct {
    RtcpReport blocks[REPORTS_MAX];
    guint n;
} Reports;

// Sender report and name of one slot, with the reports that were not yet sent. FALSE: no room.
static gboolean write_slot(Hub *hub, const PeerSlot *slot, RtcpWriter *writer, Reports *reports)
{
    gsize before = writer->length;
    RtcpSenderInfo info = sender_info(hub, slot);
    if (!rtcp_write_sr(writer, slot->description->ssrc, &info, reports->blocks, reports->n) ||
        !rtcp_write_cname(writer, slot->description->ssrc, slot->peer->description->cname)) {
        writer->length = before;
        return FALSE;
    }
    reports->n = 0;
    return TRUE;
}

static void send_reports(Hub *hub, Peer *peer)
{
    Reports reports;
    reports.n = gather_reports(hub, peer, reports.blocks);
    RtcpWriter writer = begin_compound(hub);
    for (guint i = 0; i < peer->description->n_slots; i++) {
        PeerSlot *slot = &peer->slots[i];
        if (slot->carries == NULL || write_slot(hub, slot, &writer, &reports))
            continue;
        end_compound(hub, peer, &writer);
        writer = begin_compound(hub);
        write_slot(hub, slot, &writer, &reports);
    }
    if (reports.n > 0) {
        rtcp_write_rr(&writer, own_ssrc(peer), reports.blocks, reports.n);
        rtcp_write_cname(&writer, own_ssrc(peer), peer->description->cname);
    }
    end_compound(hub, peer, &writer);
}

// --- to senders: what is missing -----------------------------------------------------------------
static gboolean asks_for_key_frame(const Hub *hub, const PeerSource *source)
{
    return source->wants_key_frame && source->active &&
           hub->now_us >= source->asked_us + FEEDBACK_KEY_FRAME_US;
}

static void write_nacks(Hub *hub, PeerSource *source, RtcpWriter *writer)
{
    guint16 missing[NACKS_MAX];
    guint n = receive_nacks(&source->receive, hub->now_us, missing, NACKS_MAX);
    if (n > 0 && rtcp_write_nack(writer, own_ssrc(source->peer), source->ssrc, missing, n))
        metrics_add(METRIC_MEDIA_NACKED, n);
    if (receive_take_given_up(&source->receive))
        feedback_want_key_frame(hub, source);
}

static void write_key_frame_request(Hub *hub, PeerSource *source, RtcpWriter *writer)
{
    if (!rtcp_write_pli(writer, own_ssrc(source->peer), source->ssrc))
        return;
    source->asked_us = hub->now_us;
    metrics_add(METRIC_MEDIA_KEY_FRAMES_ASKED, 1);
}

static gint64 source_due_us(const PeerSource *source)
{
    if (!source->active || source->ssrc == 0)
        return G_MAXINT64;
    gint64 due_us =
        source->description->has_nack ? receive_nacks_due_us(&source->receive) : G_MAXINT64;
    if (source->wants_key_frame)
        due_us = MIN(due_us, source->asked_us + FEEDBACK_KEY_FRAME_US);
    return due_us;
}

static void send_requests(Hub *hub, Peer *peer)
{
    RtcpWriter writer = begin_compound(hub);
    rtcp_write_rr(&writer, own_ssrc(peer), NULL, 0); // a compound begins with a report
    gsize empty = writer.length;
    for (guint i = 0; i < peer->description->n_sources; i++) {
        PeerSource *source = &peer->sources[i];
        if (source_due_us(source) > hub->now_us)
            continue;
        if (source->description->has_nack)
            write_nacks(hub, source, &writer);
        if (asks_for_key_frame(hub, source))
            write_key_frame_request(hub, source, &writer);
    }
    if (writer.length > empty)
        end_compound(hub, peer, &writer);
}

static void send_arrivals(Hub *hub, Peer *peer)
{
    gboolean more = TRUE;
    while (more && twcc_recorder_is_pending(peer->twcc)) {
        RtcpWriter writer = begin_compound(hub);
        rtcp_write_rr(&writer, own_ssrc(peer), NULL, 0);
        more = twcc_recorder_write(peer->twcc, &writer, own_ssrc(peer), peer->twcc_ssrc);
        if (more)
            end_compound(hub, peer, &writer);
    }
}

// --- what is due ---------------------------------------------------------------------------------
static gint64 requests_due_us(const Peer *peer)
{
    gint64 due_us = G_MAXINT64;
    for (guint i = 0; i < peer->description->n_sources; i++)
        due_us = MIN(due_us, source_due_us(&peer->sources[i]));
    return due_us;
}

static gint64 run_peer(Hub *hub, Peer *peer)
{
    if (hub->now_us >= peer->report_due_us) {
        send_reports(hub, peer);
        peer->report_due_us = hub->now_us + FEEDBACK_REPORT_US;
    }
    if (hub->now_us >= peer->twcc_due_us) {
        send_arrivals(hub, peer);
        peer->twcc_due_us = G_MAXINT64; // until the next packet
    }
    gint64 due_us = requests_due_us(peer);
    if (hub->now_us >= due_us) {
        send_requests(hub, peer);
        due_us = requests_due_us(peer);
    }
    return MIN(due_us, MIN(peer->report_due_us, peer->twcc_due_us));
}

void feedback_run(Hub *hub)
{
    if (hub->now_us < hub->feedback_due_us)
        return;
    gint64 due_us = G_MAXINT64;
    for (guint i = 0; i < peers_count(hub->peers); i++) {
        Peer *peer = peers_nth(hub->peers, i);
        if (peer_is_ready(peer))
            due_us = MIN(due_us, run_peer(hub, peer));
    }
    hub->feedback_due_us = MAX(due_us, hub->now_us + 1000); // not more often than that
}

void feedback_want_key_frame(Hub *hub, PeerSource *source)
{
    if (source->description->kind != MEDIA_VIDEO || source->wants_key_frame ||
        source->subscribers->len == 0)
        return;
    source->wants_key_frame = TRUE;
    hub_due(&hub->feedback_due_us, MAX(hub->now_us, source->asked_us + FEEDBACK_KEY_FRAME_US));
}

void feedback_key_frame_came(PeerSource *source)
{
    source->wants_key_frame = FALSE;
}

// --- receiving -----------------------------------------------------------------------------------
static void on_sender_report(Hub *hub, Peer *peer, const RtcpPacket *packet)
{
    RtcpSenderInfo info;
    PeerBinding *binding = peer_binding(peer, packet->sender);
    if (binding != NULL && !binding->is_rtx && binding->source->ssrc == packet->sender &&
        binding->source->active && rtcp_sender_info(packet, &info))
        receive_sender_report(&binding->source->receive, &peer->clock, &info, hub->now_us);
}

static void on_reports(Peer *peer, const RtcpPacket *packet)
{
    RtcpReport report;
    guint64 now = rtcp_ntp_from_us(g_get_real_time());
    for (guint i = 0; rtcp_report(packet, i, &report); i++) {
        gint64 rtt_us = rtcp_round_trip_us(&report, now);
        if (rtt_us < 0 || peer_slot(peer, report.ssrc) == NULL)
            continue;
        peer->rtt_us = rtt_us;
        for (guint k = 0; k < peer->description->n_sources; k++)
            receive_set_rtt(&peer->sources[k].receive, rtt_us);
    }
}

static void on_bye(Hub *hub, Peer *peer, const RtcpPacket *packet)
{
    guint32 ssrc;
    for (guint i = 0; rtcp_bye(packet, i, &ssrc); i++) {
        PeerBinding *binding = peer_binding(peer, ssrc);
        if (binding != NULL && !binding->is_rtx && binding->source->ssrc == ssrc)
            subscribe_source_ended(hub, binding->source);
    }
}

static void on_nack(Hub *hub, Peer *peer, const RtcpPacket *packet, guint32 ssrc)
{
    guint16 sequences[NACKS_MAX * 4];
    PeerSlot *slot = peer_slot(peer, ssrc);
    if (slot == NULL || !peer_is_ready(peer))
        return;
    guint n = rtcp_nack_sequences(packet, sequences, G_N_ELEMENTS(sequences));
    resend_packets(hub, slot, sequences, n);
}

static void on_key_frame_wanted(Hub *hub, Peer *peer, guint32 ssrc)
{
    PeerSlot *slot = peer_slot(peer, ssrc);
    if (slot != NULL && slot->carries != NULL)
        feedback_want_key_frame(hub, slot->carries);
}

static void on_feedback(Hub *hub, Peer *peer, const RtcpPacket *packet)
{
    guint32 ssrc;
    guint8 number;
    if (rtcp_is_nack(packet, &ssrc))
        on_nack(hub, peer, packet, ssrc);
    else if (rtcp_is_pli(packet, &ssrc))
        on_key_frame_wanted(hub, peer, ssrc);
    else
        for (guint i = 0; rtcp_fir(packet, i, &ssrc, &number); i++)
            on_key_frame_wanted(hub, peer, ssrc);
}

static void on_packet(Hub *hub, Peer *peer, const RtcpPacket *packet)
{
    switch (packet->type) {
    case RTCP_SR:
        on_sender_report(hub, peer, packet);
        on_reports(peer, packet);
        break;
    case RTCP_RR:
        on_reports(peer, packet);
        break;
    case RTCP_BYE:
        on_bye(hub, peer, packet);
        break;
    case RTCP_TRANSPORT_FEEDBACK:
    case RTCP_PAYLOAD_FEEDBACK:
        on_feedback(hub, peer, packet);
        break;
    default: // SDES, application packets, what is yet to be invented
        break;
    }
}

Metric feedback_receive(Hub *hub, Peer *peer, const guint8 *data, gsize length)
{
    RtcpReader reader;
    RtcpPacket packet;
    if (!rtcp_reader_init(&reader, data, length))
        return METRIC_MEDIA_SRTP_MALFORMED;
    while (rtcp_next(&reader, &packet))
        on_packet(hub, peer, &packet);
    return METRIC_MEDIA_USED;
}
