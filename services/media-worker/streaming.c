// SPDX-License-Identifier: MIT
// See streaming.h.
#include "media-worker/streaming.h"
#include "common/log.h"
#include "media-worker/feedback.h"
#include "media-worker/liveness.h"
#include "media-worker/subscribe.h"

struct Streaming {
    Hub *hub;
    Ring *commands;
    guint64 refused; // that were counted already
};

void command_free(gpointer data)
{
    Command *command = data;
    srtp_keys_clear(&command->keys);
    media_peer_description_free(command->description);
    g_free(command);
}

Streaming *streaming_new(int socket4, int socket6, Ring *commands, Ring *events)
{
    Streaming *streaming = g_new0(Streaming, 1);
    streaming->hub = hub_new(socket4, socket6, events);
    streaming->commands = commands;
    return streaming;
}

static void remove_peer(Hub *hub, Peer *peer)
{
    subscribe_forget(hub, peer);
    for (guint i = 0; i < peer->description->n_sources; i++)
        if (hub->source_gone != NULL)
            hub->source_gone(&peer->sources[i], hub->source_gone_user);
    peers_remove(hub->peers, peer);
}

void streaming_remove_all(Streaming *streaming)
{
    while (peers_count(streaming->hub->peers) > 0)
        remove_peer(streaming->hub, peers_nth(streaming->hub->peers, 0));
}

void streaming_free(Streaming *streaming)
{
    if (streaming == NULL)
        return;
    streaming_remove_all(streaming);
    hub_free(streaming->hub);
    g_free(streaming);
}

Hub *streaming_hub(Streaming *streaming)
{
    return streaming->hub;
}

void streaming_wake(Streaming *streaming)
{
    ring_wake(streaming->commands);
}

// --- commands ------------------------------------------------------------------------------------
static void add_peer(Hub *hub, Command *command)
{
    MediaPeerDescription *description = g_steal_pointer(&command->description);
    Peer *peer = peers_count(hub->peers) < LIMIT_PEERS
                     ? peer_new(command->peer, description, hub->now_us)
                     : NULL;
    if (peer == NULL) {
        log_event(LOG_WARNING, "media.peer_refused", "peer=%u", command->peer);
        return;
    }
    peers_add(hub->peers, peer);
    hub_due(&hub->liveness_due_us, hub->now_us + LIVENESS_EVERY_US);
    hub_due(&hub->voices_due_us, hub->now_us);
}

static void set_keys(Hub *hub, Peer *peer, const SrtpKeys *keys)
{
    if (peer->out != NULL)
        return;
    peer_set_keys(peer, keys);
    // Not all at once, where many join together.
    peer->report_due_us = hub->now_us + g_random_int_range(0, FEEDBACK_REPORT_US);
    hub_due(&hub->feedback_due_us, hub->now_us);
    for (guint i = 0; i < peer->description->n_slots; i++)
        subscribe_begin(hub, &peer->slots[i]);
}

static void assign_slot(Hub *hub, Peer *peer, const Command *command)
{
    Peer *of = command->of == 0 ? NULL : peers_find(hub->peers, command->of);
    if (command->index >= peer->description->n_slots ||
        (of != NULL && command->source >= of->description->n_sources))
        return;
    PeerSlot *slot = &peer->slots[command->index];
    if (slot->description->kind == MEDIA_VIDEO)
        subscribe_request(hub, slot, of == NULL ? NULL : &of->sources[command->source]);
}

static void carry_out(Hub *hub, Command *command)
{
    if (command->type == COMMAND_ADD_PEER) {
        add_peer(hub, command);
        return;
    }
    Peer *peer = peers_find(hub->peers, command->peer);
    if (peer == NULL)
        return;
    switch (command->type) {
    case COMMAND_REMOVE_PEER:
        remove_peer(hub, peer);
        break;
    case COMMAND_SET_KEYS:
        set_keys(hub, peer, &command->keys);
        break;
    case COMMAND_SEND_DTLS:
        if (peer->has_path)
            transport_send(hub->transport, &peer->path, command->data, command->length);
        break;
    case COMMAND_ASSIGN_SLOT:
        assign_slot(hub, peer, command);
        break;
    case COMMAND_MUTE_SOURCE:
        if (command->index < peer->description->n_sources)
            subscribe_mute(hub, &peer->sources[command->index], command->muted);
        break;
    case COMMAND_ADD_PEER:
        break;
    }
}

gboolean streaming_is_commanded(const Streaming *streaming)
{
    return !ring_is_empty(streaming->commands);
}

void streaming_carry_out(Streaming *streaming)
{
    Command *command;
    while ((command = ring_pop(streaming->commands)) != NULL) {
        carry_out(streaming->hub, command);
        command_free(command);
    }
}

// --- a turn --------------------------------------------------------------------------------------
static gint64 timeout_us(const Hub *hub)
{
    gint64 due_us = MIN(hub->feedback_due_us, MIN(hub->voices_due_us, hub->liveness_due_us));
    return due_us == G_MAXINT64 ? -1 : MAX(due_us - g_get_monotonic_time(), 0);
}

void streaming_wait(Streaming *streaming)
{
    Hub *hub = streaming->hub;
    gboolean woken = transport_wait(hub->transport, ring_fd(streaming->commands), timeout_us(hub));
    if (woken)
        ring_slept(streaming->commands);
}

guint streaming_read(Streaming *streaming, TransportDatagram *batch)
{
    guint n = transport_receive(streaming->hub->transport, batch);
    streaming->hub->now_us = g_get_monotonic_time();
    return n;
}

void streaming_finish(Streaming *streaming)
{
    Hub *hub = streaming->hub;
    liveness_run(hub);
    subscribe_run(hub);
    feedback_run(hub);
    transport_flush(hub->transport);
    guint64 refused = transport_counts(hub->transport)->refused;
    metrics_add(METRIC_MEDIA_REFUSED, refused - streaming->refused);
    streaming->refused = refused;
    ring_flush(hub->events);
    if (!hub->has_news)
        return;
    hub->has_news = FALSE;
    ring_wake(hub->events);
}
