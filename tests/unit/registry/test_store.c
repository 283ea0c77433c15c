// SPDX-License-Identifier: MIT
// What the store promises: what was committed is there again, what was not is not, and it says
// clearly why it cannot be opened.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "registry/store.h"

typedef struct {
    char *folder;
    char *path;
    Store *store;
} Fixture;

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->folder = g_dir_make_tmp("parley-store-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "new", "registry.db", NULL);
    fixture->store = store_open(fixture->path, NULL);
    *state = fixture;
    return fixture->store != NULL ? 0 : -1;
}

static void remove_files(const char *folder)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *path = g_strconcat(folder, "/new/registry.db", endings[i], NULL);
        g_unlink(path);
    }
    g_autofree char *inner = g_build_filename(folder, "new", NULL);
    g_rmdir(inner);
    g_rmdir(folder);
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    store_close(fixture->store);
    remove_files(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture->path);
    g_free(fixture);
    return 0;
}

static void open_again(Fixture *fixture)
{
    store_close(fixture->store);
    g_autoptr(GError) error = NULL;
    fixture->store = store_open(fixture->path, &error);
    if (fixture->store == NULL)
        fail_msg("%s", error->message);
}

static void add_room(Room *room, gpointer user)
{
    g_ptr_array_add(user, room);
}

static void free_room(gpointer room)
{
    room_free(room);
}

static GPtrArray *load(Store *store)
{
    GPtrArray *rooms = g_ptr_array_new_with_free_func(free_room);
    assert_true(store_load(store, add_room, rooms, NULL));
    return rooms;
}

static Room *room_with(const char *id, const char *const *participants)
{
    g_autofree char *url = g_strconcat("comm://localhost/", id, "-00000000", NULL);
    Room *room = room_new(id, url, "localhost");
    for (; *participants != NULL; participants++)
        assert_int_equal(
            room_join(room,
                      &(Newcomer){*participants, "session", "hyperty://localhost/h", *participants,
                                  room_reserve_number(room, *participants), NULL, NULL}),
            MSG__REFUSAL__REASON__none);
    return room;
}

static StoreResult commit(Store *store, Room *room)
{
    store_begin(store);
    store_put_room(store, room);
    StoreResult result = store_commit(store);
    if (result == STORE_DONE)
        room_set_stored(room);
    return result;
}

static void a_room_comes_back_as_it_was(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Room) room = room_with("demo", (const char *[]){"ann", "ben", NULL});
    room_spend_epoch(room);
    assert_int_equal(commit(fixture->store, room), STORE_DONE);
    open_again(fixture);
    g_autoptr(GPtrArray) rooms = load(fixture->store);
    assert_int_equal(rooms->len, 1);
    const Room *restored = rooms->pdata[0];
    g_autofree char *hash = json_hash(sync_object_data(room_object(room)));
    g_autofree char *restored_hash = json_hash(sync_object_data(room_object(restored)));
    assert_string_equal(restored_hash, hash);
    assert_string_equal(room_url(restored), room_url(room));
    assert_int_equal(sync_object_version(room_object(restored)),
                     sync_object_version(room_object(room)));
    assert_string_equal(sync_object_chain(room_object(restored)),
                        sync_object_chain(room_object(room)));
    assert_string_equal(room_member(restored, "ben")->session, "session");
    assert_int_equal(room_last_epoch(restored), 1);
}

static void numbers_that_may_have_been_given_out_are_skipped(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Room) room = room_with("demo", (const char *[]){"ann", NULL});
    commit(fixture->store, room);
    room_reserve_number(room, "ben"); // under way when the registry dies
    open_again(fixture);
    g_autoptr(GPtrArray) rooms = load(fixture->store);
    assert_true(room_next_number(rooms->pdata[0]) > room_next_number(room));
    room_reserve_number(rooms->pdata[0], "cas"); // and this one dies before it commits anything
    open_again(fixture);
    g_autoptr(GPtrArray) later = load(fixture->store);
    assert_true(room_next_number(later->pdata[0]) > room_next_number(rooms->pdata[0]));
}

static void two_starts_in_a_row_give_out_different_numbers(void **state)
{
    Fixture *fixture = *state;
    guint32 next[2];
    g_autoptr(Room) room = room_with("demo", (const char *[]){"ann", NULL});
    commit(fixture->store, room);
    for (guint i = 0; i < G_N_ELEMENTS(next); i++) { // nothing is committed in between
        open_again(fixture);
        g_autoptr(GPtrArray) rooms = load(fixture->store);
        next[i] = room_next_number(rooms->pdata[0]);
    }
    assert_true(next[1] > next[0]);
}

static void only_what_changed_is_written_and_it_adds_up(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Room) room = room_with("demo", (const char *[]){"ann", "ben", NULL});
    commit(fixture->store, room);
    room_leave(room, "ann", "left");
    room_set_direction(room, "ben", "audio", "in");
    commit(fixture->store, room);
    open_again(fixture);
    g_autoptr(GPtrArray) rooms = load(fixture->store);
    g_autofree char *hash = json_hash(sync_object_data(room_object(room)));
    g_autofree char *restored = json_hash(sync_object_data(room_object(rooms->pdata[0])));
    assert_string_equal(restored, hash);
}

