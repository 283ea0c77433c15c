// SPDX-License-Identifier: MIT
// See native_sdp.h.
#include "load/native_sdp.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

// --- the offer -----------------------------------------------------------------------------------
static void write_line(GString *text, const NativeOffer *offer, gboolean is_video, guint mid)
{
    gboolean rtx = is_video && !offer->no_rtx;
    g_string_append_printf(text, "m=%s 9 UDP/TLS/RTP/SAVPF %d%s\r\nc=IN IP4 0.0.0.0\r\n",
                           is_video ? "video" : "audio",
                           is_video ? NATIVE_PT_VIDEO : NATIVE_PT_AUDIO, rtx ? " 97" : "");
    g_string_append_printf(text,
                           "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n"
                           "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%u\r\n",
                           offer->ufrag, offer->pwd, offer->fingerprint, mid);
    if (!is_video)
        g_string_append_printf(text, "a=extmap:%d urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n",
                               NATIVE_ID_LEVEL);
    g_string_append_printf(
        text,
        "a=extmap:%d http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
        "a=extmap:%d http://www.ietf.org/id/"
        "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:%d urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
        NATIVE_ID_SEND_TIME, NATIVE_ID_TWCC, NATIVE_ID_MID);
}

static void write_codec(GString *text, const NativeOffer *offer, gboolean is_video)
{
    g_string_append(text, "a=rtcp-mux\r\na=rtcp-rsize\r\n");
    if (!is_video) {
        g_string_append(text, "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
                              "a=fmtp:111 minptime=10;useinbandfec=1\r\n");
        return;
    }
    g_string_append(text, "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\n"
                          "a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n"
                          "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n");
    if (!offer->no_rtx)
        g_string_append(text, "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n");
}

static void write_source(GString *text, const NativeOffer *offer, gboolean is_video)
{
    guint32 ssrc = is_video ? offer->video_ssrc : offer->audio_ssrc;
    gboolean rtx = is_video && !offer->no_rtx;
    write_line(text, offer, is_video, is_video ? 1 : 0);
    g_string_append(text, "a=sendonly\r\na=msid:- ");
    g_string_append_printf(text, "%s-track\r\n", is_video ? "video" : "audio");
    write_codec(text, offer, is_video);
    if (rtx)
        g_string_append_printf(text, "a=ssrc-group:FID %u %u\r\n", ssrc, offer->video_rtx_ssrc);
    g_string_append_printf(text, "a=ssrc:%u cname:%s\r\n", ssrc, offer->cname);
    if (rtx)
        g_string_append_printf(text, "a=ssrc:%u cname:%s\r\n", offer->video_rtx_ssrc, offer->cname);
}

char *native_sdp_offer(const NativeOffer *offer)
{
    GString *text = g_string_new("v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\n"
                                 "t=0 0\r\na=group:BUNDLE");
    guint slots = offer->audio_slots + offer->video_slots;
    g_assert(slots + 2 <= NATIVE_MEDIA_MAX);
    for (guint mid = 0; mid < slots + 2; mid++)
        g_string_append_printf(text, " %u", mid);
    g_string_append(text, "\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n");
    write_source(text, offer, FALSE);
    write_source(text, offer, TRUE);
    for (guint i = 0; i < slots; i++) {
        gboolean is_video = i >= offer->audio_slots;
        write_line(text, offer, is_video, i + 2);
        g_string_append(text, "a=recvonly\r\n");
        write_codec(text, offer, is_video);
    }
    return g_string_free(text, FALSE);
}

// --- the answer ----------------------------------------------------------------------------------
// The value of "a=<name>:<value>", NULL if the line is another.
static const char *attribute(const char *line, const char *name)
{
    gsize length = strlen(name);
    return strncmp(line, "a=", 2) == 0 && strncmp(line + 2, name, length) == 0 &&
                   line[2 + length] == ':'
               ? line + 3 + length
               : NULL;
}

