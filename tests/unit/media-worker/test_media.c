// SPDX-License-Identifier: MIT
// The streaming thread as a whole, through its seam: real datagrams in and out on loopback, two or
// three peers, every rule of the slots and of feedback seen from outside.
#include "wire_client.h"
#include "common/metrics.h"
#include "media-worker/catch_up.h"
#include "media-worker/feedback.h"
#include "media-worker/forward.h"
#include "media-worker/graph.h"
#include "media-worker/ingest.h"
#include "media-worker/media.h"
#include "media-worker/resend.h"
#include "media-worker/roomsink.h"
#include "media-worker/roomsrc.h"

#define EVENTS_MAX 200

typedef struct {
    Media *media;
    struct sockaddr_in address;
    WireClient *ann, *bob, *cat;
    MediaEvent events[EVENTS_MAX];
    guint n_events;
} Room;

static void on_event(const MediaEvent *event, gpointer user)
{
    Room *room = user;
    assert_true(room->n_events < EVENTS_MAX);
    room->events[room->n_events++] = *event;
}

static int open_room(void **state)
{
    Room *room = g_new0(Room, 1);
    int fd = wire_socket(&room->address);
    metrics_reset();
    room->media = media_new(fd, -1, on_event, room, NULL);
    assert_non_null(room->media);
    *state = room;
    return 0;
}

static int open_room_of_three(void **state)
{
    open_room(state);
    Room *room = *state;
    room->ann = wire_join(room->media, &room->address, 1, (WireOptions){0});
    room->bob = wire_join(room->media, &room->address, 2, (WireOptions){0});
    room->cat = wire_join(room->media, &room->address, 3, (WireOptions){.without_rtx = TRUE});
    return 0;
}

static int close_room(void **state)
{
    Room *room = *state;
    WireClient *clients[] = {room->ann, room->bob, room->cat};
    media_free(room->media);
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
        if (clients[i] != NULL)
            wire_free(clients[i]);
    g_free(room);
    return 0;
}

// The event of that type about that peer and index that comes next, within five seconds.
static MediaEvent await(Room *room, MediaEventType type, const WireClient *client, guint index)
{
    gint64 end_us = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
    for (guint i = 0; g_get_monotonic_time() < end_us;) {
        if (i == room->n_events) {
            if (!g_main_context_iteration(NULL, FALSE))
                g_usleep(1000);
            continue;
        }
        MediaEvent *event = &room->events[i++];
        if (event->type != type || event->peer != client->handle || event->index != index)
            continue;
        MediaEvent found = *event;
        event->peer = 0; // used up
        return found;
    }
    fail_msg("no event of type %d", type);
    return (MediaEvent){0};
}

static void watch(WireClient *viewer, guint slot, WireClient *of)
{
    media_assign_slot(viewer->media, viewer->handle, slot, of->handle, VIDEO);
    wire_check(viewer, FALSE);
}

// --- forwarding ----------------------------------------------------------------------------------
static void a_picture_arrives_with_the_receivers_own_numbers(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, FALSE, 2); // before the key frame: nothing
    wire_frame(room->ann, TRUE, 3);
    for (guint i = 0; i < 3; i++) {
        Vp8Descriptor vp8;
        guint8 length;
        const RtpPacket *rtp = wire_next(room->bob);
        assert_int_equal(rtp->ssrc, slot_ssrc(room->bob, SLOT_VIDEO));
        assert_int_equal(rtp->payload_type, slot_payload_type(room->bob, SLOT_VIDEO));
        assert_int_equal(rtp->sequence, 500 + i);
        assert_int_equal(rtp->marker, i == 2);
        assert_int_equal(rtp->n_csrc, 1);
        assert_int_equal(rtp_csrc(rtp, 0), 1);
        assert_memory_equal(rtp_extension(rtp, MID_ID, &length), "sv", 2);
        assert_non_null(rtp_extension(rtp, TWCC_ID, &length));
        assert_int_equal(rtp->payload_length, PAYLOAD);
        assert_int_equal(rtp->payload[PAYLOAD - 1], (guint8)(100 + 1 + 2 + i));
        assert_true(vp8_parse(&vp8, rtp->payload, rtp->payload_length));
        assert_int_equal(vp8.start && vp8.key_frame, i == 0);
    }
    MediaEvent event = await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO);
    assert_int_equal(event.from_number, 1);
    assert_int_equal(event.from_source, VIDEO);
    assert_int_equal(event.from, room->bob->rtp.timestamp);
    event = await(room, MEDIA_EVENT_SOURCE, room->ann, VIDEO);
    assert_true(event.active);
    assert_int_equal(wire_drain(room->cat), 0); // watches nobody
}

