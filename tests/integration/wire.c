// SPDX-License-Identifier: MIT
// The wire modules end to end, without a room process: a native peer against the smallest server
// that can be made of them, which sends the peer's own media back into its slots.
#include "media-worker/history.h"
#include "media-worker/receive.h"
#include "media-worker/rtp.h"
#include "media-worker/stun.h"
#include "media-worker/twcc.h"
#include "media-worker/vp8.h"
#include "load/native_peer.h"
#include "load/native_sdp.h"
#include "tests/support/suite.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <glib-unix.h>

#define LABEL 7
#define TICK_MS 5
#define REPORT_US 200000
#define TWCC_US 60000
#define PWD "a-password-of-the-server"
enum { AUDIO_SLOT = 501, VIDEO_SLOT = 502, VIDEO_RTX = 503 };

// One slot of the echo.
typedef struct {
    const char *mid;
    guint8 payload_type;
    SrtpStream stream;
    gboolean started;
    guint16 offset; // ours - the peer's
    guint32 packets, octets, timestamp;
    Receive receive;
} Echo;

typedef struct {
    NativePeer *peer;
    int socket;
    struct sockaddr_in to;
    guint16 port;
    guint watch, tick;
    StunServer *stun;
    DtlsContext *context;
    DtlsSession *dtls;
    SrtpIn *in;
    SrtpOut *out;
    gboolean rtx;
    Echo audio, video;
    ReceiveClock clock;
    guint32 video_rtx_ssrc; // the peer's
    SrtpStream rtx_stream;
    guint16 rtx_sequence, transport_cc;
    History *history;
    TwccRecorder twcc;
    gint64 report_due_us, twcc_due_us;
    guint forged, key_requests;
} Server;
static Server server;

// --- out -----------------------------------------------------------------------------------------
static void send_back(const guint8 *data, gsize length, gpointer user)
{
    (void)user;
    (void)!sendto(server.socket, data, length, 0, (struct sockaddr *)&server.to, sizeof(server.to));
}

static gsize build_header(guint8 *out, const Echo *echo, RtpHeader header)
{
    static const guint32 csrc[] = {LABEL * 10};
    guint8 counter[2];
    rtp_put16(counter, server.transport_cc++);
    const RtpExtension extensions[] = {
        {NATIVE_ID_TWCC, 2, counter},
        {NATIVE_ID_MID, (guint8)strlen(echo->mid), (const guint8 *)echo->mid}};
    header.n_csrc = 1;
    header.csrc = csrc;
    header.n_extensions = 2;
    header.extensions = extensions;
    return rtp_header_build(out, &header);
}

static void remember(const RtpPacket *packet, guint16 sequence, const guint8 *sent, gsize length)
{
    gint64 now = g_get_monotonic_time();
    if (!server.rtx) {
        history_put_copy(server.history, sequence, sent, length, now);
        return;
    }
    GBytes *payload = g_bytes_new(packet->payload, packet->payload_length);
    const HistoryPacket entry = {.reference = payload,
                                 .payload = g_bytes_get_data(payload, NULL),
                                 .payload_length = packet->payload_length,
                                 .timestamp = packet->timestamp,
                                 .sequence = sequence,
                                 .marker = packet->marker};
    history_put(server.history, &entry, now);
}

static void echo_packet(Echo *echo, const RtpPacket *packet)
{
    _Alignas(4) guint8 out[2048];
    guint8 header[RTP_HEADER_MAX];
    if (!echo->started)
        echo->offset = (guint16)(100 - packet->sequence);
    echo->started = TRUE;
    guint16 sequence = (guint16)(packet->sequence + echo->offset);
    if (!srtp_stream_is_fresh(&echo->stream, sequence))
        return;
    const RtpHeader fields = {.payload_type = echo->payload_type,
                              .marker = packet->marker,
                              .sequence = sequence,
                              .timestamp = packet->timestamp,
                              .ssrc = echo->stream.ssrc};
    const SrtpPieces pieces = {.header = header,
                               .header_length = build_header(header, echo, fields),
                               .payload = packet->payload,
                               .payload_length = packet->payload_length};
    gsize length = srtp_out_protect(server.out, &echo->stream, out, &pieces);
    if (echo == &server.video)
        remember(packet, sequence, out, length);
    send_back(out, length, NULL);
    echo->packets++;
    echo->octets += packet->payload_length;
    echo->timestamp = packet->timestamp;
}

