// SPDX-License-Identifier: MIT
// See transport.h. Everything that recvmmsg and sendmmsg need is laid out once; per datagram only
// lengths and pointers change.
#include "media-worker/transport.h"
#include "common/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define SOCKET_BUFFER (4 * 1024 * 1024)
#define ARENA_BYTES (384 * 1024) // stays in the second-level cache between writing and sending
#define PACKETS_MAX 512
#define MESSAGES_MAX 256
#define SEGMENTS_MAX 64     // the kernel's UDP_MAX_SEGMENTS on older systems
#define SEGMENTED_MAX 65000 // bytes of one datagram before it is cut
#define CONTROL_BYTES 128   // PKTINFO of IPv6, and a stamp or segment size

typedef union {
    struct cmsghdr align;
    guint8 bytes[CONTROL_BYTES];
} Control;

typedef struct {
    struct mmsghdr headers[TRANSPORT_BATCH];
    struct iovec pieces[TRANSPORT_BATCH];
    struct sockaddr_in6 names[TRANSPORT_BATCH];
    Control controls[TRANSPORT_BATCH];
} Reading;

typedef struct {
    const TransportPath *path;
    gsize segment, bytes; // of the first packet; of all
    guint first, n;       // pieces
    gboolean closed;      // a shorter packet is the last that fits
} Message;

typedef struct {
    guint8 *arena;
    gsize used;
    guint n_pieces, n_messages;
    struct iovec pieces[PACKETS_MAX];
    Message messages[MESSAGES_MAX];
    struct mmsghdr headers[MESSAGES_MAX];
    Control controls[MESSAGES_MAX];
} Sending;

struct Transport {
    int sockets[2]; // IPv4, IPv6
    gboolean segmentation;
    TransportCounts counts;
    Reading reading;
    Sending sending;
};

// --- paths ---------------------------------------------------------------------------------------
guint transport_path_hash(gconstpointer path)
{
    guint64 words[sizeof(TransportPath) / 8], hash = 0;
    memcpy(words, path, sizeof words);
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        hash = (hash ^ words[i]) * G_GUINT64_CONSTANT(0x9E3779B97F4A7C15);
    return (guint)(hash >> 32);
}
G_STATIC_ASSERT(sizeof(TransportPath) % 8 == 0);

gboolean transport_path_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(TransportPath)) == 0;
}

char *transport_path_print(const TransportPath *path)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (path->remote.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &path->remote.v4.sin_addr, text, sizeof text);
        return g_strdup_printf("%s:%u", text, ntohs(path->remote.v4.sin_port));
    }
    inet_ntop(AF_INET6, &path->remote.v6.sin6_addr, text, sizeof text);
    return g_strdup_printf("[%s]:%u", text, ntohs(path->remote.v6.sin6_port));
}

// --- opening -------------------------------------------------------------------------------------
static void set_option(int socket, int level, int option, int value)
{
    setsockopt(socket, level, option, &value, sizeof value);
}

static int granted(int socket, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    getsockopt(socket, SOL_SOCKET, option, &value, &length);
    return value;
}

