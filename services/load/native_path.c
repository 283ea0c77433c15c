// SPDX-License-Identifier: MIT
// See native_path.h. Arrival times are the kernel's (SO_TIMESTAMP, real time), put on the monotonic
// clock by their difference at the moment of reading.
#include "load/native_path.h"
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define BATCH 32
#define DATAGRAM 2048
#define CONTROL 96
#define CHECK_US 50000        // between checks until one is answered
#define CONSENT_US 2500000    // and after that
#define TRANSACTION_US 500000 // a check is repeated as it is for so long
#define SOCKET_BYTES (1 << 20)
#define PRIORITY 1853817087 // of a peer-reflexive candidate, RFC 8445 section 5.1.2
#define OLD_US 10000000     // no datagram waits for so long: somebody has set the clock

enum { V4, V6 };

static gint family_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? V6 : V4;
}

static socklen_t length_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

// --- sockets -------------------------------------------------------------------------------------
// -1 where this host has no such addresses.
static int open_socket(NativePath *path, gint family)
{
    const int bytes = SOCKET_BYTES, on = 1;
    int descriptor =
        socket(family == V6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -1;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
    setsockopt(descriptor, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
    native_loop_watch(path->task, descriptor);
    return descriptor;
}

static void close_socket(NativePath *path, gint family)
{
    if (path->sockets[family] < 0)
        return;
    close(path->sockets[family]);
    path->sockets[family] = -1;
    path->closed_overflows = path->overflowed;
}

static void open_sockets(NativePath *path)
{
    for (guint i = 0; i < path->settings.n_candidates; i++) {
        gint family = family_of(&path->settings.candidates[i]);
        if (path->sockets[family] < 0)
            path->sockets[family] = open_socket(path, family);
    }
}

static void choose(NativePath *path, gint candidate)
{
    const struct sockaddr_storage *to = &path->settings.candidates[candidate];
    gint family = family_of(to);
    path->chosen = candidate;
    close_socket(path, family == V4 ? V6 : V4);
    (void)!connect(path->sockets[family], (const struct sockaddr *)to, length_of(to));
}

void native_path_open(NativePath *path, const NativePathSettings *settings, NativeTask *task)
{
    *path = (NativePath){.settings = *settings, .task = task, .sockets = {-1, -1}, .chosen = -1};
    open_sockets(path);
}

void native_path_close(NativePath *path)
{
    if (path->task == NULL)
        return;
    close_socket(path, V4);
    close_socket(path, V6);
}

void native_path_rebind(NativePath *path)
{
    native_path_close(path);
    open_sockets(path);
    if (path->chosen >= 0)
        choose(path, path->chosen);
    for (guint i = 0; i < path->settings.n_candidates; i++)
        path->checks[i].pending = FALSE;
    path->due_us = 0;
}

gboolean native_path_is_open(const NativePath *path)
{
    return path->task != NULL && path->chosen >= 0;
}

const struct sockaddr_storage *native_path_remote(const NativePath *path)
{
    return &path->settings.candidates[path->chosen];
}

// --- sending -------------------------------------------------------------------------------------
static gboolean is_lost(const NativePath *path)
{
    guint per_cent = path->settings.loss_out;
    return per_cent > 0 && g_random_int_range(0, 100) < (gint32)per_cent;
}

static void send_to(NativePath *path, guint candidate, const guint8 *data, gsize length)
{
    const struct sockaddr_storage *to = &path->settings.candidates[candidate];
    int descriptor = path->sockets[family_of(to)];
    if (descriptor >= 0 && !is_lost(path))
        (void)!sendto(descriptor, data, length, MSG_DONTWAIT, (const struct sockaddr *)to,
                      length_of(to));
}

void native_path_send(NativePath *path, const guint8 *data, gsize length)
{
    for (guint i = 0; path->chosen < 0 && i < path->settings.n_candidates; i++)
        send_to(path, i, data, length);
    if (path->chosen < 0 || is_lost(path))
        return;
    int descriptor = path->sockets[family_of(&path->settings.candidates[path->chosen])];
    (void)!send(descriptor, data, length, MSG_DONTWAIT);
}

static void new_transaction(NativePath *path, guint candidate, gint64 now_us)
{
    StunRequest *request = &path->checks[candidate].request;
    *request = (StunRequest){.username = path->settings.username,
                             .password = path->settings.password,
                             .priority = PRIORITY,
                             .tie_breaker = path->settings.tie_breaker,
                             .use_candidate = path->chosen >= 0};
    for (guint i = 0; i < sizeof(request->transaction); i++)
        request->transaction[i] = (guint8)g_random_int();
    path->checks[candidate].since_us = now_us;
    path->checks[candidate].pending = TRUE;
}

static void check(NativePath *path, guint candidate, gint64 now_us)
{
    guint8 request[STUN_REQUEST_MAX];
    if (!path->checks[candidate].pending ||
        now_us - path->checks[candidate].since_us > TRANSACTION_US)
        new_transaction(path, candidate, now_us);
    gsize length = stun_request_build(request, &path->checks[candidate].request);
    if (path->chosen >= 0)
        native_path_send(path, request, length);
    else
        send_to(path, candidate, request, length);
}

void native_path_run(NativePath *path, gint64 now_us)
{
    if (path->due_us > now_us)
        return;
    path->due_us = now_us + CHECK_US;
    if (path->chosen >= 0) {
        check(path, (guint)path->chosen, now_us);
        return;
    }
    for (guint i = 0; i < path->settings.n_candidates; i++)
        check(path, i, now_us);
}

// The first answer is followed by a check that nominates, as an aggressive browser does.
static gboolean take_from(NativePath *path, guint candidate, gint64 now_us)
{
    gboolean is_first = path->chosen < 0;
    gboolean nominated = path->checks[candidate].request.use_candidate;
    path->checks[candidate].pending = FALSE;
    path->consent_us = now_us;
    path->answers++;
    if (is_first)
        choose(path, (gint)candidate);
    path->due_us = nominated ? now_us + CONSENT_US : now_us;
    return is_first;
}

gboolean native_path_take(NativePath *path, const guint8 *data, gsize length, gint64 now_us)
{
    guint code = 0;
    for (guint i = 0; i < path->settings.n_candidates; i++) {
        if (!path->checks[i].pending || (path->chosen >= 0 && path->chosen != (gint)i))
            continue;
        if (stun_response_check(&path->checks[i].request, data, length, &code, NULL) && code == 0)
            return take_from(path, i, now_us);
    }
    return FALSE;
}

// --- reading -------------------------------------------------------------------------------------
typedef struct {
    _Alignas(8) guint8 memory[BATCH][DATAGRAM];
    _Alignas(8) guint8 control[BATCH][CONTROL];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
} Batch;

static void prepare(Batch *batch)
{
    for (guint i = 0; i < BATCH; i++) {
        batch->parts[i] = (struct iovec){batch->memory[i], DATAGRAM};
        batch->messages[i].msg_hdr = (struct msghdr){.msg_iov = &batch->parts[i],
                                                     .msg_iovlen = 1,
                                                     .msg_control = batch->control[i],
                                                     .msg_controllen = CONTROL};
    }
}

// now_us where the kernel says nothing sensible.
static gint64 arrival(NativePath *path, struct msghdr *message, gint64 offset_us, gint64 now_us)
{
    gint64 arrived_us = now_us;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        guint32 overflows;
        struct timeval time;
        if (part->cmsg_level != SOL_SOCKET)
            continue;
        if (part->cmsg_type == SO_TIMESTAMP) {
            memcpy(&time, CMSG_DATA(part), sizeof(time));
            arrived_us = time.tv_sec * G_USEC_PER_SEC + time.tv_usec - offset_us;
        } else if (part->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&overflows, CMSG_DATA(part), sizeof(overflows));
            path->overflowed = path->closed_overflows + overflows;
        }
    }
    return arrived_us > now_us || arrived_us < now_us - OLD_US ? now_us : arrived_us;
}

// FALSE: nothing is left to be read.
static gboolean read_batch(NativePath *path, int descriptor, NativeDatagram datagram, gpointer user)
{
    static Batch batch; // of all peers: one thread, and nothing is kept
    prepare(&batch);
    gint count = recvmmsg(descriptor, batch.messages, BATCH, MSG_DONTWAIT, NULL);
    gint64 now_us = g_get_monotonic_time(), offset_us = g_get_real_time() - now_us;
    for (gint i = 0; i < count; i++) {
        gint64 arrived_us = arrival(path, &batch.messages[i].msg_hdr, offset_us, now_us);
        datagram(batch.memory[i], batch.messages[i].msg_len, arrived_us, user);
    }
    return count == BATCH;
}

void native_path_read(NativePath *path, NativeDatagram datagram, gpointer user)
{
    for (gint family = V4; family <= V6; family++)
        while (path->sockets[family] >= 0 &&
               read_batch(path, path->sockets[family], datagram, user))
            ;
}
