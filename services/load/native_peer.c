// SPDX-License-Identifier: MIT
// See native_peer.h. One GSource a peer: its socket, and a ready time that is the earliest of all
// that is due (checks, handshake, frames, NACKs, reports), so that an idle peer costs nothing.
#include "load/native_peer.h"
#include "media-worker/stun.h"
#include "load/native_feedback.h"
#include "load/native_sdp.h"
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define BATCH 32
#define CHECK_US 50000           // between checks until one is answered
#define CONSENT_US 2500000       // and after that
#define TRANSACTION_US 500000    // a check is repeated as it is for so long
#define CONSENT_LOST_US 30000000 // RFC 7675
#define FIRST_REPORT_US 50000    // after media has begun
#define SOCKET_BYTES (1 << 20)
#define PRIORITY 1853817087 // of a peer-reflexive candidate, RFC 8445 section 5.1.2

struct NativePeer {
    NativeSettings settings;
    NativeState state;
    NativeOffer offer;
    NativeAnswer answer;
    char *offer_text;
    char *username; // "theirs:ours"
    GSource *source;
    int socket;
    gpointer socket_tag;
    // ICE
    StunRequest check;
    gint64 check_due_us, check_since_us, consent_us;
    gboolean check_pending;
    // DTLS and SRTP
    DtlsSession *dtls;
    SrtpIn *in;
    SrtpOut *out;
    // media
    NativeWire wire;
    NativeSource audio, video;
    NativeReceiver *receivers;
    GHashTable *names;
    NativeFeedback feedback;
    NativeCounts counts;
};

typedef struct {
    GSource base;
    NativePeer *peer;
} PeerSource;

// --- sending -------------------------------------------------------------------------------------
static gboolean is_lost(guint per_cent)
{
    return per_cent > 0 && g_random_int_range(0, 100) < (gint32)per_cent;
}

static void send_datagram(const guint8 *data, gsize length, gpointer user)
{
    NativePeer *peer = user;
    if (!is_lost(peer->settings.loss_out))
        (void)!send(peer->socket, data, length, MSG_DONTWAIT);
}

static void random_text(char *out, gsize size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (gsize i = 0; i + 1 < size; i++)
        out[i] = letters[g_random_int_range(0, 64)];
}

static void new_transaction(NativePeer *peer, gint64 now_us)
{
    peer->check = (StunRequest){.username = peer->username,
                                .password = peer->answer.pwd,
                                .priority = PRIORITY,
                                .tie_breaker = peer->offer.audio_ssrc,
                                .use_candidate = peer->consent_us != 0};
    for (guint i = 0; i < sizeof(peer->check.transaction); i++)
        peer->check.transaction[i] = (guint8)g_random_int();
    peer->check_since_us = now_us;
    peer->check_pending = TRUE;
}

static void send_check(NativePeer *peer, gint64 now_us)
{
    guint8 request[STUN_REQUEST_MAX];
    if (!peer->check_pending || now_us - peer->check_since_us > TRANSACTION_US)
        new_transaction(peer, now_us);
    send_datagram(request, stun_request_build(request, &peer->check), peer);
    peer->check_due_us = now_us + CHECK_US;
}

// --- connecting ----------------------------------------------------------------------------------
static DtlsContext *shared_context(void)
{
    static DtlsContext *context;
    if (context == NULL)
        context = dtls_context_new(NULL);
    g_assert(context != NULL);
    return context;
}

static void start_handshake(NativePeer *peer)
{
    DtlsSettings settings = {.role = DTLS_CLIENT,
                             .send = send_datagram,
                             .user = peer,
                             .only_cm = peer->settings.only_cm};
    memcpy(settings.fingerprint, peer->answer.fingerprint, sizeof(settings.fingerprint));
    peer->dtls = dtls_session_new(shared_context(), &settings);
    peer->state = NATIVE_SHAKING;
    dtls_session_start(peer->dtls);
}

