// SPDX-License-Identifier: MIT
// See participant.h. Figures are what the slots count now, less what they counted at the beginning.
// What the last packets of a sender were is known only because it is a client of this process: its
// own counter says how many it has sent.
#include "load/participant.h"

#include <string.h>

#include "load/naming.h"
#include "load/session.h"

typedef struct {
    const NativeSlot *slot; // NULL: none of this number
    Naming naming;
    const Participant *sender; // that the data names; NULL: nobody, or a foreign client
    // At the beginning.
    guint64 packets, octets;
    guint lost, recovered, reordered, duplicates, switches;
} Slot;

struct Participant {
    const ParticipantShared *shared;
    ParticipantRole role;
    ParticipantState state;
    Session *session;
    NativePeer *peer;
    Slot *slots;         // audio, then video
    GHashTable *foreign; // numbers of people who are no clients of ours
    gint64 started_us, answer_us, ready_us;
    char *failure, *reason;
    gint code, retry_after_s;
    guint64 sent, resent; // at the beginning
    gboolean measuring;
    Histogram delays;
};

static guint count_slots(const Participant *participant)
{
    return 2 * participant->role.slots;
}

static void fail(Participant *participant, const char *why)
{
    if (participant->failure == NULL)
        participant->failure = g_strdup(why);
    participant->state = PARTICIPANT_FAILED;
}

// --- slots -----------------------------------------------------------------------------------
static void on_packet(const NativeSlot *native, gint64 delay_us, gpointer user)
{
    Participant *participant = user;
    guint index = native->index + (native->is_video ? participant->role.slots : 0);
    const NamingPacket packet = {native->csrc, native->timestamp, native->label, native->heard_us};
    naming_packet(&participant->slots[index].naming, &packet);
    if (participant->measuring)
        histogram_add(&participant->delays, delay_us);
}

static void tell(Participant *participant, Slot *slot, const Json *carried)
{
    const char *who = carried != NULL ? json_get_text(carried, "participant") : NULL;
    guint32 number = carried != NULL ? (guint32)json_get_number(carried, "number", 0) : 0;
    if (who == NULL || number == 0) {
        slot->sender = NULL;
        naming_told(&slot->naming, NULL);
        return;
    }
    slot->sender = g_hash_table_lookup(participant->shared->by_id, who);
    const NamingEntry entry = {.number = number,
                               .from = (guint32)json_get_number(carried, "from", 0),
                               .label = slot->sender != NULL ? slot->sender->role.label : 0};
    if (slot->sender == NULL)
        g_hash_table_add(participant->foreign, GUINT_TO_POINTER(number));
    naming_told(&slot->naming, &entry);
}

static void on_changed(const Json *slots, gpointer user)
{
    Participant *participant = user;
    for (guint i = 0; i < count_slots(participant); i++) {
        Slot *slot = &participant->slots[i];
        tell(participant, slot, json_get(slots, slot->slot->mid));
    }
}

static void init_slots(Participant *participant)
{
    guint each = participant->role.slots;
    participant->slots = g_new0(Slot, MAX(count_slots(participant), 1));
    for (guint i = 0; i < each; i++) {
        participant->slots[i].slot = native_peer_audio_slot(participant->peer, i);
        participant->slots[each + i].slot = native_peer_video_slot(participant->peer, i);
    }
}

// --- life ------------------------------------------------------------------------------------
static void on_joined(const char *sdp, gpointer user)
{
    Participant *participant = user;
    if (participant->state != PARTICIPANT_JOINING)
        return; // too late
    participant->answer_us = g_get_monotonic_time() - participant->started_us;
    participant->state = PARTICIPANT_LINKING;
    if (!native_peer_answer(participant->peer, sdp))
        fail(participant, "join: the room's answer cannot be used");
}

