// SPDX-License-Identifier: MIT
// See peer.h.
#include "media-worker/peer.h"
#include "media-worker/rtp.h"
#include <string.h>

#define RTT_UNKNOWN_US 100000
#define PATH_KEPT_US (LIMIT_MEDIA_SILENT_MS * G_GINT64_CONSTANT(1000))
#define CLOCK_OFF_US (10 * G_USEC_PER_SEC) // no packet is that late, or early

static void bind_signalled(Peer *peer, PeerSource *source, guint32 ssrc, gboolean is_rtx)
{
    if (ssrc != 0 && peer_binding(peer, ssrc) == NULL)
        peer_bind(peer, &(PeerBinding){.ssrc = ssrc, .source = source, .is_rtx = is_rtx});
}

static void source_init(PeerSource *source, Peer *peer, guint index)
{
    source->peer = peer;
    source->index = index;
    source->description = &peer->description->sources[index];
    source->voice.number = peer->number;
    source->subscribers = g_ptr_array_new();
    bind_signalled(peer, source, source->description->ssrc, FALSE);
    bind_signalled(peer, source, source->description->rtx_ssrc, TRUE);
}

static void slot_init_for(PeerSlot *slot, Peer *peer, guint index, gint64 now_us)
{
    const MediaSlot *description = &peer->description->slots[index];
    slot->peer = peer;
    slot->index = index;
    slot->description = description;
    slot->rtx_sequence = (guint16)g_random_int_range(0, 0x8000);
    slot_init(&slot->numbers,
              &(SlotSettings){.clock_rate = description->clock_rate,
                              .first_sequence = description->first_sequence,
                              .first_timestamp = description->first_timestamp,
                              .first_picture = (guint16)g_random_int_range(0, 0x8000),
                              .now_us = now_us});
    header_init(&slot->header, description, &peer->description->extensions, FALSE);
    srtp_stream_init(&slot->stream, description->ssrc);
    if (description->rtx_payload_type == 0)
        return;
    header_init(&slot->rtx_header, description, &peer->description->extensions, TRUE);
    srtp_stream_init(&slot->rtx_stream, description->rtx_ssrc);
}

static gboolean is_within_limits(const MediaPeerDescription *description)
{
    return description->n_slots <= LIMIT_SLOTS_PER_PEER &&
           description->n_sources <= LIMIT_SSRCS_PER_PEER;
}

Peer *peer_new(MediaPeer handle, MediaPeerDescription *description, gint64 now_us)
{
    if (!is_within_limits(description)) {
        media_peer_description_free(description);
        return NULL;
    }
    Peer *peer = g_new0(Peer, 1);
    peer->handle = handle;
    peer->number = description->number;
    peer->description = description;
    peer->heard_us = now_us;
    peer->rtt_us = RTT_UNKNOWN_US;
    peer->report_due_us = peer->twcc_due_us = G_MAXINT64;
    peer->dtls_waiting = g_atomic_rc_box_new0(gint);
    peer->sources = g_new0(PeerSource, description->n_sources);
    for (guint i = 0; i < description->n_sources; i++)
        source_init(&peer->sources[i], peer, i);
    peer->slots = g_aligned_alloc0(MAX(description->n_slots, 1), sizeof(PeerSlot), 64);
    for (guint i = 0; i < description->n_slots; i++)
        slot_init_for(&peer->slots[i], peer, i, now_us);
    if (description->extensions.transport_cc != 0) {
        peer->twcc = g_new0(TwccRecorder, 1);
        twcc_recorder_init(peer->twcc);
    }
    return peer;
}

void peer_free(Peer *peer)
{
    if (peer == NULL)
        return;
    for (guint i = 0; i < peer->description->n_sources; i++) {
        g_assert(peer->sources[i].subscribers->len == 0);
        g_ptr_array_unref(peer->sources[i].subscribers);
        history_free(peer->sources[i].history);
    }
    for (guint i = 0; i < peer->description->n_slots; i++)
        history_free(peer->slots[i].copies);
    g_free(peer->sources);
    g_aligned_free(peer->slots);
    g_free(peer->twcc);
    srtp_in_free(peer->in);
    srtp_out_free(peer->out);
    g_atomic_rc_box_release(peer->dtls_waiting);
    media_peer_description_free(peer->description);
    g_free(peer);
}

