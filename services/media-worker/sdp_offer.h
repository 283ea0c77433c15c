// SPDX-License-Identifier: MIT
// A client's offer as plain data: what of it a room can use, and why not where it cannot.
// Everything in it was chosen by a stranger: sizes and counts are checked before anything is
// parsed, and only what is named here is read; candidates, identities and unknown attributes are
// passed over.
//
// RFC 8866 (SDP), RFC 8839 (ICE), RFC 8122 (fingerprint), RFC 9143 (BUNDLE), RFC 8285 (extensions).
#pragma once
#include "media-worker/dtls.h"
#include "media-worker/media.h"

// One m-line, in the order of the offer: an answer must have as many.
typedef struct {
    char mid[MEDIA_MID_MAX + 1];    // "" where absent
    char *type, *protocol, *format; // of the m-line, echoed in a rejection; owned
    gboolean usable; // the rest holds: RTP of the room's codec, multiplexed, in the bundle
    MediaKind kind;
    gboolean sends, receives;              // as the client offers it
    guint8 payload_type, rtx_payload_type; // rtx 0: none
    gboolean nack, pli, fir, transport_cc, reduced_size;
    MediaExtensions extensions; // those of this m-line that agree with the whole offer's
    guint32 ssrc, rtx_ssrc;     // 0: not named
} SdpMedia;

typedef struct {
    guint n_media;
    SdpMedia *media;
    char ufrag[256 + 1];
    gboolean transport_once; // ICE and DTLS stand at the session, not at the m-lines
    guint8 fingerprint[DTLS_FINGERPRINT_BYTES]; // of the certificate that the client must show
    MediaExtensions extensions;                 // one numbering for all m-lines of a bundle
} SdpOffer;

// codecs: NULL-terminated, names of the room's codecs ("opus", "VP8"). NULL if the offer cannot be
// answered; *ret_words (static) then says why, fit for the sender.
SdpOffer *sdp_offer_parse(const char *text, const char *const *codecs, const char **ret_words);
void sdp_offer_free(SdpOffer *offer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdpOffer, sdp_offer_free)
