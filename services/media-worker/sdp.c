// SPDX-License-Identifier: MIT
// See sdp.h.
#include "media-worker/sdp.h"

#include <string.h>
#include <sys/random.h>
#include "common/limits.h"

#define AUDIO_SOURCES 1
#define VIDEO_SOURCES 2 // camera, screen
#define PAIRS 3         // audio and video slots that share a stream
#define UFRAG_LENGTH 8
#define PWD_LENGTH 32

typedef struct {
    const SdpLocal *local;
    const SdpOffer *offer;
    MediaPeerDescription *description;
    guint sources[2], slots[2]; // so far, by kind
    GString *text;
} Answering;

void sdp_answer_free(SdpAnswer *answer)
{
    if (answer == NULL)
        return;
    media_peer_description_free(answer->description);
    g_free(answer->text);
    g_free(answer);
}

static void random_bytes(void *bytes, gsize length)
{
    g_assert(getrandom(bytes, length, 0) == (gssize)length);
}

static guint32 random_number(void)
{
    guint32 number = 0;
    random_bytes(&number, sizeof number);
    return number;
}

// length characters of the 64 that ICE allows, 6 bits each.
static void random_text(char *text, gsize length)
{
    static const char characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    random_bytes(text, length);
    for (gsize i = 0; i < length; i++)
        text[i] = characters[(guchar)text[i] & 63];
    text[length] = '\0';
}

// --------------------------------------------------------------------------- sources and slots

static gboolean ssrc_is_taken(const MediaPeerDescription *description, guint32 ssrc)
{
    if (ssrc == 0)
        return TRUE;
    for (guint i = 0; i < description->n_sources; i++)
        if (description->sources[i].ssrc == ssrc || description->sources[i].rtx_ssrc == ssrc)
            return TRUE;
    for (guint i = 0; i < description->n_slots; i++)
        if (description->slots[i].ssrc == ssrc || description->slots[i].rtx_ssrc == ssrc)
            return TRUE;
    return FALSE;
}

static guint32 fresh_ssrc(const MediaPeerDescription *description)
{
    guint32 ssrc = 0;
    while (ssrc_is_taken(description, ssrc))
        ssrc = random_number();
    return ssrc;
}

static const char *source_label(MediaKind kind, guint index)
{
    if (kind == MEDIA_AUDIO)
        return "audio";
    return index == 0 ? "video" : "screen";
}

static guint32 clock_rate(MediaKind kind)
{
    return kind == MEDIA_AUDIO ? 48000 : 90000;
}

// An SSRC that two m-lines claim is left to be learned from authenticated packets.
static void add_source(Answering *answering, const SdpMedia *line)
{
    MediaPeerDescription *description = answering->description;
    gboolean clash = line->ssrc != 0 && ssrc_is_taken(description, line->ssrc);
    gboolean rtx = !clash && line->rtx_payload_type != 0 && line->rtx_ssrc != 0 &&
                   !ssrc_is_taken(description, line->rtx_ssrc);
    MediaSource source = {
        .kind = line->kind,
        .label = source_label(line->kind, answering->sources[line->kind]),
        .payload_type = line->payload_type,
        .rtx_payload_type = line->rtx_payload_type,
        .clock_rate = clock_rate(line->kind),
        .ssrc = clash ? 0 : line->ssrc,
        .rtx_ssrc = rtx ? line->rtx_ssrc : 0,
        .has_nack = line->nack,
        .has_transport_cc = line->transport_cc,
    };
    g_strlcpy(source.mid, line->mid, sizeof source.mid);
    description->sources[description->n_sources++] = source;
    answering->sources[line->kind]++;
}

// Sequence numbers start below 2^15, so that a receiver's guess of the rollover counter is right.
static void add_slot(Answering *answering, const SdpMedia *line)
{
    MediaPeerDescription *description = answering->description;
    guint32 ssrc = fresh_ssrc(description);
    MediaSlot slot = {
        .kind = line->kind,
        .payload_type = line->payload_type,
        .rtx_payload_type = line->rtx_payload_type,
        .clock_rate = clock_rate(line->kind),
        .ssrc = ssrc,
        .first_sequence = (guint16)(random_number() & 0x7fff),
        .first_timestamp = random_number(),
    };
    while (slot.rtx_payload_type != 0 && (slot.rtx_ssrc == 0 || slot.rtx_ssrc == ssrc))
        slot.rtx_ssrc = fresh_ssrc(description);
    g_strlcpy(slot.mid, line->mid, sizeof slot.mid);
    description->slots[description->n_slots++] = slot;
    answering->slots[line->kind]++;
}