// The first answer is followed by a check that nominates, as an aggressive browser does.
static void on_stun(NativePeer *peer, const guint8 *data, gsize length, gint64 now_us)
{
    guint code;
    if (!peer->check_pending || !stun_response_check(&peer->check, data, length, &code, NULL) ||
        code != 0)
        return;
    gboolean nominated = peer->check.use_candidate;
    peer->check_pending = FALSE;
    peer->consent_us = now_us;
    peer->check_due_us = nominated ? now_us + CONSENT_US : now_us;
    peer->counts.stun_answers++;
    if (peer->state == NATIVE_CHECKING)
        start_handshake(peer);
}

static void take_keys(NativePeer *peer, gint64 now_us)
{
    const SrtpKeys *keys = dtls_session_keys(peer->dtls);
    peer->in = srtp_in_new(keys);
    peer->out = peer->wire.srtp = srtp_out_new(keys);
    peer->state = NATIVE_READY;
    peer->feedback.report_due_us = now_us;
    dtls_session_trim(peer->dtls);
}

static void after_dtls(NativePeer *peer, DtlsState state, gint64 now_us)
{
    if (state == DTLS_DONE && peer->state == NATIVE_SHAKING)
        take_keys(peer, now_us);
    else if (state == DTLS_FAILED)
        peer->state = NATIVE_FAILED;
}

// --- receiving -----------------------------------------------------------------------------------
static guint count_slots(const NativePeer *peer)
{
    return peer->settings.audio_slots + peer->settings.video_slots;
}

static NativeReceiver *receiver_of(NativePeer *peer, guint32 ssrc, gboolean *ret_is_rtx)
{
    for (guint i = 0; i < count_slots(peer); i++) {
        NativeSlot *slot = &peer->receivers[i].slot;
        if (ssrc != 0 && (slot->ssrc == ssrc || slot->rtx_ssrc == ssrc)) {
            *ret_is_rtx = slot->rtx_ssrc == ssrc;
            return &peer->receivers[i];
        }
    }
    return NULL;
}

static void on_rtp(NativePeer *peer, guint8 *data, gsize length, gint64 now_us)
{
    RtpPacket packet;
    gboolean is_rtx = FALSE;
    if (peer->in == NULL || srtp_in_unprotect(peer->in, data, &length) != SRTP_OK) {
        peer->counts.forged++;
        return;
    }
    NativeReceiver *receiver =
        rtp_parse(&packet, data, length) ? receiver_of(peer, packet.ssrc, &is_rtx) : NULL;
    if (receiver == NULL)
        return;
    if (is_rtx) {
        const ReceiveOriginal original = {receiver->slot.ssrc, NATIVE_PT_VIDEO};
        guint8 *start = receive_unwrap_rtx(data, &length, original);
        if (start == NULL || !rtp_parse(&packet, start, length))
            return;
    }
    native_receiver_packet(receiver, &packet, is_rtx, now_us);
}

static void on_rtcp(NativePeer *peer, guint8 *data, gsize length, gint64 now_us)
{
    if (peer->in == NULL || srtp_in_unprotect_rtcp(peer->in, data, &length) != SRTP_OK)
        peer->counts.forged++;
    else
        native_feedback_read(&peer->feedback, data, length, now_us);
}

static void on_datagram(NativePeer *peer, guint8 *data, gsize length, gint64 now_us)
{
    if (is_lost(peer->settings.loss_in))
        return;
    switch (stun_datagram_kind(data, length)) {
    case DATAGRAM_STUN:
        on_stun(peer, data, length, now_us);
        break;
    case DATAGRAM_DTLS:
        if (peer->dtls != NULL)
            after_dtls(peer, dtls_session_feed(peer->dtls, data, length), now_us);
        break;
    case DATAGRAM_RTP:
        on_rtp(peer, data, length, now_us);
        break;
    case DATAGRAM_RTCP:
        on_rtcp(peer, data, length, now_us);
        break;
    case DATAGRAM_OTHER:
        break;
    }
}