void peer_set_keys(Peer *peer, const SrtpKeys *keys)
{
    g_assert(peer->out == NULL);
    peer->in = srtp_in_new(keys);
    peer->out = srtp_out_new(keys);
}

PeerSlot *peer_slot(Peer *peer, guint32 ssrc)
{
    for (guint i = 0; i < peer->description->n_slots; i++)
        if (peer->slots[i].description->ssrc == ssrc)
            return &peer->slots[i];
    return NULL;
}

// --- which source an SSRC belongs to -------------------------------------------------------------
PeerBinding *peer_binding(Peer *peer, guint32 ssrc)
{
    for (guint i = 0; i < peer->n_bindings; i++)
        if (peer->bindings[i].ssrc == ssrc)
            return &peer->bindings[i];
    return NULL;
}

PeerBinding *peer_bind(Peer *peer, const PeerBinding *binding)
{
    g_assert(peer_binding(peer, binding->ssrc) == NULL);
    if (peer->n_bindings == LIMIT_SSRCS_PER_PEER)
        return NULL;
    peer->bindings[peer->n_bindings] = *binding;
    return &peer->bindings[peer->n_bindings++];
}

static void take_layer(PeerSource *source, const PeerBinding *binding)
{
    source->ssrc = binding->ssrc;
    memcpy(source->rid, binding->rid, sizeof source->rid);
    receive_init(&source->receive, source->ssrc, source->description->clock_rate,
                 source->description->has_nack);
    receive_set_rtt(&source->receive, source->peer->rtt_us);
    source->changed = TRUE;
}

gboolean peer_takes_layer(PeerSource *source, const PeerBinding *binding)
{
    if (binding->is_rtx)
        return source->ssrc != 0 && strcmp(source->rid, binding->rid) == 0;
    if (source->ssrc == binding->ssrc)
        return TRUE;
    if (source->active && binding->rid[0] != '\0')
        return FALSE;
    take_layer(source, binding);
    return TRUE;
}

gint64 peer_source_server_us(const PeerSource *source, guint32 timestamp, gint64 now_us)
{
    gint64 server_us = receive_server_us(&source->receive, &source->peer->clock, timestamp);
    return server_us > now_us - CLOCK_OFF_US && server_us < now_us + CLOCK_OFF_US ? server_us
                                                                                  : now_us;
}

PeerSource *peer_source_by_mid(Peer *peer, const guint8 *mid, gsize length)
{
    for (guint i = 0; i < peer->description->n_sources; i++) {
        const char *own = peer->description->sources[i].mid;
        if (strlen(own) == length && memcmp(own, mid, length) == 0)
            return &peer->sources[i];
    }
    return NULL;
}

// --- all of them ---------------------------------------------------------------------------------
struct Peers {
    GPtrArray *all;        // owned
    GHashTable *by_handle; // handle -> Peer
    GHashTable *by_ufrag;  // our ufrag, of the description -> Peer
    GHashTable *by_path;   // TransportPath, inside a Peer's pairs -> Peer
};

Peers *peers_new(void)
{
    Peers *peers = g_new0(Peers, 1);
    peers->all = g_ptr_array_new_with_free_func((GDestroyNotify)peer_free);
    peers->by_handle = g_hash_table_new(NULL, NULL);
    peers->by_ufrag = g_hash_table_new(g_str_hash, g_str_equal);
    peers->by_path = g_hash_table_new_full(transport_path_hash, transport_path_equal, g_free, NULL);
    return peers;
}

void peers_free(Peers *peers)
{
    if (peers == NULL)
        return;
    g_hash_table_unref(peers->by_path);
    g_hash_table_unref(peers->by_ufrag);
    g_hash_table_unref(peers->by_handle);
    g_ptr_array_unref(peers->all);
    g_free(peers);
}

