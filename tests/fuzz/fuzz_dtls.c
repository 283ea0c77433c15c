// SPDX-License-Identifier: MIT
// Datagrams of a DTLS handshake: an input is a series of them, each behind two bytes of length. A
// server of ours gets them all and must still be there, without keys.
#include "media-worker/dtls.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void ignore(const guint8 *data, gsize length, gpointer user)
{
    (void)data;
    (void)user;
    g_assert(length <= DTLS_MTU);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static DtlsContext *context;
    if (context == NULL)
        context = dtls_context_new(NULL);
    const DtlsSettings settings = {.role = DTLS_SERVER, .send = ignore};
    g_autoptr(DtlsSession) session = dtls_session_new(context, &settings);
    while (length >= 2) {
        gsize part = MIN((gsize)data[0] << 8 | data[1], length - 2);
        dtls_session_feed(session, data + 2, part);
        data += 2 + part;
        length -= 2 + part;
    }
    g_assert(dtls_session_state(session) != DTLS_DONE && dtls_session_keys(session) == NULL);
    return 0;
}
