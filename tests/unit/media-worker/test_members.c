// SPDX-License-Identifier: MIT
// Members and their video slots, with a Media that only writes down what it is asked for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "media-worker/members.h"

struct Media {
    GString *asked;
    MediaPeer last;
};

static Media media;

MediaPeer media_add_peer(Media *of, MediaPeerDescription *description)
{
    g_free(description->sources);
    g_free(description->slots);
    g_free(description);
    return ++of->last;
}

void media_remove_peer(Media *of, MediaPeer peer)
{
    g_string_append_printf(of->asked, "remove %u; ", peer);
}

void media_assign_slot(Media *of, MediaPeer peer, guint slot, MediaPeer from, guint source)
{
    g_string_append_printf(of->asked, "%u.%u=%u.%u; ", peer, slot, from, source);
}

void media_mute_source(Media *of, MediaPeer peer, guint source, gboolean muted)
{
    g_string_append_printf(of->asked, "%s %u.%u; ", muted ? "mute" : "unmute", peer, source);
}

// Sources: 0 audio, 1 video, 2 screen; slots: audio a0, then n_video video slots v1, v2, ….
static MediaPeerDescription *description(guint32 number, guint n_video)
{
    MediaPeerDescription *made = g_new0(MediaPeerDescription, 1);
    made->number = number;
    made->n_sources = 3;
    made->sources = g_new0(MediaSource, 3);
    made->sources[0].label = "audio";
    made->sources[1] = (MediaSource){.kind = MEDIA_VIDEO, .label = "video"};
    made->sources[2] = (MediaSource){.kind = MEDIA_VIDEO, .label = "screen"};
    made->n_slots = n_video + 1;
    made->slots = g_new0(MediaSlot, made->n_slots);
    g_strlcpy(made->slots[0].mid, "a0", sizeof made->slots[0].mid);
    for (guint i = 1; i < made->n_slots; i++) {
        made->slots[i].kind = MEDIA_VIDEO;
        g_snprintf(made->slots[i].mid, sizeof made->slots[i].mid, "v%u", i);
    }
    return made;
}

static int setup(void **state)
{
    media.asked = g_string_new(NULL);
    media.last = 0;
    *state = members_new(&media);
    return 0;
}

static int teardown(void **state)
{
    members_free(*state);
    g_string_free(media.asked, TRUE);
    return 0;
}

// Runs a pass; what Media was asked for since the last one.
static const char *asked(Members *members)
{
    static char text[512];
    members_assign(members);
    g_strlcpy(text, media.asked->str, sizeof text);
    g_string_truncate(media.asked, 0);
    return text;
}

static Member *add_active(Members *members, const char *id, guint32 number, guint n_video)
{
    Member *member = members_add(members, id, description(number, n_video));
    members_source_changed(member, 1, TRUE);
    return member;
}

static void everybody_gets_the_others(void **state)
{
    add_active(*state, "ann", 1, 2);
    assert_string_equal(asked(*state), "");
    add_active(*state, "bob", 2, 2);
    members_assign(*state);
    assert_non_null(strstr(media.asked->str, "1.1=2.1; "));
    assert_non_null(strstr(media.asked->str, "2.1=1.1; "));
    g_string_truncate(media.asked, 0);
    assert_string_equal(asked(*state), "");
}

static void nothing_is_given_for_a_camera_that_never_sent(void **state)
{
    add_active(*state, "ann", 1, 2);
    members_add(*state, "bob", description(2, 2));
    assert_string_equal(asked(*state), "2.1=1.1; ");
}

static void a_wish_moves_the_only_slot_and_its_end_moves_nothing_back(void **state)
{
    Member *ann = members_add(*state, "ann", description(1, 1));
    add_active(*state, "bob", 2, 0);
    add_active(*state, "cyd", 3, 0);
    assert_string_equal(asked(*state), "1.1=2.1; ");
    members_watch(ann, "cyd", TRUE);
    assert_string_equal(asked(*state), "1.1=3.1; ");
    members_watch(ann, "bob", TRUE);
    assert_string_equal(asked(*state), "1.1=2.1; ");
    members_watch(ann, "bob", FALSE);
    assert_string_equal(asked(*state), "1.1=3.1; ");
}

