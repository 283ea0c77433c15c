// SPDX-License-Identifier: MIT
// A hundred clients join one new room at once through the real suite, and the registry is killed
// three times while they do. Everyone is answered 200 and is in exactly once; there is one
// Communication with dense versions, the same at all observers and at the registry. Then everybody
// leaves, and nothing of the room is left. Twenty rooms, one after the other.
//
// When the registry dies is told by steps, not by time: a step is a room that is asked for, a
// participant that is asked to be let in (both seen on the bus), or an answer at a client. Each
// round counts to other numbers, so that kills fall before, between and after all of these.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include "tests/support/truth.h"
#include "tests/support/ws_client.h"

#ifdef __SANITIZE_ADDRESS__ // everything is slow then
#define CLIENTS 40
#define ROUNDS 5
#else
#define CLIENTS 100
#define ROUNDS 20
#endif
#define KILLS 3
#define AWAY_MS 100                  // of the registry, each time
#define MOST_STEPS (CLIENTS * 2 / 5) // between two kills
#define PATIENCE_MS 40000            // a join's deadline is 20 s
#define IDLE_MS 8000                 // until the last room process is gone
#define CONFERENCE "hyperty://localhost/conference"
#define DISCOVERY "domain://registry.localhost"

typedef struct Storm Storm;

typedef struct {
    Storm *storm;
    WsClient *ws;
    gint code; // of the last answer; 0: none yet
    char *reason;
    char *media; // who let it in
} Guest;

struct Storm {
    Suite *suite;
    char *offer;
    char room[16];
    char *url; // of the Communication
    Guest guests[CLIENTS];
    guint answered, again, steps;
    guint kill_at; // step; 0: not armed
    gboolean destroyed;
    gint64 load; // of the worker: its rooms, as it tells
};

// --- steps and kills

static void step(Storm *storm)
{
    storm->steps++;
    if (storm->kill_at == 0 || storm->steps < storm->kill_at)
        return;
    pid_t registry = suite_pid(storm->suite, "registry");
    storm->kill_at = 0;
    if (registry > 0) // 0 is everybody here
        kill(registry, SIGKILL);
}

static void on_asked(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)request;
    if (message->type != MSG__ENVELOPE__TYPE__DELETE && message->type != MSG__ENVELOPE__TYPE__CLOSE)
        step(user);
}

static void on_communication(const Envelope *message, BusRequest *request, gpointer user)
{
    Storm *storm = user;
    g_autofree char *changes = g_strconcat(storm->url != NULL ? storm->url : "", "/changes", NULL);
    (void)request;
    if (message->type == MSG__ENVELOPE__TYPE__DELETE && strcmp(message->to, changes) == 0)
        storm->destroyed = TRUE;
}

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    g_autoptr(Json) value = envelope_value(message);
    (void)request;
    if (g_strcmp0(json_get_text(value, "role"), "worker") == 0)
        ((Storm *)user)->load = json_get_number(value, "load", 0);
}

// Topics that end in neither a blank nor a slash only watch.
static void watch_bus(Storm *storm)
{
    Bus *bus = suite_bus(storm->suite);
    bus_route(bus, "hyperty://localhost/worker", on_asked, storm);
    bus_route(bus, "hyperty://localhost/media", on_asked, storm);
    bus_route(bus, "comm://localhost", on_communication, storm);
    bus_route(bus, "ctxt://localhost/process", on_presence, storm);
}

static gboolean is_killed(gpointer user)
{
    const Storm *storm = user;
    return !suite_is_running(storm->suite, "registry") || storm->answered == CLIENTS;
}

static gboolean never(gpointer unused)
{
    (void)unused;
    return FALSE;
}

static void kill_and_restart(Storm *storm, guint round, guint nth)
{
    storm->kill_at = storm->steps + 1 + (round * 11 + nth * 17) % MOST_STEPS;
    if (!suite_until(is_killed, storm, PATIENCE_MS))
        fail_msg("round %u: kill %u did not come, %u steps, %u answers", round, nth, storm->steps,
                 storm->answered);
    if (storm->answered == CLIENTS)
        fail_msg("round %u: the storm was over before kill %u", round, nth);
    suite_until(never, NULL, AWAY_MS);
    suite_start(storm->suite, "registry", "registry", NULL);
}