static void prepare(int socket, int family)
{
    if (family == AF_INET)
        set_option(socket, IPPROTO_IP, IP_PKTINFO, 1);
    else
        set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set_option(socket, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    set_option(socket, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
    set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER); // as root, beyond the limit
    set_option(socket, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
    set_option(socket, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
    log_event(LOG_INFO, "media.socket", "family=%s receive_bytes=%d send_bytes=%d",
              family == AF_INET ? "ipv4" : "ipv6", granted(socket, SO_RCVBUF),
              granted(socket, SO_SNDBUF));
}

static gboolean can_segment(int socket)
{
    int value = 0;
    socklen_t length = sizeof value;
    return socket >= 0 && getsockopt(socket, IPPROTO_UDP, UDP_SEGMENT, &value, &length) == 0;
}

static void lay_out(Transport *transport)
{
    for (guint i = 0; i < TRANSPORT_BATCH; i++) {
        struct msghdr *header = &transport->reading.headers[i].msg_hdr;
        header->msg_iov = &transport->reading.pieces[i];
        header->msg_iovlen = 1;
        header->msg_name = &transport->reading.names[i];
        header->msg_control = &transport->reading.controls[i];
        transport->reading.pieces[i].iov_len = TRANSPORT_DATAGRAM;
    }
    for (guint i = 0; i < MESSAGES_MAX; i++)
        transport->sending.headers[i].msg_hdr.msg_control = &transport->sending.controls[i];
}

Transport *transport_new(int socket4, int socket6)
{
    Transport *transport = g_new0(Transport, 1);
    transport->sockets[0] = socket4;
    transport->sockets[1] = socket6;
    transport->segmentation = can_segment(socket4) || can_segment(socket6);
    if (socket4 >= 0)
        prepare(socket4, AF_INET);
    if (socket6 >= 0)
        prepare(socket6, AF_INET6);
    lay_out(transport);
    transport->sending.arena = g_aligned_alloc(1, ARENA_BYTES, 64);
    return transport;
}

void transport_free(Transport *transport)
{
    if (transport == NULL)
        return;
    log_event(LOG_DEBUG, "media.sent",
              "packets=%" G_GUINT64_FORMAT " messages=%" G_GUINT64_FORMAT
              " calls=%" G_GUINT64_FORMAT " refused=%" G_GUINT64_FORMAT
              " received=%" G_GUINT64_FORMAT,
              transport->counts.sent, transport->counts.messages, transport->counts.calls,
              transport->counts.refused, transport->counts.received);
    for (guint i = 0; i < G_N_ELEMENTS(transport->sockets); i++)
        if (transport->sockets[i] >= 0)
            close(transport->sockets[i]);
    g_aligned_free(transport->sending.arena);
    g_free(transport);
}

const TransportCounts *transport_counts(const Transport *transport)
{
    return &transport->counts;
}

// --- receiving -----------------------------------------------------------------------------------
gboolean transport_wait(Transport *transport, int waker, gint64 timeout_us)
{
    struct pollfd fds[3] = {{.fd = waker, .events = POLLIN},
                            {.fd = transport->sockets[0], .events = POLLIN},
                            {.fd = transport->sockets[1], .events = POLLIN}}; // -1 is passed over
    struct timespec timeout = {.tv_sec = timeout_us / G_USEC_PER_SEC,
                               .tv_nsec = timeout_us % G_USEC_PER_SEC * 1000};
    ppoll(fds, G_N_ELEMENTS(fds), timeout_us < 0 ? NULL : &timeout, NULL);
    return (fds[0].revents & POLLIN) != 0;
}

typedef struct {
    gint64 monotonic_us, real_us; // now
} Clocks;

static gint64 arrival_us(const struct cmsghdr *control, const Clocks *clocks)
{
    struct timespec stamp;
    memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
    gint64 age_us = clocks->real_us - (stamp.tv_sec * G_USEC_PER_SEC + stamp.tv_nsec / 1000);
    return clocks->monotonic_us - CLAMP(age_us, 0, G_USEC_PER_SEC); // real time may be set
}

static void read_control(struct msghdr *header, TransportDatagram *datagram, const Clocks *clocks)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_TIMESTAMPNS) {
            datagram->arrival_us = arrival_us(at, clocks);
        } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            datagram->path.local.v4 = info.ipi_addr;
        } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            datagram->path.local.v6 = info.ipi6_addr;
            datagram->path.interface = info.ipi6_ifindex;
        }
    }
}

