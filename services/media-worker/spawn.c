// SPDX-License-Identifier: MIT
// See spawn.h. /proc/self/exe is resolved first, so that the child carries the program's name in
// process lists; where the file has been replaced meanwhile, the link itself still starts the same
// version.
#include "media-worker/spawn.h"

#include <errno.h>
#include <gio/gio.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char *own_program(void)
{
    char *path = g_file_read_link("/proc/self/exe", NULL);
    if (path != NULL && access(path, X_OK) == 0)
        return path;
    g_free(path);
    return g_strdup("/proc/self/exe");
}

static int spawn_with(const char *const *arguments, int channel, pid_t *ret_pid)
{
    g_autofree char *program = own_program();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, channel, SPAWN_CHANNEL);
    int reason = posix_spawn(ret_pid, program, &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return reason;
}

gboolean spawn_self(const char *const *arguments, pid_t *ret_pid, int *ret_channel, GError **error)
{
    int ends[2];
    int reason = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        reason = errno;
    } else {
        reason = spawn_with(arguments, ends[1], ret_pid);
        close(ends[1]);
        if (reason != 0)
            close(ends[0]);
    }
    if (reason != 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(reason), "cannot start %s: %s",
                    arguments[0], g_strerror(reason));
        return FALSE;
    }
    *ret_channel = ends[0];
    return TRUE;
}

typedef union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * SPAWN_DESCRIPTORS_MAX)];
} Control;

gboolean spawn_send(int channel, const char *text, const int *descriptors, guint n_descriptors)
{
    Control control;
    struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    g_assert(part.iov_len > 0 && part.iov_len <= SPAWN_MESSAGE_MAX);
    g_assert(n_descriptors <= SPAWN_DESCRIPTORS_MAX);
    if (n_descriptors > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n_descriptors);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * n_descriptors);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * n_descriptors);
    }
    return sendmsg(channel, &message, MSG_NOSIGNAL) == (gssize)part.iov_len;
}

static void take_descriptors(struct msghdr *message, int *descriptors)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        gsize count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(descriptors, CMSG_DATA(header), MIN(count, SPAWN_DESCRIPTORS_MAX) * sizeof(int));
    }
}

SpawnResult spawn_receive(int channel, char **ret_text, int *descriptors)
{
    Control control;
    char text[SPAWN_MESSAGE_MAX];
    struct iovec part = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    for (guint i = 0; i < SPAWN_DESCRIPTORS_MAX; i++)
        descriptors[i] = -1;
    gssize length = recvmsg(channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return SPAWN_EMPTY;
    if (length <= 0)
        return SPAWN_CLOSED;
    take_descriptors(&message, descriptors);
    *ret_text = g_strndup(text, (gsize)length);
    return SPAWN_MESSAGE;
}