static void voices_reach_everybody_else_with_their_level(void **state)
{
    Room *room = *state;
    wire_audio(room->ann, 0x80 | 33);
    await(room, MEDIA_EVENT_SOURCE, room->ann, AUDIO);
    for (guint i = 0; i < 2; i++)
        wire_audio(room->ann, 0x80 | 34);
    WireClient *others[] = {room->bob, room->cat};
    for (guint i = 0; i < 2; i++) {
        guint8 length;
        const RtpPacket *rtp = wire_next(others[i]);
        assert_int_equal(rtp->ssrc, slot_ssrc(others[i], SLOT_AUDIO));
        assert_int_equal(rtp_csrc(rtp, 0), 1);
        assert_int_equal(rtp_extension(rtp, LEVEL_ID, &length)[0] & 0x80, 0x80);
        assert_int_equal(await(room, MEDIA_EVENT_SLOT, others[i], SLOT_AUDIO).from_number, 1);
    }
    assert_int_equal(wire_drain(room->ann), 0);
}

static void a_slot_changes_at_the_key_frame_without_a_gap(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 2);
    wire_next(room->bob);
    wire_next(room->bob);
    guint16 sequence = room->bob->rtp.sequence;
    guint32 timestamp = room->bob->rtp.timestamp;
    Vp8Descriptor before, after;
    vp8_parse(&before, room->bob->rtp.payload, PAYLOAD);
    watch(room->bob, SLOT_VIDEO, room->cat);
    wire_frame(room->cat, FALSE, 2);
    wire_check(room->cat, FALSE); // those are through
    wire_frame(room->ann, FALSE, 1);
    assert_int_equal(rtp_csrc(wire_next(room->bob), 0), 1); // still ann
    assert_int_equal(room->bob->rtp.sequence, ++sequence);
    wire_frame(room->cat, TRUE, 1);
    assert_int_equal(rtp_csrc(wire_next(room->bob), 0), 3);
    assert_int_equal(room->bob->rtp.sequence, ++sequence);
    assert_true(rtp_timestamp_after(room->bob->rtp.timestamp, timestamp) > 0);
    vp8_parse(&after, room->bob->rtp.payload, PAYLOAD);
    assert_int_equal(after.picture_id, (before.picture_id + 2) & 0x7FFF);
    assert_int_equal(after.tl0picidx, (guint8)(before.tl0picidx + 2));
    wire_frame(room->ann, FALSE, 1); // no longer
    wire_check(room->ann, FALSE);
    assert_int_equal(wire_drain(room->bob), 0);
    assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO).from_number, 1);
    assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO).from_number, 3);
}

static void who_leaves_empties_the_slots_that_carried_it(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    watch(room->bob, SLOT_VIDEO2, room->ann);
    wire_frame(room->ann, TRUE, 1);
    wire_next(room->bob);
    media_remove_peer(room->media, room->ann->handle);
    for (guint slot = SLOT_VIDEO; slot <= SLOT_VIDEO2; slot++) {
        assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, slot).from_number, 1);
        assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, slot).from_number, 0);
    }
    wire_frame(room->ann, TRUE, 1); // to deaf ears
    wire_check(room->bob, FALSE);
    assert_int_equal(metrics_get(METRIC_MEDIA_SRTP_UNVALIDATED), 1);
}

static void a_muted_source_is_not_forwarded_and_comes_back_with_a_key_frame(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 1);
    wire_next(room->bob);
    await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO);
    media_mute_source(room->media, room->ann->handle, VIDEO, TRUE);
    assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO).from_number, 0);
    wire_frame(room->ann, TRUE, 1);
    wire_check(room->ann, FALSE);
    assert_int_equal(wire_drain(room->bob), 0);
    media_mute_source(room->media, room->ann->handle, VIDEO, FALSE);
    wire_check(room->ann, FALSE);
    wire_frame(room->ann, FALSE, 1);
    wire_frame(room->ann, TRUE, 1);
    assert_int_equal(wire_next(room->bob)->sequence, 501);
    assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO).from_number, 1);
}

