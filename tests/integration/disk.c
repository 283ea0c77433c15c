// SPDX-License-Identifier: MIT
// The registry's disk fails. Full: joins are refused with a time to come again, people can leave
// all the same, nothing ends, and what happened meanwhile is written when there is room. Broken:
// the process ends, and the next one finds what was acknowledged. Bus and registry are real, and so
// are the disks: a small file system of its own (needs root), and a limit on how far files may
// grow.
#include "tests/support/suite.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/support/fake_gateway.h"
#include "tests/support/fake_worker.h"

#define ROOMS_MOST 100 // joins until a write fails
#define WAIT_MS 15000

typedef struct {
    Suite *suite;
    FakeWorker *worker;
    FakeGateway *gateway;
    char *disk, *store, *filler;
    gboolean is_mounted;
} Story;

static void start(Story *story)
{
    suite_set(story->suite, "PARLEY_REGISTRY_STORE", story->store);
    suite_start(story->suite, "bus", "bus", NULL);
    suite_start(story->suite, "registry", "registry", NULL);
    story->worker = fake_worker_new(story->suite, 1000);
    story->gateway = fake_gateway_new(story->suite);
}

static int set_up(void **state)
{
    Story *story = g_new0(Story, 1);
    *state = story;
    story->suite = suite_new();
    story->disk = g_build_filename(suite_folder(story->suite), "disk", NULL);
    story->store = g_build_filename(story->disk, "registry.db", NULL);
    story->filler = g_build_filename(story->disk, "filler", NULL);
    return g_mkdir(story->disk, 0700);
}

static int tear_down(void **state)
{
    Story *story = *state;
    fake_gateway_free(story->gateway);
    fake_worker_free(story->worker);
    suite_kill(story->suite, "registry", SIGKILL);
    if (story->is_mounted)
        umount(story->disk);
    suite_free(story->suite);
    g_free(story->disk);
    g_free(story->store);
    g_free(story->filler);
    g_free(story);
    return 0;
}

static const FakeAnswer *join(Story *story, const char *room, const char *participant)
{
    fake_gateway_session(story->gateway, participant, "live");
    const FakeAnswer *answer = fake_gateway_join(story->gateway, room, participant);
    fake_gateway_wait(answer);
    return answer;
}

// New rooms, one after the other, until one is refused.
static const FakeAnswer *join_until_refused(Story *story)
{
    for (guint i = 0; i < ROOMS_MOST; i++) {
        g_autofree char *room = g_strdup_printf("room-%u", i);
        g_autofree char *participant = g_strdup_printf("p-%u", i);
        const FakeAnswer *answer = join(story, room, participant);
        if (answer->code != 200)
            return answer;
    }
    fail_msg("%d rooms could be stored", ROOMS_MOST);
    return NULL;
}

static void assert_not_stored(const FakeAnswer *answer)
{
    assert_int_equal(answer->code, 503);
    assert_string_equal(answer->reason, "not_stored");
    assert_int_not_equal(answer->retry_after, 0);
}

static void fill(const Story *story)
{
    static const char zeros[4096];
    int fd = open(story->filler, O_WRONLY | O_CREAT, 0600);
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static gint leave(Story *story, const char *room, const char *participant)
{
    return fake_gateway_wait(fake_gateway_execute(story->gateway, participant, "leaveRoom",
                                                  (const char *[]){room, NULL}));
}

typedef struct {
    Story *story;
    guint tries;
} Retry;

static gboolean can_join(gpointer user)
{
    Retry *retry = user;
    g_autofree char *room = g_strdup_printf("late-%u", retry->tries++);
    return join(retry->story, room, room)->code == 200;
}

static void a_full_disk_refuses_joins_and_keeps_the_rooms(void **state)
{
    Story *story = *state;
    story->is_mounted = mount("none", story->disk, "tmpfs", 0, "size=1m") == 0;
    if (!story->is_mounted) {
        print_message("# no file system of its own: %s\n", g_strerror(errno));
        skip();
    }
    start(story);
    const FakeAnswer *ann = join(story, "demo", "ann");
    assert_int_equal(ann->code, 200);
    assert_int_equal(join(story, "demo", "ben")->code, 200);
    fake_gateway_observe(story->gateway, ann->url);
    fill(story);
    pid_t registry = suite_pid(story->suite, "registry");
    assert_not_stored(join_until_refused(story));
    assert_int_equal(leave(story, "demo", "ben"), 200);
    assert_true(fake_gateway_until_participants(story->gateway, ann->url, 1));
    assert_int_equal(suite_pid(story->suite, "registry"), registry);
    g_unlink(story->filler);
    Retry retry = {story, 0};
    assert_true(suite_until(can_join, &retry, WAIT_MS));
    suite_kill(story->suite, "registry", SIGKILL);
    suite_start(story->suite, "registry", "registry", NULL);
    assert_int_equal(join(story, "demo", "cas")->code, 200);
    assert_true(fake_gateway_until_participants(story->gateway, ann->url, 2)); // ann and cas
}

static gboolean has_ended(gpointer user)
{
    return !suite_is_running(user, "registry");
}

// From now on no file of the registry may grow, its store's log least of all.
static void limit_growth(const Story *story)
{
    g_autofree char *wal = g_strconcat(story->store, "-wal", NULL);
    GStatBuf status;
    assert_int_equal(g_stat(wal, &status), 0);
    struct rlimit limit = {(rlim_t)status.st_size, (rlim_t)status.st_size};
    assert_int_equal(prlimit(suite_pid(story->suite, "registry"), RLIMIT_FSIZE, &limit, NULL), 0);
}

static void a_broken_disk_ends_the_registry_and_the_next_one_goes_on(void **state)
{
    Story *story = *state;
    start(story);
    const FakeAnswer *ann = join(story, "demo", "ann");
    assert_int_equal(ann->code, 200);
    fake_gateway_observe(story->gateway, ann->url);
    for (guint i = 0; i < 10; i++) { // so that the log of the store is the longest file
        g_autofree char *room = g_strdup_printf("early-%u", i);
        assert_int_equal(join(story, room, room)->code, 200);
    }
    limit_growth(story);
    assert_not_stored(join_until_refused(story));
    assert_true(suite_until(has_ended, story->suite, WAIT_MS));
    assert_true(suite_until_logged(story->suite, "registry", "store.broken", 1, WAIT_MS));
    assert_true(
        suite_until_logged(story->suite, "registry", "service.stopped status=1", 1, WAIT_MS));
    suite_start(story->suite, "registry", "registry", NULL);
    assert_int_equal(join(story, "demo", "ben")->code, 200);
    assert_true(fake_gateway_until_participants(story->gateway, ann->url, 2));
    assert_int_equal(fake_worker_epoch(story->worker, "demo"), 1);
}

int main(void)
{
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(a_full_disk_refuses_joins_and_keeps_the_rooms),
        STORY(a_broken_disk_ends_the_registry_and_the_next_one_goes_on),
    };
    signal(SIGXFSZ, SIG_IGN); // inherited: a write beyond the limit is an error, not the end
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
