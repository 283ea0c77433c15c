// SPDX-License-Identifier: MIT
// See crew.h. The phases are a row: each is left when its condition holds or its time is over. A
// phase between sending and counting lets what is on its way arrive.
#include "load/crew.h"

#include <sys/resource.h>

#include "load/session.h"

#define TICK_MS 20
#define WARM_UP_US 1000000
#define SETTLE_US 700000  // resent packets included
#define JOIN_TIMEOUT_S 15 // until media can flow
#define LEAVE_US 10000000 // the gateway answers within 5 s each
#define TELL_US 1000000
#define FRAMES_A_SECOND 25
#define FRAME_MS 40
#define VIDEO_BYTES_MAX 1188

typedef enum { JOINING, WARMING_UP, RUNNING, SETTLING, LEAVING, ENDED } Phase;
static const char *const phase_names[] = {"joining",  "warming up", "running",
                                          "settling", "leaving",    "ended"};

typedef struct {
    guint room;
    gboolean sends, receives;
    guint slots; // of each kind
} Plan;

struct Crew {
    const Options *options;
    const CrewCalls *calls;
    gpointer user;
    Websockets *websockets;
    ParticipantShared shared;
    GArray *plans;      // Plan, in the order of joining
    GPtrArray *members; // Participant, those who have begun to join
    guint *senders;     // of each room
    char **rooms;
    guint32 first_label;
    Phase phase;
    gint64 phase_us, started_us, told_us, measured_us;
    guint64 told_octets, told_cpu_us;
    gboolean cut;    // by crew_end: who has not begun to join will not
    GArray *figures; // of the end
    guint ticker;
};

// --- who is to join --------------------------------------------------------------------------
static void plan(Crew *crew, gint count, gboolean sends, gboolean receives)
{
    for (gint i = 0; i < count; i++) {
        const Plan one = {(guint)(i % crew->options->rooms), sends, receives, 0};
        g_array_append_val(crew->plans, one);
        crew->senders[one.room] += sends;
    }
}

// As many as there are others who send, or as many as are asked for.
static guint slots_of(const Crew *crew, const Plan *one)
{
    guint others = crew->senders[one->room] - one->sends;
    guint wanted = crew->options->slots > 0 ? (guint)crew->options->slots : others;
    return one->receives ? MIN(MAX(wanted, 1), OPTIONS_SLOTS_MAX) : 0;
}

static void plan_all(Crew *crew)
{
    const Options *options = crew->options;
    crew->plans = g_array_new(FALSE, FALSE, sizeof(Plan));
    crew->senders = g_new0(guint, options->rooms);
    crew->rooms = g_new0(char *, (gsize)options->rooms + 1);
    for (gint i = 0; i < options->rooms; i++)
        crew->rooms[i] = options_room_name(options, (guint)i);
    plan(crew, options->publishers, TRUE, FALSE);
    plan(crew, options->participants, TRUE, TRUE);
    plan(crew, options->subscribers, FALSE, TRUE);
    for (guint i = 0; i < crew->plans->len; i++) {
        Plan *one = &g_array_index(crew->plans, Plan, i);
        one->slots = slots_of(crew, one);
    }
}

static void describe_media(NativeSettings *media, const Options *options)
{
    media->paced = options->paced;
    media->frame_ms = FRAME_MS;
    if (options->video_kbps <= 0)
        return;
    guint bytes = (guint)options->video_kbps * 125 / FRAMES_A_SECOND;
    media->video_packets = MAX(1, (bytes + VIDEO_BYTES_MAX - 1) / VIDEO_BYTES_MAX);
    media->video_bytes = MAX(bytes / media->video_packets, 40);
}

static void join_next(Crew *crew)
{
    guint index = crew->members->len;
    const Plan *one = &g_array_index(crew->plans, Plan, index);
    const char *kind = one->sends && one->receives ? "both" : one->sends ? "pub" : "sub";
    g_autofree char *name = g_strdup_printf("load-%s-%u", kind, index + 1);
    const ParticipantRole role = {.room = crew->rooms[one->room],
                                  .name = name,
                                  .label = crew->first_label + index,
                                  .sends = one->sends,
                                  .slots = one->slots};
    g_ptr_array_add(crew->members, participant_new(&crew->shared, &role));
}

// --- phases ----------------------------------------------------------------------------------
static guint count_in(const Crew *crew, ParticipantState state)
{
    guint count = 0;
    for (guint i = 0; i < crew->members->len; i++)
        count += participant_state(g_ptr_array_index(crew->members, i)) == state;
    return count;
}

static void for_all(Crew *crew, void (*what)(Participant *participant))
{
    for (guint i = 0; i < crew->members->len; i++)
        what(g_ptr_array_index(crew->members, i));
}

static gboolean go_on(Crew *crew, gint64 now_us)
{
    gint64 since_us = now_us - crew->phase_us;
    guint in = count_in(crew, PARTICIPANT_IN);
    switch (crew->phase) {
    case JOINING:
        return crew->cut ||
               (crew->members->len == crew->plans->len &&
                count_in(crew, PARTICIPANT_JOINING) + count_in(crew, PARTICIPANT_LINKING) == 0);
    case WARMING_UP:
        return since_us >= WARM_UP_US || in == 0 || crew->cut;
    case RUNNING:
        return crew->cut || in == 0 ||
               (crew->options->duration_s > 0 &&
                since_us >= crew->options->duration_s * G_USEC_PER_SEC);
    case SETTLING:
        return since_us >= SETTLE_US;
    case LEAVING:
        return in == 0 || since_us >= LEAVE_US;
    case ENDED:
        break;
    }
    return FALSE;
}