static void resend(guint16 sequence)
{
    _Alignas(4) guint8 out[2048];
    guint8 header[RTP_HEADER_MAX], original[2];
    const HistoryPacket *kept = history_resend(server.history, sequence, g_get_monotonic_time(), 0);
    if (kept == NULL)
        return;
    if (!server.rtx) {
        send_back(kept->payload, kept->payload_length, NULL);
        return;
    }
    const RtpHeader fields = {.payload_type = NATIVE_PT_RTX,
                              .marker = kept->marker,
                              .sequence = server.rtx_sequence++,
                              .timestamp = kept->timestamp,
                              .ssrc = VIDEO_RTX};
    rtp_put16(original, sequence);
    const SrtpPieces pieces = {.header = header,
                               .header_length = build_header(header, &server.video, fields),
                               .prefix = original,
                               .prefix_length = 2,
                               .payload = kept->payload,
                               .payload_length = kept->payload_length};
    send_back(out, srtp_out_protect(server.out, &server.rtx_stream, out, &pieces), NULL);
}

// --- RTCP ----------------------------------------------------------------------------------------
static void send_rtcp(RtcpWriter *writer)
{
    send_back(writer->data, srtp_out_protect_rtcp(server.out, writer->data, writer->length), NULL);
}

static void write_report(RtcpWriter *writer, Echo *echo, gint64 now)
{
    RtcpReport block;
    guint blocks = receive_report(&echo->receive, now, &block);
    const RtcpSenderInfo info = {rtcp_ntp_from_us(g_get_real_time()), echo->timestamp,
                                 echo->packets, echo->octets};
    if (echo->started)
        rtcp_write_sr(writer, echo->stream.ssrc, &info, &block, blocks);
}

static void run_feedback(gint64 now)
{
    _Alignas(4) guint8 bytes[1400];
    guint16 missing[32];
    RtcpWriter writer = {bytes, 1200, 0};
    guint count = receive_nacks(&server.video.receive, now, missing, G_N_ELEMENTS(missing));
    if (count > 0)
        rtcp_write_nack(&writer, 1, server.video.receive.ssrc, missing, count);
    if (receive_take_given_up(&server.video.receive))
        rtcp_write_pli(&writer, 1, server.video.receive.ssrc);
    if (server.twcc_due_us <= now) {
        server.twcc_due_us = now + TWCC_US;
        while (twcc_recorder_write(&server.twcc, &writer, 1, server.video.receive.ssrc))
            ;
    }
    if (server.report_due_us <= now) {
        server.report_due_us = now + REPORT_US;
        write_report(&writer, &server.audio, now);
        write_report(&writer, &server.video, now);
    }
    if (writer.length > 0)
        send_rtcp(&writer);
}

static void ask_for_key_frame(void)
{
    _Alignas(4) guint8 bytes[64];
    RtcpWriter writer = {bytes, 40, 0};
    server.key_requests++;
    rtcp_write_pli(&writer, 1, server.video.receive.ssrc);
    send_rtcp(&writer);
}

static void on_rtcp(const guint8 *data, gsize length)
{
    RtcpReader reader;
    RtcpPacket packet;
    RtcpSenderInfo info;
    guint16 sequences[64];
    guint32 media;
    assert_true(rtcp_reader_init(&reader, data, length));
    while (rtcp_next(&reader, &packet)) {
        guint count = rtcp_nack_sequences(&packet, sequences, G_N_ELEMENTS(sequences));
        for (guint i = 0; i < count; i++)
            resend(sequences[i]);
        if (rtcp_is_pli(&packet, &media) && media == VIDEO_SLOT)
            ask_for_key_frame();
        Echo *echo = packet.sender == server.audio.receive.ssrc ? &server.audio : &server.video;
        if (rtcp_sender_info(&packet, &info))
            receive_sender_report(&echo->receive, &server.clock, &info, g_get_monotonic_time());
    }
}

