// SPDX-License-Identifier: MIT
// See hub.h.
#include "media-worker/hub.h"
#include <string.h>

Hub *hub_new(int socket4, int socket6, Ring *events)
{
    Hub *hub = g_new0(Hub, 1);
    hub->transport = transport_new(socket4, socket6);
    hub->peers = peers_new();
    hub->stun = stun_server_new();
    hub->events = events;
    hub->voices = g_ptr_array_new();
    hub->now_us = g_get_monotonic_time();
    hub->feedback_due_us = hub->voices_due_us = hub->liveness_due_us = G_MAXINT64;
    return hub;
}

void hub_free(Hub *hub)
{
    if (hub == NULL)
        return;
    peers_free(hub->peers);
    g_ptr_array_unref(hub->voices);
    stun_server_free(hub->stun);
    transport_free(hub->transport);
    g_free(hub);
}

void hub_event_free(gpointer data)
{
    HubEvent *event = data;
    if (event->waiting != NULL) {
        g_atomic_int_add(event->waiting, -1);
        g_atomic_rc_box_release(event->waiting);
    }
    g_free(event);
}

HubEvent *hub_event(const Peer *peer, MediaEventType type)
{
    HubEvent *event = g_new0(HubEvent, 1);
    event->event.type = type;
    event->event.peer = peer == NULL ? 0 : peer->handle;
    return event;
}

void hub_post(Hub *hub, HubEvent *event)
{
    ring_keep(hub->events, event);
    hub->has_news = TRUE;
}

gboolean hub_post_dtls(Hub *hub, Peer *peer, const guint8 *data, gsize length)
{
    if (g_atomic_int_get(peer->dtls_waiting) >= LIMIT_DTLS_HELD)
        return FALSE;
    HubEvent *event = hub_event(peer, MEDIA_EVENT_DTLS);
    memcpy(event->event.data, data, length);
    event->event.length = length;
    event->waiting = g_atomic_rc_box_acquire(peer->dtls_waiting);
    g_atomic_int_inc(event->waiting);
    if (!ring_push(hub->events, event)) {
        hub_event_free(event);
        return FALSE;
    }
    hub->has_news = TRUE;
    return TRUE;
}
