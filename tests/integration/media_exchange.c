// SPDX-License-Identifier: MIT
// Native peers in a room: everybody gets everybody, under the right name; wishes, muting, leaving,
// coming back, and a bus that is away.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include "load/native_peer.h"
#include "tests/support/stage.h"

#define WAIT_MS 8000
#define SWITCH_MS 500 // from a wish to its picture, key frame included

// Ann, Bob and Cyd, numbered 1 to 3; NULL: not in.
typedef struct {
    Suite *suite;
    Stage *stage;
    const char *media;
    NativePeer *peers[4];
} Call;

static const char *const names[] = {NULL, "ann", "bob", "cyd"};

static int setup(void **state)
{
    Call *call = g_new0(Call, 1);
    call->suite = suite_new();
    call->stage = stage_new(call->suite);
    call->media = stage_place(call->stage, "demo", 1);
    *state = call;
    return 0;
}

static int teardown(void **state)
{
    Call *call = *state;
    for (guint i = 1; i < G_N_ELEMENTS(call->peers); i++)
        native_peer_free(call->peers[i]);
    stage_free(call->stage);
    suite_free(call->suite);
    g_free(call);
    return 0;
}

static gboolean is_ready(gpointer user)
{
    return native_peer_state(user) == NATIVE_READY;
}

static const char *sdp_of(const Json *body)
{
    return json_text(json_get_path(json_get(body, "value"), "data.connectionDescription.sdp"));
}

static void enter(Call *call, guint number, guint video_slots)
{
    const NativeSettings settings = {.label = number, .audio_slots = 3, .video_slots = video_slots};
    NativePeer *peer = native_peer_new(&settings);
    g_autoptr(Json) body =
        stage_join(call->stage, "demo", names[number], number, native_peer_offer(peer));
    call->peers[number] = peer;
    assert_true(native_peer_answer(peer, sdp_of(body)));
    assert_true(suite_until(is_ready, peer, WAIT_MS));
    native_peer_send(peer, TRUE, TRUE);
}

typedef struct {
    const Call *call;
    guint receiver, of;
    guint64 packets; // at least so many
} Expected;

// A member of what the slot's data say.
static const Json *told(const Expected *expected, const NativeSlot *slot, const char *member)
{
    g_autofree char *path = g_strdup_printf("slots.%s.%s", slot->mid, member);
    return json_get_path(stage_answer(expected->call->stage, names[expected->receiver]), path);
}

// The slot that is told to carry `of`; NULL: none.
static const NativeSlot *slot_of(const Expected *expected)
{
    const NativePeer *receiver = expected->call->peers[expected->receiver];
    const NativeSlot *slot = NULL;
    for (guint i = 0; (slot = native_peer_video_slot(receiver, i)) != NULL; i++)
        if (g_strcmp0(json_text(told(expected, slot, "participant")), names[expected->of]) == 0)
            return slot;
    return NULL;
}

// It is told so, and packets say the same.
static gboolean is_seen(gpointer user)
{
    const Expected *expected = user;
    const NativeSlot *slot = slot_of(expected);
    return slot != NULL && slot->packets >= expected->packets && slot->label == expected->of &&
           slot->csrc == expected->of;
}

static gboolean is_gone(gpointer user)
{
    return slot_of(user) == NULL;
}

static gboolean is_heard(gpointer user)
{
    const Expected *expected = user;
    for (guint i = 0; i < 3; i++) {
        const NativeSlot *slot =
            native_peer_audio_slot(expected->call->peers[expected->receiver], i);
        if (slot->label == expected->of && slot->packets >= expected->packets)
            return TRUE;
    }
    return FALSE;
}

static void assert_no_faults(const Call *call)
{
    for (guint i = 1; i < G_N_ELEMENTS(call->peers); i++)
        if (call->peers[i] != NULL)
            assert_int_equal(native_peer_faults(call->peers[i]), 0);
}

static guint threads_of(const Call *call)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", stage_pid(call->stage, call->media));
    g_autoptr(GDir) tasks = g_dir_open(path, 0, NULL);
    guint count = 0;
    assert_non_null(tasks);
    while (g_dir_read_name(tasks) != NULL)
        count++;
    return count;
}

