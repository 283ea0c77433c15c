// SPDX-License-Identifier: MIT
// See caller.h. A slot counts from its second packet on: before, nobody was to be seen in it.
#include "tests/support/caller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define SLOTS 3
#define MEDIA_MS 8000
#define PACKETS 20 // of a slot that is seen

typedef struct {
    const NativeSlot *slot;
    gint64 last_us, longest_us;
} Pauses;

struct Caller {
    char *room;
    guint label;
    guint64 epoch; // that is waited for
    WsClient *ws;
    NativePeer *peer;
    char *sdp;
    Pauses pauses[2 * SLOTS];
    guint others; // that are waited for
};

static void on_packet(const NativeSlot *slot, gint64 delay_us, gpointer user)
{
    Caller *caller = user;
    gint64 now_us = g_get_monotonic_time();
    (void)delay_us;
    for (guint i = 0; i < G_N_ELEMENTS(caller->pauses); i++) {
        Pauses *pauses = &caller->pauses[i];
        if (pauses->slot != NULL && pauses->slot != slot)
            continue;
        if (pauses->slot != NULL)
            pauses->longest_us = MAX(pauses->longest_us, now_us - pauses->last_us);
        pauses->slot = slot;
        pauses->last_us = now_us;
        return;
    }
}

static gboolean is_connected(gpointer user)
{
    return native_peer_state(((Caller *)user)->peer) >= NATIVE_READY;
}

static void make_peer(Caller *caller)
{
    const NativeSettings settings = {.label = caller->label,
                                     .audio_slots = SLOTS,
                                     .video_slots = SLOTS,
                                     .on_packet = on_packet,
                                     .user = caller};
    caller->peer = native_peer_new(&settings);
    memset(caller->pauses, 0, sizeof caller->pauses);
}

static void join(Caller *caller)
{
    const char *room = caller->room;
    g_autoptr(Json) body =
        ws_client_join(caller->ws, room, "caller", native_peer_offer(caller->peer));
    if (ws_code(body) != 200)
        fail_msg("the join to %s is answered %d: %s", room, ws_code(body),
                 body != NULL ? json_get_text(body, "desc") : "not in time");
    g_free(caller->sdp);
    caller->sdp = g_strdup(
        json_text(json_get_path(json_get(body, "answer"), "data.connectionDescription.sdp")));
    assert_non_null(caller->sdp);
    assert_true(native_peer_answer(caller->peer, caller->sdp));
    suite_until(is_connected, caller, MEDIA_MS);
    if (native_peer_state(caller->peer) != NATIVE_READY)
        fail_msg("no media path in %s: state %d", room, native_peer_state(caller->peer));
    native_peer_send(caller->peer, TRUE, TRUE);
}

Caller *caller_new(Suite *suite, const char *room, guint label)
{
    Caller *caller = g_new0(Caller, 1);
    caller->room = g_strdup(room);
    caller->label = label;
    caller->ws = ws_client_new(suite_gateway_port(suite));
    make_peer(caller);
    if (!ws_client_open(caller->ws, "caller"))
        fail_msg("no session for a caller");
    join(caller);
    return caller;
}

void caller_free(Caller *caller)
{
    if (caller == NULL)
        return;
    native_peer_free(caller->peer);
    ws_client_free(caller->ws);
    g_free(caller->sdp);
    g_free(caller->room);
    g_free(caller);
}

WsClient *caller_ws(const Caller *caller)
{
    return caller->ws;
}

NativePeer *caller_peer(const Caller *caller)
{
    return caller->peer;
}

const char *caller_answer_sdp(const Caller *caller)
{
    return caller->sdp;
}

static const Json *placement_of(const Caller *caller)
{
    return json_get(sync_object_data(ws_client_communication(caller->ws)), "placement");
}

guint64 caller_epoch(const Caller *caller)
{
    return (guint64)json_get_number(placement_of(caller), "epoch", 0);
}

const char *caller_media(const Caller *caller)
{
    return json_get_text(placement_of(caller), "media");
}

static gboolean is_placed(gpointer user)
{
    const Caller *caller = user;
    return caller_epoch(caller) >= caller->epoch;
}

void caller_follow(Caller *caller, guint64 epoch)
{
    caller->epoch = epoch;
    if (!suite_until(is_placed, caller, MEDIA_MS))
        fail_msg("%s is not placed anew", caller->room);
    native_peer_free(caller->peer);
    make_peer(caller);
    join(caller);
}

static guint seen(const Caller *caller,
                  const NativeSlot *(*slot_at)(const NativePeer *peer, guint index))
{
    guint count = 0;
    for (guint i = 0; i < SLOTS; i++)
        count += slot_at(caller->peer, i)->packets >= PACKETS;
    return count;
}

static gboolean has_media(gpointer user)
{
    const Caller *caller = user;
    return seen(caller, native_peer_video_slot) >= caller->others &&
           seen(caller, native_peer_audio_slot) >= caller->others;
}

void caller_wait_media(Caller *caller, guint others)
{
    caller->others = others;
    if (!suite_until(has_media, caller, MEDIA_MS))
        fail_msg("%u are seen and %u heard, not %u", seen(caller, native_peer_video_slot),
                 seen(caller, native_peer_audio_slot), others);
}

gint64 caller_longest_pause_us(const Caller *caller)
{
    gint64 longest_us = 0, now_us = g_get_monotonic_time();
    for (guint i = 0; i < G_N_ELEMENTS(caller->pauses); i++) {
        const Pauses *pauses = &caller->pauses[i];
        if (pauses->slot != NULL)
            longest_us = MAX(longest_us, MAX(pauses->longest_us, now_us - pauses->last_us));
    }
    return longest_us;
}

void caller_reset_pauses(Caller *caller)
{
    for (guint i = 0; i < G_N_ELEMENTS(caller->pauses); i++)
        caller->pauses[i].longest_us = 0;
}