static void on_refused(const SessionRefusal *refusal, gpointer user)
{
    Participant *participant = user;
    participant->reason = g_strdup(refusal->reason);
    participant->code = refusal->code;
    participant->retry_after_s = refusal->retry_after_s;
    fail(participant, refusal->text);
}

static void on_lost(const char *why, gpointer user)
{
    fail(user, why);
}

static void on_left(gpointer user)
{
    Participant *participant = user;
    if (participant->state != PARTICIPANT_FAILED)
        participant->state = PARTICIPANT_GONE;
}

static void on_state(NativePeer *peer, gpointer user)
{
    Participant *participant = user;
    if (native_peer_state(peer) == NATIVE_READY) {
        participant->ready_us = g_get_monotonic_time() - participant->started_us;
        participant->state = PARTICIPANT_IN;
        if (participant->role.sends)
            native_peer_send(peer, TRUE, !participant->shared->no_video);
    } else if (native_peer_state(peer) == NATIVE_FAILED) {
        fail(participant, "media: the connection to the room failed");
    }
}

static void start_peer(Participant *participant)
{
    NativeSettings settings = participant->shared->media;
    settings.label = participant->role.label;
    settings.audio_slots = settings.video_slots = participant->role.slots;
    settings.on_packet = on_packet;
    settings.on_state = on_state;
    settings.user = participant;
    participant->peer = native_peer_new(&settings);
}

static void start_session(Participant *participant)
{
    const SessionSettings settings = {.room = participant->role.room,
                                      .name = participant->role.name,
                                      .token = participant->shared->token,
                                      .offer = native_peer_offer(participant->peer),
                                      .user = participant,
                                      .joined = on_joined,
                                      .changed = on_changed,
                                      .refused = on_refused,
                                      .left = on_left,
                                      .lost = on_lost};
    participant->session = session_new(participant->shared->websockets, &settings);
}

Participant *participant_new(const ParticipantShared *shared, const ParticipantRole *role)
{
    Participant *participant = g_new0(Participant, 1);
    participant->shared = shared;
    participant->role = *role;
    participant->role.room = g_strdup(role->room);
    participant->role.name = g_strdup(role->name);
    participant->foreign = g_hash_table_new(NULL, NULL);
    participant->started_us = g_get_monotonic_time();
    start_peer(participant);
    init_slots(participant);
    start_session(participant);
    g_hash_table_insert(shared->by_id, g_strdup(session_participant(participant->session)),
                        participant);
    return participant;
}

void participant_free(Participant *participant)
{
    if (participant == NULL)
        return;
    g_hash_table_remove(participant->shared->by_id, session_participant(participant->session));
    session_free(participant->session);
    native_peer_free(participant->peer);
    g_hash_table_unref(participant->foreign);
    g_free((char *)participant->role.room);
    g_free((char *)participant->role.name);
    g_free(participant->slots);
    g_free(participant->failure);
    g_free(participant->reason);
    g_free(participant);
}

ParticipantState participant_state(const Participant *participant)
{
    return participant->state;
}

static char *what_is_late(const Participant *participant)
{
    if (participant->state == PARTICIPANT_JOINING)
        return g_strdup("join: the gateway does not answer");
    if (native_peer_state(participant->peer) != NATIVE_CHECKING)
        return g_strdup("media: the DTLS handshake with the room does not end");
    return g_strdup_printf("media: none of the room's addresses answers (%s): is its UDP port "
                           "reachable from here?",
                           native_peer_candidates(participant->peer));
}

void participant_check(Participant *participant)
{
    gint64 since_us = g_get_monotonic_time() - participant->started_us;
    gboolean late = since_us > participant->shared->join_timeout_s * G_USEC_PER_SEC;
    if (!late || participant->state > PARTICIPANT_LINKING)
        return;
    g_autofree char *why = what_is_late(participant);
    fail(participant, why);
}

void participant_leave(Participant *participant)
{
    if (participant->state == PARTICIPANT_IN)
        session_leave(participant->session);
}