static void an_ssrc_that_was_not_signalled_is_bound_by_its_mid(void **state)
{
    Room *room = *state;
    guint8 data[2048] __attribute__((aligned(8)));
    room->ann = wire_join(room->media, &room->address, 1, (WireOptions){.without_ssrc = TRUE});
    room->bob = wire_join(room->media, &room->address, 2, (WireOptions){0});
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 1); // names nothing
    wire_check(room->ann, FALSE);
    assert_int_equal(metrics_get(METRIC_MEDIA_SSRC_UNKNOWN), 1);
    WirePacket packet = {
        .source = VIDEO, .names_mid = TRUE, .frame_start = TRUE, .key_frame = TRUE, .marker = TRUE};
    wire_send(room->ann, data, wire_build(room->ann, data, packet));
    wire_next(room->bob);
    wire_frame(room->ann, FALSE, 1); // known by now
    assert_int_equal(wire_next(room->bob)->sequence, 501);
}

static void peers_with_either_cipher_meet(void **state)
{
    Room *room = *state;
    room->ann = wire_join(room->media, &room->address, 1, (WireOptions){.only_cm = TRUE});
    room->bob = wire_join(room->media, &room->address, 2, (WireOptions){0});
    watch(room->bob, SLOT_VIDEO, room->ann);
    watch(room->ann, SLOT_VIDEO, room->bob);
    wire_frame(room->ann, TRUE, 2);
    wire_frame(room->bob, TRUE, 2);
    for (guint i = 0; i < 2; i++) {
        assert_int_equal(rtp_csrc(wire_next(room->bob), 0), 1);
        assert_int_equal(rtp_csrc(wire_next(room->ann), 0), 2);
    }
}

static void a_source_that_says_bye_empties_its_slots_until_it_is_back(void **state)
{
    Room *room = *state;
    guint8 data[256] __attribute__((aligned(8)));
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 1);
    wire_next(room->bob);
    await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO);
    RtcpWriter writer = {.data = data, .size = 200};
    rtcp_write_rr(&writer, 1, NULL, 0);
    rtcp_write_bye(&writer, ssrc_of(room->ann, VIDEO));
    wire_rtcp(room->ann, &writer);
    assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO).from_number, 0);
    wire_frame(room->ann, FALSE, 1);
    wire_frame(room->ann, TRUE, 1);
    assert_int_equal(wire_next(room->bob)->sequence, 501);
    assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO).from_number, 1);
}

// --- feedback ------------------------------------------------------------------------------------
static void a_nack_is_answered_by_rtx_with_the_rewritten_packet(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 3);
    guint8 original[PAYLOAD];
    for (guint i = 0; i < 3; i++) {
        const RtpPacket *rtp = wire_next(room->bob);
        if (i == 1)
            memcpy(original, rtp->payload, PAYLOAD);
    }
    guint32 timestamp = room->bob->rtp.timestamp;
    wire_nack(room->bob, SLOT_VIDEO, 501);
    const RtpPacket *rtx = wire_next(room->bob);
    assert_int_equal(rtx->ssrc, slot_ssrc(room->bob, SLOT_VIDEO) + 100);
    assert_int_equal(rtx->payload_type, 90);
    assert_int_equal(rtx->timestamp, timestamp);
    assert_int_equal(rtp_csrc(rtx, 0), 1);
    assert_int_equal(rtp_get16(rtx->payload), 501);
    assert_int_equal(rtx->payload_length, PAYLOAD + 2);
    assert_memory_equal(rtx->payload + 2, original, PAYLOAD);
    wire_nack(room->bob, SLOT_VIDEO, 501); // too soon
    wire_nack(room->bob, SLOT_VIDEO, 777); // was never sent
    assert_int_equal(wire_drain(room->bob), 0);
    assert_int_equal(metrics_get(METRIC_MEDIA_RESENT), 1);
}

static void a_receiver_without_rtx_gets_the_identical_bytes(void **state)
{
    Room *room = *state;
    watch(room->cat, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 1);
    wire_next(room->cat);
    guint8 first[2048];
    gsize length = room->cat->raw_length;
    memcpy(first, room->cat->raw, length);
    wire_nack(room->cat, SLOT_VIDEO, 500);
    wire_next(room->cat);
    assert_int_equal(room->cat->raw_length, length);
    assert_memory_equal(room->cat->raw, first, length);
}