// --- in ------------------------------------------------------------------------------------------
static void on_rtp(guint8 *data, gsize length, gint64 now)
{
    RtpPacket packet;
    guint8 size = 0;
    assert_true(rtp_parse(&packet, data, length));
    gboolean is_rtx = packet.ssrc == server.video_rtx_ssrc;
    const guint8 *counter = rtp_extension(&packet, NATIVE_ID_TWCC, &size);
    if (counter != NULL && size == 2)
        twcc_recorder_add(&server.twcc, rtp_get16(counter), now);
    if (is_rtx) {
        const ReceiveOriginal original = {server.video.receive.ssrc, NATIVE_PT_VIDEO};
        data = receive_unwrap_rtx(data, &length, original);
        if (data == NULL || !rtp_parse(&packet, data, length))
            return;
    }
    Echo *echo = packet.ssrc == server.audio.receive.ssrc ? &server.audio : &server.video;
    assert_int_equal(packet.ssrc, echo->receive.ssrc);
    const ReceiveArrival arrival = {packet.sequence, packet.timestamp, now, is_rtx};
    ReceiveResult result = receive_packet(&echo->receive, &arrival);
    if (result != RECEIVE_DUPLICATE && result != RECEIVE_OLD)
        echo_packet(echo, &packet);
}

static const char *password_of(const StunUser *user, gpointer closure)
{
    (void)closure;
    return user->local_length == 4 && memcmp(user->local_ufrag, "ours", 4) == 0 ? PWD : NULL;
}

static void on_stun(const guint8 *data, gsize length)
{
    StunCheck check;
    struct sockaddr_storage from = {0};
    memcpy(&from, &server.to, sizeof(server.to));
    const StunDatagram datagram = {data, length, &from};
    StunResult result = stun_server_check(server.stun, &datagram, password_of, NULL, &check);
    assert_int_equal(result, STUN_SUCCESS);
    send_back(check.answer, check.answer_length, NULL);
}

static void on_dtls(const guint8 *data, gsize length)
{
    DtlsState state = dtls_session_feed(server.dtls, data, length);
    if (state != DTLS_DONE || server.in != NULL)
        return;
    server.in = srtp_in_new(dtls_session_keys(server.dtls));
    server.out = srtp_out_new(dtls_session_keys(server.dtls));
}

static void on_srtp(guint8 *data, gsize length, gboolean is_rtcp, gint64 now)
{
    SrtpResult result = server.in == NULL ? SRTP_FORGED
                        : is_rtcp         ? srtp_in_unprotect_rtcp(server.in, data, &length)
                                          : srtp_in_unprotect(server.in, data, &length);
    if (result != SRTP_OK)
        server.forged++;
    else if (is_rtcp)
        on_rtcp(data, length);
    else
        on_rtp(data, length, now);
}

static gboolean on_socket(gint fd, GIOCondition condition, gpointer user)
{
    (void)condition;
    (void)user;
    _Alignas(4) guint8 data[2048];
    socklen_t size = sizeof(server.to);
    gssize length =
        recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&server.to, &size);
    if (length <= 0)
        return G_SOURCE_CONTINUE;
    DatagramKind kind = stun_datagram_kind(data, (gsize)length);
    if (kind == DATAGRAM_STUN)
        on_stun(data, (gsize)length);
    else if (kind == DATAGRAM_DTLS)
        on_dtls(data, (gsize)length);
    else
        on_srtp(data, (gsize)length, kind == DATAGRAM_RTCP, g_get_monotonic_time());
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer user)
{
    (void)user;
    dtls_session_on_timer(server.dtls);
    if (server.out != NULL)
        run_feedback(g_get_monotonic_time());
    return G_SOURCE_CONTINUE;
}

// --- setting up ----------------------------------------------------------------------------------
static void open_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    server.socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(server.socket, (struct sockaddr *)&address, size), 0);
    getsockname(server.socket, (struct sockaddr *)&address, &size);
    server.port = ntohs(address.sin_port);
    server.watch = g_unix_fd_add(server.socket, G_IO_IN, on_socket, NULL);
    server.tick = g_timeout_add(TICK_MS, on_tick, NULL);
}

// The number behind `prefix` in the peer's offer, 0 if there is none.
static guint32 number_in_offer(const char *offer, const char *prefix, guint skip)
{
    const char *at = strstr(offer, prefix);
    for (; at != NULL && skip > 0; skip--)
        at = strstr(at + 1, prefix);
    return at != NULL ? (guint32)g_ascii_strtoull(at + strlen(prefix), NULL, 10) : 0;
}

static void open_dtls(const char *offer)
{
    DtlsSettings settings = {.role = DTLS_SERVER, .send = send_back};
    const char *at = strstr(offer, "a=fingerprint:sha-256 ");
    assert_non_null(at);
    g_autofree char *text = g_strndup(at + strlen("a=fingerprint:sha-256 "), 95);
    assert_true(dtls_fingerprint_parse(text, settings.fingerprint));
    server.context = dtls_context_new(NULL);
    server.dtls = dtls_session_new(server.context, &settings);
}

