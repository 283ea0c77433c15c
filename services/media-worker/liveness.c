// SPDX-License-Identifier: MIT
// See liveness.h. Consent is whatever the peer authenticates: its checks, and also its media and
// reports, since Firefox checks a pair only every four to six seconds (RFC 7675) and would look
// lost in between.
#include "media-worker/liveness.h"
#include "media-worker/subscribe.h"

#define PEER_SILENT_US (LIMIT_MEDIA_SILENT_MS * G_GINT64_CONSTANT(1000))
#define SENDING_STOPS_US (30 * G_USEC_PER_SEC) // RFC 7675: no consent, no media

static void tell_ice(Hub *hub, const Peer *peer, const char *ice)
{
    HubEvent *event = hub_event(peer, MEDIA_EVENT_ICE);
    event->event.ice = ice;
    hub_post(hub, event);
}

static void tell_silence(Hub *hub, Peer *peer, gboolean silent)
{
    HubEvent *event = hub_event(peer, MEDIA_EVENT_SILENCE);
    event->event.silent = peer->silent = silent;
    hub_post(hub, event);
}

static void tell_source(Hub *hub, const PeerSource *source)
{
    HubEvent *event = hub_event(source->peer, MEDIA_EVENT_SOURCE);
    event->event.index = source->index;
    event->event.active = source->active;
    hub_post(hub, event);
}

void liveness_peer_heard(Hub *hub, Peer *peer)
{
    peer->heard_us = hub->now_us;
    if (!peer->connected) {
        peer->connected = TRUE;
        tell_ice(hub, peer, "connected");
    }
    if (peer->silent)
        tell_silence(hub, peer, FALSE);
}

void liveness_source_heard(Hub *hub, PeerSource *source)
{
    source->heard_us = hub->now_us;
    if (source->active)
        return;
    source->active = TRUE;
    tell_source(hub, source);
    subscribe_source_changed(hub, source);
    hub_due(&hub->feedback_due_us, hub->now_us); // a key frame may be wanted
    hub_due(&hub->liveness_due_us, hub->now_us + LIVENESS_EVERY_US);
}

void liveness_source_silent(Hub *hub, PeerSource *source)
{
    if (!source->active)
        return;
    source->active = FALSE;
    tell_source(hub, source);
    subscribe_source_changed(hub, source);
}

static void look_at(Hub *hub, Peer *peer)
{
    gint64 silent_us = hub->now_us - peer->heard_us;
    for (guint i = 0; i < peer->description->n_sources; i++)
        if (hub->now_us - peer->sources[i].heard_us > LIVENESS_SOURCE_SILENT_US)
            liveness_source_silent(hub, &peer->sources[i]);
    if (silent_us > SENDING_STOPS_US)
        peer->has_path = FALSE; // until its next check
    if (silent_us <= PEER_SILENT_US)
        return;
    if (peer->connected) {
        peer->connected = FALSE;
        tell_ice(hub, peer, "disconnected");
    }
    if (!peer->silent)
        tell_silence(hub, peer, TRUE);
}

void liveness_run(Hub *hub)
{
    if (hub->now_us < hub->liveness_due_us)
        return;
    for (guint i = 0; i < peers_count(hub->peers); i++)
        look_at(hub, peers_nth(hub->peers, i));
    hub->liveness_due_us =
        peers_count(hub->peers) > 0 ? hub->now_us + LIVENESS_EVERY_US : G_MAXINT64;
}