static void a_packet_that_is_missing_is_asked_of_its_sender_and_forwarded_late(void **state)
{
    Room *room = *state;
    guint8 lost[2048] __attribute__((aligned(8)));
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 1);
    gsize length = wire_build(room->ann, lost, (WirePacket){.source = VIDEO});
    wire_frame(room->ann, FALSE, 1);
    wire_next(room->bob);
    assert_int_equal(wire_next(room->bob)->sequence, 502);
    wire_until(room->ann, &room->ann->nacks, 1, 2000);
    assert_int_equal(room->ann->nacks, 1);
    assert_int_equal(room->ann->nacked[0], 101 + 1);
    wire_send(room->ann, lost, length);
    assert_int_equal(wire_next(room->bob)->sequence, 501);
}

static void key_frames_are_asked_for_once_for_all_and_again_until_one_comes(void **state)
{
    Room *room = *state;
    wire_frame(room->ann, FALSE, 1);
    wire_check(room->ann, FALSE);
    watch(room->bob, SLOT_VIDEO, room->ann);
    watch(room->cat, SLOT_VIDEO, room->ann);
    wire_until(room->ann, &room->ann->plis, 2, 250);
    assert_int_equal(room->ann->plis, 1);
    wire_until(room->ann, &room->ann->plis, 2, 2000);
    assert_int_equal(room->ann->plis, 2);
    wire_frame(room->ann, TRUE, 1);
    wire_next(room->bob);
    wire_next(room->cat);
    wire_until(room->ann, &room->ann->plis, 3, 400);
    assert_int_equal(room->ann->plis, 2);
    wire_pli(room->bob, SLOT_VIDEO);
    wire_pli(room->cat, SLOT_VIDEO);
    wire_until(room->ann, &room->ann->plis, 4, 200);
    assert_int_equal(room->ann->plis, 3);
}

// Reads what begins with a key frame of `packets` and goes on with those of a second frame.
static void expect_caught_up(WireClient *viewer, guint packets, guint more)
{
    for (guint i = 0; i < packets + more; i++) {
        Vp8Descriptor vp8;
        const RtpPacket *rtp = wire_next(viewer);
        assert_int_equal(rtp->ssrc, slot_ssrc(viewer, SLOT_VIDEO));
        assert_int_equal(rtp->sequence, 500 + i);
        assert_int_equal(rtp_csrc(rtp, 0), 1);
        assert_true(vp8_parse(&vp8, rtp->payload, rtp->payload_length));
        assert_int_equal(vp8.start && vp8.key_frame, i == 0);
        assert_int_equal(rtp->marker, i == packets - 1 || i == packets + more - 1);
    }
}

static void who_connects_while_a_key_frame_comes_gets_it_with_its_keys(void **state)
{
    Room *room = *state;
    room->ann = wire_join(room->media, &room->address, 1, (WireOptions){0});
    room->bob = wire_join(room->media, &room->address, 2, (WireOptions){.early = TRUE});
    wire_frame(room->ann, FALSE, 1);
    wire_check(room->ann, FALSE);
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_until(room->ann, &room->ann->plis, 1, 2000); // asked for although it cannot be sent yet
    assert_int_equal(room->ann->plis, 1);
    wire_frame(room->ann, TRUE, 3);
    wire_frame(room->ann, FALSE, 2);
    wire_check(room->ann, FALSE);
    SrtpKeys keys = keys_of(room->bob, TRUE);
    media_set_keys(room->media, room->bob->handle, &keys);
    expect_caught_up(room->bob, 3, 2);
    assert_int_equal(await(room, MEDIA_EVENT_SLOT, room->bob, SLOT_VIDEO).from_number, 1);
    wire_frame(room->ann, FALSE, 1);
    assert_int_equal(wire_next(room->bob)->sequence, 505);
    assert_int_equal(metrics_get(METRIC_MEDIA_CAUGHT_UP), 1);
    wire_until(room->ann, &room->ann->plis, 2, 400);
    assert_int_equal(room->ann->plis, 1);
}