void peers_add(Peers *peers, Peer *peer)
{
    g_ptr_array_add(peers->all, peer);
    g_hash_table_insert(peers->by_handle, GUINT_TO_POINTER(peer->handle), peer);
    g_hash_table_replace(peers->by_ufrag, peer->description->local_ufrag, peer);
}

static void forget_path(Peers *peers, const Peer *peer, const TransportPath *path)
{
    if (g_hash_table_lookup(peers->by_path, path) == peer)
        g_hash_table_remove(peers->by_path, path);
}

void peers_remove(Peers *peers, Peer *peer)
{
    for (guint i = 0; i < peer->n_pairs; i++)
        forget_path(peers, peer, &peer->pairs[i].path);
    g_hash_table_remove(peers->by_handle, GUINT_TO_POINTER(peer->handle));
    if (g_hash_table_lookup(peers->by_ufrag, peer->description->local_ufrag) == peer)
        g_hash_table_remove(peers->by_ufrag, peer->description->local_ufrag);
    g_ptr_array_remove_fast(peers->all, peer);
}

Peer *peers_find(const Peers *peers, MediaPeer handle)
{
    return g_hash_table_lookup(peers->by_handle, GUINT_TO_POINTER(handle));
}

Peer *peers_by_ufrag(const Peers *peers, const char *ufrag, gsize length)
{
    char text[MEDIA_UFRAG_MAX + 1] = {0};
    if (length > MEDIA_UFRAG_MAX)
        return NULL;
    memcpy(text, ufrag, length);
    return g_hash_table_lookup(peers->by_ufrag, text);
}

Peer *peers_by_path(const Peers *peers, const TransportPath *path)
{
    return g_hash_table_lookup(peers->by_path, path);
}

guint peers_count(const Peers *peers)
{
    return peers->all->len;
}

Peer *peers_nth(const Peers *peers, guint index)
{
    return g_ptr_array_index(peers->all, index);
}

static PeerPair *find_pair(Peer *peer, const TransportPath *path)
{
    for (guint i = 0; i < peer->n_pairs; i++)
        if (transport_path_equal(&peer->pairs[i].path, path))
            return &peer->pairs[i];
    return NULL;
}

// A new pair's place; that of the one that was checked longest ago, but for the selected one, when
// there are too many.
static PeerPair *place_for_pair(Peers *peers, Peer *peer)
{
    if (peer->n_pairs < LIMIT_ICE_PAIRS_PER_PEER)
        return &peer->pairs[peer->n_pairs++];
    PeerPair *oldest = NULL;
    for (guint i = 0; i < peer->n_pairs; i++) {
        PeerPair *pair = &peer->pairs[i];
        if (!transport_path_equal(&pair->path, &peer->path) &&
            (oldest == NULL || pair->checked_us < oldest->checked_us))
            oldest = pair;
    }
    forget_path(peers, peer, &oldest->path);
    return oldest;
}

// Makes the path the peer's; FALSE: it is another's.
static gboolean take_path(Peers *peers, Peer *peer, const PeerCheck *check)
{
    const Peer *owner = g_hash_table_lookup(peers->by_path, &check->path);
    if (owner == peer)
        return TRUE;
    if (owner != NULL && check->now_us - owner->heard_us < PATH_KEPT_US)
        return FALSE;
    g_hash_table_replace(peers->by_path, g_memdup2(&check->path, sizeof check->path), peer);
    return TRUE;
}

gboolean peers_pair_checked(Peers *peers, Peer *peer, const PeerCheck *check)
{
    if (!take_path(peers, peer, check))
        return FALSE;
    PeerPair *pair = find_pair(peer, &check->path);
    if (pair == NULL) {
        pair = place_for_pair(peers, peer);
        pair->path = check->path;
    }
    pair->checked_us = check->now_us;
    if (!peer->has_path || check->nominated) {
        peer->path = check->path;
        peer->has_path = TRUE;
    }
    return TRUE;
}
