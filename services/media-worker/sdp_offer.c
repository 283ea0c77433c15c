// SPDX-License-Identifier: MIT
// See sdp_offer.h. GstSDP splits the text into lines; it allocates for each line and copies without
// a bound of its own, hence the checks before it. Transport attributes may stand at the session or
// at an m-line, and in a bundle those of the first usable m-line count.
#include "media-worker/sdp_offer.h"

#include <gst/sdp/gstsdpmessage.h>
#include <string.h>
#include "common/limits.h"

#define FORMATS_MAX 64 // of one m-line: an untrimmed Chromium offer has 40

typedef struct {
    const GstSDPMessage *message;
    const char *const *codecs;
    SdpOffer *offer;
} Reading;

static const struct {
    MediaKind kind;
    const char *name, *rtpmap;
} known_codecs[] = {{MEDIA_AUDIO, "opus", "opus/48000/2"},
                    {MEDIA_AUDIO, "opus", "opus/48000"}, // GStreamer, where its caps say no more
                    {MEDIA_VIDEO, "VP8", "VP8/90000"}};

void sdp_offer_free(SdpOffer *offer)
{
    if (offer == NULL)
        return;
    for (guint i = 0; i < offer->n_media; i++) {
        g_free(offer->media[i].type);
        g_free(offer->media[i].protocol);
        g_free(offer->media[i].format);
    }
    g_free(offer->media);
    g_free(offer);
}

// RFC 8866 token, without '.', which would split an attribute path of the data object.
static gboolean is_token(const char *text, gsize most)
{
    gsize length = strlen(text);
    if (length == 0 || length > most)
        return FALSE;
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && strchr("!#$%&'*+-^_`{|}~", *c) == NULL)
            return FALSE;
    return TRUE;
}

static gboolean is_ice_text(const char *text, gsize least, gsize most)
{
    gsize length = text == NULL ? 0 : strlen(text);
    if (length < least || length > most)
        return FALSE;
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && *c != '+' && *c != '/')
            return FALSE;
    return TRUE;
}

// A decimal number that ends at a blank, slash, semicolon or the end; FALSE where there is none.
static gboolean read_number(const char *text, guint64 most, guint64 *ret_number)
{
    char *end = NULL;
    if (!g_ascii_isdigit(*text))
        return FALSE;
    guint64 number = g_ascii_strtoull(text, &end, 10);
    if (number > most || (*end != '\0' && strchr(" /;", *end) == NULL))
        return FALSE;
    *ret_number = number;
    return TRUE;
}

static const char *after_blank(const char *text)
{
    const char *blank = strchr(text, ' ');
    return blank == NULL ? "" : blank + strspn(blank, " ");
}

// The m-line's own value, else the session's.
static const char *value_of(const Reading *reading, const GstSDPMedia *media, const char *key)
{
    const char *value = gst_sdp_media_get_attribute_val(media, key);
    return value != NULL ? value : gst_sdp_message_get_attribute_val(reading->message, key);
}

// ---------------------------------------------------------------------------------------- codecs

static const char *rtpmap_of(const GstSDPMedia *media, guint64 payload_type)
{
    const char *map = NULL;
    for (guint i = 0; (map = gst_sdp_media_get_attribute_val_n(media, "rtpmap", i)) != NULL; i++) {
        guint64 number = 0;
        if (read_number(map, 127, &number) && number == payload_type)
            return after_blank(map);
    }
    return "";
}

// Payload types 64 to 95 would be taken for RTCP on a multiplexed port (RFC 5761).
static gboolean read_payload_type(const GstSDPMedia *media, guint index, guint64 *ret_type)
{
    const char *format = gst_sdp_media_get_format(media, index);
    guint64 type = 0;
    if (format == NULL || !read_number(format, 127, &type) || (type >= 64 && type < 96))
        return FALSE;
    *ret_type = type;
    return TRUE;
}

