// SPDX-License-Identifier: MIT
// See ingest.h. Each step returns MEDIA_USED or the counter of the reason for which it dropped the
// datagram, so that the counters add up to what was received.
#include "media-worker/ingest.h"
#include "media-worker/feedback.h"
#include "media-worker/liveness.h"
#include "media-worker/rtp.h"
#include <string.h>

// --- connectivity checks -------------------------------------------------------------------------
typedef struct {
    Hub *hub;
    Peer *peer; // that the check's username names
} Checking;

static const char *find_password(const StunUser *user, gpointer closure)
{
    Checking *checking = closure;
    Peer *peer = peers_by_ufrag(checking->hub->peers, user->local_ufrag, user->local_length);
    if (peer == NULL || strlen(peer->description->remote_ufrag) != user->remote_length ||
        memcmp(peer->description->remote_ufrag, user->remote_ufrag, user->remote_length) != 0)
        return NULL;
    checking->peer = peer;
    return peer->description->local_pwd;
}

static Metric metric_of_check(StunResult result)
{
    switch (result) {
    case STUN_MALFORMED:
        return METRIC_MEDIA_STUN_MALFORMED;
    case STUN_NOT_A_REQUEST:
        return METRIC_MEDIA_STUN_NOT_ASKED;
    case STUN_UNKNOWN_USER:
        return METRIC_MEDIA_STUN_UNKNOWN_USER;
    case STUN_FORGED:
        return METRIC_MEDIA_STUN_FORGED;
    default:
        return METRIC_MEDIA_USED;
    }
}

static gboolean take_pair(Hub *hub, Peer *peer, const TransportDatagram *datagram,
                          gboolean nominated)
{
    PeerCheck check = {.path = datagram->path, .nominated = nominated, .now_us = hub->now_us};
    if (!peers_pair_checked(hub->peers, peer, &check))
        return FALSE;
    liveness_peer_heard(hub, peer);
    return TRUE;
}

static Metric take_check(Hub *hub, const TransportDatagram *datagram)
{
    StunCheck check;
    Checking checking = {.hub = hub};
    struct sockaddr_storage from = {0};
    memcpy(&from, &datagram->path.remote, sizeof datagram->path.remote);
    StunResult result = stun_server_check(
        hub->stun,
        &(StunDatagram){.data = datagram->data, .length = datagram->length, .from = &from},
        find_password, &checking, &check);
    if (result == STUN_SUCCESS && !take_pair(hub, checking.peer, datagram, check.use_candidate))
        return METRIC_MEDIA_STUN_TAKEN;
    if (check.answer_length > 0)
        transport_send(hub->transport, &datagram->path, check.answer, check.answer_length);
    return metric_of_check(result);
}

// --- handshakes ----------------------------------------------------------------------------------
static Metric take_handshake(Hub *hub, const TransportDatagram *datagram)
{
    Peer *peer = peers_by_path(hub->peers, &datagram->path);
    if (peer == NULL)
        return METRIC_MEDIA_DTLS_UNVALIDATED;
    return hub_post_dtls(hub, peer, datagram->data, datagram->length) ? METRIC_MEDIA_USED
                                                                      : METRIC_MEDIA_DTLS_CROWDED;
}

// --- which source --------------------------------------------------------------------------------
static void copy_rid(char rid[PEER_RID_MAX + 1], const RtpPacket *packet, guint8 id)
{
    guint8 length = 0;
    const guint8 *text = rtp_extension(packet, id, &length);
    length = MIN(length, PEER_RID_MAX);
    if (text != NULL)
        memcpy(rid, text, length);
    rid[text != NULL ? length : 0] = '\0';
}

// An SSRC that was not signalled belongs to the m-line that its packet names.
static PeerBinding *bind_by_mid(Peer *peer, const RtpPacket *packet)
{
    const MediaExtensions *extensions = &peer->description->extensions;
    guint8 length = 0;
    const guint8 *mid = rtp_extension(packet, extensions->mid, &length);
    PeerSource *source = mid == NULL ? NULL : peer_source_by_mid(peer, mid, length);
    if (source == NULL)
        return NULL;
    PeerBinding binding = {.ssrc = packet->ssrc, .source = source};
    binding.is_rtx = source->description->rtx_payload_type != 0 &&
                     packet->payload_type == source->description->rtx_payload_type;
    copy_rid(binding.rid, packet, binding.is_rtx ? extensions->repaired_rid : extensions->rid);
    return peer_bind(peer, &binding);
}

