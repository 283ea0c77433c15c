// SPDX-License-Identifier: MIT
// See handshake.h.
#include "media-worker/handshake.h"

#include <string.h>

#define TRIM_MS 30000 // without media: the peer can no longer ask for our last flight

struct Handshake {
    DtlsSession *session;
    HandshakeCalls calls;
    gpointer user;
    const char *state;
    guint timer, trim_timer;
};

static void send_datagram(const guint8 *data, gsize length, gpointer user)
{
    Handshake *handshake = user;
    handshake->calls.send(data, length, handshake->user);
}

Handshake *handshake_new(DtlsContext *context, const guint8 *fingerprint,
                         const HandshakeCalls *calls, gpointer user)
{
    Handshake *handshake = g_new0(Handshake, 1);
    DtlsSettings settings = {.role = DTLS_SERVER, .send = send_datagram, .user = handshake};
    memcpy(settings.fingerprint, fingerprint, sizeof settings.fingerprint);
    handshake->calls = *calls;
    handshake->user = user;
    handshake->state = "new";
    handshake->session = dtls_session_new(context, &settings);
    return handshake;
}

static void stop(guint *timer)
{
    if (*timer != 0)
        g_source_remove(*timer);
    *timer = 0;
}

void handshake_free(Handshake *handshake)
{
    if (handshake == NULL)
        return;
    stop(&handshake->timer);
    stop(&handshake->trim_timer);
    dtls_session_free(handshake->session);
    g_free(handshake);
}

static gboolean on_trim_due(gpointer user)
{
    Handshake *handshake = user;
    handshake->trim_timer = 0;
    dtls_session_trim(handshake->session);
    return G_SOURCE_REMOVE;
}

static void start_timer(Handshake *handshake);

// The last thing that is done with the handshake in a call from outside: it may be freed here.
static void tell(Handshake *handshake, DtlsState state)
{
    static const char *const names[] = {
        [DTLS_HANDSHAKING] = "connecting",
        [DTLS_DONE] = "connected",
        [DTLS_FAILED] = "failed",
        [DTLS_CLOSED] = "closed",
    };
    start_timer(handshake);
    if (handshake->state == names[state])
        return;
    handshake->state = names[state];
    if (state == DTLS_DONE)
        handshake->trim_timer = g_timeout_add(TRIM_MS, on_trim_due, handshake);
    handshake->calls.on_state(handshake->state,
                              state == DTLS_DONE ? dtls_session_keys(handshake->session) : NULL,
                              handshake->user);
}

static gboolean on_timer(gpointer user)
{
    Handshake *handshake = user;
    handshake->timer = 0;
    tell(handshake, dtls_session_on_timer(handshake->session));
    return G_SOURCE_REMOVE;
}

static void start_timer(Handshake *handshake)
{
    gint timeout_ms = dtls_session_timeout_ms(handshake->session);
    stop(&handshake->timer);
    if (timeout_ms >= 0)
        handshake->timer = g_timeout_add((guint)timeout_ms, on_timer, handshake);
}

void handshake_feed(Handshake *handshake, const guint8 *data, gsize length)
{
    tell(handshake, dtls_session_feed(handshake->session, data, length));
}

void handshake_trim(Handshake *handshake)
{
    stop(&handshake->trim_timer);
    dtls_session_trim(handshake->session);
}

const char *handshake_state(const Handshake *handshake)
{
    return handshake->state;
}

const char *handshake_failure(const Handshake *handshake)
{
    return dtls_session_failure(handshake->session);
}