static gboolean find_codec(const Reading *reading, const GstSDPMedia *media, SdpMedia *line)
{
    guint n = MIN(gst_sdp_media_formats_len(media), FORMATS_MAX);
    for (guint c = 0; c < G_N_ELEMENTS(known_codecs); c++) {
        if (known_codecs[c].kind != line->kind ||
            !g_strv_contains(reading->codecs, known_codecs[c].name))
            continue;
        for (guint i = 0; i < n; i++) {
            guint64 type = 0;
            if (!read_payload_type(media, i, &type) ||
                g_ascii_strcasecmp(rtpmap_of(media, type), known_codecs[c].rtpmap) != 0)
                continue;
            line->payload_type = (guint8)type;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean is_apt_of(const char *fmtp, guint64 type, guint64 payload_type)
{
    guint64 number = 0, apt = 0;
    if (!read_number(fmtp, 127, &number) || number != type)
        return FALSE;
    const char *parameter = strstr(after_blank(fmtp), "apt=");
    return parameter != NULL && read_number(parameter + 4, 127, &apt) && apt == payload_type;
}

// RFC 4588: the resending format whose apt names the codec.
static void find_rtx(const GstSDPMedia *media, SdpMedia *line)
{
    guint n = MIN(gst_sdp_media_formats_len(media), FORMATS_MAX);
    for (guint i = 0; i < n; i++) {
        guint64 type = 0;
        const char *fmtp = NULL;
        if (!read_payload_type(media, i, &type) || type == line->payload_type || type == 0 ||
            g_ascii_strcasecmp(rtpmap_of(media, type), "rtx/90000") != 0)
            continue;
        for (guint k = 0; (fmtp = gst_sdp_media_get_attribute_val_n(media, "fmtp", k)) != NULL; k++)
            if (is_apt_of(fmtp, type, line->payload_type)) {
                line->rtx_payload_type = (guint8)type;
                return;
            }
    }
}

static void read_feedback(const GstSDPMedia *media, SdpMedia *line)
{
    const char *value = NULL;
    for (guint i = 0; (value = gst_sdp_media_get_attribute_val_n(media, "rtcp-fb", i)) != NULL;
         i++) {
        guint64 type = 0;
        if (*value != '*' && (!read_number(value, 127, &type) || type != line->payload_type))
            continue;
        const char *what = after_blank(value);
        line->nack |= strcmp(what, "nack") == 0;
        line->pli |= line->kind == MEDIA_VIDEO && strcmp(what, "nack pli") == 0;
        line->fir |= line->kind == MEDIA_VIDEO && strcmp(what, "ccm fir") == 0;
        line->transport_cc |= strcmp(what, "transport-cc") == 0;
    }
}

// ------------------------------------------------------------------------------------ extensions

static guint8 *extension_named(MediaExtensions *extensions, const char *uri)
{
    if (strcmp(uri, "urn:ietf:params:rtp-hdrext:sdes:mid") == 0)
        return &extensions->mid;
    if (strcmp(uri, "urn:ietf:params:rtp-hdrext:ssrc-audio-level") == 0)
        return &extensions->audio_level;
    if (strcmp(uri, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time") == 0)
        return &extensions->abs_send_time;
    if (strcmp(uri, "http://www.ietf.org/id/"
                    "draft-holmer-rmcat-transport-wide-cc-extensions-01") == 0)
        return &extensions->transport_cc;
    return NULL;
}

static gboolean number_is_taken(const MediaExtensions *extensions, guint8 id)
{
    return extensions->mid == id || extensions->audio_level == id ||
           extensions->abs_send_time == id || extensions->transport_cc == id;
}

// One-byte headers only: ids 1 to 14. An id that the offer uses otherwise elsewhere is passed over.
static void read_extension(SdpOffer *offer, SdpMedia *line, const char *value)
{
    guint64 id = 0;
    if (!read_number(value, 14, &id) || id == 0)
        return;
    g_autofree char *uri = g_strndup(after_blank(value), strcspn(after_blank(value), " "));
    guint8 *common = extension_named(&offer->extensions, uri);
    if (common == NULL)
        return;
    if (*common == 0 && !number_is_taken(&offer->extensions, (guint8)id))
        *common = (guint8)id;
    if (*common == id)
        *extension_named(&line->extensions, uri) = (guint8)id;
}

static void read_extensions(const Reading *reading, const GstSDPMedia *media, SdpMedia *line)
{
    const char *value = NULL;
    for (guint i = 0; (value = gst_sdp_media_get_attribute_val_n(media, "extmap", i)) != NULL; i++)
        read_extension(reading->offer, line, value);
    for (guint i = 0;
         (value = gst_sdp_message_get_attribute_val_n(reading->message, "extmap", i)) != NULL; i++)
        read_extension(reading->offer, line, value);
    line->transport_cc &= line->extensions.transport_cc != 0;
    if (!line->transport_cc)
        line->extensions.transport_cc = 0;
    if (line->kind == MEDIA_VIDEO)
        line->extensions.audio_level = 0;
}

// --------------------------------------------------------------------------------------- streams

// The first stream that is named, and its RTX stream (RFC 5576 FID); later ones are simulcast
// layers of the kind that nobody offers any more.
static void read_ssrcs(const GstSDPMedia *media, SdpMedia *line)
{
    guint64 first = 0, second = 0;
    const char *value = gst_sdp_media_get_attribute_val(media, "ssrc");
    if (value == NULL || !read_number(value, G_MAXUINT32, &first))
        return;
    line->ssrc = (guint32)first;
    for (guint i = 0; (value = gst_sdp_media_get_attribute_val_n(media, "ssrc-group", i)) != NULL;
         i++) {
        if (!g_str_has_prefix(value, "FID ") || !read_number(value + 4, G_MAXUINT32, &first) ||
            !read_number(after_blank(value + 4), G_MAXUINT32, &second) || first != line->ssrc)
            continue;
        line->rtx_ssrc = second != first ? (guint32)second : 0;
        return;
    }
}

static gboolean has_flag(const GstSDPMedia *media, const char *key)
{
    return gst_sdp_media_get_attribute_val(media, key) != NULL;
}

static void read_direction(const Reading *reading, const GstSDPMedia *media, SdpMedia *line)
{
    const GstSDPMessage *message = reading->message;
    gboolean own = has_flag(media, "sendonly") || has_flag(media, "recvonly") ||
                   has_flag(media, "inactive") || has_flag(media, "sendrecv");
#define IS(direction)                                                                              \
    (own ? has_flag(media, direction)                                                              \
         : gst_sdp_message_get_attribute_val(message, direction) != NULL)
    line->sends = !IS("recvonly") && !IS("inactive");
    line->receives = !IS("sendonly") && !IS("inactive");
#undef IS
}

static gboolean is_bundled(const Reading *reading, const char *mid)
{
    const char *group = NULL;
    for (guint i = 0;
         (group = gst_sdp_message_get_attribute_val_n(reading->message, "group", i)) != NULL; i++) {
        if (!g_str_has_prefix(group, "BUNDLE "))
            continue;
        g_auto(GStrv) mids = g_strsplit(group + strlen("BUNDLE "), " ", LIMIT_SDP_MEDIA + 1);
        return g_strv_contains((const char *const *)mids, mid);
    }
    return FALSE;
}

// Whether a room could carry this m-line at all.
static gboolean is_rtp(const Reading *reading, const GstSDPMedia *media, const SdpMedia *line)
{
    gboolean enabled = gst_sdp_media_get_port(media) != 0 || has_flag(media, "bundle-only");
    gboolean kind = strcmp(line->type, "audio") == 0 || strcmp(line->type, "video") == 0;
    gboolean protocol = strcmp(line->protocol, "UDP/TLS/RTP/SAVPF") == 0 ||
                        strcmp(line->protocol, "RTP/SAVPF") == 0;
    return enabled && kind && protocol && line->mid[0] != '\0' && has_flag(media, "rtcp-mux") &&
           is_bundled(reading, line->mid);
}

static char *token_or(const char *text, const char *fallback)
{
    gboolean fits = text != NULL && is_token(text, 64);
    return g_strdup(fits ? text : fallback);
}

// FALSE: the mid is not one that can be answered.
static gboolean read_mid(const GstSDPMedia *media, SdpMedia *line)
{
    const char *mid = gst_sdp_media_get_attribute_val(media, "mid");
    if (mid == NULL)
        return TRUE;
    if (!is_token(mid, MEDIA_MID_MAX))
        return FALSE;
    g_strlcpy(line->mid, mid, sizeof line->mid);
    return TRUE;
}

static gboolean mid_is_repeated(const SdpOffer *offer, guint index)
{
    for (guint i = 0; i < index; i++)
        if (offer->media[i].mid[0] != '\0' &&
            strcmp(offer->media[i].mid, offer->media[index].mid) == 0)
            return TRUE;
    return FALSE;
}

static const char *read_media(const Reading *reading, guint index)
{
    const GstSDPMedia *media = gst_sdp_message_get_media(reading->message, index);
    SdpMedia *line = &reading->offer->media[index];
    static const char *const protocols[] = {"UDP/TLS/RTP/SAVPF", "RTP/SAVPF", "UDP/DTLS/SCTP",
                                            "DTLS/SCTP", NULL};
    const char *protocol = gst_sdp_media_get_proto(media);
    line->type = token_or(gst_sdp_media_get_media(media), "application");
    line->protocol = g_strdup(
        protocol != NULL && g_strv_contains(protocols, protocol) ? protocol : "UDP/TLS/RTP/SAVPF");
    line->format = token_or(gst_sdp_media_get_format(media, 0), "0");
    if (!read_mid(media, line))
        return "a mid is no token of at most 16 characters";
    if (mid_is_repeated(reading->offer, index))
        return "two m-lines have the same mid";
    if (protocol == NULL || strcmp(protocol, line->protocol) != 0 || !is_rtp(reading, media, line))
        return NULL;
    line->kind = strcmp(line->type, "audio") == 0 ? MEDIA_AUDIO : MEDIA_VIDEO;
    line->usable = find_codec(reading, media, line);
    if (!line->usable)
        return NULL;
    find_rtx(media, line);
    read_direction(reading, media, line);
    read_feedback(media, line);
    read_extensions(reading, media, line);
    if (line->sends)
        read_ssrcs(media, line);
    line->reduced_size = has_flag(media, "rtcp-rsize");
    return NULL;
}

// ------------------------------------------------------------------------------------- transport

static gboolean read_fingerprint(const char *value, guint8 *ret_bytes)
{
    return g_ascii_strncasecmp(value, "sha-256 ", 8) == 0 &&
           dtls_fingerprint_parse(value + 8, ret_bytes);
}

static gboolean find_fingerprint(const Reading *reading, const GstSDPMedia *media)
{
    const char *value = NULL;
    guint8 *bytes = reading->offer->fingerprint;
    for (guint i = 0; (value = gst_sdp_media_get_attribute_val_n(media, "fingerprint", i)) != NULL;
         i++)
        if (read_fingerprint(value, bytes))
            return TRUE;
    for (guint i = 0;
         (value = gst_sdp_message_get_attribute_val_n(reading->message, "fingerprint", i)) != NULL;
         i++)
        if (read_fingerprint(value, bytes))
            return TRUE;
    return FALSE;
}

static const char *read_transport(const Reading *reading, const GstSDPMedia *media)
{
    const char *ufrag = value_of(reading, media, "ice-ufrag");
    const char *setup = value_of(reading, media, "setup");
    if (!is_ice_text(ufrag, 4, 256))
        return "no ice-ufrag of 4 to 256 characters";
    if (!is_ice_text(value_of(reading, media, "ice-pwd"), 22, 256))
        return "no ice-pwd of 22 to 256 characters";
    if (gst_sdp_message_get_attribute_val(reading->message, "ice-lite") != NULL)
        return "both ends are ICE-lite";
    if (setup != NULL && strcmp(setup, "actpass") != 0 && strcmp(setup, "active") != 0)
        return "setup must be actpass or active: this end is always passive";
    if (!find_fingerprint(reading, media))
        return "no sha-256 fingerprint";
    g_strlcpy(reading->offer->ufrag, ufrag, sizeof reading->offer->ufrag);
    reading->offer->transport_once = gst_sdp_media_get_attribute_val(media, "ice-ufrag") == NULL;
    return NULL;
}

static const char *read_all(const Reading *reading)
{
    const SdpOffer *offer = reading->offer;
    const char *words = NULL;
    gint first = -1;
    for (guint i = 0; i < offer->n_media; i++) {
        words = read_media(reading, i);
        if (words != NULL)
            return words;
        if (first < 0 && offer->media[i].usable)
            first = (gint)i;
    }
    if (gst_sdp_message_get_attribute_val(reading->message, "group") == NULL)
        return "no a=group:BUNDLE: all media must share one transport";
    if (first < 0)
        return "no bundled m-line of a codec of the room (Opus, VP8)";
    return read_transport(reading, gst_sdp_message_get_media(reading->message, (guint)first));
}

// ---------------------------------------------------------------------------------------- bounds

static guint count_media(const char *text)
{
    guint count = g_str_has_prefix(text, "m=") ? 1 : 0;
    for (const char *line = text; (line = strpbrk(line, "\r\n")) != NULL; line++)
        count += line[1] == 'm' && line[2] == '=';
    return count;
}

static const char *check_bounds(const char *text, gsize length)
{
    if (length > LIMIT_SDP)
        return "the offer is longer than 96 KiB";
    if (!g_str_has_prefix(text, "v=0"))
        return "no session description";
    if (count_media(text) > LIMIT_SDP_MEDIA)
        return "more than 64 m-lines";
    return NULL;
}

SdpOffer *sdp_offer_parse(const char *text, const char *const *codecs, const char **ret_words)
{
    gsize length = strlen(text);
    *ret_words = check_bounds(text, length);
    if (*ret_words != NULL)
        return NULL;
    GstSDPMessage message;
    memset(&message, 0, sizeof message);
    gst_sdp_message_init(&message);
    g_autoptr(SdpOffer) offer = g_new0(SdpOffer, 1);
    if (gst_sdp_message_parse_buffer((const guint8 *)text, (guint)length, &message) != GST_SDP_OK) {
        *ret_words = "no session description";
    } else {
        offer->n_media = gst_sdp_message_medias_len(&message);
        offer->media = g_new0(SdpMedia, offer->n_media);
        const Reading reading = {.message = &message, .codecs = codecs, .offer = offer};
        *ret_words = read_all(&reading);
    }
    gst_sdp_message_uninit(&message);
    return *ret_words == NULL ? g_steal_pointer(&offer) : NULL;
}