// All peers share the memory: one thread, and nothing is kept.
static void read_socket(NativePeer *peer, gint64 now_us)
{
    static _Alignas(8) guint8 memory[BATCH][2048];
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    gint count;
    do {
        for (guint i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){memory[i], sizeof(memory[i])};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        }
        count = recvmmsg(peer->socket, messages, BATCH, MSG_DONTWAIT, NULL);
        for (gint i = 0; i < count; i++)
            on_datagram(peer, memory[i], messages[i].msg_len, now_us);
    } while (count == BATCH);
}

// --- time ----------------------------------------------------------------------------------------
static gint64 next_due_us(const NativePeer *peer, gint64 now_us)
{
    gint64 due_us = peer->check_due_us;
    if (peer->state == NATIVE_SHAKING) {
        gint wait_ms = dtls_session_timeout_ms(peer->dtls);
        return wait_ms < 0 ? due_us : MIN(due_us, now_us + wait_ms * G_GINT64_CONSTANT(1000));
    }
    if (peer->state != NATIVE_READY)
        return due_us;
    due_us = MIN(due_us, native_feedback_due_us(&peer->feedback));
    return MIN(due_us, MIN(peer->audio.due_us, peer->video.due_us));
}

static void run_media(NativePeer *peer, gint64 now_us)
{
    native_source_run(&peer->audio, &peer->wire, now_us);
    native_source_run(&peer->video, &peer->wire, now_us);
    native_feedback_run(&peer->feedback, now_us);
}

static void run(NativePeer *peer, gint64 now_us)
{
    if (peer->check_due_us <= now_us)
        send_check(peer, now_us);
    if (peer->consent_us != 0 && now_us - peer->consent_us > CONSENT_LOST_US)
        peer->state = NATIVE_FAILED;
    if (peer->state == NATIVE_SHAKING)
        after_dtls(peer, dtls_session_on_timer(peer->dtls), now_us);
    if (peer->state == NATIVE_READY)
        run_media(peer, now_us);
}

static void schedule(NativePeer *peer)
{
    gboolean alive = peer->state != NATIVE_NEW && peer->state != NATIVE_FAILED;
    g_source_set_ready_time(peer->source, alive ? next_due_us(peer, g_get_monotonic_time()) : -1);
}

static gboolean dispatch(GSource *base, GSourceFunc callback, gpointer user)
{
    (void)callback;
    (void)user;
    NativePeer *peer = ((PeerSource *)base)->peer;
    gint64 now_us = g_get_monotonic_time();
    if (peer->socket_tag != NULL && g_source_query_unix_fd(base, peer->socket_tag) != 0)
        read_socket(peer, now_us);
    if (peer->state != NATIVE_NEW && peer->state != NATIVE_FAILED)
        run(peer, now_us);
    schedule(peer);
    return G_SOURCE_CONTINUE;
}