static void take_in(struct mmsghdr *message, TransportDatagram *datagram, const Clocks *clocks)
{
    struct msghdr *header = &message->msg_hdr;
    memset(&datagram->path, 0, sizeof datagram->path);
    const struct sockaddr *name = header->msg_name;
    if (name->sa_family == AF_INET) {
        memcpy(&datagram->path.remote.v4, name, sizeof(struct sockaddr_in));
        memset(datagram->path.remote.v4.sin_zero, 0, sizeof datagram->path.remote.v4.sin_zero);
    } else {
        memcpy(&datagram->path.remote.v6, name, sizeof(struct sockaddr_in6));
        datagram->path.remote.v6.sin6_flowinfo = 0;
    }
    datagram->arrival_us = clocks->monotonic_us;
    datagram->length = header->msg_flags & MSG_TRUNC ? 0 : message->msg_len;
    read_control(header, datagram, clocks);
}

static guint receive_from(Transport *transport, int socket, TransportDatagram *batch, guint max)
{
    Reading *reading = &transport->reading;
    for (guint i = 0; i < max; i++) {
        reading->pieces[i].iov_base = batch[i].data;
        reading->headers[i].msg_hdr.msg_namelen = sizeof reading->names[i];
        reading->headers[i].msg_hdr.msg_controllen = sizeof reading->controls[i];
    }
    int n = recvmmsg(socket, reading->headers, max, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    Clocks clocks = {.monotonic_us = g_get_monotonic_time(), .real_us = g_get_real_time()};
    for (int i = 0; i < n; i++)
        take_in(&reading->headers[i], &batch[i], &clocks);
    return (guint)n;
}

guint transport_receive(Transport *transport, TransportDatagram *batch)
{
    guint n = 0;
    for (guint i = 0; i < G_N_ELEMENTS(transport->sockets) && n < TRANSPORT_BATCH; i++)
        if (transport->sockets[i] >= 0)
            n += receive_from(transport, transport->sockets[i], batch + n, TRANSPORT_BATCH - n);
    transport->counts.received += n;
    return n;
}

// --- sending -------------------------------------------------------------------------------------
guint8 *transport_reserve(Transport *transport)
{
    Sending *sending = &transport->sending;
    if (sending->n_pieces == PACKETS_MAX || sending->n_messages == MESSAGES_MAX ||
        sending->used + TRANSPORT_PACKET_MAX > ARENA_BYTES)
        transport_flush(transport);
    return sending->arena + sending->used;
}

static gboolean joins(const Transport *transport, const Message *message, gsize length)
{
    return transport->segmentation && !message->closed && length <= message->segment &&
           message->n < SEGMENTS_MAX && message->bytes + length <= SEGMENTED_MAX;
}

void transport_commit(Transport *transport, const TransportPath *path, gsize length)
{
    Sending *sending = &transport->sending;
    g_assert(length <= TRANSPORT_PACKET_MAX && sending->n_pieces < PACKETS_MAX);
    sending->pieces[sending->n_pieces] = (struct iovec){sending->arena + sending->used, length};
    sending->used += (length + 63) & ~(gsize)63;
    Message *message =
        sending->n_messages == 0 ? NULL : &sending->messages[sending->n_messages - 1];
    if (message == NULL || message->path != path || !joins(transport, message, length)) {
        message = &sending->messages[sending->n_messages++];
        *message = (Message){.path = path, .segment = length, .first = sending->n_pieces};
    }
    message->n++;
    message->bytes += length;
    message->closed = length < message->segment;
    sending->n_pieces++;
}

static gboolean is_v6(const TransportPath *path)
{
    return path->remote.any.sa_family == AF_INET6;
}

// Appends one control message and moves header->msg_controllen behind it.
static void put_control(struct msghdr *header, int level_type[2], gconstpointer data, gsize length)
{
    struct cmsghdr *control =
        (struct cmsghdr *)((guint8 *)header->msg_control + header->msg_controllen);
    control->cmsg_level = level_type[0];
    control->cmsg_type = level_type[1];
    control->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(control), data, length);
    header->msg_controllen += CMSG_SPACE(length);
}

