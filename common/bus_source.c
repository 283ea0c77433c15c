// SPDX-License-Identifier: MIT
// See bus_source.h.
#include "common/bus_source.h"

#include <zmq.h>

#include "common/limits.h"

typedef struct {
    GSource base;
    void *socket;
    BusSourceRead read;
    gpointer user;
} BusSource;

static gboolean is_readable(const BusSource *source)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(source->socket, ZMQ_EVENTS, &events, &size) == 0 &&
           (events & ZMQ_POLLIN) != 0;
}

static gboolean prepare(GSource *base, gint *timeout_ms)
{
    *timeout_ms = -1;
    return is_readable((BusSource *)base);
}

static gboolean check(GSource *base)
{
    return is_readable((BusSource *)base);
}

static gboolean dispatch(GSource *base, GSourceFunc unused, gpointer unused_too)
{
    (void)unused;
    (void)unused_too;
    const BusSource *source = (BusSource *)base;
    for (guint i = 0; i < LIMIT_BUS_DISPATCH && !g_source_is_destroyed(base); i++)
        if (!source->read(source->socket, source->user))
            break;
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {.prepare = prepare, .check = check, .dispatch = dispatch};

GSource *bus_source_new(void *socket, gint priority, BusSourceRead read, gpointer user)
{
    int fd = -1;
    size_t size = sizeof fd;
    BusSource *source = (BusSource *)g_source_new(&functions, sizeof *source);
    source->socket = socket;
    source->read = read;
    source->user = user;
    int failed = zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    g_assert(failed == 0);
    g_source_add_unix_fd(&source->base, fd, G_IO_IN);
    g_source_set_priority(&source->base, priority);
    g_source_attach(&source->base, NULL);
    return &source->base;
}

void bus_source_free(GSource *source)
{
    if (source == NULL)
        return;
    g_source_destroy(source);
    g_source_unref(source);
}