// --- joining

static void ask_to_join(Guest *guest);

// A machine with too little time answers some "not now" (503, 504): they ask again, as people do.
static void on_joined(WsClient *ws, const Json *answer, gpointer user)
{
    Guest *guest = user;
    const Json *body = json_get(answer, "body");
    guest->code = ws_code(body);
    if (guest->code == 503 || guest->code == 504) {
        guest->storm->again++;
        ask_to_join(guest);
        return;
    }
    guest->reason = g_strdup(json_get_text(body, "desc"));
    guest->media = g_strdup(json_get_text(json_get(body, "answer"), "reporter"));
    guest->storm->answered++;
    ws_client_joined(ws, body);
    step(guest->storm);
}

static void ask_to_join(Guest *guest)
{
    const Storm *storm = guest->storm;
    ws_client_ask(guest->ws, ws_client_join_message(guest->ws, storm->room, "guest", storm->offer),
                  on_joined, guest);
}

static void open_guests(Storm *storm)
{
    for (guint i = 0; i < CLIENTS; i++) {
        storm->guests[i] =
            (Guest){.storm = storm, .ws = ws_client_new(suite_gateway_port(storm->suite))};
        if (!ws_client_open(storm->guests[i].ws, "guest"))
            fail_msg("client %u cannot open a session", i);
    }
}

static gboolean all_are_answered(gpointer user)
{
    return ((Storm *)user)->answered == CLIENTS;
}

static void wait_for_answers(Storm *storm)
{
    if (!suite_until(all_are_answered, storm, PATIENCE_MS))
        fail_msg("%s: only %u of %u are answered", storm->room, storm->answered, CLIENTS);
}

// --- what must be true

static void check_answers(Storm *storm)
{
    for (guint i = 0; i < CLIENTS; i++) {
        const Guest *guest = &storm->guests[i];
        if (guest->code != 200)
            fail_msg("%s: client %u was answered %d: %s", storm->room, i, guest->code,
                     guest->reason);
        const SyncObject *communication = ws_client_communication(guest->ws);
        assert_non_null(communication);
        if (storm->url == NULL)
            storm->url = g_strdup(sync_object_url(communication));
        assert_string_equal(sync_object_url(communication), storm->url);
    }
}

static void check_observers(const Storm *storm, const SyncObject *truth)
{
    for (guint i = 0; i < CLIENTS; i++) {
        char who[32];
        g_snprintf(who, sizeof who, "%s: client %u", storm->room, i);
        truth_assert_held(storm->guests[i].ws, truth, who);
    }
}

static guint count_heals(const Storm *storm)
{
    guint heals = 0;
    for (guint i = 0; i < CLIENTS; i++)
        heals += ws_client_heals(storm->guests[i].ws);
    return heals;
}

// Each is in once, under a number of its own, and was let in by the process that has the room.
static void check_members(const Storm *storm, const Json *data)
{
    g_autoptr(GHashTable) numbers = g_hash_table_new(NULL, NULL);
    const char *media = json_text(json_get_path(data, "placement.media"));
    assert_non_null(media);
    assert_int_equal(json_size(json_get(data, "participants")), CLIENTS);
    for (guint i = 0; i < CLIENTS; i++) {
        const Guest *guest = &storm->guests[i];
        const Json *member =
            json_get(json_get(data, "participants"), ws_client_participant(guest->ws));
        gint number = (gint)json_get_number(member, "number", 0);
        if (number == 0 || !g_hash_table_add(numbers, GINT_TO_POINTER(number)))
            fail_msg("%s: client %u has number %d", storm->room, i, number);
        if (g_strcmp0(guest->media, media) != 0)
            fail_msg("%s: client %u was let in by %s, the room is at %s", storm->room, i,
                     guest->media, media);
    }
}

// The room is found under its name, once (or not at all).
static void check_discovery(const Storm *storm, gint code)
{
    WsClient *ws = storm->guests[0].ws;
    Json *body = json_new_object();
    json_set_text(body, "resource", storm->room);
    g_autoptr(Json) answer =
        ws_client_request(ws, ws_client_message(ws, "read", NULL, DISCOVERY, body));
    if (ws_code(answer) != code)
        fail_msg("%s: discovery answers %d, not %d", storm->room, ws_code(answer), code);
    if (code == 200)
        assert_int_equal(json_size(json_get(answer, "value")), 1);
}

