// SPDX-License-Identifier: MIT
// parley-media-worker: the media server. Started by hand it is a host, which starts itself again,
// with --room, for each room.
#include <string.h>
#include "media-worker/host.h"
#include "media-worker/room.h"
#include "media-worker/room_requests.h"

static const ServiceRow host_rows[] = {
    {"hyperty://%D/worker/%I", MSG__ENVELOPE__TYPE__EXECUTE, host_on_execute},
    {0},
};

static const ServiceDefinition host = {
    .role = "worker",
    .summary = "starts a process for each room that is placed here",
    .rows = host_rows,
    .start = host_start,
    .presence = host_presence,
    .drain = host_drain,
    .stop = host_stop,
};

static const ServiceRow room_rows[] = {
    {"hyperty://%D/media/%I", MSG__ENVELOPE__TYPE__CREATE, room_on_create},
    {"hyperty://%D/media/%I", MSG__ENVELOPE__TYPE__DELETE, room_on_delete},
    {"hyperty://%D/media/%I", MSG__ENVELOPE__TYPE__CLOSE, room_on_close},
    {0},
};

static const ServiceDefinition room = {
    .role = "media",
    .summary = "carries the media of one room; started by the host",
    .rows = room_rows,
    .start = room_start,
    .presence = room_presence,
    .drain = room_drain,
    .stop = room_stop,
};

int main(int argc, char **argv)
{
    gboolean is_room = argc > 1 && strcmp(argv[argc - 1], "--room") == 0;
    if (!is_room)
        host_set_arguments(argc, argv);
    return service_main(is_room ? &room : &host, argc, argv);
}
