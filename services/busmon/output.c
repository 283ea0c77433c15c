// SPDX-License-Identifier: MIT
// The descriptor is not made non-blocking: it may be a terminal that is shared with a shell.
// Instead it is asked first (poll), and written in pieces of at most PIPE_BUF, which a pipe that is
// ready always takes.
#include "busmon/output.h"

#include <errno.h>
#include <glib-unix.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"

struct Output {
    int descriptor;
    const OutputCalls *calls;
    gpointer user;
    GByteArray *waiting;
    guint written;  // of `waiting`: taken out when it is worth the copying
    guint64 missed; // lines left out since the last one that was taken
    guint ready;    // source: descriptor takes more
    guint watch;    // source: nobody reads any more
    gboolean is_closed;
};

static void close_output(Output *output)
{
    if (output->is_closed)
        return;
    output->is_closed = TRUE;
    g_byte_array_set_size(output->waiting, 0);
    output->written = 0;
    output->calls->closed(output->user);
}

static gboolean takes_more(const Output *output)
{
    struct pollfd asked = {.fd = output->descriptor, .events = POLLOUT};
    return poll(&asked, 1, 0) == 1 && (asked.revents & POLLOUT) != 0;
}

static gsize length_of(const Output *output)
{
    return output->waiting->len - output->written;
}

static void forget_written(Output *output)
{
    if (output->written < output->waiting->len / 2)
        return;
    g_byte_array_remove_range(output->waiting, 0, output->written);
    output->written = 0;
}

// One piece. FALSE: no more for now.
static gboolean write_piece(Output *output)
{
    gsize length = MIN(length_of(output), (gsize)PIPE_BUF);
    if (length == 0 || !takes_more(output))
        return FALSE;
    gssize written = write(output->descriptor, output->waiting->data + output->written, length);
    if (written < 0 && errno != EINTR && errno != EAGAIN)
        close_output(output);
    if (written <= 0)
        return FALSE;
    output->written += (guint)written;
    forget_written(output);
    return TRUE;
}

static void write_waiting(Output *output)
{
    while (!output->is_closed && write_piece(output))
        continue;
}

static void add(Output *output, const char *line)
{
    g_byte_array_append(output->waiting, (const guint8 *)line, (guint)strlen(line));
}

// Says what was left out as soon as there is room for it.
static void report_missed(Output *output)
{
    if (output->missed == 0 || length_of(output) > LIMIT_MONITOR_QUEUE / 2)
        return;
    g_autofree char *line = output->calls->missed(output->missed, output->user);
    output->missed = 0;
    add(output, line);
}

static gboolean on_ready(gint descriptor, GIOCondition condition, gpointer user)
{
    Output *output = user;
    (void)descriptor, (void)condition;
    write_waiting(output);
    report_missed(output);
    if (length_of(output) > 0 && !output->is_closed)
        return G_SOURCE_CONTINUE;
    output->ready = 0;
    return G_SOURCE_REMOVE;
}

static gboolean on_hang_up(gint descriptor, GIOCondition condition, gpointer user)
{
    Output *output = user;
    (void)descriptor, (void)condition;
    output->watch = 0;
    close_output(output);
    return G_SOURCE_REMOVE;
}

Output *output_new(int descriptor, const OutputCalls *calls, gpointer user)
{
    Output *output = g_new0(Output, 1);
    output->descriptor = descriptor;
    output->calls = calls;
    output->user = user;
    output->waiting = g_byte_array_new();
    output->watch = g_unix_fd_add(descriptor, G_IO_ERR | G_IO_HUP, on_hang_up, output);
    return output;
}

void output_free(Output *output)
{
    if (output == NULL)
        return;
    write_waiting(output);
    if (output->ready != 0)
        g_source_remove(output->ready);
    if (output->watch != 0)
        g_source_remove(output->watch);
    g_byte_array_unref(output->waiting);
    g_free(output);
}

void output_line(Output *output, const char *line)
{
    if (output->is_closed)
        return;
    report_missed(output);
    if (output->missed > 0 || length_of(output) + strlen(line) > LIMIT_MONITOR_QUEUE) {
        output->missed++;
        return;
    }
    add(output, line);
    write_waiting(output);
    if (length_of(output) > 0 && output->ready == 0 && !output->is_closed)
        output->ready = g_unix_fd_add(output->descriptor, G_IO_OUT, on_ready, output);
}
