// SPDX-License-Identifier: MIT
// See children.h.
#include "media-worker/children.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/json.h"
#include "common/log.h"
#include "media-worker/spawn.h"

static void request_free(gpointer request)
{
    bus_request_unref(request);
}

static void take_text(char **member, const char *text)
{
    g_free(*member);
    *member = g_strdup(text);
}

static void on_said(Child *child, const char *text)
{
    g_autoptr(Json) said = json_parse(text, strlen(text), SPAWN_MESSAGE_MAX, NULL);
    const char *ended = json_get_text(said, "ended");
    const char *failed = json_get_text(said, "failed");
    if (json_get_text(said, "media") != NULL)
        take_text(&child->media, json_get_text(said, "media"));
    if (ended != NULL || failed != NULL)
        take_text(&child->ended, ended != NULL ? ended : "failed");
    if (json_get(said, "started") != NULL && child->media != NULL && !child->started) {
        child->started = TRUE;
        child->calls.on_started(child, child->user);
    }
}

// TRUE: there may be more.
static gboolean hear(Child *child)
{
    int descriptors[SPAWN_DESCRIPTORS_MAX];
    g_autofree char *text = NULL;
    SpawnResult result = spawn_receive(child->channel, &text, descriptors);
    if (result == SPAWN_MESSAGE)
        on_said(child, text);
    return result == SPAWN_MESSAGE;
}

static gboolean on_channel(int fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    Child *child = user;
    if (hear(child) || (condition & G_IO_HUP) == 0)
        return G_SOURCE_CONTINUE;
    child->channel_source = 0;
    return G_SOURCE_REMOVE;
}

static void on_exit_seen(GPid pid, int status, gpointer user)
{
    Child *child = user;
    gboolean orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    child->exit_source = 0;
    while (hear(child))
        ;
    const char *reason = child->ended != NULL ? child->ended : orderly ? "ended" : "crashed";
    log_event(orderly ? LOG_INFO : LOG_WARNING, "room.process_ended",
              "pid=%d room=%s reason=%s status=%d signal=%d", (int)pid,
              child->room != NULL ? child->room : "none", reason,
              WIFEXITED(status) ? WEXITSTATUS(status) : -1,
              WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    child->calls.on_ended(child, reason, child->user);
    child_free(child);
}

Child *child_start(const char *const *arguments, const ChildCalls *calls, gpointer user,
                   GError **error)
{
    pid_t pid = 0;
    int channel = -1;
    if (!spawn_self(arguments, &pid, &channel, error))
        return NULL;
    Child *child = g_new0(Child, 1);
    child->pid = pid;
    child->channel = channel;
    child->calls = *calls;
    child->user = user;
    child->waiting = g_ptr_array_new_with_free_func(request_free);
    child->channel_source = g_unix_fd_add(channel, G_IO_IN | G_IO_HUP, on_channel, child);
    child->exit_source = g_child_watch_add(pid, on_exit_seen, child);
    return child;
}

void child_free(Child *child)
{
    if (child == NULL)
        return;
    if (child->channel_source != 0)
        g_source_remove(child->channel_source);
    if (child->exit_source != 0)
        g_source_remove(child->exit_source);
    close(child->channel);
    g_ptr_array_unref(child->waiting);
    g_free(child->media);
    g_free(child->room);
    g_free(child->url);
    g_free(child->ended);
    g_free(child);
}

gboolean child_hand_over(Child *child, const char *parameters, const CandidatesSockets *sockets)
{
    int descriptors[SPAWN_DESCRIPTORS_MAX];
    guint n = 0;
    if (sockets->socket4 >= 0)
        descriptors[n++] = sockets->socket4;
    if (sockets->socket6 >= 0)
        descriptors[n++] = sockets->socket6;
    return strlen(parameters) <= SPAWN_MESSAGE_MAX &&
           spawn_send(child->channel, parameters, descriptors, n);
}