static void threads_do_not_grow_with_participants(void **state)
{
    Call *call = *state;
    enter(call, 1, 1);
    guint threads = threads_of(call);
    enter(call, 2, 1);
    enter(call, 3, 1);
    assert_int_equal(threads_of(call), threads);
    assert_true(threads <= 8);
}

static void everybody_sees_and_hears_everybody_under_the_right_name(void **state)
{
    Call *call = *state;
    for (guint number = 1; number <= 3; number++)
        enter(call, number, 3);
    for (guint receiver = 1; receiver <= 3; receiver++) {
        Expected first = {call, receiver, receiver == 1 ? 2 : 1, 100};
        Expected second = {call, receiver, receiver == 3 ? 2 : 3, 100};
        assert_true(suite_until(is_seen, &first, WAIT_MS));
        assert_true(suite_until(is_seen, &second, WAIT_MS));
        assert_true(suite_until(is_heard, &first, WAIT_MS));
        assert_true(suite_until(is_heard, &second, WAIT_MS));
        assert_true(stage_until_answer(call->stage, names[receiver], "dtls", "connected"));
        assert_true(stage_until_answer(call->stage, names[receiver], "status", "connected"));
    }
    assert_no_faults(call);
}

static void wish_for(const Call *call, guint who, guint of)
{
    Json *map = json_new_object();
    g_autoptr(Json) wish = json_new_object();
    json_set_text(wish, "size", "large");
    json_set(map, names[of], wish);
    stage_client_change(call->stage, names[who], "watch", map);
}

static void the_only_slot_follows_the_wish(void **state)
{
    Call *call = *state;
    enter(call, 1, 1);
    enter(call, 2, 0);
    enter(call, 3, 0);
    const NativeSlot *slot = native_peer_video_slot(call->peers[1], 0);
    for (guint round = 0; round < 6; round++) {
        Expected wanted = {call, 1, round % 2 == 0 ? 3 : 2, 1};
        guint switches = slot->switches;
        wish_for(call, 1, wanted.of);
        assert_true(suite_until(is_seen, &wanted, round == 0 ? WAIT_MS : SWITCH_MS));
        if (slot->switches > switches)
            assert_int_equal(json_number(told(&wanted, slot, "from"), 0), slot->switch_timestamp);
    }
    assert_no_faults(call);
}

static void whoever_leaves_leaves_an_empty_slot_that_is_filled_again(void **state)
{
    Call *call = *state;
    enter(call, 1, 2);
    enter(call, 2, 0);
    Expected bob = {call, 1, 2, 20};
    assert_true(suite_until(is_seen, &bob, WAIT_MS));
    stage_change(call->stage, "demo", "participants.bob", NULL);
    assert_true(suite_until(is_gone, &bob, WAIT_MS));
    enter(call, 3, 0);
    Expected cyd = {call, 1, 3, 20};
    assert_true(suite_until(is_seen, &cyd, WAIT_MS));
    assert_no_faults(call);
}

static void a_muted_camera_leaves_its_slot_and_comes_back(void **state)
{
    Call *call = *state;
    enter(call, 1, 1);
    enter(call, 2, 0);
    Expected bob = {call, 1, 2, 20};
    assert_true(suite_until(is_seen, &bob, WAIT_MS));
    const char *text = "[{\"type\":\"video\",\"direction\":\"in\"}]";
    stage_change(call->stage, "demo", "participants.bob.resources",
                 json_parse(text, strlen(text), 100, NULL));
    assert_true(suite_until(is_gone, &bob, WAIT_MS));
    stage_change(call->stage, "demo", "participants.bob.resources", json_new_array());
    assert_true(suite_until(is_seen, &bob, WAIT_MS));
    assert_no_faults(call);
}

