// SPDX-License-Identifier: MIT
// See native_loop.h. The heap is the usual binary one; each task knows its place in it, so that a
// new time is a few swaps.
#include "load/native_loop.h"
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 256 // of one turn

typedef struct {
    GSource source;
    int epoll;
    gpointer tag;
    GPtrArray *heap; // NativeTask, the earliest first
    struct epoll_event events[EVENTS];
    gint n_events; // of the turn that is under way
} Loop;

static Loop *loop;

// --- the heap ------------------------------------------------------------------------------------
static NativeTask *task_at(guint place)
{
    return g_ptr_array_index(loop->heap, place);
}

static void put(NativeTask *task, guint place)
{
    g_ptr_array_index(loop->heap, place) = task;
    task->place = place;
}

static void sink(NativeTask *task)
{
    guint count = loop->heap->len, place = task->place, child;
    while ((child = 2 * place + 1) < count) {
        if (child + 1 < count && task_at(child + 1)->due_us < task_at(child)->due_us)
            child++;
        if (task->due_us <= task_at(child)->due_us)
            break;
        put(task_at(child), place);
        place = child;
    }
    put(task, place);
}

static void rise(NativeTask *task)
{
    guint place = task->place;
    while (place > 0 && task_at((place - 1) / 2)->due_us > task->due_us) {
        put(task_at((place - 1) / 2), place);
        place = (place - 1) / 2;
    }
    put(task, place);
}

// --- turns ---------------------------------------------------------------------------------------
static void set_time(void)
{
    gint64 due_us = loop->heap->len > 0 ? task_at(0)->due_us : G_MAXINT64;
    g_source_set_ready_time(&loop->source, due_us == G_MAXINT64 ? -1 : due_us);
}

static void run_readable(gint64 now_us)
{
    if (g_source_query_unix_fd(&loop->source, loop->tag) == 0)
        return;
    loop->n_events = epoll_wait(loop->epoll, loop->events, EVENTS, 0);
    for (gint i = 0; loop != NULL && i < loop->n_events; i++) {
        NativeTask *task = loop->events[i].data.ptr;
        if (task != NULL)
            task->run(task->user, TRUE, now_us);
    }
    if (loop != NULL)
        loop->n_events = 0;
}

// Whoever runs says when next, or not at all.
static void run_due(gint64 now_us)
{
    while (loop != NULL && loop->heap->len > 0 && task_at(0)->due_us <= now_us) {
        NativeTask *task = task_at(0);
        task->due_us = G_MAXINT64;
        sink(task);
        task->run(task->user, FALSE, now_us);
    }
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer user)
{
    (void)callback;
    (void)user;
    g_source_ref(source); // the last task may go meanwhile
    run_readable(g_get_monotonic_time());
    run_due(g_get_monotonic_time());
    if (loop != NULL)
        set_time();
    g_source_unref(source);
    return G_SOURCE_CONTINUE;
}

// --- life ----------------------------------------------------------------------------------------
static void open_loop(void)
{
    static GSourceFuncs functions = {.dispatch = dispatch};
    loop = (Loop *)g_source_new(&functions, sizeof(Loop));
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    g_assert(loop->epoll >= 0);
    loop->heap = g_ptr_array_new();
    loop->tag = g_source_add_unix_fd(&loop->source, loop->epoll, G_IO_IN);
    g_source_set_static_name(&loop->source, "native peers");
    g_source_attach(&loop->source, NULL);
}

static void close_loop(void)
{
    Loop *old = g_steal_pointer(&loop);
    g_ptr_array_unref(old->heap);
    g_source_destroy(&old->source);
    close(old->epoll);
    g_source_unref(&old->source);
}

void native_loop_add(NativeTask *task)
{
    if (loop == NULL)
        open_loop();
    task->due_us = G_MAXINT64;
    g_ptr_array_add(loop->heap, task);
    task->place = loop->heap->len - 1;
}

void native_loop_remove(NativeTask *task)
{
    for (gint i = 0; i < loop->n_events; i++)
        if (loop->events[i].data.ptr == task)
            loop->events[i].data.ptr = NULL;
    NativeTask *last = task_at(loop->heap->len - 1);
    g_ptr_array_set_size(loop->heap, (gint)loop->heap->len - 1);
    if (last != task) {
        put(last, task->place);
        rise(last);
        sink(last);
    }
    if (loop->heap->len == 0)
        close_loop();
    else
        set_time();
}

void native_loop_schedule(NativeTask *task, gint64 due_us)
{
    task->due_us = due_us;
    rise(task);
    sink(task);
    set_time();
}

void native_loop_watch(NativeTask *task, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = task};
    g_assert(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0);
}
