// SPDX-License-Identifier: MIT
// The native peer's SDP: an offer like a trimmed Chromium one, and what it needs of the answer.
// Plain text in and out, no SDP library, so that it is no mirror of what it tests.
#pragma once
#include "load/native_path.h"
#include "media-worker/dtls.h"

#define NATIVE_PT_AUDIO 111
#define NATIVE_PT_VIDEO 96
#define NATIVE_PT_RTX 97
// RFC 8285 ids
enum { NATIVE_ID_LEVEL = 1, NATIVE_ID_SEND_TIME = 2, NATIVE_ID_TWCC = 3, NATIVE_ID_MID = 4 };
#define NATIVE_MEDIA_MAX 64

typedef struct {
    guint audio_slots, video_slots;
    gboolean no_rtx;
    char ufrag[8 + 1], pwd[24 + 1], cname[16 + 1];
    const char *fingerprint;
    guint32 audio_ssrc, video_ssrc, video_rtx_ssrc;
} NativeOffer;
// m-lines: microphone (mid 0), camera (mid 1), audio slots, video slots. The caller's.
char *native_sdp_offer(const NativeOffer *offer);

typedef struct {
    char mid[16 + 1];
    gboolean rejected, is_video;
    guint32 ssrc, rtx_ssrc;
} NativeAnswerMedia;
typedef struct {
    char ufrag[256 + 1], pwd[256 + 1];
    guint8 fingerprint[DTLS_FINGERPRINT_BYTES];
    guint n_candidates; // of UDP, that are addresses; in the answer's order, each once
    struct sockaddr_storage candidates[NATIVE_CANDIDATES_MAX];
    guint n_media;
    NativeAnswerMedia media[NATIVE_MEDIA_MAX];
} NativeAnswer;
// FALSE: no credentials, fingerprint or candidate.
gboolean native_sdp_answer(const char *text, NativeAnswer *ret_answer);

// The answer to the offer of a server that offers itself: every m-line is received as it stands,
// without header extensions. Transport stands at the session. The caller's.
char *native_sdp_answer_offer(const char *text, const NativeOffer *own);