static void in_a_map_of_wishes_the_last_is_the_newest(void **state)
{
    Member *ann = members_add(*state, "ann", description(1, 1));
    add_active(*state, "bob", 2, 0);
    add_active(*state, "cyd", 3, 0);
    g_autoptr(Json) map = json_new_object();
    g_autoptr(Json) wish = json_new_object();
    json_set(map, "cyd", wish);
    assert_true(members_watch_all(ann, map));
    assert_string_equal(asked(*state), "1.1=3.1; ");
    json_set(map, "bob", wish);
    assert_true(members_watch_all(ann, map));
    assert_string_equal(asked(*state), "1.1=2.1; ");
    json_remove(map, "cyd");
    json_set(map, "cyd", wish); // wished for again
    assert_true(members_watch_all(ann, map));
    assert_string_equal(asked(*state), "1.1=3.1; ");
    assert_true(members_watch_all(ann, NULL));
    assert_int_equal(ann->watched->len, 0);
    g_autoptr(Json) text = json_new_text("bob");
    assert_false(members_watch_all(ann, text));
}

static void wishes_for_what_is_no_participant_are_passed_over(void **state)
{
    Member *ann = members_add(*state, "ann", description(1, 1));
    members_watch(ann, "no key", TRUE);
    members_watch(ann, "nobody", TRUE);
    assert_int_equal(ann->watched->len, 1);
    assert_string_equal(asked(*state), "");
}

static void who_leaves_frees_slots_and_a_new_admission_is_asked_for_anew(void **state)
{
    members_add(*state, "ann", description(1, 1));
    Member *bob = add_active(*state, "bob", 2, 0);
    assert_string_equal(asked(*state), "1.1=2.1; ");
    members_remove(*state, bob);
    assert_string_equal(asked(*state), "remove 2; 1.1=0.0; ");
    add_active(*state, "bob", 2, 0);
    assert_string_equal(asked(*state), "1.1=3.1; ");
}

static void muting_frees_the_slot(void **state)
{
    members_add(*state, "ann", description(1, 1));
    Member *bob = add_active(*state, "bob", 2, 0);
    asked(*state);
    members_set_direction(*state, bob, "video", "in");
    members_set_direction(*state, bob, "video", "in");
    assert_string_equal(asked(*state), "mute 2.1; 1.1=0.0; ");
    members_set_direction(*state, bob, "video", "inout");
    assert_string_equal(asked(*state), "unmute 2.1; 1.1=2.1; ");
}

static void a_screen_is_shown_while_it_is_sent(void **state)
{
    members_add(*state, "ann", description(1, 2));
    Member *bob = add_active(*state, "bob", 2, 0);
    members_source_changed(bob, 2, TRUE);
    assert_string_equal(asked(*state), "1.1=2.2; 1.2=2.1; ");
    members_source_changed(bob, 2, FALSE);
    members_source_changed(bob, 1, FALSE);
    assert_string_equal(asked(*state), "1.1=0.0; ");
}

static void a_camera_goes_beside_its_voice(void **state)
{
    Member *ann = members_add(*state, "ann", description(1, 2));
    const MediaEvent voice = {
        .type = MEDIA_EVENT_SLOT, .index = 0, .from_number = 3, .from_source = 0, .from = 7};
    add_active(*state, "bob", 2, 0);
    add_active(*state, "cyd", 3, 0);
    assert_true(members_slot_changed(ann, &voice));
    assert_string_equal(asked(*state), "1.1=3.1; 1.2=2.1; ");
}

static void slots_name_who_is_in_them(void **state)
{
    Member *ann = members_add(*state, "ann", description(1, 1));
    Member *bob = add_active(*state, "bob", 2, 0);
    MediaEvent event = {.type = MEDIA_EVENT_SLOT,
                        .index = 1,
                        .from_number = 2,
                        .from_source = 2,
                        .from = 4000000000U};
    assert_true(members_slot_changed(ann, &event));
    g_autoptr(Json) full = members_slot_json(*state, &ann->slots[1]);
    g_autofree char *text = json_print(full, NULL);
    assert_string_equal(
        text, "{\"participant\":\"bob\",\"source\":\"screen\",\"number\":2,\"from\":4000000000}");
    members_remove(*state, bob);
    g_autoptr(Json) empty = members_slot_json(*state, &ann->slots[1]);
    assert_int_equal(json_size(empty), 0);
    event.index = 9;
    assert_false(members_slot_changed(ann, &event));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_gets_the_others),
        TEST(nothing_is_given_for_a_camera_that_never_sent),
        TEST(a_wish_moves_the_only_slot_and_its_end_moves_nothing_back),
        TEST(in_a_map_of_wishes_the_last_is_the_newest),
        TEST(wishes_for_what_is_no_participant_are_passed_over),
        TEST(who_leaves_frees_slots_and_a_new_admission_is_asked_for_anew),
        TEST(muting_frees_the_slot),
        TEST(a_screen_is_shown_while_it_is_sent),
        TEST(a_camera_goes_beside_its_voice),
        TEST(slots_name_who_is_in_them),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
