// SPDX-License-Identifier: MIT
// The way from a native peer to a server: ICE of the controlling side (RFC 8445) towards one that
// is reachable, which an SFU is. All candidates of the answer are checked at once, over IPv4 and
// IPv6; the first that answers is nominated and kept. Consent is asked for from then on (RFC 7675).
//
// Reading gives the time at which the kernel got a datagram, so that a busy reader does not count
// as the network's delay, and how many it had no room for.
#pragma once
#include "load/native_loop.h"
#include "media-worker/stun.h"
#include <sys/socket.h>

#define NATIVE_CANDIDATES_MAX 16

typedef struct {
    const char *username; // "theirs:ours"; both borrowed while the path lives
    const char *password; // theirs
    guint64 tie_breaker;
    struct sockaddr_storage candidates[NATIVE_CANDIDATES_MAX];
    guint n_candidates;
    guint loss_out; // per cent of datagrams lost at random
} NativePathSettings;

typedef struct {
    NativePathSettings settings;
    NativeTask *task;
    int sockets[2]; // IPv4, IPv6; -1: none. One of them once a candidate is chosen
    int chosen;     // candidate, -1: none has answered
    gint64 due_us;
    gint64 consent_us; // of the last answer; 0: none yet
    guint answers;
    guint64 overflowed;       // datagrams that our sockets had no room for
    guint64 closed_overflows; // of these, by sockets that are closed
    struct {
        StunRequest request;
        gint64 since_us;
        gboolean pending;
    } checks[NATIVE_CANDIDATES_MAX];
} NativePath;

// task: wakes up for its sockets; the owner schedules it for due_us.
void native_path_open(NativePath *path, const NativePathSettings *settings, NativeTask *task);
void native_path_close(NativePath *path); // also one that was never opened
// New sockets: what a changed network looks like.
void native_path_rebind(NativePath *path);

gboolean native_path_is_open(const NativePath *path); // a candidate has answered
const struct sockaddr_storage *native_path_remote(const NativePath *path); // of an open one
void native_path_run(NativePath *path, gint64 now_us); // sends the checks that are due
// A STUN datagram. TRUE: a candidate has answered, for the first time.
gboolean native_path_take(NativePath *path, const guint8 *data, gsize length, gint64 now_us);
// To the chosen candidate; to all of them before, which only checks are good for.
void native_path_send(NativePath *path, const guint8 *data, gsize length);

typedef void (*NativeDatagram)(guint8 *data, gsize length, gint64 arrived_us, gpointer user);
void native_path_read(NativePath *path, NativeDatagram datagram, gpointer user);