// As a room would answer an offer of one audio and one video slot.
static char *write_answer(void)
{
    GString *text =
        g_string_new("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n");
    for (guint i = 0; i < 4; i++) {
        g_string_append_printf(text, "m=%s %u UDP/TLS/RTP/SAVPF 96\r\na=mid:%u\r\n",
                               i % 2 == 0 ? "audio" : "video", server.port, i);
        g_string_append_printf(
            text, "a=ice-ufrag:ours\r\na=ice-pwd:" PWD "\r\na=fingerprint:sha-256 %s\r\n",
            dtls_context_fingerprint(server.context));
        g_string_append_printf(text, "a=candidate:1 1 udp 1 127.0.0.1 %u typ host\r\n",
                               server.port);
        if (i == 3 && server.rtx)
            g_string_append_printf(text, "a=ssrc-group:FID %d %d\r\n", VIDEO_SLOT, VIDEO_RTX);
        if (i >= 2)
            g_string_append_printf(text, "a=ssrc:%d cname:x\r\n", i == 2 ? AUDIO_SLOT : VIDEO_SLOT);
    }
    return g_string_free(text, FALSE);
}

static void init_echo(Echo *echo, const char *mid, guint32 slot_ssrc, guint32 ssrc)
{
    gboolean is_video = slot_ssrc == VIDEO_SLOT;
    *echo = (Echo){.mid = mid, .payload_type = is_video ? NATIVE_PT_VIDEO : NATIVE_PT_AUDIO};
    srtp_stream_init(&echo->stream, slot_ssrc);
    receive_init(&echo->receive, ssrc, is_video ? 90000 : 48000, is_video);
    receive_set_rtt(&echo->receive, 5000);
}

static void begin(NativeSettings settings)
{
    settings.label = LABEL;
    settings.audio_slots = settings.video_slots = 1;
    server = (Server){.rtx = !settings.no_rtx, .stun = stun_server_new()};
    server.peer = native_peer_new(&settings);
    const char *offer = native_peer_offer(server.peer);
    open_socket();
    open_dtls(offer);
    gboolean has_fid = strstr(offer, "FID") != NULL;
    init_echo(&server.audio, "2", AUDIO_SLOT, number_in_offer(offer, "a=ssrc:", 0));
    init_echo(&server.video, "3", VIDEO_SLOT, number_in_offer(offer, "a=ssrc:", 1));
    server.video_rtx_ssrc = has_fid ? number_in_offer(offer, "a=ssrc:", 2) : 0;
    srtp_stream_init(&server.rtx_stream, VIDEO_RTX);
    twcc_recorder_init(&server.twcc);
    server.history = server.rtx ? history_new(512, (HistoryRelease)g_bytes_unref)
                                : history_new_copies(512, 600000);
    g_autofree char *answer = write_answer();
    assert_true(native_peer_answer(server.peer, answer));
}

static void end(void)
{
    native_peer_free(server.peer);
    g_source_remove(server.watch);
    g_source_remove(server.tick);
    close(server.socket);
    history_free(server.history);
    srtp_in_free(server.in);
    srtp_out_free(server.out);
    dtls_session_free(server.dtls);
    dtls_context_free(server.context);
    stun_server_free(server.stun);
}

// --- the stories ---------------------------------------------------------------------------------
static gboolean is_ready(gpointer user)
{
    (void)user;
    return native_peer_state(server.peer) == NATIVE_READY;
}

static gboolean has_frames(gpointer user)
{
    return native_peer_video_slot(server.peer, 0)->frames >= GPOINTER_TO_UINT(user) &&
           native_peer_audio_slot(server.peer, 0)->packets >= GPOINTER_TO_UINT(user);
}

static void start_media(guint frames)
{
    assert_true(suite_until(is_ready, NULL, 5000));
    native_peer_send(server.peer, TRUE, TRUE);
    assert_true(suite_until(has_frames, GUINT_TO_POINTER(frames), 20000));
}

