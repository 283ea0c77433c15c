// SPDX-License-Identifier: MIT
// See alive.h. The lock is flock's: it belongs to the open file, which no child inherits, and goes
// with the process, however it ends.
#include "common/alive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0644

struct Alive {
    int fd;
};

static gboolean fail(const char *path, int fd, GError **error)
{
    int reason = errno;
    g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(reason),
                "suite.alive_file: %s: %s", path, g_strerror(reason));
    if (fd >= 0)
        close(fd);
    return FALSE;
}

gboolean alive_open(const char *path, Alive **ret_alive, GError **error)
{
    static const struct timespec never[2] = {{0}, {0}};
    *ret_alive = NULL;
    if (*path == '\0')
        return TRUE;
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, MODE);
    if (fd < 0)
        return fail(path, fd, error);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return TRUE;
    }
    if (futimens(fd, never) != 0)
        return fail(path, fd, error);
    *ret_alive = g_new0(Alive, 1);
    (*ret_alive)->fd = fd;
    return TRUE;
}

void alive_touch(const Alive *alive)
{
    if (alive != NULL)
        futimens(alive->fd, NULL);
}

void alive_free(Alive *alive)
{
    if (alive == NULL)
        return;
    close(alive->fd);
    g_free(alive);
}