// "<foundation> <component> udp <priority> <address> <port> typ …"
static gboolean parse_candidate(const char *value, struct sockaddr_storage *ret_candidate)
{
    char protocol[8], address[64];
    guint port = 0;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (sscanf(value, "%*s %*u %7s %*u %63s %u typ", protocol, address, &port) != 3 ||
        g_ascii_strcasecmp(protocol, "udp") != 0 || port == 0 || port > G_MAXUINT16)
        return FALSE;
    v4.sin_port = v6.sin6_port = htons((guint16)port);
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        memcpy(ret_candidate, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
        memcpy(ret_candidate, &v6, sizeof(v6));
    else
        return FALSE;
    return TRUE;
}

// Answers may repeat the candidates in each m-line.
static void read_candidate(const char *value, NativeAnswer *answer)
{
    struct sockaddr_storage candidate = {0};
    if (answer->n_candidates == NATIVE_CANDIDATES_MAX || !parse_candidate(value, &candidate))
        return;
    for (guint i = 0; i < answer->n_candidates; i++)
        if (memcmp(&answer->candidates[i], &candidate, sizeof(candidate)) == 0)
            return;
    answer->candidates[answer->n_candidates++] = candidate;
}

static void read_session(const char *line, NativeAnswer *answer, gboolean *has_fingerprint)
{
    const char *value;
    if ((value = attribute(line, "ice-ufrag")) != NULL)
        g_strlcpy(answer->ufrag, value, sizeof(answer->ufrag));
    else if ((value = attribute(line, "ice-pwd")) != NULL)
        g_strlcpy(answer->pwd, value, sizeof(answer->pwd));
    else if ((value = attribute(line, "fingerprint")) != NULL &&
             g_str_has_prefix(value, "sha-256 "))
        *has_fingerprint = dtls_fingerprint_parse(value + 8, answer->fingerprint);
    else if ((value = attribute(line, "candidate")) != NULL)
        read_candidate(value, answer);
}

static void read_media(const char *line, NativeAnswerMedia *media)
{
    const char *value;
    guint first, second;
    if ((value = attribute(line, "mid")) != NULL)
        g_strlcpy(media->mid, value, sizeof(media->mid));
    else if ((value = attribute(line, "ssrc-group")) != NULL &&
             sscanf(value, "FID %u %u", &first, &second) == 2)
        media->rtx_ssrc = second;
    else if ((value = attribute(line, "ssrc")) != NULL && media->ssrc == 0)
        media->ssrc = (guint32)g_ascii_strtoull(value, NULL, 10);
}

gboolean native_sdp_answer(const char *text, NativeAnswer *ret_answer)
{
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    NativeAnswerMedia *media = NULL;
    gboolean has_fingerprint = FALSE;
    memset(ret_answer, 0, sizeof(*ret_answer));
    for (char **line = lines; *line != NULL; line++) {
        guint port = 0;
        if (sscanf(*line, "m=%*s %u", &port) == 1 && ret_answer->n_media < NATIVE_MEDIA_MAX) {
            media = &ret_answer->media[ret_answer->n_media++];
            media->rejected = port == 0;
            media->is_video = g_str_has_prefix(*line, "m=video");
        } else if (media != NULL) {
            read_media(*line, media);
        }
        read_session(*line, ret_answer, &has_fingerprint);
    }
    return ret_answer->ufrag[0] != '\0' && ret_answer->pwd[0] != '\0' && has_fingerprint &&
           ret_answer->n_candidates > 0;
}

// --- the answer to somebody else's offer ---------------------------------------------------------
// What is agreed to by being said again.
static gboolean is_agreed(const char *line)
{
    static const char *const names[] = {"mid", "rtpmap", "fmtp", "rtcp-fb"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (attribute(line, names[i]) != NULL)
            return TRUE;
    return strcmp(line, "a=rtcp-mux") == 0 || strcmp(line, "a=rtcp-rsize") == 0;
}

char *native_sdp_answer_offer(const char *text, const NativeOffer *own)
{
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    GString *answer = g_string_new("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    g_string_append_printf(answer,
                           "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\n"
                           "a=setup:active\r\n",
                           own->ufrag, own->pwd, own->fingerprint);
    for (char **line = lines; *line != NULL; line++) {
        if (attribute(*line, "group") != NULL || is_agreed(*line))
            g_string_append_printf(answer, "%s\r\n", *line);
        else if (g_str_has_prefix(*line, "m="))
            g_string_append_printf(answer, "%s\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n", *line);
    }
    return g_string_free(answer, FALSE);
}
