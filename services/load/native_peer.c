// SPDX-License-Identifier: MIT
// See native_peer.h. One task a peer: its socket, and a time that is the earliest of all that is
// due (checks, handshake, frames, NACKs, reports), so that an idle peer costs nothing.
#include "load/native_peer.h"
#include "load/native_feedback.h"
#include "load/native_path.h"
#include "load/native_sdp.h"
#include <gio/gio.h>
#include <string.h>

#define CONSENT_LOST_US 30000000 // RFC 7675
#define FIRST_REPORT_US 50000    // after media has begun

struct NativePeer {
    NativeSettings settings;
    NativeState state;
    NativeOffer offer;
    NativeAnswer answer;
    char *offer_text;
    char *username; // "theirs:ours"
    char *candidates_text;
    NativeTask task;
    NativePath path;
    // DTLS and SRTP
    DtlsSession *dtls;
    SrtpIn *in;
    SrtpOut *out;
    // media
    NativeWire wire;
    NativeSource audio, video;
    NativeReceiver *receivers;
    GHashTable *names, *unreadable;
    NativeFeedback feedback;
    NativeCounts counts;
};

static gboolean is_lost(guint per_cent)
{
    return per_cent > 0 && g_random_int_range(0, 100) < (gint32)per_cent;
}

static void send_datagram(const guint8 *data, gsize length, gpointer user)
{
    native_path_send(&((NativePeer *)user)->path, data, length);
}

static void random_text(char *out, gsize size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (gsize i = 0; i + 1 < size; i++)
        out[i] = letters[g_random_int_range(0, 64)];
}