void participant_stop_sending(Participant *participant)
{
    if (participant->role.sends && participant->state == PARTICIPANT_IN)
        native_peer_send(participant->peer, FALSE, FALSE);
}

// --- figures ---------------------------------------------------------------------------------
static guint64 count_sent(const Participant *participant)
{
    const NativeCounts *counts = native_peer_counts(participant->peer);
    return counts->audio_packets + counts->video_packets;
}

void participant_begin(Participant *participant)
{
    memset(&participant->delays, 0, sizeof(participant->delays));
    participant->measuring = TRUE;
    participant->sent = count_sent(participant);
    participant->resent = native_peer_counts(participant->peer)->resent;
    for (guint i = 0; i < count_slots(participant); i++) {
        Slot *slot = &participant->slots[i];
        const NativeSlot *native = slot->slot;
        slot->packets = native->packets;
        slot->octets = native->octets;
        slot->lost = native->lost;
        slot->recovered = native->recovered;
        slot->reordered = native->reordered;
        slot->duplicates = native->duplicates;
        slot->switches = native->switches;
    }
}

// Of a sender that has stopped: what it has sent after the last packet that came.
static guint64 missing_tail(const Slot *slot)
{
    if (slot->sender == NULL || slot->slot->label != slot->sender->role.label)
        return 0;
    const NativeCounts *counts = native_peer_counts(slot->sender->peer);
    guint64 sent = slot->slot->is_video ? counts->video_packets : counts->audio_packets;
    return sent > (guint64)slot->slot->counter + 1 ? sent - slot->slot->counter - 1 : 0;
}

static void add_slot(const Slot *slot, ParticipantFigures *figures)
{
    const NativeSlot *native = slot->slot;
    guint64 packets = native->packets - slot->packets;
    figures->packets += packets;
    figures->octets += native->octets - slot->octets;
    guint64 lost = native->lost > slot->lost ? native->lost - slot->lost : 0;
    figures->lost_so_far += lost;
    figures->lost += lost + missing_tail(slot);
    figures->recovered += native->recovered - slot->recovered;
    figures->reordered += native->reordered - slot->reordered;
    figures->duplicates += native->duplicates - slot->duplicates;
    figures->switches += native->switches - slot->switches;
    figures->misnamed += slot->naming.wrong;
    figures->sources += slot->sender != NULL && packets > 0;
}

static guint count_faults(const Participant *participant)
{
    guint faults = native_peer_faults(participant->peer);
    GHashTableIter iterator;
    gpointer number;
    g_hash_table_iter_init(&iterator, participant->foreign);
    while (g_hash_table_iter_next(&iterator, &number, NULL))
        faults -= native_peer_unreadable(participant->peer, GPOINTER_TO_UINT(number));
    return faults;
}

void participant_figures(Participant *participant, guint others, ParticipantFigures *ret_figures)
{
    const NativeCounts *counts = native_peer_counts(participant->peer);
    guint wanted = MIN(others, participant->role.slots);
    *ret_figures =
        (ParticipantFigures){.room = participant->role.room,
                             .name = participant->role.name,
                             .id = session_participant(participant->session),
                             .sends = participant->role.sends,
                             .receives = participant->role.slots > 0,
                             .joined = participant->ready_us > 0,
                             .failure = participant->failure,
                             .reason = participant->reason,
                             .code = participant->code,
                             .retry_after_s = participant->retry_after_s,
                             .answer_us = participant->answer_us,
                             .ready_us = participant->ready_us,
                             .sources_wanted = participant->shared->no_video ? wanted : 2 * wanted,
                             .heals = session_heals(participant->session),
                             .faults = count_faults(participant),
                             .overflowed = counts->overflowed,
                             .sent = count_sent(participant) - participant->sent,
                             .resent = counts->resent - participant->resent,
                             .delays = &participant->delays};
    for (guint i = 0; i < count_slots(participant); i++)
        add_slot(&participant->slots[i], ret_figures);
}