static void enter(Crew *crew, Phase phase, gint64 now_us)
{
    gint64 since_us = now_us - crew->phase_us;
    crew->phase = phase;
    crew->phase_us = now_us;
    if (phase == RUNNING) {
        for_all(crew, participant_begin);
        crew->told_octets = 0;
        crew->told_us = now_us;
    }
    if (phase == SETTLING) {
        crew->measured_us = since_us;
        for_all(crew, participant_stop_sending);
    }
    if (phase == LEAVING) {
        crew->figures = crew_figures(crew); // before slots are emptied
        for_all(crew, participant_leave);
    }
}

static void join_due(Crew *crew, gint64 now_us)
{
    double due = (double)(now_us - crew->started_us) / G_USEC_PER_SEC * crew->options->rate + 1;
    while (!crew->cut && crew->members->len < crew->plans->len && crew->members->len < (guint)due)
        join_next(crew);
}

// --- telling ---------------------------------------------------------------------------------
static guint64 cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (guint64)((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC +
                     usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void tell(Crew *crew, gint64 now_us)
{
    double seconds = (double)(now_us - crew->told_us) / G_USEC_PER_SEC;
    guint64 octets = 0, cpu = cpu_us();
    CrewProgress progress = {.phase = phase_names[crew->phase],
                             .seconds = (double)(now_us - crew->phase_us) / G_USEC_PER_SEC,
                             .failed = count_in(crew, PARTICIPANT_FAILED),
                             .joined = count_in(crew, PARTICIPANT_IN),
                             .wanted = crew->plans->len};
    g_autoptr(GArray) all = crew_figures(crew);
    for (guint i = 0; i < all->len; i++) {
        const ParticipantFigures *figures = &g_array_index(all, ParticipantFigures, i);
        octets += figures->octets;
        progress.packets += figures->packets;
        progress.lost += figures->lost_so_far;
        progress.sending += figures->sends && figures->joined;
        progress.receiving += figures->receives && figures->joined;
    }
    progress.kbps =
        octets > crew->told_octets ? (double)(octets - crew->told_octets) / seconds / 125 : 0;
    progress.cpu_percent = (double)(cpu - crew->told_cpu_us) / seconds / 10000;
    crew->told_us = now_us;
    crew->told_octets = octets;
    crew->told_cpu_us = cpu;
    crew->calls->progress(&progress, crew->user);
}

static gboolean on_tick(gpointer user)
{
    Crew *crew = user;
    gint64 now_us = g_get_monotonic_time();
    if (crew->phase == JOINING)
        join_due(crew, now_us);
    if (now_us - crew->told_us >= TELL_US) {
        for_all(crew, participant_check);
        tell(crew, now_us);
    }
    if (go_on(crew, now_us))
        enter(crew, crew->phase + 1, now_us);
    if (crew->phase != ENDED)
        return G_SOURCE_CONTINUE;
    crew->ticker = 0;
    crew->calls->ended(crew->user);
    return G_SOURCE_REMOVE;
}

void crew_end(Crew *crew)
{
    gboolean again = crew->cut;
    crew->cut = TRUE;
    if (!again || crew->phase == ENDED)
        return;
    if (crew->phase == RUNNING)
        crew->measured_us = g_get_monotonic_time() - crew->phase_us;
    crew->phase = ENDED;
}

// --- life ------------------------------------------------------------------------------------
Crew *crew_new(const Options *options, const CrewCalls *calls, gpointer user, GError **error)
{
    const WebsocketPlace place = {.address = options->address,
                                  .path = options->path,
                                  .host = options->host,
                                  .port = options->port,
                                  .tls = options->tls,
                                  .insecure = options->insecure};
    Websockets *websockets = websockets_new(&place, &session_websocket_calls, error);
    if (websockets == NULL)
        return NULL;
    Crew *crew = g_new0(Crew, 1);
    crew->options = options;
    crew->calls = calls;
    crew->user = user;
    crew->websockets = websockets;
    crew->members = g_ptr_array_new_with_free_func((GDestroyNotify)participant_free);
    crew->first_label = (g_random_int() & 0x7FFFFFFF) | 1;
    crew->shared =
        (ParticipantShared){.websockets = websockets,
                            .token = options->token,
                            .no_video = options->video_kbps == 0,
                            .join_timeout_s = JOIN_TIMEOUT_S,
                            .by_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
    describe_media(&crew->shared.media, options);
    plan_all(crew);
    crew->started_us = crew->phase_us = crew->told_us = g_get_monotonic_time();
    crew->told_cpu_us = cpu_us();
    crew->ticker = g_timeout_add(TICK_MS, on_tick, crew);
    return crew;
}

void crew_free(Crew *crew)
{
    if (crew == NULL)
        return;
    if (crew->ticker != 0)
        g_source_remove(crew->ticker);
    g_ptr_array_unref(crew->members);
    websockets_free(crew->websockets);
    g_hash_table_unref(crew->shared.by_id);
    g_array_unref(crew->plans);
    g_clear_pointer(&crew->figures, g_array_unref);
    g_strfreev(crew->rooms);
    g_free(crew->senders);
    g_free(crew);
}

GArray *crew_figures(Crew *crew)
{
    if (crew->figures != NULL)
        return g_array_ref(crew->figures);
    GArray *all = g_array_sized_new(FALSE, FALSE, sizeof(ParticipantFigures), crew->members->len);
    for (guint i = 0; i < crew->members->len; i++) {
        const Plan *one = &g_array_index(crew->plans, Plan, i);
        ParticipantFigures figures;
        participant_figures(g_ptr_array_index(crew->members, i),
                            crew->senders[one->room] - one->sends, &figures);
        g_array_append_val(all, figures);
    }
    return all;
}

double crew_measured_s(const Crew *crew)
{
    return (double)crew->measured_us / G_USEC_PER_SEC;
}