static void set_state(NativePeer *peer, NativeState state)
{
    peer->state = state;
    if (peer->settings.on_state != NULL && (state == NATIVE_READY || state == NATIVE_FAILED))
        peer->settings.on_state(peer, peer->settings.user);
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

static void take_keys(NativePeer *peer, gint64 now_us)
{
    const SrtpKeys *keys = dtls_session_keys(peer->dtls);
    peer->in = srtp_in_new(keys);
    peer->out = peer->wire.srtp = srtp_out_new(keys);
    peer->feedback.report_due_us = now_us;
    dtls_session_trim(peer->dtls);
    set_state(peer, NATIVE_READY);
}

static void after_dtls(NativePeer *peer, DtlsState state, gint64 now_us)
{
    if (state == DTLS_DONE && peer->state == NATIVE_SHAKING)
        take_keys(peer, now_us);
    else if (state == DTLS_FAILED)
        set_state(peer, NATIVE_FAILED);
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

static const char *own_password(const StunUser *user, gpointer closure)
{
    const NativeOffer *offer = closure;
    return strlen(offer->ufrag) == user->local_length &&
                   memcmp(offer->ufrag, user->local_ufrag, user->local_length) == 0
               ? offer->pwd
               : NULL;
}

// Servers that are full ICE agents check us, too.
static void answer_check(NativePeer *peer, const guint8 *data, gsize length)
{
    static StunServer *server; // of all peers
    StunCheck check;
    if (server == NULL)
        server = stun_server_new_controlling();
    if (!native_path_is_open(&peer->path))
        return; // it will ask again
    const StunDatagram datagram = {data, length, native_path_remote(&peer->path)};
    stun_server_check(server, &datagram, own_password, &peer->offer, &check);
    if (check.answer_length > 0)
        native_path_send(&peer->path, check.answer, check.answer_length);
}

static void on_datagram(guint8 *data, gsize length, gint64 now_us, gpointer user)
{
    NativePeer *peer = user;
    if (is_lost(peer->settings.loss_in))
        return;
    switch (stun_datagram_kind(data, length)) {
    case DATAGRAM_STUN:
        if (native_path_take(&peer->path, data, length, now_us))
            start_handshake(peer);
        else
            answer_check(peer, data, length);
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

// --- time ----------------------------------------------------------------------------------------
static gint64 next_due_us(const NativePeer *peer, gint64 now_us)
{
    gint64 due_us = peer->path.due_us;
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

static gboolean is_alive(const NativePeer *peer)
{
    return peer->state != NATIVE_NEW && peer->state != NATIVE_FAILED;
}

static void run(NativePeer *peer, gint64 now_us)
{
    gint64 consent_us = peer->path.consent_us;
    native_path_run(&peer->path, now_us);
    if (consent_us != 0 && now_us - consent_us > CONSENT_LOST_US)
        set_state(peer, NATIVE_FAILED);
    if (peer->state == NATIVE_SHAKING)
        after_dtls(peer, dtls_session_on_timer(peer->dtls), now_us);
    if (peer->state == NATIVE_READY)
        run_media(peer, now_us);
}

static void schedule(NativePeer *peer)
{
    native_loop_schedule(&peer->task,
                         is_alive(peer) ? next_due_us(peer, g_get_monotonic_time()) : G_MAXINT64);
}

static void on_woken(gpointer user, gboolean readable, gint64 now_us)
{
    NativePeer *peer = user;
    if (readable)
        native_path_read(&peer->path, on_datagram, peer);
    if (is_alive(peer))
        run(peer, now_us);
    schedule(peer);
}

// --- life ----------------------------------------------------------------------------------------
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
    peer->unreadable = g_hash_table_new(NULL, NULL);
    peer->receivers = g_new0(NativeReceiver, MAX(count_slots(peer), 1));
    guint audio_slots = peer->settings.audio_slots;
    for (guint i = 0; i < count_slots(peer); i++)
        peer->receivers[i] =
            (NativeReceiver){.slot = {.peer = peer,
                                      .is_video = i >= audio_slots,
                                      .index = i >= audio_slots ? i - audio_slots : i},
                             .settings = &peer->settings,
                             .names = peer->names,
                             .unreadable = peer->unreadable,
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
    NativePeer *peer = g_new0(NativePeer, 1);
    peer->settings = *settings;
    peer->counts.rtt_us = -1;
    peer->path = (NativePath){.sockets = {-1, -1}, .chosen = -1};
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
    peer->task = (NativeTask){.run = on_woken, .user = peer};
    native_loop_add(&peer->task);
    return peer;
}

void native_peer_free(NativePeer *peer)
{
    if (peer == NULL)
        return;
    native_path_close(&peer->path);
    native_loop_remove(&peer->task);
    native_source_clear(&peer->audio);
    native_source_clear(&peer->video);
    dtls_session_free(peer->dtls);
    srtp_in_free(peer->in);
    srtp_out_free(peer->out);
    g_hash_table_unref(peer->names);
    g_hash_table_unref(peer->unreadable);
    g_free(peer->receivers);
    g_free(peer->offer_text);
    g_free(peer->username);
    g_free(peer->candidates_text);
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

static gboolean take_stream(NativePeer *peer, const NativeAnswerMedia *media, guint *seen)
{
    guint most = media->is_video ? peer->settings.video_slots : peer->settings.audio_slots;
    guint nth = seen[media->is_video]++;
    if (nth >= most)
        return FALSE;
    NativeReceiver *receiver =
        &peer->receivers[media->is_video ? peer->settings.audio_slots + nth : nth];
    g_strlcpy(receiver->slot.mid, media->mid, sizeof(receiver->slot.mid));
    receiver->slot.ssrc = media->ssrc;
    receiver->slot.rtx_ssrc = media->rtx_ssrc;
    native_receiver_init(receiver);
    return TRUE;
}

static gboolean take_streams(NativePeer *peer)
{
    guint seen[2] = {0};
    for (guint i = 0; i < peer->answer.n_media; i++)
        if (!peer->answer.media[i].rejected && !take_stream(peer, &peer->answer.media[i], seen))
            return FALSE;
    return peer->answer.n_media > 0;
}

static void open_path(NativePeer *peer)
{
    NativePathSettings settings = {.username = peer->username,
                                   .password = peer->answer.pwd,
                                   .tie_breaker = G_MAXUINT64, // we stay controlling
                                   .n_candidates = peer->answer.n_candidates,
                                   .loss_out = peer->settings.loss_out};
    memcpy(settings.candidates, peer->answer.candidates, sizeof(settings.candidates));
    native_path_open(&peer->path, &settings, &peer->task);
}

static void connect_to(NativePeer *peer)
{
    peer->username = g_strdup_printf("%s:%s", peer->answer.ufrag, peer->offer.ufrag);
    open_path(peer);
    peer->state = NATIVE_CHECKING;
    schedule(peer);
}

gboolean native_peer_answer(NativePeer *peer, const char *sdp)
{
    g_assert(peer->state == NATIVE_NEW);
    if (!native_sdp_answer(sdp, &peer->answer) || !take_slots(peer)) {
        g_printerr("# native peer: an answer that cannot be used:\n%s\n", sdp);
        return FALSE;
    }
    connect_to(peer);
    return TRUE;
}

char *native_peer_take_offer(NativePeer *peer, const char *sdp)
{
    g_assert(peer->state == NATIVE_NEW);
    if (!native_sdp_answer(sdp, &peer->answer) || !take_streams(peer)) {
        g_printerr("# native peer: an offer that cannot be used:\n%s\n", sdp);
        return NULL;
    }
    connect_to(peer);
    return native_sdp_answer_offer(sdp, &peer->offer);
}

NativeState native_peer_state(const NativePeer *peer)
{
    return peer->state;
}

const char *native_peer_candidates(NativePeer *peer)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < peer->answer.n_candidates; i++) {
        g_autoptr(GSocketAddress) address = g_socket_address_new_from_native(
            &peer->answer.candidates[i], sizeof(peer->answer.candidates[i]));
        g_autofree char *one = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address));
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", one);
    }
    g_free(peer->candidates_text);
    peer->candidates_text = g_string_free(g_steal_pointer(&text), FALSE);
    return peer->candidates_text;
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

guint native_peer_unreadable(const NativePeer *peer, guint32 csrc)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(peer->unreadable, GUINT_TO_POINTER(csrc)));
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
    counts->stun_answers = peer->path.answers;
    counts->overflowed = peer->path.overflowed;
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
    native_path_send(&peer->path, data, length);
}

void native_peer_rebind(NativePeer *peer)
{
    native_path_rebind(&peer->path);
    schedule(peer);
}