// ------------------------------------------------------------------------------------- the text

static void write_extension(GString *text, guint8 id, const char *uri)
{
    if (id != 0)
        g_string_append_printf(text, "a=extmap:%u %s\r\n", id, uri);
}

static void write_extensions(GString *text, const MediaExtensions *extensions)
{
    write_extension(text, extensions->mid, "urn:ietf:params:rtp-hdrext:sdes:mid");
    write_extension(text, extensions->audio_level, "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
    write_extension(text, extensions->abs_send_time,
                    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time");
    write_extension(text, extensions->transport_cc,
                    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
}

static void write_codec(GString *text, const SdpMedia *line)
{
    guint type = line->payload_type;
    if (line->kind == MEDIA_AUDIO) {
        g_string_append_printf(text, "a=rtpmap:%u opus/48000/2\r\n", type);
        g_string_append_printf(text, "a=fmtp:%u minptime=10;useinbandfec=1\r\n", type);
    } else {
        g_string_append_printf(text, "a=rtpmap:%u VP8/90000\r\n", type);
    }
    if (line->nack)
        g_string_append_printf(text, "a=rtcp-fb:%u nack\r\n", type);
    if (line->pli)
        g_string_append_printf(text, "a=rtcp-fb:%u nack pli\r\n", type);
    if (line->fir)
        g_string_append_printf(text, "a=rtcp-fb:%u ccm fir\r\n", type);
    if (line->transport_cc)
        g_string_append_printf(text, "a=rtcp-fb:%u transport-cc\r\n", type);
    if (line->rtx_payload_type != 0) {
        g_string_append_printf(text, "a=rtpmap:%u rtx/90000\r\n", line->rtx_payload_type);
        g_string_append_printf(text, "a=fmtp:%u apt=%u\r\n", line->rtx_payload_type, type);
    }
}

// The slot that was added last.
static void write_slot(const Answering *answering)
{
    const MediaPeerDescription *description = answering->description;
    const MediaSlot *slot = &description->slots[description->n_slots - 1];
    const char *kind = slot->kind == MEDIA_AUDIO ? "audio" : "video";
    guint k = answering->slots[slot->kind];
    GString *text = answering->text;
    if (k <= PAIRS)
        g_string_append_printf(text, "a=msid:pair%u %s%u\r\n", k, kind, k);
    else
        g_string_append_printf(text, "a=msid:%s%u %s%u\r\n", kind, k, kind, k);
    if (slot->rtx_ssrc != 0)
        g_string_append_printf(text, "a=ssrc-group:FID %u %u\r\n", slot->ssrc, slot->rtx_ssrc);
    g_string_append_printf(text, "a=ssrc:%u cname:%s\r\n", slot->ssrc, description->cname);
    if (slot->rtx_ssrc != 0)
        g_string_append_printf(text, "a=ssrc:%u cname:%s\r\n", slot->rtx_ssrc, description->cname);
}

// At every m-line, because some peers read it nowhere else; once, at the session, for those who say
// it once: 200 bytes an m-line, with which a large answer would not fit a young connection's
// window.
static void write_transport(const Answering *answering)
{
    const MediaPeerDescription *description = answering->description;
    GString *text = answering->text;
    g_string_append_printf(text, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", description->local_ufrag,
                           description->local_pwd);
    g_string_append_printf(text, "a=fingerprint:sha-256 %s\r\na=setup:passive\r\n",
                           answering->local->fingerprint);
}

// Once, at the first m-line.
static void write_candidates(const Answering *answering)
{
    GString *text = answering->text;
    for (const char *const *line = answering->local->candidates; *line != NULL; line++)
        g_string_append_printf(text, "a=%s\r\n", *line);
    g_string_append(text, "a=end-of-candidates\r\n");
}

static void write_rejection(GString *text, const SdpMedia *line)
{
    g_string_append_printf(text, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\n", line->type, line->protocol,
                           line->format);
    if (line->mid[0] != '\0')
        g_string_append_printf(text, "a=mid:%s\r\n", line->mid);
    g_string_append(text, "a=inactive\r\n");
}

static const char *direction(gboolean is_source, gboolean is_slot)
{
    if (is_source)
        return is_slot ? "sendrecv" : "recvonly";
    return is_slot ? "sendonly" : "inactive";
}

static void answer_media(Answering *answering, const SdpMedia *line, gboolean first)
{
    static const guint sources_max[] = {AUDIO_SOURCES, VIDEO_SOURCES};
    GString *text = answering->text;
    gboolean is_source = line->sends && answering->sources[line->kind] < sources_max[line->kind];
    gboolean is_slot = line->receives && answering->description->n_slots < LIMIT_SLOTS_PER_PEER;
    if (is_source)
        add_source(answering, line);
    g_string_append_printf(text, "m=%s %u %s %u", line->type, answering->local->port,
                           line->protocol, line->payload_type);
    if (line->rtx_payload_type != 0)
        g_string_append_printf(text, " %u", line->rtx_payload_type);
    g_string_append_printf(text, "\r\nc=IN IP%c %s\r\na=mid:%s\r\na=%s\r\na=rtcp-mux\r\n",
                           strchr(answering->local->address, ':') != NULL ? '6' : '4',
                           answering->local->address, line->mid, direction(is_source, is_slot));
    if (line->reduced_size)
        g_string_append(text, "a=rtcp-rsize\r\n");
    if (!answering->offer->transport_once)
        write_transport(answering);
    if (first)
        write_candidates(answering);
    write_extensions(text, &line->extensions);
    write_codec(text, line);
    if (is_slot) {
        add_slot(answering, line);
        write_slot(answering);
    }
}

static void write_session(const Answering *answering)
{
    GString *text = answering->text;
    g_string_append_printf(text, "v=0\r\no=- %u 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
                           random_number());
    g_string_append(text, "a=ice-lite\r\na=group:BUNDLE");
    for (guint i = 0; i < answering->offer->n_media; i++)
        if (answering->offer->media[i].usable)
            g_string_append_printf(text, " %s", answering->offer->media[i].mid);
    g_string_append(text, "\r\na=msid-semantic:WMS *\r\n");
    if (answering->offer->transport_once)
        write_transport(answering);
}

// ------------------------------------------------------------------------------------ the answer

static MediaPeerDescription *describe(const SdpOffer *offer)
{
    MediaPeerDescription *description = g_new0(MediaPeerDescription, 1);
    char cname[16 + 1];
    random_text(cname, sizeof cname - 1);
    random_text(description->local_ufrag, UFRAG_LENGTH);
    random_text(description->local_pwd, PWD_LENGTH);
    g_strlcpy(description->remote_ufrag, offer->ufrag, sizeof description->remote_ufrag);
    description->extensions = offer->extensions;
    description->extensions.transport_cc = 0;
    for (guint i = 0; i < offer->n_media; i++)
        if (offer->media[i].usable && offer->media[i].transport_cc)
            description->extensions.transport_cc = offer->extensions.transport_cc;
    description->sources = g_new0(MediaSource, offer->n_media);
    description->slots = g_new0(MediaSlot, offer->n_media);
    description->cname = g_strdup(cname);
    return description;
}

SdpAnswer *sdp_answer(const char *text, const SdpLocal *local, const char **ret_words)
{
    g_autoptr(SdpOffer) offer = sdp_offer_parse(text, local->codecs, ret_words);
    if (offer == NULL)
        return NULL;
    Answering answering = {.local = local,
                           .offer = offer,
                           .description = describe(offer),
                           .text = g_string_sized_new(8192)};
    gboolean first = TRUE;
    write_session(&answering);
    for (guint i = 0; i < offer->n_media; i++) {
        if (!offer->media[i].usable) {
            write_rejection(answering.text, &offer->media[i]);
            continue;
        }
        answer_media(&answering, &offer->media[i], first);
        first = FALSE;
    }
    SdpAnswer *answer = g_new0(SdpAnswer, 1);
    answer->description = answering.description;
    answer->text = g_string_free(answering.text, FALSE);
    memcpy(answer->fingerprint, offer->fingerprint, sizeof answer->fingerprint);
    return answer;
}