// --- leaving

static void on_left(WsClient *ws, const Json *answer, gpointer user)
{
    Guest *guest = user;
    (void)ws;
    guest->code = ws_code(json_get(answer, "body"));
    guest->storm->answered++;
}

static gboolean is_over(gpointer user)
{
    const Storm *storm = user;
    return storm->destroyed && storm->answered == CLIENTS;
}

static void ask_to_leave(const Guest *guest)
{
    Json *body = json_new_object();
    g_autoptr(Json) params = json_new_array();
    g_autoptr(Json) room = json_new_text(guest->storm->room);
    json_append(params, room);
    json_set_text(body, "method", "leaveRoom");
    json_set(body, "params", params);
    ws_client_ask(guest->ws, ws_client_message(guest->ws, "execute", NULL, CONFERENCE, body),
                  on_left, (gpointer)guest);
}

static void all_leave(Storm *storm)
{
    storm->answered = 0;
    for (guint i = 0; i < CLIENTS; i++)
        ask_to_leave(&storm->guests[i]);
    if (!suite_until(is_over, storm, PATIENCE_MS))
        fail_msg("%s: %u of %u have left, the room is %s", storm->room, storm->answered, CLIENTS,
                 storm->destroyed ? "gone" : "still there");
    for (guint i = 0; i < CLIENTS; i++)
        if (storm->guests[i].code != 200)
            fail_msg("%s: client %u may not leave: %d", storm->room, i, storm->guests[i].code);
}

static void close_guests(Storm *storm)
{
    for (guint i = 0; i < CLIENTS; i++) {
        ws_client_free(storm->guests[i].ws);
        g_free(storm->guests[i].reason);
        g_free(storm->guests[i].media);
        storm->guests[i] = (Guest){0};
    }
}

// --- the story

static void play_round(Storm *storm, guint round)
{
    gint64 start_us = g_get_monotonic_time();
    g_snprintf(storm->room, sizeof storm->room, "storm-%u", round);
    storm->answered = storm->again = storm->steps = 0;
    storm->destroyed = FALSE;
    g_clear_pointer(&storm->url, g_free);
    open_guests(storm);
    for (guint i = 0; i < CLIENTS; i++)
        ask_to_join(&storm->guests[i]);
    for (guint nth = 0; nth < KILLS; nth++)
        kill_and_restart(storm, round, nth);
    wait_for_answers(storm);
    check_answers(storm);
    g_autoptr(SyncObject) truth = truth_read(storm->guests[0].ws);
    check_members(storm, sync_object_data(truth));
    check_observers(storm, truth);
    check_discovery(storm, 200);
    guint heals = count_heals(storm);
    all_leave(storm);
    check_discovery(storm, 404);
    close_guests(storm);
    print_message("# %s: %lu ms, %u asked again, %u healed\n", storm->room,
                  (gulong)(g_get_monotonic_time() - start_us) / 1000, storm->again, heals);
}

static gboolean worker_is_idle(gpointer user)
{
    return ((Storm *)user)->load == 0;
}

static int set_up(void **state)
{
    Storm *storm = g_new0(Storm, 1);
    *state = storm;
    storm->load = -1;
    storm->suite = suite_new();
    g_file_get_contents("tests/fuzz/corpus/sdp/chromium-trimmed", &storm->offer, NULL, NULL);
    suite_start_all(storm->suite);
    watch_bus(storm);
    return storm->offer != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    Storm *storm = *state;
    close_guests(storm);
    suite_free(storm->suite);
    g_free(storm->url);
    g_free(storm->offer);
    g_free(storm);
    return 0;
}

static void whoever_joins_is_in_once_although_the_registry_is_killed_thrice(void **state)
{
    Storm *storm = *state;
    for (guint round = 0; round < ROUNDS; round++)
        play_round(storm, round);
    if (!suite_until(worker_is_idle, storm, IDLE_MS))
        fail_msg("%ld room processes are left over", (glong)storm->load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            whoever_joins_is_in_once_although_the_registry_is_killed_thrice, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