static void address(struct msghdr *header, const TransportPath *path)
{
    header->msg_name = (gpointer)&path->remote;
    header->msg_controllen = 0;
    if (is_v6(path)) {
        // The interface is given for link-local addresses only: others follow the route.
        gboolean link = IN6_IS_ADDR_LINKLOCAL(&path->local.v6);
        struct in6_pktinfo info = {.ipi6_addr = path->local.v6,
                                   .ipi6_ifindex = link ? path->interface : 0};
        header->msg_namelen = sizeof(struct sockaddr_in6);
        put_control(header, (int[]){IPPROTO_IPV6, IPV6_PKTINFO}, &info, sizeof info);
    } else {
        struct in_pktinfo info = {.ipi_spec_dst = path->local.v4};
        header->msg_namelen = sizeof(struct sockaddr_in);
        put_control(header, (int[]){IPPROTO_IP, IP_PKTINFO}, &info, sizeof info);
    }
}

static void compose(Sending *sending, guint index)
{
    const Message *message = &sending->messages[index];
    struct msghdr *header = &sending->headers[index].msg_hdr;
    header->msg_iov = &sending->pieces[message->first];
    header->msg_iovlen = message->n;
    address(header, message->path);
    guint16 segment = (guint16)message->segment;
    if (message->n > 1)
        put_control(header, (int[]){IPPROTO_UDP, UDP_SEGMENT}, &segment, sizeof segment);
}

static int socket_of(const Transport *transport, const TransportPath *path)
{
    return transport->sockets[is_v6(path)];
}

// A datagram that the interface will not cut: piece by piece.
static void send_pieces(Transport *transport, const Message *message)
{
    struct iovec *pieces = &transport->sending.pieces[message->first];
    for (guint i = 0; i < message->n; i++)
        transport_send(transport, message->path, pieces[i].iov_base, pieces[i].iov_len);
}

// The first message was refused with `error`. What is lost is lost: media is not worth waiting for.
static void send_failed(Transport *transport, const Message *message, int error)
{
    gboolean was_cut = message->n > 1;
    if (was_cut && error == EIO && transport->segmentation) {
        log_event(LOG_WARNING, "media.segmentation_off", "reason=%s",
                  log_quote("the interface does not cut datagrams"));
        transport->segmentation = FALSE;
    }
    if (was_cut && (error == EIO || error == EINVAL || error == EMSGSIZE))
        send_pieces(transport, message);
    else
        transport->counts.refused += message->n;
}

// Messages from `from` on that leave by the same socket.
static guint run_length(const Transport *transport, guint from)
{
    const Message *messages = transport->sending.messages;
    guint end = from + 1;
    while (end < transport->sending.n_messages &&
           is_v6(messages[end].path) == is_v6(messages[from].path))
        end++;
    return end - from;
}

void transport_flush(Transport *transport)
{
    Sending *sending = &transport->sending;
    for (guint i = 0; i < sending->n_messages; i++)
        compose(sending, i);
    guint at = 0;
    while (at < sending->n_messages) {
        const Message *first = &sending->messages[at];
        int n = sendmmsg(socket_of(transport, first->path), &sending->headers[at],
                         run_length(transport, at), MSG_DONTWAIT);
        transport->counts.calls++;
        if (n <= 0) {
            send_failed(transport, first, errno);
            at++;
            continue;
        }
        transport->counts.messages += (guint64)n;
        for (int i = 0; i < n; i++)
            transport->counts.sent += first[i].n;
        at += (guint)n;
    }
    sending->n_messages = sending->n_pieces = 0;
    sending->used = 0;
}

void transport_send(Transport *transport, const TransportPath *path, const guint8 *data,
                    gsize length)
{
    Control control;
    struct iovec piece = {(gpointer)data, length};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control};
    address(&header, path);
    if (sendmsg(socket_of(transport, path), &header, MSG_DONTWAIT) >= 0)
        transport->counts.sent++;
    else
        transport->counts.refused++;
}
