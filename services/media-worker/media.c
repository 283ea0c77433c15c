// SPDX-License-Identifier: MIT
// See media.h: the control thread's side of the seam. Commands and events are blocks of memory that
// change hands through two rings; nothing else is shared but handles and atomic counters.
#include "media-worker/media.h"
#include "media-worker/graph.h"
#include "media-worker/streaming.h"
#include <glib-unix.h>
#include <string.h>

#define COMMANDS 4096
#define EVENTS 8192

struct Media {
    Ring *commands, *events;
    Streaming *streaming;
    Graph *graph;
    MediaListener listener;
    gpointer user;
    guint source; // of events
    MediaPeer last;
};

void media_peer_description_free(MediaPeerDescription *description)
{
    if (description == NULL)
        return;
    memset(description->local_pwd, 0, sizeof description->local_pwd);
    g_free(description->sources);
    g_free(description->slots);
    g_free(description->cname);
    g_free(description);
}

static gboolean on_events(gint fd, GIOCondition condition, gpointer user)
{
    Media *media = user;
    HubEvent *event;
    (void)fd, (void)condition;
    ring_slept(media->events);
    while ((event = ring_pop(media->events)) != NULL) {
        media->listener(&event->event, media->user);
        hub_event_free(event);
    }
    return G_SOURCE_CONTINUE;
}

Media *media_new(int socket4, int socket6, MediaListener listener, gpointer user, GError **error)
{
    Media *media = g_new0(Media, 1);
    media->listener = listener;
    media->user = user;
    media->commands = ring_new(COMMANDS, command_free, error);
    if (media->commands != NULL)
        media->events = ring_new(EVENTS, hub_event_free, error);
    if (media->events != NULL) {
        media->streaming = streaming_new(socket4, socket6, media->commands, media->events);
        media->graph = graph_new(media->streaming, error);
    }
    if (media->graph == NULL) {
        media_free(media);
        return NULL;
    }
    media->source = g_unix_fd_add(ring_fd(media->events), G_IO_IN, on_events, media);
    return media;
}

void media_free(Media *media)
{
    if (media == NULL)
        return;
    graph_free(media->graph); // the streaming thread ends here
    if (media->source != 0)
        g_source_remove(media->source);
    streaming_free(media->streaming);
    ring_free(media->commands);
    ring_free(media->events);
    g_free(media);
}

// --- commands ------------------------------------------------------------------------------------
static Command *command_new(CommandType type, MediaPeer peer, gsize length)
{
    Command *command = g_malloc0(sizeof(Command) + length);
    command->type = type;
    command->peer = peer;
    command->length = length;
    return command;
}

static void give(Media *media, Command *command)
{
    ring_keep(media->commands, command);
    ring_wake(media->commands);
}

MediaPeer media_add_peer(Media *media, MediaPeerDescription *description)
{
    Command *command = command_new(COMMAND_ADD_PEER, ++media->last, 0);
    command->description = description;
    give(media, command);
    return media->last;
}

void media_remove_peer(Media *media, MediaPeer peer)
{
    give(media, command_new(COMMAND_REMOVE_PEER, peer, 0));
}

void media_set_keys(Media *media, MediaPeer peer, const SrtpKeys *keys)
{
    Command *command = command_new(COMMAND_SET_KEYS, peer, 0);
    command->keys = *keys;
    give(media, command);
}

void media_send_dtls(Media *media, MediaPeer peer, const guint8 *data, gsize length)
{
    g_assert(length <= LIMIT_DATAGRAM);
    Command *command = command_new(COMMAND_SEND_DTLS, peer, length);
    memcpy(command->data, data, length);
    give(media, command);
}

void media_assign_slot(Media *media, MediaPeer peer, guint slot, MediaPeer of, guint source)
{
    Command *command = command_new(COMMAND_ASSIGN_SLOT, peer, 0);
    command->index = slot;
    command->of = of;
    command->source = source;
    give(media, command);
}

void media_mute_source(Media *media, MediaPeer peer, guint source, gboolean muted)
{
    Command *command = command_new(COMMAND_MUTE_SOURCE, peer, 0);
    command->index = source;
    command->muted = muted;
    give(media, command);
}
