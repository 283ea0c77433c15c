// SPDX-License-Identifier: MIT
// See socket_loop.h. The GSource's check tests the descriptor (a check that is always TRUE would
// spin a core), and prepare asks libuv for its next timer. It may recurse, which saves a wake-up a
// dispatch.
#include "common/socket_loop.h"

#include <uv.h>

#define CLOSING_TURNS 1000

typedef struct {
    GSource source;
    SocketLoop *loop;
} LoopSource;

struct SocketLoop {
    uv_loop_t uv;
    GSource *source;
    gpointer tag;
    gboolean kicked;
};

// How long the loop may sleep; an empty one for ever (libuv itself says 0: it would end).
static gint timeout_ms(const uv_loop_t *uv)
{
    return uv_loop_alive(uv) ? uv_backend_timeout(uv) : -1;
}

static gboolean prepare(GSource *source, gint *ret_timeout_ms)
{
    SocketLoop *loop = ((LoopSource *)source)->loop;
    uv_update_time(&loop->uv);
    *ret_timeout_ms = timeout_ms(&loop->uv);
    return loop->kicked || *ret_timeout_ms == 0;
}

static gboolean check(GSource *source)
{
    SocketLoop *loop = ((LoopSource *)source)->loop;
    uv_update_time(&loop->uv);
    return loop->kicked || g_source_query_unix_fd(source, loop->tag) != 0 ||
           timeout_ms(&loop->uv) == 0;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer user)
{
    SocketLoop *loop = ((LoopSource *)source)->loop;
    (void)callback;
    (void)user;
    loop->kicked = FALSE;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {.prepare = prepare, .check = check, .dispatch = dispatch};

SocketLoop *socket_loop_new(void)
{
    SocketLoop *loop = g_new0(SocketLoop, 1);
    g_assert(uv_loop_init(&loop->uv) == 0);
    loop->source = g_source_new(&functions, sizeof(LoopSource));
    ((LoopSource *)loop->source)->loop = loop;
    loop->tag = g_source_add_unix_fd(loop->source, uv_backend_fd(&loop->uv), G_IO_IN);
    loop->kicked = TRUE;
    g_source_set_can_recurse(loop->source, TRUE);
    g_source_set_static_name(loop->source, "websockets");
    g_source_attach(loop->source, NULL);
    return loop;
}

void socket_loop_free(SocketLoop *loop)
{
    if (loop == NULL)
        return;
    g_source_destroy(loop->source);
    g_source_unref(loop->source);
    socket_loop_run_out(loop);
    uv_loop_close(&loop->uv);
    g_free(loop);
}

void socket_loop_run_out(SocketLoop *loop)
{
    for (guint turn = 0; turn < CLOSING_TURNS && uv_loop_alive(&loop->uv); turn++)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
}

void *socket_loop_native(SocketLoop *loop)
{
    return &loop->uv;
}

void socket_loop_kick(SocketLoop *loop)
{
    loop->kicked = TRUE; // asked by the next prepare: only the main thread gets here
}
