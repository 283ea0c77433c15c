// SPDX-License-Identifier: MIT
// A link between two network namespaces that takes its time: a TUN device at either end, and every
// packet, TCP or UDP, carried over after a fixed delay. For benches: kernels without netem have no
// other way, and both systems that are compared cross it without knowing. It has no bandwidth limit
// and loses nothing but what overruns QUEUE_MAX packets. Ends when its standard input is closed, so
// that it never outlives who started it; the devices vanish with it. Needs root.
//
// usage: delay-link DELAY_US PID_A PID_B   a process of either namespace; prints "ready"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DEVICE "link0"
#define PACKET_MAX 2048
#define QUEUE_MAX 8192 // packets on their way: 300 ms of 27,000 packets/s

typedef struct {
    gint64 due_us;
    guint length;
    guint8 data[PACKET_MAX];
} Packet;

// One direction.
typedef struct {
    int from, to;
    guint head, count;
    guint64 dropped;
    Packet *packets; // a ring of QUEUE_MAX
} Lane;

static void fail(const char *what)
{
    fprintf(stderr, "delay-link: %s: %s\n", what, g_strerror(errno));
    exit(1);
}

// A TUN device in the namespace of a process; its file descriptor works from any namespace.
static int open_end(const char *pid)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = DEVICE};
    g_autofree char *path = g_strdup_printf("/proc/%s/ns/net", pid);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) != 0)
        fail(path);
    close(space);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        fail("/dev/net/tun");
    return fd;
}

static void take_in(Lane *lane, gint64 delay_us)
{
    Packet spare;
    for (;;) {
        Packet *packet = lane->count < QUEUE_MAX
                             ? &lane->packets[(lane->head + lane->count) % QUEUE_MAX]
                             : &spare;
        ssize_t length = read(lane->from, packet->data, PACKET_MAX);
        if (length <= 0)
            return;
        packet->length = (guint)length;
        packet->due_us = g_get_monotonic_time() + delay_us;
        if (packet == &spare)
            lane->dropped++;
        else
            lane->count++;
    }
}

static void let_out(Lane *lane)
{
    gint64 now_us = g_get_monotonic_time();
    while (lane->count > 0 && lane->packets[lane->head].due_us <= now_us) {
        Packet *packet = &lane->packets[lane->head];
        if (write(lane->to, packet->data, packet->length) < 0)
            lane->dropped++; // the device is down
        lane->head = (lane->head + 1) % QUEUE_MAX;
        lane->count--;
    }
}

static gint64 next_due_us(const Lane *lanes)
{
    gint64 due_us = G_MAXINT64;
    for (guint i = 0; i < 2; i++)
        if (lanes[i].count > 0)
            due_us = MIN(due_us, lanes[i].packets[lanes[i].head].due_us);
    return due_us;
}

static void carry(Lane *lanes, gint64 delay_us)
{
    struct pollfd fds[] = {{.fd = lanes[0].from, .events = POLLIN},
                           {.fd = lanes[1].from, .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLIN}};
    while (fds[2].revents == 0) {
        gint64 due_us = next_due_us(lanes);
        gint64 wait_us = due_us == G_MAXINT64 ? 0 : MAX(due_us - g_get_monotonic_time(), 0);
        struct timespec wait = {.tv_sec = wait_us / G_USEC_PER_SEC,
                                .tv_nsec = wait_us % G_USEC_PER_SEC * 1000};
        ppoll(fds, G_N_ELEMENTS(fds), due_us == G_MAXINT64 ? NULL : &wait, NULL);
        for (guint i = 0; i < 2; i++) {
            take_in(&lanes[i], delay_us);
            let_out(&lanes[i]);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: delay-link DELAY_US PID_A PID_B\n");
        return 2;
    }
    int a = open_end(argv[2]), b = open_end(argv[3]);
    Lane lanes[] = {{.from = a, .to = b, .packets = g_new0(Packet, QUEUE_MAX)},
                    {.from = b, .to = a, .packets = g_new0(Packet, QUEUE_MAX)}};
    prctl(PR_SET_TIMERSLACK, 1000UL);
    puts("ready");
    fflush(stdout);
    carry(lanes, strtol(argv[1], NULL, 10));
    if (lanes[0].dropped + lanes[1].dropped > 0)
        fprintf(stderr, "delay-link: dropped %" G_GUINT64_FORMAT " packets\n",
                lanes[0].dropped + lanes[1].dropped);
    g_free(lanes[0].packets);
    g_free(lanes[1].packets);
    return 0;
}