static PeerBinding *find_binding(Peer *peer, const RtpPacket *packet)
{
    PeerBinding *binding = peer_binding(peer, packet->ssrc);
    return binding != NULL ? binding : bind_by_mid(peer, packet);
}

static Metric metric_of_srtp(SrtpResult result)
{
    switch (result) {
    case SRTP_OK:
        return METRIC_MEDIA_USED;
    case SRTP_REPLAYED:
        return METRIC_MEDIA_SRTP_REPLAYED;
    case SRTP_FORGED:
        return METRIC_MEDIA_SRTP_FORGED;
    case SRTP_CROWDED:
        return METRIC_MEDIA_SRTP_CROWDED;
    default:
        return METRIC_MEDIA_SRTP_MALFORMED;
    }
}

// --- media ---------------------------------------------------------------------------------------
typedef struct {
    RtpPacket rtp;
    guint8 *data;
    gsize length;
    gint64 arrival_us;
    gboolean resent; // came as RTX
} Arrival;

static void note_arrival(Hub *hub, Peer *peer, const Arrival *arrival)
{
    guint8 length = 0;
    const guint8 *number =
        peer->twcc == NULL
            ? NULL
            : rtp_extension(&arrival->rtp, peer->description->extensions.transport_cc, &length);
    if (number == NULL || length != 2)
        return;
    twcc_recorder_add(peer->twcc, rtp_get16(number), arrival->arrival_us);
    peer->twcc_ssrc = arrival->rtp.ssrc;
    hub_due(&peer->twcc_due_us, hub->now_us + FEEDBACK_TWCC_US);
    hub_due(&hub->feedback_due_us, peer->twcc_due_us);
}

// RTX becomes the original. FALSE: there is none inside.
static gboolean unwrap(const PeerSource *source, Arrival *arrival)
{
    ReceiveOriginal original = {.ssrc = source->ssrc,
                                .payload_type = source->description->payload_type};
    guint8 *data = receive_unwrap_rtx(arrival->data, &arrival->length, original);
    arrival->resent = TRUE;
    arrival->data = data;
    return data != NULL && rtp_parse(&arrival->rtp, data, arrival->length);
}

// What the numbers say; lets through what is new.
static Metric check_numbers(Hub *hub, PeerSource *source, const Arrival *arrival,
                            gboolean *ret_restart)
{
    ReceiveArrival numbers = {.sequence = arrival->rtp.sequence,
                              .timestamp = arrival->rtp.timestamp,
                              .now_us = arrival->arrival_us,
                              .resent = arrival->resent};
    ReceiveResult result = receive_packet(&source->receive, &numbers);
    if (result == RECEIVE_DUPLICATE || result == RECEIVE_OLD)
        return METRIC_MEDIA_DUPLICATE;
    if (result != RECEIVE_LATE)
        source->newest_timestamp = numbers.timestamp;
    *ret_restart = result == RECEIVE_RESTART || source->changed;
    source->changed = FALSE;
    if (*ret_restart)
        feedback_want_key_frame(hub, source);
    if (source->description->has_nack)
        hub_due(&hub->feedback_due_us, receive_nacks_due_us(&source->receive));
    return METRIC_MEDIA_USED;
}

static void look_inside(Hub *hub, PeerSource *source, const Arrival *arrival)
{
    guint8 length = 0;
    gboolean voice;
    Vp8Descriptor vp8;
    if (source->description->kind == MEDIA_AUDIO) {
        const guint8 *level = rtp_extension(
            &arrival->rtp, source->peer->description->extensions.audio_level, &length);
        // Who tells no level (webrtcbin, aiortc) speaks quietly while it sends.
        voice_heard(&source->voice,
                    level == NULL ? INGEST_LEVEL_UNKNOWN : rtp_audio_level(level, length, &voice),
                    hub->now_us);
    } else if (vp8_parse(&vp8, arrival->rtp.payload, arrival->rtp.payload_length) && vp8.start &&
               vp8.key_frame) {
        receive_key_frame(&source->receive, arrival->rtp.sequence);
        feedback_key_frame_came(source);
    }
}

