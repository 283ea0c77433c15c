// SPDX-License-Identifier: MIT
// See subscribe.h. A source's list of subscribers holds the slots that carry it and those that wait
// for its key frame; a slot is in at most two lists.
#include "media-worker/subscribe.h"
#include "media-worker/catch_up.h"
#include "media-worker/feedback.h"
#include "media-worker/liveness.h"
#include <string.h>

#define SPEAKERS_TOLD_US (200 * 1000)

static PeerSource *pending_of(const PeerSlot *slot)
{
    return (PeerSource *)slot->numbers.pending;
}

static void tell_slot(Hub *hub, const PeerSlot *slot, guint32 from)
{
    HubEvent *event = hub_event(slot->peer, MEDIA_EVENT_SLOT);
    event->event.index = slot->index;
    if (slot->carries != NULL) {
        event->event.from_number = slot->carries->peer->number;
        event->event.from_source = slot->carries->index;
        event->event.from = from;
    }
    hub_post(hub, event);
}

static void leave(PeerSource *source, PeerSlot *slot)
{
    if (source == NULL)
        return;
    g_ptr_array_remove_fast(source->subscribers, slot);
    if (source->subscribers->len == 0)
        catch_up_forget(source);
}

static void make_empty(Hub *hub, PeerSlot *slot)
{
    if (slot->carries == NULL)
        return;
    leave(slot->carries, slot);
    slot->carries = NULL;
    tell_slot(hub, slot, 0);
}

static void request(Hub *hub, PeerSlot *slot, PeerSource *source)
{
    leave(pending_of(slot), slot);
    gboolean awaits = slot_request(&slot->numbers, source);
    if (source == NULL)
        make_empty(hub, slot);
    if (source == NULL || !awaits)
        return;
    g_ptr_array_add(source->subscribers, slot);
    subscribe_begin(hub, slot);
}

void subscribe_begin(Hub *hub, PeerSlot *slot)
{
    PeerSource *source = pending_of(slot);
    if (source != NULL && !(peer_is_ready(slot->peer) && catch_up_slot(hub, slot, source)))
        feedback_want_key_frame(hub, source);
}

void subscribe_request(Hub *hub, PeerSlot *slot, PeerSource *source)
{
    if (source != NULL && source->description->kind != slot->description->kind)
        return;
    slot->wanted = source;
    request(hub, slot, source != NULL && source->muted ? NULL : source);
}

void subscribe_switched(Hub *hub, PeerSlot *slot, PeerSource *source, guint32 from)
{
    if (slot->carries != source)
        leave(slot->carries, slot);
    slot->carries = source;
    hub_due(&slot->peer->report_due_us, hub->now_us);
    hub_due(&hub->feedback_due_us, hub->now_us);
    tell_slot(hub, slot, from);
}

// --- for each slot that wants a source -----------------------------------------------------------
typedef void (*SlotFunction)(Hub *hub, PeerSlot *slot, PeerSource *source);

static void for_each_wanting(Hub *hub, PeerSource *source, SlotFunction function)
{
    for (guint i = 0; i < peers_count(hub->peers); i++) {
        Peer *peer = peers_nth(hub->peers, i);
        for (guint k = 0; k < peer->description->n_slots; k++)
            if (peer->slots[k].wanted == source)
                function(hub, &peer->slots[k], source);
    }
}

static void stop(Hub *hub, PeerSlot *slot, PeerSource *source)
{
    if (slot->numbers.pending == source) {
        leave(source, slot);
        slot->numbers.pending = NULL;
    }
    if (slot_forget(&slot->numbers, source))
        make_empty(hub, slot);
}

static void forget_wish(Hub *hub, PeerSlot *slot, PeerSource *source)
{
    stop(hub, slot, source);
    slot->wanted = NULL;
}

static void voices_soon(Hub *hub)
{
    hub_due(&hub->voices_due_us, hub->now_us);
}

static void open_voice(Hub *hub, PeerSource *source)
{
    source->voice.active = source->active;
    gboolean open = !source->muted && source->heard_us != 0;
    if (source->heard_us != 0 && !g_ptr_array_find(hub->voices, &source->voice, NULL))
        g_ptr_array_add(hub->voices, &source->voice);
    if (open != source->voice.open)
        voices_soon(hub);
    source->voice.open = open;
}

void subscribe_mute(Hub *hub, PeerSource *source, gboolean muted)
{
    if (source->muted == muted)
        return;
    source->muted = muted;
    if (source->description->kind == MEDIA_AUDIO)
        open_voice(hub, source);
    for_each_wanting(hub, source, muted ? stop : request);
}

