// SPDX-License-Identifier: MIT
// What it costs Janus to forward a packet, by the load that forward.c gives to a room: native peers
// as publishers and subscribers of one VideoRoom. Prints lines `name value unit`.
//
// CPU (user + system) of the whole Janus process, all threads, over five seconds after warm-up,
// divided by the packets that arrived at receivers meanwhile; checked is that they are whole, in
// order, and as many as were sent. packaged: as Debian configures it; tuned: one event loop.
// In both Janus is the DTLS server and prefers AES-GCM. Its subscribers negotiate no header
// extensions, which spares it work that Parley does.
//
// A network namespace of its own, because Janus has no candidates of loopback; what goes to the
// address of its interface takes loopback's way all the same. Needs root.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load/native_peer.h"
#include "tests/support/janus.h"
#include "tests/support/suite.h"

// Janus does nothing before it knows a candidate; ours are found by the checks that we send.
#define CANDIDATE "a=candidate:1 1 udp 1 10.77.0.1 9 typ host\r\na=end-of-candidates"
#define WARM_UP_S 2
#define MEASURE_S 5
#define CONNECTED_MS 20000

typedef struct {
    guint senders, receivers;
    gboolean tuned;
} Load;

typedef struct {
    Load load;
    Janus *janus;
    GPtrArray *senders, *receivers; // of NativePeer
} Room;

// --- the room ------------------------------------------------------------------------------------
static char *with(const char *text, const char *old, const char *new)
{
    g_auto(GStrv) parts = g_strsplit(text, old, -1);
    return g_strjoinv(new, parts);
}

static void add_sender(Room *room, guint number)
{
    const NativeSettings settings = {.label = number};
    NativePeer *peer = native_peer_new(&settings);
    gint64 handle = janus_attach(room->janus);
    if (number == 1)
        json_unref(janus_ask(room->janus, handle,
                             "{\"request\":\"create\",\"room\":4321,\"publishers\":100}", NULL,
                             NULL));
    g_autofree char *body = g_strdup_printf(
        "{\"request\":\"joinandconfigure\",\"ptype\":\"publisher\",\"room\":4321,\"id\":%u}",
        number);
    // Janus would be the DTLS client of who leaves it the choice.
    g_autofree char *active = with(native_peer_offer(peer), "a=setup:actpass", "a=setup:active");
    g_autofree char *offer = with(active, "a=ice-options:trickle", CANDIDATE);
    g_autoptr(Json) event = janus_ask(room->janus, handle, body, "offer", offer);
    const char *answer = json_get_text(json_get(event, "jsep"), "sdp");
    g_assert(answer != NULL && native_peer_answer(peer, answer));
    g_ptr_array_add(room->senders, peer);
}

static char *subscription(const Room *room)
{
    GString *body =
        g_string_new("{\"request\":\"join\",\"ptype\":\"subscriber\",\"room\":4321,\"streams\":[");
    for (guint i = 0; i < room->load.senders; i++)
        g_string_append_printf(body, "%s{\"feed\":%u}", i > 0 ? "," : "", i + 1);
    g_string_append(body, "]}");
    return g_string_free(body, FALSE);
}

static void add_receiver(Room *room)
{
    const NativeSettings settings = {.audio_slots = room->load.senders,
                                     .video_slots = room->load.senders};
    NativePeer *peer = native_peer_new(&settings);
    gint64 handle = janus_attach(room->janus);
    g_autofree char *body = subscription(room);
    g_autoptr(Json) event = janus_ask(room->janus, handle, body, NULL, NULL);
    const char *offer = json_get_text(json_get(event, "jsep"), "sdp");
    g_assert(offer != NULL);
    g_autofree char *plain = native_peer_take_offer(peer, offer);
    g_assert(plain != NULL);
    g_autofree char *answer = with(plain, "a=recvonly", "a=recvonly\r\n" CANDIDATE);
    json_unref(janus_ask(room->janus, handle, "{\"request\":\"start\"}", "answer", answer));
    g_ptr_array_add(room->receivers, peer);
}

static gboolean are_ready(gpointer user)
{
    const GPtrArray *peers = user;
    for (guint i = 0; i < peers->len; i++)
        if (native_peer_state(peers->pdata[i]) != NATIVE_READY)
            return FALSE;
    return TRUE;
}

