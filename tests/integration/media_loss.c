// SPDX-License-Identifier: MIT
// Two native peers in a real room that lose 5 % of all datagrams both ways: what is lost is sent
// again, by RTX or as the identical bytes, and nothing comes twice or wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "load/native_peer.h"
#include "tests/support/stage.h"

#define WAIT_MS 30000
#define LOSS 5 // per cent
#define FRAMES 200

typedef struct {
    Suite *suite;
    Stage *stage;
    NativePeer *peers[2];
} Call;

static int setup(void **state)
{
    Call *call = g_new0(Call, 1);
    call->suite = suite_new();
    call->stage = stage_new(call->suite);
    stage_place(call->stage, "demo", 1);
    g_random_set_seed(5);
    *state = call;
    return 0;
}

static int teardown(void **state)
{
    Call *call = *state;
    for (guint i = 0; i < G_N_ELEMENTS(call->peers); i++)
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

static void enter(Call *call, guint number, NativeSettings settings)
{
    static const char *const names[] = {NULL, "ann", "bob"};
    settings.label = number;
    settings.audio_slots = settings.video_slots = 1;
    settings.loss_in = settings.loss_out = LOSS;
    NativePeer *peer = call->peers[number - 1] = native_peer_new(&settings);
    g_autoptr(Json) body =
        stage_join(call->stage, "demo", names[number], number, native_peer_offer(peer));
    const Json *sdp = json_get_path(json_get(body, "value"), "data.connectionDescription.sdp");
    assert_true(native_peer_answer(peer, json_text(sdp)));
    assert_true(suite_until(is_ready, peer, WAIT_MS));
    native_peer_send(peer, TRUE, TRUE);
}

static gboolean has_frames(gpointer user)
{
    return native_peer_video_slot(user, 0)->frames >= FRAMES;
}

static void assert_sound(const NativePeer *peer, gboolean rtx)
{
    const NativeSlot *video = native_peer_video_slot(peer, 0);
    const NativeCounts *counts = native_peer_counts(peer);
    guint64 expected = video->packets + video->lost;
    assert_int_equal(native_peer_faults(peer), 0);
    assert_true(video->asked > 0 && counts->resent > 0);
    assert_int_equal(video->recovered > 0, rtx);
    assert_true(video->lost * 100 < expected); // of 10 % on the two ways, less than 1 % is missing
    assert_true(counts->twcc_lost > 0 && counts->twcc_received > counts->twcc_lost * 10);
    assert_true(video->longest_gap_us < 1000000);
}

static void lossy_call(Call *call, NativeSettings settings)
{
    enter(call, 1, settings);
    enter(call, 2, settings);
    for (guint i = 0; i < G_N_ELEMENTS(call->peers); i++)
        assert_true(suite_until(has_frames, call->peers[i], WAIT_MS));
    for (guint i = 0; i < G_N_ELEMENTS(call->peers); i++)
        assert_sound(call->peers[i], !settings.no_rtx);
}

static void what_is_lost_is_sent_again_by_rtx(void **state)
{
    lossy_call(*state, (NativeSettings){0});
}

static void peers_without_gcm_get_it_too(void **state)
{
    lossy_call(*state, (NativeSettings){.only_cm = TRUE, .paced = TRUE});
}

static void peers_without_rtx_get_the_identical_bytes(void **state)
{
    lossy_call(*state, (NativeSettings){.no_rtx = TRUE});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_lost_is_sent_again_by_rtx, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_without_gcm_get_it_too, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_without_rtx_get_the_identical_bytes, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