static void the_next_viewer_begins_with_the_key_frame_that_has_just_come(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 2);
    wire_frame(room->ann, FALSE, 1);
    expect_caught_up(room->bob, 2, 1); // as it came
    media_assign_slot(room->media, room->cat->handle, SLOT_VIDEO, room->ann->handle, VIDEO);
    expect_caught_up(room->cat, 2, 1); // again
    wire_nack(room->cat, SLOT_VIDEO, 501);
    wire_next(room->cat); // the identical bytes: cat has no RTX
    assert_int_equal(rtp_get16(room->cat->raw + 2), 501);
}

static void a_key_frame_far_back_is_not_sent_again(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 1);
    for (guint i = 0; i < CATCH_UP_PACKETS / 4; i++) {
        wire_frame(room->ann, FALSE, 4);
        wire_drain(room->bob);
    }
    guint plis = room->ann->plis;
    media_assign_slot(room->media, room->cat->handle, SLOT_VIDEO, room->ann->handle, VIDEO);
    assert_int_equal(wire_drain(room->cat), 0);
    wire_until(room->ann, &room->ann->plis, plis + 1, 2000);
    assert_int_equal(room->ann->plis, plis + 1);
    assert_int_equal(metrics_get(METRIC_MEDIA_CAUGHT_UP), 0);
}

static void reports_and_arrivals_go_both_ways(void **state)
{
    Room *room = *state;
    watch(room->bob, SLOT_VIDEO, room->ann);
    wire_frame(room->ann, TRUE, 2);
    wire_next(room->bob);
    wire_until(room->bob, &room->bob->sender_reports, 1, 500); // at once after the switch
    assert_int_equal(room->bob->sender_reports, 1);
    assert_int_equal(room->bob->reported_ssrc, slot_ssrc(room->bob, SLOT_VIDEO));
    assert_true(room->bob->sender_info.packets >= 1);
    gint32 ahead =
        rtp_timestamp_after(room->bob->sender_info.rtp_timestamp, room->bob->rtp.timestamp);
    assert_in_range(ahead + 9000, 0, 2 * 90000);
    wire_until(room->ann, &room->ann->arrivals, 1, 500);
    assert_true(room->ann->arrivals >= 1);
    wire_until(room->ann, &room->ann->reports, 1, 2000);
    assert_true(room->ann->reports >= 1);
}

// --- what must not pass --------------------------------------------------------------------------
static guint64 dropped_in_all(void)
{
    guint64 sum = 0;
    for (Metric metric = METRIC_MEDIA_STUN_MALFORMED; metric <= METRIC_MEDIA_OTHER; metric++)
        sum += metrics_get(metric);
    return sum;
}

static void what_is_forged_or_replayed_or_from_elsewhere_is_dropped_and_counted(void **state)
{
    Room *room = *state;
    guint8 good[2048] __attribute__((aligned(8))), bad[2048] __attribute__((aligned(8)));
    guint8 junk[] = {200, 1, 2, 3, 4};
    struct sockaddr_in own;
    WireClient stranger = {.fd = wire_socket(&own), .room = room->address};
    watch(room->bob, SLOT_VIDEO, room->ann);
    WirePacket packet = {.source = VIDEO, .frame_start = TRUE, .key_frame = TRUE, .marker = TRUE};
    gsize length = wire_build(room->ann, good, packet);
    memcpy(bad, good, length);
    bad[length - 1] ^= 1;
    wire_send(room->ann, bad, length);
    wire_send(&stranger, good, length);
    wire_send(room->ann, good, length);
    wire_next(room->bob);
    wire_send(room->ann, good, length);
    wire_send(room->ann, junk, sizeof junk);
    StunRequest request = room->ann->request;
    request.password = "not-that-password-here";
    wire_send(&stranger, bad, stun_request_build(bad, &request));
    request.username = "nobody:them";
    wire_send(&stranger, bad, stun_request_build(bad, &request));
    memset(bad, 22, 100); // DTLS
    wire_send(&stranger, bad, 100);
    assert_int_equal(wire_drain(room->bob), 0);
    static const Metric once[] = {METRIC_MEDIA_SRTP_FORGED,
                                  METRIC_MEDIA_SRTP_REPLAYED,
                                  METRIC_MEDIA_SRTP_UNVALIDATED,
                                  METRIC_MEDIA_DTLS_UNVALIDATED,
                                  METRIC_MEDIA_STUN_FORGED,
                                  METRIC_MEDIA_STUN_UNKNOWN_USER,
                                  METRIC_MEDIA_OTHER};
    for (guint i = 0; i < G_N_ELEMENTS(once); i++)
        assert_int_equal(metrics_get(once[i]), 1);
    assert_int_equal(metrics_get(METRIC_MEDIA_RECEIVED),
                     metrics_get(METRIC_MEDIA_USED) + dropped_in_all());
    close(stranger.fd);
}

