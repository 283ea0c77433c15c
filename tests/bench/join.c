// SPDX-License-Identifier: MIT
// The server's part of a join: one message with a whole offer to the answer with the room's own,
// through gateway, bus, registry (with its commit) and room process. Rooms fill one person after
// the other, as people come; the first of each room waits for its placement as well. What the
// client does to send and read the two messages is in the figures, media is not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "load/native_peer.h"
#include "tests/support/suite.h"
#include "tests/support/ws_client.h"

#define ROOMS 20
#define PER_ROOM 15
#define JOINS (ROOMS * PER_ROOM)
#define AUDIO_SLOTS 3 // what a page offers by default
#define VIDEO_SLOTS 9

static int compare(const void *a, const void *b)
{
    gint64 difference = *(const gint64 *)a - *(const gint64 *)b;
    return (difference > 0) - (difference < 0);
}

// The session stands before the clock starts.
static gint64 join_us(WsClient *client, const char *room)
{
    const NativeSettings settings = {.audio_slots = AUDIO_SLOTS, .video_slots = VIDEO_SLOTS};
    g_autoptr(NativePeer) peer = native_peer_new(&settings);
    g_assert(ws_client_open(client, "somebody"));
    gint64 start_us = g_get_monotonic_time();
    g_autoptr(Json) body = ws_client_join(client, room, "somebody", native_peer_offer(peer));
    gint64 took_us = g_get_monotonic_time() - start_us;
    if (ws_code(body) != 200)
        g_error("a join is answered %d", ws_code(body));
    return took_us;
}

static void print(const char *name, gint64 *took_us, guint count, guint percent)
{
    qsort(took_us, count, sizeof *took_us, compare);
    g_print("%s %.2f ms\n", name, (double)took_us[(count - 1) * percent / 100] / 1000);
}

int main(void)
{
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(GPtrArray) clients = g_ptr_array_new_with_free_func((GDestroyNotify)ws_client_free);
    gint64 first_us[ROOMS], took_us[JOINS];
    suite_set(suite, "PARLEY_LOG_LEVEL", "warning");
    suite_start_all(suite);
    for (guint i = 0; i < JOINS; i++) {
        g_autofree char *room = g_strdup_printf("room-%u", i / PER_ROOM);
        WsClient *client = ws_client_new(suite_gateway_port(suite));
        g_ptr_array_add(clients, client);
        took_us[i] = join_us(client, room);
        if (i % PER_ROOM == 0)
            first_us[i / PER_ROOM] = took_us[i];
    }
    print("join_server_p50_ms", took_us, JOINS, 50);
    print("join_server_p99_ms", took_us, JOINS, 99);
    print("join_server_first_p50_ms", first_us, ROOMS, 50);
    return 0;
}