static guint8 payload_type_of(const PeerBinding *binding)
{
    const MediaSource *description = binding->source->description;
    return binding->is_rtx ? description->rtx_payload_type : description->payload_type;
}

static Metric take_packet(Hub *hub, Peer *peer, Arrival *arrival, IngestPacket *ret_packet)
{
    PeerBinding *binding = find_binding(peer, &arrival->rtp);
    if (binding == NULL)
        return METRIC_MEDIA_SSRC_UNKNOWN;
    PeerSource *source = binding->source;
    if (arrival->rtp.payload_type != payload_type_of(binding))
        return METRIC_MEDIA_FORMAT;
    if (!peer_takes_layer(source, binding))
        return METRIC_MEDIA_LAYER;
    if (binding->is_rtx && !unwrap(source, arrival))
        return METRIC_MEDIA_USED; // probing
    Metric result = check_numbers(hub, source, arrival, &ret_packet->restart);
    if (result != METRIC_MEDIA_USED)
        return result;
    if (source->muted)
        return METRIC_MEDIA_MUTED;
    liveness_source_heard(hub, source);
    look_inside(hub, source, arrival);
    ret_packet->source = source;
    ret_packet->data = arrival->data;
    ret_packet->length = arrival->length;
    ret_packet->server_us =
        peer_source_server_us(source, arrival->rtp.timestamp, arrival->arrival_us);
    return METRIC_MEDIA_USED;
}

static Metric take_media(Hub *hub, TransportDatagram *datagram, IngestPacket *ret_packet)
{
    Peer *peer = peers_by_path(hub->peers, &datagram->path);
    if (peer == NULL)
        return METRIC_MEDIA_SRTP_UNVALIDATED;
    if (peer->in == NULL)
        return METRIC_MEDIA_SRTP_EARLY;
    Metric result = metric_of_srtp(srtp_in_unprotect(peer->in, datagram->data, &datagram->length));
    if (result != METRIC_MEDIA_USED)
        return result;
    Arrival arrival = {
        .data = datagram->data, .length = datagram->length, .arrival_us = datagram->arrival_us};
    if (!rtp_parse(&arrival.rtp, arrival.data, arrival.length))
        return METRIC_MEDIA_SRTP_MALFORMED;
    liveness_peer_heard(hub, peer);
    note_arrival(hub, peer, &arrival);
    return take_packet(hub, peer, &arrival, ret_packet);
}

static Metric take_reports(Hub *hub, TransportDatagram *datagram)
{
    Peer *peer = peers_by_path(hub->peers, &datagram->path);
    if (peer == NULL)
        return METRIC_MEDIA_SRTP_UNVALIDATED;
    if (peer->in == NULL)
        return METRIC_MEDIA_SRTP_EARLY;
    Metric result =
        metric_of_srtp(srtp_in_unprotect_rtcp(peer->in, datagram->data, &datagram->length));
    if (result != METRIC_MEDIA_USED)
        return result;
    liveness_peer_heard(hub, peer);
    return feedback_receive(hub, peer, datagram->data, datagram->length);
}

gboolean ingest_datagram(Hub *hub, TransportDatagram *datagram, IngestPacket *ret_packet)
{
    Metric result = METRIC_MEDIA_OTHER;
    ret_packet->source = NULL;
    switch (stun_datagram_kind(datagram->data, datagram->length)) {
    case DATAGRAM_STUN:
        result = take_check(hub, datagram);
        break;
    case DATAGRAM_DTLS:
        result = take_handshake(hub, datagram);
        break;
    case DATAGRAM_RTP:
        result = take_media(hub, datagram, ret_packet);
        break;
    case DATAGRAM_RTCP:
        result = take_reports(hub, datagram);
        break;
    case DATAGRAM_OTHER:
        break;
    }
    metrics_add(METRIC_MEDIA_RECEIVED, 1);
    metrics_add(result, 1);
    return ret_packet->source != NULL;
}
