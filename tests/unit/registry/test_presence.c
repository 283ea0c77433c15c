// SPDX-License-Identifier: MIT
// Who counts as live, and which worker gets the next room.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "registry/presence.h"

#define SECOND G_USEC_PER_SEC

static gboolean hear(Presences *presences, const char *process, guint capacity, guint load,
                     gint64 now_us)
{
    g_autofree char *address = g_strconcat("hyperty://localhost/worker/", process, NULL);
    Msg__Presence presence = MSG__PRESENCE__INIT;
    presence.process = (char *)process;
    presence.role = (char *)"worker";
    presence.address = address;
    presence.capacity = capacity;
    presence.load = load;
    return presences_hear(presences, &presence, process, now_us);
}

static const char *choice(const Presences *presences, gint64 now_us)
{
    const Presence *worker = presences_choose_worker(presences, NULL, now_us);
    return worker != NULL ? worker->process : "none";
}

static void silence_of_five_seconds_is_death(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    assert_false(presence_is_live(presences_find(presences, "w1"), 0));
    hear(presences, "w1", 10, 0, 0);
    assert_true(presence_is_live(presences_find(presences, "w1"), 4 * SECOND));
    assert_false(presence_is_live(presences_find(presences, "w1"), 5 * SECOND));
    hear(presences, "w1", 10, 0, 6 * SECOND);
    assert_true(presence_is_live(presences_find(presences, "w1"), 7 * SECOND));
}

static void silence_is_counted_anew_when_the_link_returns(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear(presences, "w1", 10, 0, 0);
    presences_restart(presences, 60 * SECOND);
    assert_true(presence_is_live(presences_find(presences, "w1"), 61 * SECOND));
}

static void who_was_seen_leaving_is_not_live_until_heard_again(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear(presences, "w1", 10, 0, 0);
    Presence *worker = presences_find(presences, "w1");
    assert_true(presence_learn(worker, PRESENCE_GONE, 1));
    assert_false(presence_is_live(worker, 1));
    assert_false(presence_is_dead(worker)); // a suspicion
    hear(presences, "w1", 10, 0, 2);
    assert_true(presence_is_live(worker, 3));
}

static void a_probe_convicts_only_a_suspect(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear(presences, "w1", 10, 0, 0);
    Presence *worker = presences_find(presences, "w1");
    assert_false(presence_learn(worker, PRESENCE_UNANSWERED, 1)); // heard meanwhile
    presence_learn(worker, PRESENCE_GONE, 1);
    assert_true(presence_learn(worker, PRESENCE_UNANSWERED, 2));
    assert_true(presence_is_dead(worker));
    assert_false(worker->silently);
    hear(presences, "w1", 10, 0, 3); // a wrong judgement is taken back
    assert_true(presence_is_live(worker, 3));
}

static void the_word_of_its_host_is_final(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear(presences, "m1", 10, 0, 0);
    presence_learn(presences_find(presences, "m1"), PRESENCE_END, 1);
    assert_false(hear(presences, "m1", 10, 0, 2));
    assert_true(presence_is_dead(presences_find(presences, "m1")));
}

static void what_ought_to_be_there_counts_from_when_it_was_expected(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    const char *address = "hyperty://localhost/media/1f";
    Presence *media = presences_expect(presences, address, SECOND);
    assert_string_equal(media->process, "media-1f");
    assert_ptr_equal(presences_expect(presences, address, 9 * SECOND), media);
    assert_true(presence_is_live(media, 5 * SECOND));
    assert_false(presence_is_live(media, 6 * SECOND));
}

static void a_spare_carries_no_media_before_it_has_a_room(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    Msg__Presence spare = MSG__PRESENCE__INIT;
    spare.process = (char *)"media-1f";
    spare.role = (char *)"media";
    spare.address = (char *)"hyperty://localhost/media/1f";
    presences_hear(presences, &spare, spare.process, 0);
    assert_false(presence_is_media(presences_find(presences, "media-1f")));
    presences_expect(presences, spare.address, 0); // it has not said so yet
    assert_true(presence_is_media(presences_find(presences, "media-1f")));
}

static void hear_all(Presences *presences, guint from, guint count, gint64 now_us)
{
    for (guint i = from; i < from + count; i++) {
        g_autofree char *process = g_strdup_printf("w%u", i);
        hear(presences, process, 10, 0, now_us);
    }
}

static void most_silent_at_once_is_more_than_half_and_more_than_one(void **state)
{
    (void)state;
    static const struct {
        guint silent, heard;
        gboolean most;
    } rows[] = {{1, 0, FALSE}, {2, 0, TRUE}, {2, 2, FALSE}, {3, 2, TRUE}, {1, 5, FALSE}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Presences) presences = presences_new();
        hear_all(presences, 0, rows[i].silent, 0);
        hear_all(presences, rows[i].silent, rows[i].heard, 3 * SECOND);
        assert_int_equal(presences_are_mostly_silent(presences, 3 * SECOND), rows[i].most);
        assert_false(presences_are_mostly_silent(presences, 30 * SECOND)); // not now
    }
}

static void hear_room(Presences *presences, const char *process, gint64 now_us)
{
    g_autofree char *address = g_strconcat("hyperty://localhost/media/", process, NULL);
    Msg__RoomHealth health = MSG__ROOM_HEALTH__INIT;
    Msg__Presence presence = MSG__PRESENCE__INIT;
    presence.process = (char *)process;
    presence.role = (char *)"media";
    presence.address = address;
    presence.room = &health;
    presences_hear(presences, &presence, process, now_us);
}

