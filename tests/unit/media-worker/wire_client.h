// SPDX-License-Identifier: MIT
// One peer of a room on a real UDP socket, for the tests of the streaming thread: ICE checks and
// SRTP by the wire modules, keys agreed without a handshake, every packet sent and read one by one.
#pragma once
#include "media-worker/media.h"
#include "media-worker/rtcp.h"
#include "media-worker/rtp.h"
#include "media-worker/stun.h"
#include "media-worker/vp8.h"
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { AUDIO, VIDEO };                                 // sources
enum { SLOT_AUDIO, SLOT_VIDEO, SLOT_VIDEO2, N_SLOTS }; // slots
#define MID_ID 3
#define LEVEL_ID 1
#define TWCC_ID 5
#define PAYLOAD 600 // bytes of a video packet

typedef struct {
    Media *media;
    MediaPeer handle;
    guint32 number;
    gboolean only_cm;
    int fd;
    struct sockaddr_in room;
    char ufrag[16];
    StunRequest request;
    SrtpIn *in;
    SrtpOut *out;
    SrtpStream streams[3]; // audio, video, RTX of the video
    guint16 sequences[3];
    guint32 timestamps[2];
    guint16 picture_id;
    guint8 tl0picidx;
    guint16 twcc;
    // The last RTP packet, and what RTCP has told.
    guint8 raw[2048] __attribute__((aligned(8))), plain[2048] __attribute__((aligned(8)));
    gsize raw_length;
    RtpPacket rtp;
    guint plis, nacks, reports, sender_reports, arrivals;
    guint16 nacked[64];
    guint32 reported_ssrc;
    RtcpSenderInfo sender_info;
} WireClient;

typedef struct {
    gboolean without_rtx, without_ssrc, early, only_cm;
} WireOptions;

static inline guint32 ssrc_of(const WireClient *client, guint source)
{
    return client->number * 1000 + source;
}
static inline guint32 slot_ssrc(const WireClient *client, guint slot)
{
    return client->number * 1000 + 100 + slot;
}
static inline guint8 slot_payload_type(const WireClient *client, guint slot)
{
    return (guint8)(slot == SLOT_AUDIO ? 110 + client->number : 100 + client->number);
}

static inline MediaPeerDescription *describe(const WireClient *client, WireOptions options)
{
    static const char *const mids[] = {"a", "v", "sa", "sv", "sw"};
    MediaPeerDescription *description = g_new0(MediaPeerDescription, 1);
    description->number = client->number;
    g_strlcpy(description->local_ufrag, client->ufrag, sizeof description->local_ufrag);
    g_strlcpy(description->local_pwd, "a-password-of-22-chars", sizeof description->local_pwd);
    g_strlcpy(description->remote_ufrag, "them", sizeof description->remote_ufrag);
    description->extensions =
        (MediaExtensions){.mid = MID_ID, .audio_level = LEVEL_ID, .transport_cc = TWCC_ID};
    description->cname = g_strdup("room");
    description->n_sources = 2;
    description->sources = g_new0(MediaSource, 2);
    for (guint i = 0; i < 2; i++) {
        MediaSource *source = &description->sources[i];
        g_strlcpy(source->mid, mids[i], sizeof source->mid);
        source->kind = i == AUDIO ? MEDIA_AUDIO : MEDIA_VIDEO;
        source->label = i == AUDIO ? "audio" : "video";
        source->payload_type = i == AUDIO ? 111 : 96;
        source->rtx_payload_type = i == AUDIO ? 0 : 97;
        source->clock_rate = i == AUDIO ? 48000 : 90000;
        source->ssrc = options.without_ssrc ? 0 : ssrc_of(client, i);
        source->rtx_ssrc = i == AUDIO || options.without_ssrc ? 0 : ssrc_of(client, 2);
        source->has_nack = source->has_transport_cc = i == VIDEO;
    }
    description->n_slots = N_SLOTS;
    description->slots = g_new0(MediaSlot, N_SLOTS);
    for (guint i = 0; i < N_SLOTS; i++) {
        MediaSlot *slot = &description->slots[i];
        g_strlcpy(slot->mid, mids[2 + i], sizeof slot->mid);
        slot->kind = i == SLOT_AUDIO ? MEDIA_AUDIO : MEDIA_VIDEO;
        slot->payload_type = slot_payload_type(client, i);
        slot->rtx_payload_type = i == SLOT_AUDIO || options.without_rtx ? 0 : 90;
        slot->clock_rate = i == SLOT_AUDIO ? 48000 : 90000;
        slot->ssrc = slot_ssrc(client, i);
        slot->rtx_ssrc = slot->rtx_payload_type == 0 ? 0 : slot->ssrc + 100;
        slot->first_sequence = 500;
        slot->first_timestamp = 7000;
    }
    return description;
}

