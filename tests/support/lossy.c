// SPDX-License-Identifier: MIT
// See lossy.h. Two pairs of sockets: what the process publishes goes up, what it has subscribed
// comes down; frames that go the other way are subscriptions.
#include "tests/support/lossy.h"

#include <czmq.h>
#include <string.h>

#define LATE_MOST_MS 60
#define TURN_MS 5

typedef struct {
    zmsg_t *message;
    zsock_t *to;
    gint64 due_us;
} Late;

struct Lossy {
    GThread *thread;
    char *publish, *subscribe; // the broker's
    char *arguments[3];
    guint percent;
    GRand *chance;
    GQueue late; // of Late
    gint ending, on, lost, ready;
    guint ports[2];
};

static void send_now(zmsg_t **message, zsock_t *to)
{
    zmsg_send(message, to);
    zmsg_destroy(message);
}

static void send_later(Lossy *lossy, zmsg_t *message, zsock_t *to)
{
    Late *late = g_new(Late, 1);
    gint ms = g_rand_int_range(lossy->chance, 1, LATE_MOST_MS);
    *late = (Late){message, to, g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND};
    g_queue_push_tail(&lossy->late, late);
}

static void pass(Lossy *lossy, zsock_t *from, zsock_t *to)
{
    zmsg_t *message = zmsg_recv(from);
    guint dice = (guint)g_rand_int_range(lossy->chance, 0, 100);
    if (message == NULL)
        return;
    if (g_atomic_int_get(&lossy->on) && dice < lossy->percent) {
        g_atomic_int_inc(&lossy->lost);
        zmsg_destroy(&message);
        return;
    }
    if (g_atomic_int_get(&lossy->on) && dice < 2 * lossy->percent)
        send_later(lossy, zmsg_dup(message), to);
    if (g_atomic_int_get(&lossy->on) && dice >= 2 * lossy->percent && dice < 3 * lossy->percent)
        send_later(lossy, message, to);
    else
        send_now(&message, to);
}

static void send_late(Lossy *lossy, gboolean all)
{
    for (GList *link = lossy->late.head, *next; link != NULL; link = next) {
        Late *late = link->data;
        next = link->next;
        if (!all && late->due_us > g_get_monotonic_time())
            continue;
        send_now(&late->message, late->to);
        g_queue_delete_link(&lossy->late, link);
        g_free(late);
    }
}

static zsock_t *new_socket(int type, const char *connect_to, guint *ret_port)
{
    zsock_t *socket = zsock_new(type);
    zsock_set_sndhwm(socket, 0);
    zsock_set_rcvhwm(socket, 0);
    zsock_set_linger(socket, 0);
    if (connect_to != NULL)
        g_assert_cmpint(zsock_connect(socket, "%s", connect_to), ==, 0);
    else
        *ret_port = (guint)zsock_bind(socket, "tcp://127.0.0.1:*");
    return socket;
}

static void pass_subscription(zsock_t *from, zsock_t *to)
{
    zmsg_t *message = zmsg_recv(from);
    if (message != NULL)
        send_now(&message, to);
}

static void turn(Lossy *lossy, zpoller_t *poller, zsock_t *const *sockets)
{
    const zsock_t *ready = zpoller_wait(poller, TURN_MS);
    if (ready == sockets[0])
        pass(lossy, sockets[0], sockets[1]);
    else if (ready == sockets[2])
        pass(lossy, sockets[2], sockets[3]);
    else if (ready == sockets[1])
        pass_subscription(sockets[1], sockets[0]);
    else if (ready == sockets[3])
        pass_subscription(sockets[3], sockets[2]);
    send_late(lossy, FALSE);
}

// Upwards: our XSUB (the process publishes) to the broker's XSUB. Downwards: the broker's XPUB to
// our XPUB (the process subscribes).
static gpointer run(gpointer user)
{
    Lossy *lossy = user;
    zsock_t *sockets[] = {
        new_socket(ZMQ_XSUB, NULL, &lossy->ports[0]), new_socket(ZMQ_XPUB, lossy->publish, NULL),
        new_socket(ZMQ_XSUB, lossy->subscribe, NULL), new_socket(ZMQ_XPUB, NULL, &lossy->ports[1])};
    zpoller_t *poller = zpoller_new(sockets[0], sockets[1], sockets[2], sockets[3], NULL);
    g_atomic_int_set(&lossy->ready, 1);
    while (!g_atomic_int_get(&lossy->ending))
        turn(lossy, poller, sockets);
    send_late(lossy, TRUE);
    zpoller_destroy(&poller);
    for (guint i = 0; i < G_N_ELEMENTS(sockets); i++)
        zsock_destroy(&sockets[i]);
    return NULL;
}

static gboolean is_ready(gpointer lossy)
{
    return g_atomic_int_get(&((Lossy *)lossy)->ready);
}

Lossy *lossy_new(const Suite *suite, guint percent, guint32 seed)
{
    Lossy *lossy = g_new0(Lossy, 1);
    lossy->publish = g_strdup(suite_get(suite, "PARLEY_BUS_PUBLISH"));
    lossy->subscribe = g_strdup(suite_get(suite, "PARLEY_BUS_SUBSCRIBE"));
    lossy->percent = percent;
    lossy->chance = g_rand_new_with_seed(seed);
    lossy->on = 1;
    lossy->thread = g_thread_new("lossy", run, lossy);
    g_assert_true(suite_until(is_ready, lossy, 5000));
    lossy->arguments[0] = g_strdup_printf("--bus.publish=tcp://127.0.0.1:%u", lossy->ports[0]);
    lossy->arguments[1] = g_strdup_printf("--bus.subscribe=tcp://127.0.0.1:%u", lossy->ports[1]);
    return lossy;
}

void lossy_free(Lossy *lossy)
{
    if (lossy == NULL)
        return;
    g_atomic_int_set(&lossy->ending, 1);
    g_thread_join(lossy->thread);
    g_rand_free(lossy->chance);
    g_free(lossy->publish);
    g_free(lossy->subscribe);
    g_free(lossy->arguments[0]);
    g_free(lossy->arguments[1]);
    g_free(lossy);
}

const char *const *lossy_arguments(const Lossy *lossy)
{
    return (const char *const *)lossy->arguments;
}

void lossy_set(Lossy *lossy, gboolean on)
{
    g_atomic_int_set(&lossy->on, on);
}

guint lossy_lost(const Lossy *lossy)
{
    return (guint)g_atomic_int_get(&lossy->lost);
}