static void a_closed_room_is_gone_with_its_participants(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Room) room = room_with("demo", (const char *[]){"ann", NULL});
    commit(fixture->store, room);
    room_leave(room, "ann", "left");
    room_close(room);
    commit(fixture->store, room);
    g_autoptr(GPtrArray) rooms = load(fixture->store);
    assert_int_equal(rooms->len, 0);
}

static void what_was_not_committed_is_not_there(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Room) room = room_with("demo", (const char *[]){"ann", NULL});
    store_begin(fixture->store);
    store_put_room(fixture->store, room);
    open_again(fixture);
    g_autoptr(GPtrArray) rooms = load(fixture->store);
    assert_int_equal(rooms->len, 0);
}

// The child is killed right after its commit returned: nothing was closed or moved into the file.
static void what_was_committed_survives_a_kill(void **state)
{
    Fixture *fixture = *state;
    store_close(g_steal_pointer(&fixture->store));
    pid_t child = fork();
    if (child == 0) {
        Store *store = store_open(fixture->path, NULL);
        Room *room = room_with("demo", (const char *[]){"ann", NULL});
        _exit(store != NULL && commit(store, room) == STORE_DONE ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture->store = store_open(fixture->path, NULL);
    g_autoptr(GPtrArray) rooms = load(fixture->store);
    assert_int_equal(rooms->len, 1);
    assert_int_equal(room_size(rooms->pdata[0]), 1);
}

static void an_answer_is_kept_under_source_and_request(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Json) answer = json_new_object();
    json_set_number(answer, "code", 200);
    store_begin(fixture->store);
    store_put_answer(fixture->store, "gateway-1", 7, answer);
    assert_int_equal(store_commit(fixture->store), STORE_DONE);
    open_again(fixture);
    g_autoptr(Json) kept = store_answer(fixture->store, "gateway-1", 7);
    assert_true(json_equals(kept, answer));
    assert_null(store_answer(fixture->store, "gateway-1", 8));
    assert_null(store_answer(fixture->store, "gateway-2", 7));
}

static void answers_are_forgotten_after_ten_minutes(void **state)
{
    Fixture *fixture = *state;
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(Json) answer = json_new_object();
    store_begin(fixture->store);
    store_put_answer(fixture->store, "gateway-1", 7, answer);
    store_commit(fixture->store);
    store_tidy(fixture->store, now_s + 9 * 60);
    g_autoptr(Json) kept = store_answer(fixture->store, "gateway-1", 7);
    assert_non_null(kept);
    store_tidy(fixture->store, now_s + 11 * 60);
    assert_null(store_answer(fixture->store, "gateway-1", 7));
}

static void a_full_disk_refuses_and_leaves_the_rest_as_it_was(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Room) small = room_with("small", (const char *[]){"ann", NULL});
    assert_int_equal(commit(fixture->store, small), STORE_DONE);
    store_set_most_pages(fixture->store, 1); // as many as there are now
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < 200; i++)
        g_ptr_array_add(names, g_strdup_printf("participant-%u", i));
    g_ptr_array_add(names, NULL);
    g_autoptr(Room) large = room_with("large", (const char *const *)names->pdata);
    assert_int_equal(commit(fixture->store, large), STORE_FULL);
    assert_true(room_is_unstored(large));
    g_autoptr(GPtrArray) before = load(fixture->store);
    assert_int_equal(before->len, 1);
    store_set_most_pages(fixture->store, 100000);
    assert_int_equal(commit(fixture->store, large), STORE_DONE);
    g_autoptr(GPtrArray) after = load(fixture->store);
    assert_int_equal(after->len, 2);
}

static void assert_open_fails(const char *path, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open(path, &error);
    assert_null(store);
    assert_non_null(error);
    assert_non_null(strstr(error->message, path));
    if (strstr(error->message, words) == NULL)
        fail_msg("%s", error->message);
}

static void a_second_registry_is_told_that_there_is_one(void **state)
{
    Fixture *fixture = *state;
    assert_open_fails(fixture->path, "another process");
}

static void a_file_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    assert_open_fails("/proc/parley/registry.db", "/proc/parley");
    assert_open_fails("/proc/version", "unable to open");
}

static void something_else_than_a_store_is_refused(void **state)
{
    Fixture *fixture = *state;
    store_close(g_steal_pointer(&fixture->store));
    g_autofree char *text = g_strnfill(8192, 'x');
    assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
    assert_open_fails(fixture->path, "not a database");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        STORE_TEST(a_room_comes_back_as_it_was),
        STORE_TEST(numbers_that_may_have_been_given_out_are_skipped),
        STORE_TEST(two_starts_in_a_row_give_out_different_numbers),
        STORE_TEST(only_what_changed_is_written_and_it_adds_up),
        STORE_TEST(a_closed_room_is_gone_with_its_participants),
        STORE_TEST(what_was_not_committed_is_not_there),
        STORE_TEST(what_was_committed_survives_a_kill),
        STORE_TEST(an_answer_is_kept_under_source_and_request),
        STORE_TEST(answers_are_forgotten_after_ten_minutes),
        STORE_TEST(a_full_disk_refuses_and_leaves_the_rest_as_it_was),
        STORE_TEST(a_second_registry_is_told_that_there_is_one),
        cmocka_unit_test(a_file_that_cannot_be_written_is_named),
        STORE_TEST(something_else_than_a_store_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