static inline SrtpKeys keys_of(const WireClient *client, gboolean as_room)
{
    SrtpKeys keys = {.profile = client->only_cm ? SRTP_PROFILE_AES128_CM_SHA1_80
                                                : SRTP_PROFILE_AEAD_AES_128_GCM};
    SrtpMaster up, down;
    memset(&up, (int)(client->number * 2), sizeof up);
    memset(&down, (int)(client->number * 2 + 1), sizeof down);
    keys.inbound = as_room ? up : down;
    keys.outbound = as_room ? down : up;
    return keys;
}

static inline void wire_send(WireClient *client, const guint8 *data, gsize length)
{
    assert_int_equal(
        sendto(client->fd, data, length, 0, (struct sockaddr *)&client->room, sizeof client->room),
        length);
}

// Sends a check and waits for its answer: whatever was commanded before has been carried out then.
static inline void wire_check(WireClient *client, gboolean nominate)
{
    guint8 data[2048];
    guint code = 1;
    client->request.use_candidate = nominate;
    client->request.transaction[0]++;
    gsize length = stun_request_build(data, &client->request);
    wire_send(client, data, length);
    gssize got;
    do {
        got = recv(client->fd, data, sizeof data, 0);
        assert_true(got > 0);
    } while (stun_datagram_kind(data, (gsize)got) != DATAGRAM_STUN);
    assert_true(stun_response_check(&client->request, data, (gsize)got, &code, NULL));
    assert_int_equal(code, 0);
}

static inline int wire_socket(struct sockaddr_in *ret_address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof *ret_address;
    *ret_address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)ret_address, length), 0);
    getsockname(fd, (struct sockaddr *)ret_address, &length);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static inline WireClient *wire_join(Media *media, const struct sockaddr_in *room, guint32 number,
                                    WireOptions options)
{
    struct sockaddr_in own;
    WireClient *client = g_new0(WireClient, 1);
    client->media = media;
    client->number = number;
    client->room = *room;
    client->only_cm = options.only_cm;
    client->fd = wire_socket(&own);
    g_snprintf(client->ufrag, sizeof client->ufrag, "room%u", number);
    client->request = (StunRequest){.username = g_strdup_printf("%s:them", client->ufrag),
                                    .password = "a-password-of-22-chars",
                                    .priority = 1,
                                    .tie_breaker = number};
    SrtpKeys keys = keys_of(client, FALSE);
    client->in = srtp_in_new(&keys);
    client->out = srtp_out_new(&keys);
    for (guint i = 0; i < 3; i++) {
        srtp_stream_init(&client->streams[i], ssrc_of(client, i));
        client->sequences[i] = (guint16)(number * 100 + i);
    }
    client->picture_id = (guint16)(number * 1000);
    client->handle = media_add_peer(media, describe(client, options));
    wire_check(client, FALSE);
    if (options.early)
        return client;
    keys = keys_of(client, TRUE);
    media_set_keys(media, client->handle, &keys);
    wire_check(client, TRUE);
    return client;
}

static inline void wire_free(WireClient *client)
{
    srtp_in_free(client->in);
    srtp_out_free(client->out);
    g_free((char *)client->request.username);
    close(client->fd);
    g_free(client);
}

// --- sending -------------------------------------------------------------------------------------
typedef struct {
    guint source; // 2: RTX of the video
    gboolean marker, key_frame, frame_start;
    guint8 level;
    gboolean names_mid;
} WirePacket;

// Builds a protected packet with the next number; the payload's last byte is that number's.
static inline gsize wire_build(WireClient *client, guint8 *out, WirePacket packet)
{
    guint8 level = packet.level, twcc[2], payload[PAYLOAD] = {0}, header[RTP_HEADER_MAX];
    rtp_put16(twcc, client->twcc++);
    RtpExtension extensions[] = {
        {packet.names_mid ? MID_ID : 0, 1, (const guint8 *)(packet.source == AUDIO ? "a" : "v")},
        {packet.source == AUDIO ? LEVEL_ID : 0, 1, &level},
        {TWCC_ID, 2, twcc}};
    RtpHeader values = {.payload_type = packet.source == AUDIO ? 111 : 96,
                        .n_extensions = 3,
                        .marker = packet.marker,
                        .sequence = client->sequences[packet.source]++,
                        .timestamp = client->timestamps[packet.source],
                        .ssrc = ssrc_of(client, packet.source),
                        .extensions = extensions};
    gsize length = packet.source == AUDIO ? 100 : PAYLOAD;
    if (packet.source == VIDEO) {
        payload[0] = packet.frame_start ? 0x90 : 0x80; // X, S
        payload[1] = 0xC0;                             // picture id, TL0PICIDX
        rtp_put16(payload + 2, 0x8000 | client->picture_id);
        payload[4] = client->tl0picidx;
        payload[5] = packet.key_frame ? 0x10 : 0x11;
    }
    payload[length - 1] = (guint8)values.sequence;
    payload[length - 2] = (guint8)client->number;
    SrtpPieces pieces = {.header = header,
                         .header_length = rtp_header_build(header, &values),
                         .payload = payload,
                         .payload_length = length};
    return srtp_out_protect(client->out, &client->streams[packet.source], out, &pieces);
}

