// SPDX-License-Identifier: MIT
// See options.h. Every option has a default with which the command does something useful: one
// sender and three receivers for ten seconds against the suite of `make run`.
#include "load/options.h"

#include <string.h>

#include "common/url.h"

#define EXAMPLES                                                                                   \
    "Joins rooms through a gateway with real WebRTC clients, sends and receives for a while,\n"    \
    "checks every packet that comes, and prints a line for each that receives. Progress goes to\n" \
    "stderr. Ctrl-C ends it early, with the table.\n\n"                                            \
    "Examples:\n"                                                                                  \
    "  parley-load --publishers 1 --subscribers 50        one speaks, fifty watch\n"               \
    "  parley-load --participants 4 --rooms 1             a meeting of four\n"                     \
    "  parley-load --rooms 20 --participants 80           twenty meetings of four\n"               \
    "  parley-load --url wss://meet.example.org/ws --duration 60 --json >result.json\n\n"          \
    "Exit status: 0 all went well; 1 something must not have happened (a join refused, a wrong\n"  \
    "payload or name, a source missing, more loss than --max-loss), said on stderr; 2 wrong\n"     \
    "options."

static gboolean refuse(GError **error, const char *text)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s", text);
    return FALSE;
}

static void set_defaults(Options *options)
{
    options->rooms = 1;
    options->publishers = options->subscribers = options->participants = -1;
    options->duration_s = 10;
    options->rate = 20;
    options->video_kbps = -1;
    options->max_loss = 1;
}

static gboolean parse(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"url", 'u', 0, G_OPTION_ARG_STRING, &options->url, "the gateway (ws://127.0.0.1:8080/ws)",
         "ws(s)://HOST[:PORT]/ws"},
        {"room", 'r', 0, G_OPTION_ARG_STRING, &options->room,
         "the room; with --rooms N: ROOM-1 to ROOM-N (load)", "ROOM"},
        {"rooms", 0, 0, G_OPTION_ARG_INT, &options->rooms, "spread everybody over N rooms (1)",
         "N"},
        {"publishers", 'p', 0, G_OPTION_ARG_INT, &options->publishers,
         "clients that send a microphone and a camera only (1)", "N"},
        {"subscribers", 's', 0, G_OPTION_ARG_INT, &options->subscribers,
         "clients that receive only (3)", "N"},
        {"participants", 0, 0, G_OPTION_ARG_INT, &options->participants,
         "clients that do both, as people do (0)", "N"},
        {"duration", 'd', 0, G_OPTION_ARG_INT, &options->duration_s,
         "seconds to go on when everybody is in; 0: until Ctrl-C (10)", "S"},
        {"rate", 0, 0, G_OPTION_ARG_DOUBLE, &options->rate, "joins a second (20)", "R"},
        {"slots", 0, 0, G_OPTION_ARG_INT, &options->slots,
         "pictures and voices that one receives at a time (as many as send, at most 16)", "N"},
        {"video-kbps", 0, 0, G_OPTION_ARG_INT, &options->video_kbps,
         "of each camera, in 25 frames a second; 0: voices only (950, 4 packets a frame)", "K"},
        {"paced", 0, 0, G_OPTION_ARG_NONE, &options->paced,
         "spread the packets of a frame evenly over its time", NULL},
        {"max-loss", 0, 0, G_OPTION_ARG_DOUBLE, &options->max_loss,
         "per cent of packets that one may lack in the end (1)", "P"},
        {"token", 0, 0, G_OPTION_ARG_STRING, &options->token, "goes into each join", "T"},
        {"insecure", 0, 0, G_OPTION_ARG_NONE, &options->insecure,
         "take any TLS certificate (of a test machine)", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "one JSON object instead of the table",
         NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress", NULL},
        {0}};
    g_autoptr(GOptionContext) context = g_option_context_new("- load on a Parley deployment");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, EXAMPLES);
    return g_option_context_parse(context, argc, argv, error);
}

