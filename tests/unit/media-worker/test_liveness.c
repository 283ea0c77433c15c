// SPDX-License-Identifier: MIT
// Who is heard, who falls silent, who speaks: on a hub whose clock the test turns.
#include "media-worker/hub.h"
#include "media-worker/liveness.h"
#include "media-worker/streaming.h"
#include "media-worker/subscribe.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
    Ring *commands, *events;
    Streaming *streaming;
    Hub *hub;
} Fixture;

static void command(Fixture *fixture, Command values, MediaPeerDescription *description)
{
    Command *command = g_memdup2(&values, sizeof values);
    command->description = description;
    ring_keep(fixture->commands, command);
    streaming_carry_out(fixture->streaming);
}

static Peer *add(Fixture *fixture, MediaPeer handle)
{
    MediaPeerDescription *description = g_new0(MediaPeerDescription, 1);
    description->number = handle;
    description->n_sources = 1;
    description->sources = g_new0(MediaSource, 1);
    description->sources[0] =
        (MediaSource){.mid = "a", .kind = MEDIA_AUDIO, .clock_rate = 48000, .ssrc = handle};
    description->n_slots = 2;
    description->slots = g_new0(MediaSlot, 2);
    for (guint i = 0; i < 2; i++)
        description->slots[i] =
            (MediaSlot){.kind = MEDIA_AUDIO, .clock_rate = 48000, .ssrc = 100 * handle + i};
    command(fixture, (Command){.type = COMMAND_ADD_PEER, .peer = handle}, description);
    return peers_find(fixture->hub->peers, handle);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->commands = ring_new(16, command_free, NULL);
    fixture->events = ring_new(64, hub_event_free, NULL);
    fixture->streaming = streaming_new(-1, -1, fixture->commands, fixture->events);
    fixture->hub = streaming_hub(fixture->streaming);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    streaming_free(fixture->streaming);
    ring_free(fixture->commands);
    ring_free(fixture->events);
    g_free(fixture);
    return 0;
}

static void pass(Fixture *fixture, gint milliseconds)
{
    fixture->hub->now_us += milliseconds * G_GINT64_CONSTANT(1000);
    liveness_run(fixture->hub);
    subscribe_run(fixture->hub);
}

// The next event of that type; the ones before it are dropped.
static gboolean next(Fixture *fixture, MediaEventType type, MediaEvent *ret_event)
{
    HubEvent *event;
    gboolean found = FALSE;
    while (!found && (event = ring_pop(fixture->events)) != NULL) {
        found = event->event.type == type;
        *ret_event = event->event;
        hub_event_free(event);
    }
    return found;
}

static void a_peer_is_connected_when_heard_and_silent_after_five_seconds(void **state)
{
    Fixture *fixture = *state;
    MediaEvent event;
    Peer *ann = add(fixture, 1);
    liveness_peer_heard(fixture->hub, ann);
    assert_true(next(fixture, MEDIA_EVENT_ICE, &event));
    assert_string_equal(event.ice, "connected");
    pass(fixture, 4900);
    assert_false(next(fixture, MEDIA_EVENT_ICE, &event));
    pass(fixture, 400);
    assert_true(next(fixture, MEDIA_EVENT_ICE, &event));
    assert_string_equal(event.ice, "disconnected");
    assert_true(next(fixture, MEDIA_EVENT_SILENCE, &event));
    assert_true(event.silent);
    liveness_peer_heard(fixture->hub, ann);
    assert_true(next(fixture, MEDIA_EVENT_ICE, &event));
    assert_string_equal(event.ice, "connected");
    assert_true(next(fixture, MEDIA_EVENT_SILENCE, &event));
    assert_false(event.silent);
}

static void who_never_comes_is_silent_too(void **state)
{
    Fixture *fixture = *state;
    MediaEvent event;
    add(fixture, 1);
    pass(fixture, 5300);
    assert_true(next(fixture, MEDIA_EVENT_SILENCE, &event));
    assert_int_equal(event.peer, 1);
}

static void nothing_is_sent_to_who_has_been_silent_for_thirty_seconds(void **state)
{
    Fixture *fixture = *state;
    Peer *ann = add(fixture, 1);
    ann->has_path = TRUE;
    pass(fixture, 29000);
    assert_true(ann->has_path);
    pass(fixture, 1500);
    assert_false(ann->has_path);
}

static void a_source_is_active_until_two_seconds_of_silence(void **state)
{
    Fixture *fixture = *state;
    MediaEvent event;
    Peer *ann = add(fixture, 1);
    liveness_source_heard(fixture->hub, &ann->sources[0]);
    assert_true(next(fixture, MEDIA_EVENT_SOURCE, &event));
    assert_true(event.active);
    pass(fixture, 1900);
    assert_false(next(fixture, MEDIA_EVENT_SOURCE, &event));
    pass(fixture, 300);
    assert_true(next(fixture, MEDIA_EVENT_SOURCE, &event));
    assert_false(event.active);
}

static void speak(Fixture *fixture, Peer *peer, guint8 level)
{
    liveness_source_heard(fixture->hub, &peer->sources[0]);
    voice_heard(&peer->sources[0].voice, level, fixture->hub->now_us);
}

static void slots_go_to_the_loudest_and_the_room_is_told_who_speaks(void **state)
{
    Fixture *fixture = *state;
    MediaEvent event;
    Peer *peers[5];
    for (guint i = 0; i < 5; i++)
        peers[i] = add(fixture, i + 1);
    for (guint k = 0; k < 25; k++) { // 3 and 4 speak
        for (guint i = 0; i < 5; i++)
            speak(fixture, peers[i], i == 2 || i == 3 ? 20 : 127);
        pass(fixture, 20);
    }
    PeerSource *wanted[] = {peers[0]->slots[0].wanted, peers[0]->slots[1].wanted};
    assert_true(wanted[0] != wanted[1]);
    for (guint i = 0; i < 2; i++)
        assert_true(wanted[i] == &peers[2]->sources[0] || wanted[i] == &peers[3]->sources[0]);
    assert_true(next(fixture, MEDIA_EVENT_SPEAKERS, &event));
    while (next(fixture, MEDIA_EVENT_SPEAKERS, &event))
        ;
    assert_int_equal(fixture->hub->speaking[0] + fixture->hub->speaking[1], 3 + 4);
    assert_int_equal(fixture->hub->speaking[2], 0);
    command(fixture, (Command){.type = COMMAND_MUTE_SOURCE, .peer = 3, .muted = TRUE}, NULL);
    pass(fixture, 20);
    for (guint i = 0; i < 2; i++)
        assert_ptr_not_equal(peers[0]->slots[i].wanted, &peers[2]->sources[0]);
    const PeerSource *gone = &peers[3]->sources[0];
    command(fixture, (Command){.type = COMMAND_REMOVE_PEER, .peer = 4}, NULL);
    pass(fixture, 20);
    for (guint i = 0; i < 2; i++)
        assert_ptr_not_equal(peers[0]->slots[i].wanted, gone);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_peer_is_connected_when_heard_and_silent_after_five_seconds),
        TEST(who_never_comes_is_silent_too),
        TEST(nothing_is_sent_to_who_has_been_silent_for_thirty_seconds),
        TEST(a_source_is_active_until_two_seconds_of_silence),
        TEST(slots_go_to_the_loudest_and_the_room_is_told_who_speaks),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