static inline void wire_audio(WireClient *client, guint8 level)
{
    guint8 data[2048] __attribute__((aligned(8)));
    client->timestamps[AUDIO] += 960;
    wire_send(client, data,
              wire_build(client, data, (WirePacket){.source = AUDIO, .level = level}));
}

// A frame of n packets.
static inline void wire_frame(WireClient *client, gboolean key_frame, guint n)
{
    guint8 data[2048] __attribute__((aligned(8)));
    client->timestamps[VIDEO] += 3600;
    client->picture_id = (client->picture_id + 1) & 0x7FFF;
    client->tl0picidx++;
    for (guint i = 0; i < n; i++) {
        WirePacket packet = {
            .source = VIDEO, .frame_start = i == 0, .key_frame = key_frame, .marker = i == n - 1};
        wire_send(client, data, wire_build(client, data, packet));
    }
}

static inline void wire_rtcp(WireClient *client, RtcpWriter *writer)
{
    wire_send(client, writer->data,
              srtp_out_protect_rtcp(client->out, writer->data, writer->length));
}

static inline void wire_pli(WireClient *client, guint slot)
{
    guint8 data[256] __attribute__((aligned(8)));
    RtcpWriter writer = {.data = data, .size = 200};
    rtcp_write_pli(&writer, 1, slot_ssrc(client, slot));
    wire_rtcp(client, &writer);
}

static inline void wire_nack(WireClient *client, guint slot, guint16 sequence)
{
    guint8 data[256] __attribute__((aligned(8)));
    RtcpWriter writer = {.data = data, .size = 200};
    rtcp_write_nack(&writer, 1, slot_ssrc(client, slot), &sequence, 1);
    wire_rtcp(client, &writer);
}

// --- receiving -----------------------------------------------------------------------------------
static inline void note_rtcp(WireClient *client, const guint8 *data, gsize length)
{
    RtcpReader reader;
    RtcpPacket packet;
    RtcpReport report;
    guint32 ssrc;
    assert_true(rtcp_reader_init(&reader, data, length));
    while (rtcp_next(&reader, &packet)) {
        client->plis += rtcp_is_pli(&packet, &ssrc);
        client->arrivals += rtcp_is_twcc(&packet, &ssrc);
        if (rtcp_is_nack(&packet, &ssrc))
            client->nacks +=
                rtcp_nack_sequences(&packet, client->nacked + client->nacks, 64 - client->nacks);
        client->reports +=
            (packet.type == RTCP_RR || packet.type == RTCP_SR) && rtcp_report(&packet, 0, &report);
        if (packet.type == RTCP_SR && rtcp_sender_info(&packet, &client->sender_info)) {
            client->sender_reports++;
            client->reported_ssrc = packet.sender;
        }
    }
}

// Takes one datagram; TRUE: it was RTP, and is in client->rtp.
static inline gboolean take(WireClient *client, gssize got)
{
    gsize length = (gsize)got;
    DatagramKind kind = stun_datagram_kind(client->raw, length);
    client->raw_length = length;
    memcpy(client->plain, client->raw, length);
    if (kind == DATAGRAM_RTCP) {
        assert_int_equal(srtp_in_unprotect_rtcp(client->in, client->plain, &length), SRTP_OK);
        note_rtcp(client, client->plain, length);
    }
    if (kind != DATAGRAM_RTP)
        return FALSE;
    SrtpResult result = srtp_in_unprotect(client->in, client->plain, &length);
    assert_true(result == SRTP_OK || result == SRTP_REPLAYED); // identical bytes again
    return result == SRTP_REPLAYED || rtp_parse(&client->rtp, client->plain, length);
}

// The next RTP packet, within five seconds.
static inline const RtpPacket *wire_next(WireClient *client)
{
    gssize got;
    do {
        got = recv(client->fd, client->raw, sizeof client->raw, 0);
        assert_true(got > 0);
    } while (!take(client, got));
    return &client->rtp;
}

// Takes what has come until a check is answered; returns how many were RTP.
static inline guint wire_drain(WireClient *client)
{
    guint8 data[STUN_REQUEST_MAX];
    guint packets = 0;
    client->request.transaction[0]++;
    wire_send(client, data, stun_request_build(data, &client->request));
    for (;;) {
        gssize got = recv(client->fd, client->raw, sizeof client->raw, 0);
        assert_true(got > 0);
        if (stun_datagram_kind(client->raw, (gsize)got) == DATAGRAM_STUN)
            return packets;
        packets += take(client, got);
    }
}

// Reads until a counter of RTCP has reached `count`, or milliseconds have passed.
static inline void wire_until(WireClient *client, const guint *counter, guint count,
                              gint milliseconds)
{
    gint64 end_us = g_get_monotonic_time() + milliseconds * 1000;
    while (*counter < count && g_get_monotonic_time() < end_us) {
        gssize got = recv(client->fd, client->raw, sizeof client->raw, MSG_DONTWAIT);
        if (got > 0)
            take(client, got);
        else
            g_usleep(1000);
    }
}
