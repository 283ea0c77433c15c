// SPDX-License-Identifier: MIT
// Where clients can reach a room: the addresses that a host offers, the UDP port of one room on
// them, and the candidate lines that say so.
//
// One port a room, the same for IPv4 and IPv6. SO_REUSEADDR is never set: with it two processes
// would share one UDP port, and each would get the other's datagrams.
#pragma once
#include "common/config.h"

typedef struct {
    char **listen;    // addresses of this machine, preferred first
    char **advertise; // further ones, of a NAT in front of it
    guint first_port, last_port;
} Candidates;

typedef struct {
    int socket4, socket6; // -1: no such family
    guint16 port;
    guint receive_bytes; // buffer granted by the kernel
} CandidatesSockets;

// From media.listen, media.advertise_ip and media.ports. With media.listen empty: loopback while
// the gateway listens there, else every interface that is up.
Candidates *candidates_new(const Config *config, GError **error);
void candidates_free(Candidates *candidates);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Candidates, candidates_free)

// Takes the first free port. The sockets are close-on-exec and non-blocking, the caller's to close.
gboolean candidates_bind(const Candidates *candidates, CandidatesSockets *ret_sockets,
                         GError **error);
// How many ports of the range somebody else has now. FALSE with an error where one cannot be used
// at all.
gboolean candidates_check(const Candidates *candidates, guint *ret_taken, GError **error);
// All addresses to offer, listening ones first; NULL-terminated, the caller's.
char **candidates_addresses(const Candidates *candidates);
// "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", one for each address; the caller's.
char **candidates_lines(const char *const *addresses, guint16 port);
