// SPDX-License-Identifier: MIT
// Pairs, SSRCs and layers of peers, without a socket.
#include "media-worker/peer.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SECOND G_USEC_PER_SEC

static Peer *add(Peers *peers, MediaPeer handle, const char *ufrag)
{
    MediaPeerDescription *description = g_new0(MediaPeerDescription, 1);
    description->number = handle;
    g_strlcpy(description->local_ufrag, ufrag, sizeof description->local_ufrag);
    description->n_sources = 1;
    description->sources = g_new0(MediaSource, 1);
    description->sources[0] = (MediaSource){.mid = "v",
                                            .kind = MEDIA_VIDEO,
                                            .payload_type = 96,
                                            .rtx_payload_type = 97,
                                            .clock_rate = 90000};
    description->n_slots = 1;
    description->slots = g_new0(MediaSlot, 1);
    description->slots[0] =
        (MediaSlot){.mid = "s", .kind = MEDIA_VIDEO, .clock_rate = 90000, .ssrc = 1000 + handle};
    Peer *peer = peer_new(handle, description, SECOND);
    peers_add(peers, peer);
    return peer;
}

static PeerCheck check_from(guint16 port, gboolean nominated, gint64 now_us)
{
    PeerCheck check = {.nominated = nominated, .now_us = now_us};
    check.path.remote.v4.sin_family = AF_INET;
    check.path.remote.v4.sin_port = htons(port);
    return check;
}

static gboolean checks(Peers *peers, Peer *peer, guint16 port, gboolean nominated)
{
    PeerCheck check = check_from(port, nominated, SECOND);
    return peers_pair_checked(peers, peer, &check);
}

static void the_first_pair_is_selected_and_later_ones_when_nominated(void **state)
{
    (void)state;
    g_autoptr(Peers) peers = peers_new();
    Peer *ann = add(peers, 1, "ann");
    assert_false(ann->has_path);
    assert_true(checks(peers, ann, 5000, FALSE));
    assert_true(checks(peers, ann, 5001, FALSE));
    assert_int_equal(ann->path.remote.v4.sin_port, htons(5000));
    assert_true(checks(peers, ann, 5001, TRUE));
    assert_int_equal(ann->path.remote.v4.sin_port, htons(5001));
    PeerCheck first = check_from(5000, FALSE, 0);
    assert_ptr_equal(peers_by_path(peers, &first.path), ann); // still valid
}

static void a_peers_address_cannot_be_taken_while_it_is_heard(void **state)
{
    (void)state;
    g_autoptr(Peers) peers = peers_new();
    Peer *ann = add(peers, 1, "ann"), *bob = add(peers, 2, "bob");
    assert_true(checks(peers, ann, 5000, TRUE));
    assert_false(checks(peers, bob, 5000, TRUE));
    PeerCheck later = check_from(5000, TRUE, ann->heard_us + 6 * SECOND);
    assert_true(peers_pair_checked(peers, bob, &later));
    assert_ptr_equal(peers_by_path(peers, &later.path), bob);
}

static void only_so_many_pairs_are_kept_and_the_selected_one_among_them(void **state)
{
    (void)state;
    g_autoptr(Peers) peers = peers_new();
    Peer *ann = add(peers, 1, "ann");
    for (guint16 i = 0; i < 100; i++)
        assert_true(checks(peers, ann, (guint16)(5000 + i), FALSE));
    assert_int_equal(ann->n_pairs, LIMIT_ICE_PAIRS_PER_PEER);
    PeerCheck first = check_from(5000, FALSE, 0), second = check_from(5001, FALSE, 0);
    assert_ptr_equal(peers_by_path(peers, &first.path), ann);
    assert_null(peers_by_path(peers, &second.path));
}

static void a_removed_peer_is_found_no_more(void **state)
{
    (void)state;
    g_autoptr(Peers) peers = peers_new();
    Peer *ann = add(peers, 1, "ann");
    checks(peers, ann, 5000, TRUE);
    assert_ptr_equal(peers_by_ufrag(peers, "anne", 3), ann);
    peers_remove(peers, ann);
    PeerCheck check = check_from(5000, FALSE, 0);
    assert_null(peers_by_path(peers, &check.path));
    assert_null(peers_by_ufrag(peers, "ann", 3));
    assert_null(peers_find(peers, 1));
    assert_int_equal(peers_count(peers), 0);
}

static void the_layer_heard_first_is_taken_until_it_falls_silent(void **state)
{
    (void)state;
    g_autoptr(Peers) peers = peers_new();
    PeerSource *camera = &add(peers, 1, "ann")->sources[0];
    PeerBinding low = {.ssrc = 1, .source = camera, .rid = "q"};
    PeerBinding high = {.ssrc = 2, .source = camera, .rid = "f"};
    PeerBinding low_rtx = {.ssrc = 3, .source = camera, .rid = "q", .is_rtx = TRUE};
    assert_false(peer_takes_layer(camera, &low_rtx)); // of nothing yet
    assert_true(peer_takes_layer(camera, &low));
    camera->active = TRUE;
    assert_false(peer_takes_layer(camera, &high));
    assert_true(peer_takes_layer(camera, &low_rtx));
    camera->active = FALSE;
    assert_true(peer_takes_layer(camera, &high));
    assert_int_equal(camera->ssrc, 2);
}

static void ssrcs_are_bound_up_to_a_limit(void **state)
{
    (void)state;
    g_autoptr(Peers) peers = peers_new();
    Peer *ann = add(peers, 1, "ann");
    for (guint i = 0; i < LIMIT_SSRCS_PER_PEER; i++)
        assert_non_null(peer_bind(ann, &(PeerBinding){.ssrc = 100 + i, .source = ann->sources}));
    assert_null(peer_bind(ann, &(PeerBinding){.ssrc = 99, .source = ann->sources}));
    assert_non_null(peer_binding(ann, 131));
    assert_ptr_equal(peer_source_by_mid(ann, (const guint8 *)"vx", 1), ann->sources);
    assert_null(peer_source_by_mid(ann, (const guint8 *)"vx", 2));
    assert_ptr_equal(peer_slot(ann, 1001), ann->slots);
    assert_null(peer_slot(ann, 1002));
}

static void a_description_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    MediaPeerDescription *description = g_new0(MediaPeerDescription, 1);
    description->n_slots = LIMIT_SLOTS_PER_PEER + 1;
    assert_null(peer_new(1, description, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_pair_is_selected_and_later_ones_when_nominated),
        cmocka_unit_test(a_peers_address_cannot_be_taken_while_it_is_heard),
        cmocka_unit_test(only_so_many_pairs_are_kept_and_the_selected_one_among_them),
        cmocka_unit_test(a_removed_peer_is_found_no_more),
        cmocka_unit_test(the_layer_heard_first_is_taken_until_it_falls_silent),
        cmocka_unit_test(ssrcs_are_bound_up_to_a_limit),
        cmocka_unit_test(a_description_beyond_the_limits_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