static void a_handshakes_datagrams_go_up_and_down_from_the_first_check(void **state)
{
    Room *room = *state;
    guint8 data[100] = {22, 254, 253}, answer[100];
    room->ann = wire_join(room->media, &room->address, 1, (WireOptions){.early = TRUE});
    assert_string_equal(await(room, MEDIA_EVENT_ICE, room->ann, 0).ice, "connected");
    for (guint i = 0; i < 2 * LIMIT_DTLS_HELD; i++) // nobody takes them meanwhile
        wire_send(room->ann, data, sizeof data);
    wire_check(room->ann, FALSE);
    assert_int_equal(metrics_get(METRIC_MEDIA_DTLS_CROWDED), LIMIT_DTLS_HELD);
    MediaEvent event = await(room, MEDIA_EVENT_DTLS, room->ann, 0);
    assert_int_equal(event.length, sizeof data);
    assert_memory_equal(event.data, data, sizeof data);
    media_send_dtls(room->media, room->ann->handle, data, 50);
    assert_int_equal(recv(room->ann->fd, answer, sizeof answer, 0), 50);
    guint8 early[2048] __attribute__((aligned(8)));
    wire_send(room->ann, early, wire_build(room->ann, early, (WirePacket){.source = AUDIO}));
    wire_check(room->ann, FALSE);
    assert_int_equal(metrics_get(METRIC_MEDIA_SRTP_EARLY), 1);
}

static void media_follows_the_pair_that_is_nominated(void **state)
{
    Room *room = *state;
    struct sockaddr_in own;
    int before = room->bob->fd;
    watch(room->bob, SLOT_VIDEO, room->ann);
    room->bob->fd = wire_socket(&own);
    wire_check(room->bob, FALSE); // a second pair, not nominated
    wire_frame(room->ann, TRUE, 1);
    guint8 data[2048];
    assert_true(recv(before, data, sizeof data, 0) > 0);
    wire_check(room->bob, TRUE);
    wire_frame(room->ann, FALSE, 1);
    assert_int_equal(wire_next(room->bob)->sequence, 501);
    close(before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_room_of_three, close_room)
#define TEST_EMPTY(name) cmocka_unit_test_setup_teardown(name, open_room, close_room)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_picture_arrives_with_the_receivers_own_numbers),
        TEST(voices_reach_everybody_else_with_their_level),
        TEST(a_slot_changes_at_the_key_frame_without_a_gap),
        TEST(who_leaves_empties_the_slots_that_carried_it),
        TEST(a_muted_source_is_not_forwarded_and_comes_back_with_a_key_frame),
        TEST_EMPTY(an_ssrc_that_was_not_signalled_is_bound_by_its_mid),
        TEST_EMPTY(peers_with_either_cipher_meet),
        TEST(a_source_that_says_bye_empties_its_slots_until_it_is_back),
        TEST(a_nack_is_answered_by_rtx_with_the_rewritten_packet),
        TEST(a_receiver_without_rtx_gets_the_identical_bytes),
        TEST(a_packet_that_is_missing_is_asked_of_its_sender_and_forwarded_late),
        TEST(key_frames_are_asked_for_once_for_all_and_again_until_one_comes),
        TEST_EMPTY(who_connects_while_a_key_frame_comes_gets_it_with_its_keys),
        TEST(the_next_viewer_begins_with_the_key_frame_that_has_just_come),
        TEST(a_key_frame_far_back_is_not_sent_again),
        TEST(reports_and_arrivals_go_both_ways),
        TEST(what_is_forged_or_replayed_or_from_elsewhere_is_dropped_and_counted),
        TEST_EMPTY(a_handshakes_datagrams_go_up_and_down_from_the_first_check),
        TEST(media_follows_the_pair_that_is_nominated),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