static void media_comes_back_whole_and_in_order(void **state)
{
    (void)state;
    for (guint only_cm = 0; only_cm < 2; only_cm++) {
        begin((NativeSettings){.only_cm = (gboolean)only_cm});
        start_media(20);
        const NativeSlot *video = native_peer_video_slot(server.peer, 0);
        assert_int_equal(native_peer_faults(server.peer), 0);
        assert_int_equal(video->lost + video->duplicates + video->reordered, 0);
        assert_int_equal(video->csrc, LABEL * 10);
        assert_int_equal(video->label, LABEL);
        assert_true(video->key_frames >= 1 && video->packets >= 4 * 20);
        assert_int_equal(server.forged, 0);
        assert_int_equal(srtp_out_profile(server.out),
                         only_cm ? SRTP_PROFILE_AES128_CM_SHA1_80 : SRTP_PROFILE_AEAD_AES_128_GCM);
        end();
    }
}

static gboolean has_reports(gpointer user)
{
    (void)user;
    const NativeCounts *counts = native_peer_counts(server.peer);
    return counts->reports >= 2 && counts->rtt_us >= 0 && counts->twcc_received >= 50 &&
           native_peer_video_slot(server.peer, 0)->reports >= 2;
}

static gboolean has_second_key_frame(gpointer user)
{
    return native_peer_video_slot(server.peer, 0)->key_frames > GPOINTER_TO_UINT(user);
}

static void reports_feedback_and_key_frames_flow(void **state)
{
    (void)state;
    begin((NativeSettings){.paced = TRUE});
    start_media(5);
    assert_true(suite_until(has_reports, NULL, 5000));
    assert_in_range(native_peer_counts(server.peer)->rtt_us, 0, 500000);
    assert_true(server.clock.known);
    guint before = native_peer_video_slot(server.peer, 0)->key_frames;
    native_peer_request_key_frame(server.peer, 0);
    assert_true(suite_until(has_second_key_frame, GUINT_TO_POINTER(before), 5000));
    assert_int_equal(server.key_requests, native_peer_counts(server.peer)->plis);
    end();
}

static gboolean was_resent(gpointer user)
{
    const NativeSlot *slot = user;
    return slot->duplicates > 0;
}

static void what_was_received_can_be_asked_for_again(void **state)
{
    (void)state;
    for (guint no_rtx = 0; no_rtx < 2; no_rtx++) {
        begin((NativeSettings){.no_rtx = (gboolean)no_rtx});
        start_media(5);
        const NativeSlot *slot = native_peer_video_slot(server.peer, 0);
        native_peer_request_again(server.peer, 0, (guint16)(slot->sequence - 3));
        if (no_rtx == 0)
            assert_true(suite_until(was_resent, (gpointer)slot, 5000));
        else // the identical bytes are a replay to SRTP
            assert_true(suite_until(has_frames, GUINT_TO_POINTER(slot->frames + 5), 5000));
        assert_int_equal(native_peer_counts(server.peer)->forged, no_rtx);
        end();
    }
}

static void loss_both_ways_is_made_good(void **state)
{
    (void)state;
    for (guint no_rtx = 0; no_rtx < 2; no_rtx++) {
        g_random_set_seed(11);
        begin((NativeSettings){.no_rtx = (gboolean)no_rtx, .loss_in = 5, .loss_out = 5});
        start_media(100);
        const NativeSlot *video = native_peer_video_slot(server.peer, 0);
        const NativeCounts *counts = native_peer_counts(server.peer);
        assert_true(counts->resent > 0 && counts->twcc_lost > 0 && video->asked > 0);
        assert_true(no_rtx || video->recovered > 0);
        assert_in_range(video->lost, 0, 40); // what is on its way; 10 % of 400 without resending
        assert_int_equal(native_peer_faults(server.peer), 0);
        end();
    }
}

static gboolean has_moved(gpointer user)
{
    return ntohs(server.to.sin_port) != GPOINTER_TO_UINT(user);
}

static void a_peer_that_moves_goes_on(void **state)
{
    (void)state;
    begin((NativeSettings){0});
    start_media(5);
    guint port = ntohs(server.to.sin_port);
    native_peer_rebind(server.peer);
    assert_true(suite_until(has_moved, GUINT_TO_POINTER(port), 5000));
    guint frames = native_peer_video_slot(server.peer, 0)->frames;
    assert_true(suite_until(has_frames, GUINT_TO_POINTER(frames + 5), 5000));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_comes_back_whole_and_in_order),
        cmocka_unit_test(reports_feedback_and_key_frames_flow),
        cmocka_unit_test(what_was_received_can_be_asked_for_again),
        cmocka_unit_test(loss_both_ways_is_made_good),
        cmocka_unit_test(a_peer_that_moves_goes_on),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