static void a_new_offer_of_the_same_participant_takes_its_place(void **state)
{
    Call *call = *state;
    enter(call, 1, 1);
    enter(call, 2, 1);
    Expected bob = {call, 1, 2, 20};
    assert_true(suite_until(is_seen, &bob, WAIT_MS));
    native_peer_free(g_steal_pointer(&call->peers[2]));
    enter(call, 2, 1);
    bob.packets = native_peer_video_slot(call->peers[1], 0)->packets + 50;
    assert_true(suite_until(is_seen, &bob, WAIT_MS));
    Expected ann = {call, 2, 1, 20};
    assert_true(suite_until(is_seen, &ann, WAIT_MS));
    assert_no_faults(call);
}

static gboolean tells_bob_as_silent(gpointer user)
{
    const Call *call = user;
    const Json *silent = json_get_path(stage_presence(call->stage, call->media), "room.silent");
    return json_size(silent) == 1 && g_strcmp0(json_text(json_at(silent, 0)), "bob") == 0;
}

static void who_vanishes_without_a_word_is_told_as_silent(void **state)
{
    Call *call = *state;
    enter(call, 1, 1);
    enter(call, 2, 1);
    Expected bob = {call, 1, 2, 20};
    assert_true(suite_until(is_seen, &bob, WAIT_MS));
    native_peer_free(g_steal_pointer(&call->peers[2]));
    assert_true(suite_until(tells_bob_as_silent, call, 2 * WAIT_MS));
}

static void on_speakers(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)request;
    g_autoptr(Json) value = envelope_value(message);
    const Json *first = json_at(json_get(value, "speakers"), 0);
    if (json_get_text(first, "participant") != NULL)
        g_strlcpy(user, json_get_text(first, "participant"), 8);
}

static gboolean is_bob(gpointer user)
{
    return strcmp(user, "bob") == 0;
}

static void the_context_tells_who_speaks(void **state)
{
    Call *call = *state;
    char loudest[8] = "";
    bus_route(suite_bus(call->suite), "ctxt://localhost/room/demo/changes ", on_speakers, loudest);
    enter(call, 1, 1);
    enter(call, 2, 1);
    native_peer_set_level(call->peers[1], 60);
    native_peer_set_level(call->peers[2], 10);
    assert_true(suite_until(is_bob, loudest, WAIT_MS));
    bus_unroute(suite_bus(call->suite), "ctxt://localhost/room/demo/changes ", on_speakers,
                loudest);
}

static gboolean has_passed(gpointer until)
{
    return g_get_monotonic_time() >= *(const gint64 *)until;
}

static void a_call_goes_on_without_the_bus_and_no_slot_changes(void **state)
{
    Call *call = *state;
    enter(call, 1, 1);
    enter(call, 2, 0);
    enter(call, 3, 0);
    Expected seen = {call, 1, 2, 20};
    wish_for(call, 1, 2);
    assert_true(suite_until(is_seen, &seen, WAIT_MS));
    suite_kill(call->suite, "bus", SIGKILL);
    guint switches = native_peer_video_slot(call->peers[1], 0)->switches;
    gint64 until = g_get_monotonic_time() + 3 * G_USEC_PER_SEC;
    native_peer_set_level(call->peers[3], 5);
    suite_until(has_passed, &until, 4000);
    assert_int_equal(native_peer_video_slot(call->peers[1], 0)->switches, switches);
    assert_true(native_peer_video_slot(call->peers[1], 0)->longest_gap_us < 500 * 1000);
    suite_start(call->suite, "bus", "bus", NULL);
    wish_for(call, 1, 3);
    seen = (Expected){call, 1, 3, 20};
    assert_true(suite_until(is_seen, &seen, 2 * WAIT_MS));
    assert_no_faults(call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_sees_and_hears_everybody_under_the_right_name),
        TEST(threads_do_not_grow_with_participants),
        TEST(the_only_slot_follows_the_wish),
        TEST(whoever_leaves_leaves_an_empty_slot_that_is_filled_again),
        TEST(a_muted_camera_leaves_its_slot_and_comes_back),
        TEST(a_new_offer_of_the_same_participant_takes_its_place),
        TEST(who_vanishes_without_a_word_is_told_as_silent),
        TEST(the_context_tells_who_speaks),
        TEST(a_call_goes_on_without_the_bus_and_no_slot_changes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
