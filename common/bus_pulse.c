// SPDX-License-Identifier: MIT
// See bus_pulse.h. At most one barrier is under way; who asks meanwhile waits for the next one, so
// a thousand askers in one turn of the loop cost two.
#include "common/bus_pulse.h"

#include <string.h>

#define BEAT_MS 1000 // while the link stands
#define BEATS_LOST 3 // unanswered ones after which it does not
#define AGAIN_MS 20  // a barrier that has not come back
#define READY_MS 1000
#define BARRIERS 1024 // addresses in turn: each that was ever used is remembered by the sender

typedef struct {
    BusReady ready;
    gpointer user;
} Waiter;

struct BusPulse {
    char *url;
    const BusPulseCalls *calls;
    gpointer user;
    gboolean connected, up;
    gint64 since_us;
    guint beat, unanswered;
    guint number;  // of the last barrier
    char *barrier; // address of the one under way; NULL: none
    guint again;
    GArray *waiting, *next; // of Waiter: for the barrier under way, for the one after it
    guint deadline;         // runs while somebody waits
};

BusPulse *bus_pulse_new(const char *url, const BusPulseCalls *calls, gpointer user)
{
    BusPulse *pulse = g_new0(BusPulse, 1);
    pulse->url = g_strdup(url);
    pulse->calls = calls;
    pulse->user = user;
    pulse->waiting = g_array_new(FALSE, FALSE, sizeof(Waiter));
    pulse->next = g_array_new(FALSE, FALSE, sizeof(Waiter));
    return pulse;
}

static void stop_timer(guint *timer)
{
    if (*timer != 0)
        g_source_remove(*timer);
    *timer = 0;
}

void bus_pulse_free(BusPulse *pulse)
{
    if (pulse == NULL)
        return;
    stop_timer(&pulse->beat);
    stop_timer(&pulse->again);
    stop_timer(&pulse->deadline);
    g_array_unref(pulse->waiting);
    g_array_unref(pulse->next);
    g_free(pulse->barrier);
    g_free(pulse->url);
    g_free(pulse);
}

static gboolean on_again(gpointer user)
{
    BusPulse *pulse = user;
    pulse->calls->send(pulse->barrier, pulse->user);
    return G_SOURCE_CONTINUE;
}

static void end_barrier(BusPulse *pulse)
{
    stop_timer(&pulse->again);
    if (pulse->barrier == NULL)
        return;
    g_autofree char *topic = g_strconcat(pulse->barrier, " ", NULL);
    pulse->calls->unsubscribe(topic, pulse->user);
    g_clear_pointer(&pulse->barrier, g_free);
}

// Its subscription is behind everything that was subscribed so far, so all who wait, wait for it.
static void start_barrier(BusPulse *pulse)
{
    end_barrier(pulse);
    g_array_append_vals(pulse->waiting, pulse->next->data, pulse->next->len);
    g_array_set_size(pulse->next, 0);
    pulse->number = (pulse->number + 1) % BARRIERS;
    pulse->barrier = g_strdup_printf("%s/barrier/%u", pulse->url, pulse->number);
    g_autofree char *topic = g_strconcat(pulse->barrier, " ", NULL);
    pulse->calls->subscribe(topic, pulse->user);
    pulse->again = g_timeout_add(AGAIN_MS, on_again, pulse);
    pulse->calls->send(pulse->barrier, pulse->user);
}

static void set_up(BusPulse *pulse, gboolean up);

static gboolean on_beat(gpointer user)
{
    BusPulse *pulse = user;
    if (pulse->unanswered++ < BEATS_LOST) {
        pulse->calls->send(pulse->url, pulse->user);
        return G_SOURCE_CONTINUE;
    }
    pulse->beat = 0;
    set_up(pulse, FALSE);
    if (pulse->connected)
        start_barrier(pulse);
    return G_SOURCE_REMOVE;
}

static void set_up(BusPulse *pulse, gboolean up)
{
    if (pulse->up == up)
        return;
    pulse->up = up;
    pulse->since_us = g_get_monotonic_time();
    pulse->unanswered = 0;
    stop_timer(&pulse->beat);
    if (up)
        pulse->beat = g_timeout_add(BEAT_MS, on_beat, pulse);
    pulse->calls->on_change(up, pulse->user);
}

// Calls and forgets all of `waiters`; they may ask again from within.
static void release(GArray *waiters)
{
    g_autoptr(GArray) ready = g_array_copy(waiters);
    g_array_set_size(waiters, 0);
    for (guint i = 0; i < ready->len; i++) {
        const Waiter *waiter = &g_array_index(ready, Waiter, i);
        waiter->ready(waiter->user);
    }
}

static void stop_deadline_if_idle(BusPulse *pulse)
{
    if (pulse->waiting->len + pulse->next->len == 0)
        stop_timer(&pulse->deadline);
}

static gboolean on_deadline(gpointer user)
{
    BusPulse *pulse = user;
    pulse->deadline = 0;
    g_array_append_vals(pulse->waiting, pulse->next->data, pulse->next->len);
    g_array_set_size(pulse->next, 0);
    release(pulse->waiting);
    return G_SOURCE_REMOVE;
}

void bus_pulse_connection(BusPulse *pulse, gboolean connected)
{
    pulse->connected = connected;
    if (connected) {
        start_barrier(pulse);
    } else {
        end_barrier(pulse);
        set_up(pulse, FALSE);
    }
}

void bus_pulse_heard(BusPulse *pulse, const char *to)
{
    if (strcmp(to, pulse->url) == 0)
        pulse->unanswered = 0;
    if (g_strcmp0(to, pulse->barrier) != 0)
        return;
    end_barrier(pulse);
    set_up(pulse, TRUE);
    release(pulse->waiting);
    if (pulse->next->len > 0 && pulse->barrier == NULL && pulse->connected)
        start_barrier(pulse);
    stop_deadline_if_idle(pulse);
}

gboolean bus_pulse_is_up(const BusPulse *pulse, gint64 *ret_since_us)
{
    if (pulse->up && ret_since_us != NULL)
        *ret_since_us = pulse->since_us;
    return pulse->up;
}

void bus_pulse_when_routed(BusPulse *pulse, BusReady ready, gpointer user)
{
    Waiter waiter = {ready, user};
    g_array_append_val(pulse->next, waiter);
    if (pulse->deadline == 0)
        pulse->deadline = g_timeout_add(READY_MS, on_deadline, pulse);
    if (pulse->connected && pulse->barrier == NULL)
        start_barrier(pulse);
}