static void one_of_two_workers_is_not_most_whatever_rooms_it_has(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear_all(presences, 0, 1, 0);
    hear_all(presences, 1, 1, 3 * SECOND);
    hear_room(presences, "m1", 0);
    hear_room(presences, "m2", 0);
    assert_false(presences_are_mostly_silent(presences, 3 * SECOND));
    hear_all(presences, 0, 1, 3 * SECOND); // not the worker: its rooms alone
    assert_true(presences_are_mostly_silent(presences, 3 * SECOND));
}

static void who_was_cut_off_in_the_middle_of_a_word_has_not_fallen_silent(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear_all(presences, 0, 3, 0);
    for (guint i = 0; i < 3; i++) {
        g_autofree char *process = g_strdup_printf("w%u", i);
        Presence *worker = presences_find(presences, process);
        presence_learn(worker, PRESENCE_GONE, SECOND);
        presence_learn(worker, PRESENCE_UNANSWERED, SECOND);
    }
    assert_false(presences_are_mostly_silent(presences, 3 * SECOND));
}

static void who_was_never_heard_has_not_fallen_silent(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    presences_expect(presences, "hyperty://localhost/media/1", 0);
    presences_expect(presences, "hyperty://localhost/media/2", 0);
    assert_false(presences_are_mostly_silent(presences, 3 * SECOND));
}

static void a_full_worker_is_a_worker_all_the_same(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    assert_false(presences_have_worker(presences, 0));
    hear(presences, "w1", 1, 1, 0);
    assert_true(presences_have_worker(presences, 0));
    presences_find(presences, "w1")->draining = TRUE;
    assert_false(presences_have_worker(presences, 0));
}

static void nobody_speaks_for_another_process(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    Msg__Presence presence = MSG__PRESENCE__INIT;
    presence.process = (char *)"w1";
    presence.role = (char *)"worker";
    assert_false(presences_hear(presences, &presence, "w2", 0));
    presence.role = NULL;
    assert_false(presences_hear(presences, &presence, "w1", 0));
    presence.role = (char *)"worker";
    presence.address = (char *)"no address";
    assert_false(presences_hear(presences, &presence, "w1", 0));
    assert_null(presences_find(presences, "w1"));
}

static void the_least_loaded_worker_for_its_size_is_chosen(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    assert_string_equal(choice(presences, 0), "none");
    hear(presences, "small", 4, 1, 0);
    hear(presences, "large", 100, 10, 0);
    assert_string_equal(choice(presences, 0), "large");
    hear(presences, "large", 100, 30, 0);
    assert_string_equal(choice(presences, 0), "small");
}

static void what_a_worker_was_asked_since_counts_as_load(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear(presences, "w1", 10, 0, 0);
    hear(presences, "w2", 10, 0, 0);
    assert_string_equal(choice(presences, 0), "w1");
    presences_find(presences, "w1")->asked++;
    assert_string_equal(choice(presences, 0), "w2");
    presences_find(presences, "w2")->granted += 2;
    assert_string_equal(choice(presences, 0), "w1");
    hear(presences, "w2", 10, 0, 1); // it says itself now
    assert_string_equal(choice(presences, 1), "w2");
}

static void full_draining_silent_or_tried_workers_are_left_out(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    g_autoptr(GHashTable) tried = g_hash_table_new(g_str_hash, g_str_equal);
    hear(presences, "full", 2, 2, 9 * SECOND);
    hear(presences, "silent", 10, 0, 0);
    hear(presences, "draining", 10, 0, 9 * SECOND);
    presences_find(presences, "draining")->draining = TRUE;
    hear(presences, "tried", 10, 0, 9 * SECOND);
    g_hash_table_add(tried, (gpointer) "tried");
    assert_null(presences_choose_worker(presences, tried, 9 * SECOND));
    assert_string_equal(choice(presences, 9 * SECOND), "tried");
}

static void a_minute_of_silence_is_forgotten(void **state)
{
    (void)state;
    g_autoptr(Presences) presences = presences_new();
    hear(presences, "w1", 10, 0, 0);
    hear(presences, "w2", 10, 0, 30 * SECOND);
    presences_prune(presences, 61 * SECOND);
    assert_null(presences_find(presences, "w1"));
    assert_null(presences_at(presences, "hyperty://localhost/worker/w1"));
    assert_non_null(presences_at(presences, "hyperty://localhost/worker/w2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_of_five_seconds_is_death),
        cmocka_unit_test(silence_is_counted_anew_when_the_link_returns),
        cmocka_unit_test(who_was_seen_leaving_is_not_live_until_heard_again),
        cmocka_unit_test(a_probe_convicts_only_a_suspect),
        cmocka_unit_test(the_word_of_its_host_is_final),
        cmocka_unit_test(what_ought_to_be_there_counts_from_when_it_was_expected),
        cmocka_unit_test(a_spare_carries_no_media_before_it_has_a_room),
        cmocka_unit_test(most_silent_at_once_is_more_than_half_and_more_than_one),
        cmocka_unit_test(one_of_two_workers_is_not_most_whatever_rooms_it_has),
        cmocka_unit_test(who_was_cut_off_in_the_middle_of_a_word_has_not_fallen_silent),
        cmocka_unit_test(who_was_never_heard_has_not_fallen_silent),
        cmocka_unit_test(a_full_worker_is_a_worker_all_the_same),
        cmocka_unit_test(nobody_speaks_for_another_process),
        cmocka_unit_test(the_least_loaded_worker_for_its_size_is_chosen),
        cmocka_unit_test(what_a_worker_was_asked_since_counts_as_load),
        cmocka_unit_test(full_draining_silent_or_tried_workers_are_left_out),
        cmocka_unit_test(a_minute_of_silence_is_forgotten),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
