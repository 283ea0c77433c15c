// SPDX-License-Identifier: MIT
// The room's UDP sockets, one for IPv4 and one for IPv6: datagrams in by the batch, packets out by
// the batch, and nothing known of what they hold.
//
// The hard things: an answer must leave from the address that was addressed (IP_PKTINFO: a wildcard
// socket would answer from the route's), and a send costs more than everything else here together.
// So packets are written side by side into one arena and flushed once per read, and what lies side
// by side, has one receiver and one length goes down as one datagram that the kernel cuts (UDP GSO;
// some interfaces refuse with EIO, then plain sends for good). One thread.
#pragma once
#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define TRANSPORT_BATCH 64        // datagrams per read
#define TRANSPORT_DATAGRAM 2048   // bytes of memory that a datagram is read into
#define TRANSPORT_PACKET_MAX 2304 // bytes that may be written at transport_reserve

// From whom, and to which address of ours. Unused bytes are zero, so that paths compare and hash by
// their bytes.
typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } remote;
    union {
        struct in_addr v4;
        struct in6_addr v6;
    } local;
    guint32 interface; // IPv6 only
} TransportPath;
guint transport_path_hash(gconstpointer path);
gboolean transport_path_equal(gconstpointer a, gconstpointer b);
// For logs: "192.0.2.1:5000", "[::1]:5000"; the caller's.
char *transport_path_print(const TransportPath *path);

typedef struct {
    gpointer owner; // the caller's, of the memory
    guint8 *data;   // TRANSPORT_DATAGRAM bytes, the caller's
    gsize length;
    TransportPath path;
    gint64 arrival_us; // kernel's stamp on the monotonic clock
} TransportDatagram;

typedef struct {
    guint64 received, sent; // datagrams, GSO ones counted in full
    guint64 messages;       // that the kernel was given, GSO ones counted once
    guint64 calls;          // of sendmmsg
    guint64 refused;        // that the kernel would not take
} TransportCounts;

typedef struct Transport Transport;
// Takes over the sockets (-1: none), bound and non-blocking.
Transport *transport_new(int socket4, int socket6);
void transport_free(Transport *transport);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transport, transport_free)
const TransportCounts *transport_counts(const Transport *transport);

// Waits until a datagram or `waker` is readable, or timeout_us have passed (negative: for ever).
// TRUE: the waker is.
gboolean transport_wait(Transport *transport, int waker, gint64 timeout_us);
// Reads up to TRANSPORT_BATCH datagrams into the memory that batch[0] to batch[TRANSPORT_BATCH - 1]
// point to; returns how many. Datagrams longer than that are dropped (length 0 told).
guint transport_receive(Transport *transport, TransportDatagram *batch);

// --- sending -------------------------------------------------------------------------------------
// Room for one packet, aligned to 64 bytes; flushes if there is none left.
guint8 *transport_reserve(Transport *transport);
// The packet that was written there goes to path->remote from path->local. *path stays until the
// flush.
void transport_commit(Transport *transport, const TransportPath *path, gsize length);
void transport_flush(Transport *transport);
// One datagram at once, copied by the kernel, ahead of what is not flushed.
void transport_send(Transport *transport, const TransportPath *path, const guint8 *data,
                    gsize length);