// --- life ----------------------------------------------------------------------------------------
static void open_socket(NativePeer *peer)
{
    const struct sockaddr_storage *to = &peer->answer.candidate;
    const int bytes = SOCKET_BYTES;
    peer->socket = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert(peer->socket >= 0);
    setsockopt(peer->socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    g_assert(connect(peer->socket, (const struct sockaddr *)to,
                     to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                               : sizeof(struct sockaddr_in)) == 0);
    peer->socket_tag = g_source_add_unix_fd(peer->source, peer->socket, G_IO_IN);
}

static void close_socket(NativePeer *peer)
{
    if (peer->socket < 0)
        return;
    g_source_remove_unix_fd(peer->source, peer->socket_tag);
    close(peer->socket);
    peer->socket = -1;
    peer->socket_tag = NULL;
}

static void init_sources(NativePeer *peer)
{
    const NativeSettings *settings = &peer->settings;
    peer->audio = (NativeSource){.mid = "0",
                                 .ssrc = peer->offer.audio_ssrc,
                                 .packets_a_frame = 1,
                                 .bytes = settings->audio_bytes ? settings->audio_bytes : 148,
                                 .frame_us = 20000};
    guint frame_ms = settings->frame_ms ? settings->frame_ms : 40;
    peer->video =
        (NativeSource){.is_video = TRUE,
                       .mid = "1",
                       .ssrc = peer->offer.video_ssrc,
                       .rtx_ssrc = settings->no_rtx ? 0 : peer->offer.video_rtx_ssrc,
                       .paced = settings->paced,
                       .packets_a_frame = settings->video_packets ? settings->video_packets : 4,
                       .bytes = settings->video_bytes ? settings->video_bytes : 1188,
                       .frame_us = frame_ms * G_GINT64_CONSTANT(1000)};
    native_source_init(&peer->audio);
    native_source_init(&peer->video);
}

static void init_receivers(NativePeer *peer)
{
    peer->names = g_hash_table_new(NULL, NULL);
    peer->receivers = g_new0(NativeReceiver, MAX(count_slots(peer), 1));
    for (guint i = 0; i < count_slots(peer); i++)
        peer->receivers[i] =
            (NativeReceiver){.slot = {.peer = peer, .is_video = i >= peer->settings.audio_slots},
                             .settings = &peer->settings,
                             .names = peer->names,
                             .key_due_us = G_MAXINT64};
}

static void init_offer(NativePeer *peer)
{
    peer->offer = (NativeOffer){.audio_slots = peer->settings.audio_slots,
                                .video_slots = peer->settings.video_slots,
                                .no_rtx = peer->settings.no_rtx,
                                .fingerprint = dtls_context_fingerprint(shared_context()),
                                .audio_ssrc = g_random_int() | 1,
                                .video_ssrc = g_random_int() | 1,
                                .video_rtx_ssrc = g_random_int() | 1};
    random_text(peer->offer.ufrag, sizeof(peer->offer.ufrag));
    random_text(peer->offer.pwd, sizeof(peer->offer.pwd));
    random_text(peer->offer.cname, sizeof(peer->offer.cname));
    peer->offer_text = native_sdp_offer(&peer->offer);
}

NativePeer *native_peer_new(const NativeSettings *settings)
{
    static GSourceFuncs functions = {.dispatch = dispatch};
    NativePeer *peer = g_new0(NativePeer, 1);
    peer->settings = *settings;
    peer->socket = -1;
    peer->counts.rtt_us = -1;
    init_offer(peer);
    init_sources(peer);
    init_receivers(peer);
    peer->wire =
        (NativeWire){.label = settings->label, .level = 30, .send = send_datagram, .user = peer};
    peer->feedback = (NativeFeedback){.audio = &peer->audio,
                                      .video = &peer->video,
                                      .receivers = peer->receivers,
                                      .n_receivers = count_slots(peer),
                                      .wire = &peer->wire,
                                      .counts = &peer->counts,
                                      .cname = peer->offer.cname};
    peer->source = g_source_new(&functions, sizeof(PeerSource));
    ((PeerSource *)peer->source)->peer = peer;
    g_source_attach(peer->source, NULL);
    return peer;
}

void native_peer_free(NativePeer *peer)
{
    if (peer == NULL)
        return;
    close_socket(peer);
    g_source_destroy(peer->source);
    g_source_unref(peer->source);
    native_source_clear(&peer->audio);
    native_source_clear(&peer->video);
    dtls_session_free(peer->dtls);
    srtp_in_free(peer->in);
    srtp_out_free(peer->out);
    g_hash_table_unref(peer->names);
    g_free(peer->receivers);
    g_free(peer->offer_text);
    g_free(peer->username);
    g_free(peer);
}

const char *native_peer_offer(const NativePeer *peer)
{
    return peer->offer_text;
}

// Slot i is m-line i + 2 of the offer.
static gboolean take_slots(NativePeer *peer)
{
    if (peer->answer.n_media != count_slots(peer) + 2)
        return FALSE;
    for (guint i = 0; i < count_slots(peer); i++) {
        const NativeAnswerMedia *media = &peer->answer.media[i + 2];
        NativeSlot *slot = &peer->receivers[i].slot;
        g_snprintf(slot->mid, sizeof(slot->mid), "%u", i + 2);
        if (!media->rejected && strcmp(media->mid, slot->mid) != 0)
            return FALSE;
        slot->ssrc = media->rejected ? 0 : media->ssrc;
        slot->rtx_ssrc = media->rejected ? 0 : media->rtx_ssrc;
        native_receiver_init(&peer->receivers[i]);
    }
    return TRUE;
}

gboolean native_peer_answer(NativePeer *peer, const char *sdp)
{
    g_assert(peer->state == NATIVE_NEW);
    if (!native_sdp_answer(sdp, &peer->answer) || !take_slots(peer)) {
        g_printerr("# native peer: an answer that cannot be used:\n%s\n", sdp);
        return FALSE;
    }
    peer->username = g_strdup_printf("%s:%s", peer->answer.ufrag, peer->offer.ufrag);
    open_socket(peer);
    peer->state = NATIVE_CHECKING;
    schedule(peer);
    return TRUE;
}

NativeState native_peer_state(const NativePeer *peer)
{
    return peer->state;
}

void native_peer_send(NativePeer *peer, gboolean audio, gboolean video)
{
    gint64 now_us = g_get_monotonic_time();
    native_source_switch(&peer->audio, audio, now_us);
    native_source_switch(&peer->video, video, now_us);
    peer->feedback.report_due_us = MIN(peer->feedback.report_due_us, now_us + FIRST_REPORT_US);
    schedule(peer);
}

void native_peer_set_level(NativePeer *peer, guint8 level)
{
    peer->wire.level = level;
}

// --- what tests see ------------------------------------------------------------------------------
const NativeSlot *native_peer_audio_slot(const NativePeer *peer, guint index)
{
    return index < peer->settings.audio_slots ? &peer->receivers[index].slot : NULL;
}

const NativeSlot *native_peer_video_slot(const NativePeer *peer, guint index)
{
    return index < peer->settings.video_slots
               ? &peer->receivers[peer->settings.audio_slots + index].slot
               : NULL;
}

guint native_peer_faults(const NativePeer *peer)
{
    guint faults = 0;
    for (guint i = 0; i < count_slots(peer); i++) {
        const NativeSlot *slot = &peer->receivers[i].slot;
        faults += slot->bad_payloads + slot->bad_names + slot->bad_entries + slot->bad_pictures +
                  slot->bad_timestamps + slot->bad_extensions;
    }
    return faults;
}

const NativeCounts *native_peer_counts(const NativePeer *peer)
{
    NativeCounts *counts = (NativeCounts *)&peer->counts;
    counts->audio_packets = peer->audio.packets;
    counts->video_packets = peer->video.packets;
    counts->audio_ssrc = peer->audio.ssrc;
    counts->video_ssrc = peer->video.ssrc;
    counts->key_frames = peer->video.key_frames;
    counts->resent = peer->video.resent;
    return counts;
}

static NativeReceiver *video_receiver(NativePeer *peer, guint index)
{
    g_assert(index < peer->settings.video_slots && peer->state == NATIVE_READY);
    return &peer->receivers[peer->settings.audio_slots + index];
}

void native_peer_request_key_frame(NativePeer *peer, guint video_slot)
{
    native_feedback_pli(&peer->feedback, video_receiver(peer, video_slot));
}

void native_peer_request_again(NativePeer *peer, guint video_slot, guint16 sequence)
{
    native_feedback_nack(&peer->feedback, video_receiver(peer, video_slot), &sequence, 1);
}

void native_peer_inject(NativePeer *peer, const guint8 *data, gsize length)
{
    (void)!send(peer->socket, data, length, MSG_DONTWAIT);
}

void native_peer_rebind(NativePeer *peer)
{
    close_socket(peer);
    open_socket(peer);
    peer->check_pending = FALSE;
    peer->check_due_us = 0;
    schedule(peer);
}
