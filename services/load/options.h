// SPDX-License-Identifier: MIT
// What the command is asked to do, checked: whoever reads Options need not doubt it.
#pragma once
#include <glib.h>

#define OPTIONS_SLOTS_MAX 16      // of each kind: 32 m-lines that receive are what a room answers
#define OPTIONS_CLIENTS_MAX 10000 // sockets: two each
#define OPTIONS_VIDEO_KBPS_MAX 20000

typedef struct {
    char *url;
    gboolean tls, insecure;
    char *host; // "host:port" as it stands in the URL; address without port below
    char *address, *path;
    guint port;
    char *room, *token; // token: NULL
    gint rooms, publishers, subscribers, participants;
    gint duration_s; // 0: until it is ended
    double rate;     // joins a second
    gint slots;      // of each kind; 0: as many as there are senders
    gint video_kbps; // 0: no camera; -1: the shape of performance measurements
    double max_loss; // per cent
    gboolean paced, json, quiet;
} Options;

// argv loses what is understood. NULL with an error in words. --help ends the program.
Options *options_new(int *argc, char ***argv, GError **error);
void options_free(Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

// The name of one of the rooms (0 … rooms - 1); newly allocated.
char *options_room_name(const Options *options, guint index);