void subscribe_source_changed(Hub *hub, PeerSource *source)
{
    if (source->description->kind == MEDIA_AUDIO)
        open_voice(hub, source);
}

static void stop_and_wait(Hub *hub, PeerSlot *slot, PeerSource *source)
{
    stop(hub, slot, source);
    request(hub, slot, source);
}

void subscribe_source_ended(Hub *hub, PeerSource *source)
{
    liveness_source_silent(hub, source);
    source->heard_us = 0;
    if (source->description->kind == MEDIA_AUDIO)
        open_voice(hub, source);
    else
        for_each_wanting(hub, source, stop_and_wait);
}

void subscribe_forget(Hub *hub, Peer *peer)
{
    for (guint i = 0; i < peer->description->n_slots; i++) {
        leave(pending_of(&peer->slots[i]), &peer->slots[i]);
        leave(peer->slots[i].carries, &peer->slots[i]);
        peer->slots[i].carries = peer->slots[i].wanted = NULL;
        slot_request(&peer->slots[i].numbers, NULL);
    }
    for (guint i = 0; i < peer->description->n_sources; i++) {
        PeerSource *source = &peer->sources[i];
        for_each_wanting(hub, source, forget_wish);
        // A slot may still carry it while it awaits another one.
        while (source->subscribers->len > 0)
            stop(hub, g_ptr_array_index(source->subscribers, 0), source);
        g_ptr_array_remove_fast(hub->voices, &source->voice);
    }
    voices_soon(hub);
}

// --- audio ---------------------------------------------------------------------------------------
static PeerSource *source_of(Voice *voice)
{
    return (PeerSource *)((guint8 *)voice - G_STRUCT_OFFSET(PeerSource, voice));
}

static guint audio_slots(Peer *peer, PeerSlot **ret_slots)
{
    guint n = 0;
    for (guint i = 0; i < peer->description->n_slots; i++)
        if (peer->slots[i].description->kind == MEDIA_AUDIO)
            ret_slots[n++] = &peer->slots[i];
    return n;
}

static void give_audio_slots(Hub *hub, Peer *peer, Voice *const *order, guint n_order)
{
    PeerSlot *slots[LIMIT_SLOTS_PER_PEER];
    Voice *held[LIMIT_SLOTS_PER_PEER];
    guint n_slots = audio_slots(peer, slots);
    for (guint i = 0; i < n_slots; i++)
        held[i] = slots[i]->wanted == NULL ? NULL : &slots[i]->wanted->voice;
    SpeakersChoice choice = {.order = order, .n = n_order, .own = peer->number};
    if (!speakers_fill(&choice, held, n_slots))
        return;
    for (guint i = 0; i < n_slots; i++) {
        PeerSource *source = held[i] == NULL ? NULL : source_of(held[i]);
        if (source != slots[i]->wanted)
            subscribe_request(hub, slots[i], source);
    }
}

static void tell_speakers(Hub *hub, Voice *const *order, guint n_order)
{
    guint32 numbers[3] = {0};
    guint n = 0;
    for (guint i = 0; i < n_order && n < G_N_ELEMENTS(numbers); i++)
        if (voice_is_speaking(order[i], hub->now_us))
            numbers[n++] = order[i]->number;
    if (memcmp(numbers, hub->speaking, sizeof numbers) == 0 ||
        hub->now_us - hub->speaking_told_us < SPEAKERS_TOLD_US)
        return;
    memcpy(hub->speaking, numbers, sizeof numbers);
    hub->speaking_told_us = hub->now_us;
    HubEvent *event = hub_event(NULL, MEDIA_EVENT_SPEAKERS);
    memcpy(event->event.numbers, numbers, sizeof numbers);
    for (guint i = 0, k = 0; k < n; i++)
        if (order[i]->number == numbers[k])
            event->event.levels[k++] = (gint)voice_loudness(order[i], hub->now_us) - VOICE_SILENCE;
    hub_post(hub, event);
}

void subscribe_run(Hub *hub)
{
    if (hub->now_us < hub->voices_due_us)
        return;
    Voice *order[SPEAKERS_MAX];
    SpeakersRoom room = {.voices = (Voice **)hub->voices->pdata,
                         .n = hub->voices->len,
                         .n_front = 3,
                         .now_us = hub->now_us};
    guint n = speakers_order(&room, order, SPEAKERS_MAX);
    for (guint i = 0; i < peers_count(hub->peers); i++)
        give_audio_slots(hub, peers_nth(hub->peers, i), order, n);
    tell_speakers(hub, order, n);
    hub->voices_due_us = hub->voices->len > 0 ? hub->now_us + SPEAKERS_EVERY_US : G_MAXINT64;
}
