// SPDX-License-Identifier: MIT
// See watcher.h. Monitor frames (libzmq 4.3): [event: 16 bit | value: 32 bit, host order,
// packed][endpoint].
#include "bus/watcher.h"

#include <string.h>
#include <zmq.h>

#include "common/bus_source.h"

#define WATCHED                                                                                    \
    (ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                               \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

struct Watcher {
    void *socket;
    void *monitor;
    const char *side;
    GSource *source;
    GHashTable *names; // descriptor -> process name
    WatcherEvent on_event;
    gpointer user;
};

static void on_disconnected(Watcher *watcher, int fd, const char *endpoint)
{
    g_autofree char *process = NULL;
    gpointer key = GINT_TO_POINTER(fd);
    if (g_hash_table_steal_extended(watcher->names, key, NULL, (gpointer *)&process))
        watcher->on_event("disconnected", process, watcher->side, endpoint, watcher->user);
}

static gboolean read_event(void *socket, gpointer user)
{
    Watcher *watcher = user;
    guint8 head[6] = {0};
    char endpoint[256] = "";
    guint16 event;
    gint32 value;
    if (zmq_recv(socket, head, sizeof head, ZMQ_DONTWAIT) < 0)
        return FALSE;
    int length = zmq_recv(socket, endpoint, sizeof endpoint - 1, ZMQ_DONTWAIT);
    endpoint[CLAMP(length, 0, (int)sizeof endpoint - 1)] = '\0';
    memcpy(&event, head, sizeof event);
    memcpy(&value, head + sizeof event, sizeof value);
    if (event == ZMQ_EVENT_DISCONNECTED)
        on_disconnected(watcher, value, endpoint);
    else
        watcher->on_event("failed_handshake", "", watcher->side, endpoint, watcher->user);
    return TRUE;
}

Watcher *watcher_new(void *context, void *socket, const char *side, WatcherEvent on_event,
                     gpointer user)
{
    Watcher *watcher = g_new0(Watcher, 1);
    g_autofree char *endpoint = g_strdup_printf("inproc://watcher-%s-%p", side, socket);
    watcher->socket = socket;
    watcher->side = side;
    watcher->on_event = on_event;
    watcher->user = user;
    watcher->names = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    watcher->monitor = zmq_socket(context, ZMQ_PAIR);
    int failed = zmq_socket_monitor(socket, endpoint, WATCHED);
    g_assert(failed == 0);
    failed = zmq_connect(watcher->monitor, endpoint);
    g_assert(failed == 0);
    watcher->source = bus_source_new(watcher->monitor, G_PRIORITY_HIGH, read_event, watcher);
    return watcher;
}

void watcher_free(Watcher *watcher)
{
    if (watcher == NULL)
        return;
    bus_source_free(watcher->source);
    zmq_socket_monitor(watcher->socket, NULL, 0);
    zmq_close(watcher->monitor);
    g_hash_table_unref(watcher->names);
    g_free(watcher);
}

gboolean watcher_knows(const Watcher *watcher, int fd)
{
    return g_hash_table_contains(watcher->names, GINT_TO_POINTER(fd));
}

void watcher_name(Watcher *watcher, int fd, const char *process)
{
    if (fd < 0 || watcher_knows(watcher, fd))
        return;
    g_hash_table_insert(watcher->names, GINT_TO_POINTER(fd), g_strdup(process));
    watcher->on_event("connected", process, watcher->side, "", watcher->user);
}

void watcher_drain(Watcher *watcher)
{
    while (read_event(watcher->monitor, watcher))
        continue;
}
