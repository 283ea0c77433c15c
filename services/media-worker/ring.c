// SPDX-License-Identifier: MIT
// See ring.h. Head and tail count for ever; each is written by one thread only, and read by the
// other with acquire/release, so no lock is needed. Kept items are the pushing thread's alone.
#include "media-worker/ring.h"
#include <errno.h>
#include <gio/gio.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct Ring {
    atomic_uint head; // next to be popped
    atomic_uint tail; // next to be pushed
    atomic_bool told; // the waker has been written and not yet read
    guint capacity;
    int waker;
    GQueue kept;
    GDestroyNotify free_item;
    gpointer items[];
};

Ring *ring_new(guint capacity, GDestroyNotify free_item, GError **error)
{
    g_assert(capacity >= 2 && (capacity & (capacity - 1)) == 0);
    int waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waker < 0) {
        g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno), "eventfd: %s",
                    g_strerror(errno));
        return NULL;
    }
    Ring *ring = g_malloc0(sizeof(Ring) + capacity * sizeof(gpointer));
    ring->capacity = capacity;
    ring->waker = waker;
    ring->free_item = free_item;
    g_queue_init(&ring->kept);
    return ring;
}

void ring_free(Ring *ring)
{
    if (ring == NULL)
        return;
    gpointer item;
    while ((item = ring_pop(ring)) != NULL || (item = g_queue_pop_head(&ring->kept)) != NULL)
        ring->free_item(item);
    close(ring->waker);
    g_free(ring);
}

static gboolean push_below(Ring *ring, gpointer item, guint limit)
{
    guint tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail - atomic_load_explicit(&ring->head, memory_order_acquire) >= limit)
        return FALSE;
    ring->items[tail & (ring->capacity - 1)] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return TRUE;
}

gboolean ring_push(Ring *ring, gpointer item)
{
    ring_flush(ring);
    return g_queue_is_empty(&ring->kept) && push_below(ring, item, ring->capacity / 2);
}

void ring_keep(Ring *ring, gpointer item)
{
    g_queue_push_tail(&ring->kept, item);
    ring_flush(ring);
}

void ring_flush(Ring *ring)
{
    while (!g_queue_is_empty(&ring->kept) &&
           push_below(ring, g_queue_peek_head(&ring->kept), ring->capacity))
        g_queue_pop_head(&ring->kept);
}

void ring_wake(Ring *ring)
{
    if (!atomic_exchange(&ring->told, TRUE))
        eventfd_write(ring->waker, 1);
}

int ring_fd(const Ring *ring)
{
    return ring->waker;
}

gboolean ring_is_empty(const Ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed) ==
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}

gpointer ring_pop(Ring *ring)
{
    guint head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&ring->tail, memory_order_acquire))
        return NULL;
    gpointer item = ring->items[head & (ring->capacity - 1)];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

void ring_slept(Ring *ring)
{
    eventfd_t count;
    if (eventfd_read(ring->waker, &count) == 0)
        atomic_exchange(&ring->told, FALSE); // an exchange, to see what was pushed before
}