static gboolean fill(Room *room)
{
    for (guint i = 0; i < room->load.senders; i++)
        add_sender(room, i + 1);
    if (!suite_until(are_ready, room->senders, CONNECTED_MS))
        return FALSE;
    for (guint i = 0; i < room->load.senders; i++)
        native_peer_send(room->senders->pdata[i], TRUE, TRUE);
    for (guint i = 0; i < room->load.receivers; i++)
        add_receiver(room);
    return suite_until(are_ready, room->receivers, CONNECTED_MS);
}

// --- measuring -----------------------------------------------------------------------------------
typedef struct {
    gint64 cpu_us;
    guint64 sent, received, broken;
} Count;

static gint64 cpu_us(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    gulong user = 0, system = 0;
    if (g_file_get_contents(path, &text, NULL, NULL))
        sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system);
    return (gint64)(user + system) * G_USEC_PER_SEC / sysconf(_SC_CLK_TCK);
}

static void add_slot(Count *count, const NativeSlot *slot)
{
    count->received += slot->packets;
    count->broken += slot->bad_payloads + slot->reordered + slot->lost + slot->bad_timestamps;
}

static Count count(const Room *room)
{
    Count sum = {.cpu_us = cpu_us(janus_pid(room->janus))};
    for (guint i = 0; i < room->senders->len; i++) {
        const NativeCounts *sent = native_peer_counts(room->senders->pdata[i]);
        sum.sent += sent->audio_packets + sent->video_packets;
    }
    for (guint i = 0; i < room->receivers->len; i++)
        for (guint k = 0; k < room->load.senders; k++) {
            add_slot(&sum, native_peer_audio_slot(room->receivers->pdata[i], k));
            add_slot(&sum, native_peer_video_slot(room->receivers->pdata[i], k));
        }
    return sum;
}

static gboolean has_passed(gpointer until)
{
    return g_get_monotonic_time() >= *(const gint64 *)until;
}

static void run_for(guint seconds)
{
    gint64 until_us = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    suite_until(has_passed, &until_us, 2000 * seconds);
}

static void print(const Room *room, const Count *before, const Count *after)
{
    const Load *load = &room->load;
    guint64 received = after->received - before->received;
    gint64 missing = (gint64)((after->sent - before->sent) * load->receivers) - (gint64)received;
    g_autofree char *name =
        g_strdup_printf("janus_%s_forward_%u_%u", load->tuned ? "tuned" : "packaged", load->senders,
                        load->receivers);
    printf("%s_us %.2f us/packet\n", name,
           (double)(after->cpu_us - before->cpu_us) / (double)MAX(received, 1));
    printf("%s_rate %" G_GUINT64_FORMAT " packets/s\n", name, received / MEASURE_S);
    printf("%s_missing %" G_GINT64_FORMAT " packets\n", name, missing);
    printf("%s_wrong %" G_GUINT64_FORMAT " packets\n", name, after->broken - before->broken);
    fflush(stdout);
}

static int measure(const Load *load)
{
    Room room = {.load = *load, .janus = janus_new(load->tuned)};
    if (room.janus == NULL)
        return 0;
    room.senders = g_ptr_array_new_with_free_func((GDestroyNotify)native_peer_free);
    room.receivers = g_ptr_array_new_with_free_func((GDestroyNotify)native_peer_free);
    gboolean connected = fill(&room);
    if (connected) {
        run_for(WARM_UP_S);
        Count before = count(&room);
        run_for(MEASURE_S);
        Count after = count(&room);
        print(&room, &before, &after);
    } else {
        g_printerr("# janus_forward: not everybody has connected\n");
    }
    g_ptr_array_unref(room.senders);
    g_ptr_array_unref(room.receivers);
    janus_free(room.janus);
    return !connected;
}

// --- the network ---------------------------------------------------------------------------------
static gboolean make_network(void)
{
    return unshare(CLONE_NEWNET) == 0 &&
           system("ip link set lo up && ip link add link0 type veth peer name link1 &&"
                  "ip address add 10.77.0.1/24 dev link0 && ip link set link0 up &&"
                  "ip link set link1 up") == 0;
}

int main(void)
{
    static const Load loads[] = {{1, 50, FALSE}, {1, 50, TRUE}, {10, 20, TRUE}};
    if (geteuid() != 0 || !make_network()) {
        g_printerr("# janus_forward: skipped: it needs root, for a network namespace\n");
        return 0;
    }
    for (guint i = 0; i < G_N_ELEMENTS(loads); i++)
        if (measure(&loads[i]) != 0)
            return 1;
    return 0;
}