// How many of each kind: what is not asked for is nobody, unless nothing is asked for.
static gboolean check_clients(Options *options, GError **error)
{
    gboolean none =
        options->publishers < 0 && options->subscribers < 0 && options->participants < 0;
    gint *const kinds[] = {&options->publishers, &options->subscribers, &options->participants};
    const gint defaults[] = {1, 3, 0};
    gint64 all = 0;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (*kinds[i] < 0)
            *kinds[i] = none ? defaults[i] : 0;
        all += *kinds[i];
    }
    if (all == 0)
        return refuse(error, "there must be somebody: --publishers, --subscribers, --participants");
    if (all > OPTIONS_CLIENTS_MAX)
        return refuse(error, "more than 10,000 clients are too many for one process");
    if (options->rooms < 1 || options->rooms > all)
        return refuse(error, "--rooms: at least one, and not more than there are clients");
    return TRUE;
}

static gboolean check_numbers(const Options *options, GError **error)
{
    if (options->duration_s < 0)
        return refuse(error, "--duration: seconds, 0 for no end");
    if (!(options->rate > 0) || options->rate > 10000)
        return refuse(error, "--rate: joins a second, above 0");
    if (options->slots < 0 || options->slots > OPTIONS_SLOTS_MAX)
        return refuse(error, "--slots: at most 16");
    if (options->video_kbps < -1 || options->video_kbps > OPTIONS_VIDEO_KBPS_MAX)
        return refuse(error, "--video-kbps: 0 to 20,000");
    if (!(options->max_loss >= 0) || options->max_loss > 100)
        return refuse(error, "--max-loss: per cent, 0 to 100");
    return TRUE;
}

static gboolean check_room(const Options *options, GError **error)
{
    g_autofree char *last = options_room_name(options, (guint)options->rooms - 1);
    if (!url_is_key(last))
        return refuse(error, "--room: 1 to 64 of A-Z a-z 0-9 _ - (with the number of --rooms)");
    return TRUE;
}

static gboolean read_url(Options *options, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(options->url, G_URI_FLAGS_NONE, NULL);
    const char *scheme = uri != NULL ? g_uri_get_scheme(uri) : "";
    options->tls = strcmp(scheme, "wss") == 0;
    if (uri == NULL || (!options->tls && strcmp(scheme, "ws") != 0) ||
        g_uri_get_host(uri) == NULL || *g_uri_get_host(uri) == '\0')
        return refuse(error, "--url: like ws://127.0.0.1:8080/ws or wss://meet.example.org/ws");
    gint port = g_uri_get_port(uri);
    const char *address = g_uri_get_host(uri), *path = g_uri_get_path(uri);
    gboolean six = strchr(address, ':') != NULL;
    options->address = g_strdup(address);
    options->path = g_strdup(*path != '\0' && strcmp(path, "/") != 0 ? path : "/ws");
    options->port = port > 0 ? (guint)port : options->tls ? 443 : 80;
    options->host = g_strdup_printf(six ? "[%s]:%u" : "%s:%u", address, options->port);
    return TRUE;
}

Options *options_new(int *argc, char ***argv, GError **error)
{
    g_autoptr(Options) options = g_new0(Options, 1);
    set_defaults(options);
    if (!parse(options, argc, argv, error))
        return NULL;
    if (*argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION, "not understood: %s",
                    (*argv)[1]);
        return NULL;
    }
    options->url = options->url != NULL ? options->url : g_strdup("ws://127.0.0.1:8080/ws");
    options->room = options->room != NULL ? options->room : g_strdup("load");
    if (!read_url(options, error) || !check_clients(options, error) ||
        !check_numbers(options, error) || !check_room(options, error))
        return NULL;
    return g_steal_pointer(&options);
}

void options_free(Options *options)
{
    if (options == NULL)
        return;
    g_free(options->url);
    g_free(options->host);
    g_free(options->address);
    g_free(options->path);
    g_free(options->room);
    g_free(options->token);
    g_free(options);
}

char *options_room_name(const Options *options, guint index)
{
    return options->rooms == 1 ? g_strdup(options->room)
                               : g_strdup_printf("%s-%u", options->room, index + 1);
}
