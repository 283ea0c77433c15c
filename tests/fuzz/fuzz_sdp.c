// SPDX-License-Identifier: MIT
// A client's offer, answered: what was accepted must hold together.
#include <stdint.h>
#include <string.h>
#include "media-worker/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const char *const codecs[] = {"opus", "VP8", NULL};
    static const char *const candidates[] = {
        "candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host", NULL};
    const SdpLocal local = {.codecs = codecs,
                            .fingerprint = "00",
                            .candidates = candidates,
                            .address = "127.0.0.1",
                            .port = 50000};
    g_autofree char *offer = g_strndup((const char *)data, length);
    const char *words = NULL;
    g_autoptr(SdpAnswer) answer = sdp_answer(offer, &local, &words);
    g_assert((answer == NULL) == (words != NULL));
    if (answer == NULL)
        return 0;
    const MediaPeerDescription *description = answer->description;
    for (guint i = 0; i < description->n_slots; i++)
        g_assert(strstr(answer->text, description->slots[i].mid) != NULL);
    g_assert(strlen(description->remote_ufrag) >= 4);
    return 0;
}
