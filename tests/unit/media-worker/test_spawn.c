// SPDX-License-Identifier: MIT
// A process of our own program (here: this test), and what is said and handed over between the two.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "media-worker/spawn.h"

#define WAIT_MS 5000

static char *await(int channel, int *descriptors)
{
    char *text = NULL;
    struct pollfd readable = {.fd = channel, .events = POLLIN};
    if (poll(&readable, 1, WAIT_MS) != 1 ||
        spawn_receive(channel, &text, descriptors) != SPAWN_MESSAGE)
        return NULL;
    return text;
}

// The child: takes one message with two pipes, echoes the text by the first pipe, then says bye.
static int child(void)
{
    int descriptors[SPAWN_DESCRIPTORS_MAX];
    g_autofree char *text = await(SPAWN_CHANNEL, descriptors);
    if (text == NULL || descriptors[0] < 0 || descriptors[1] < 0)
        return 1;
    if (write(descriptors[0], text, strlen(text)) < 0)
        return 2;
    return spawn_send(SPAWN_CHANNEL, "bye", NULL, 0) ? 42 : 3;
}

static void child_gets_messages_and_descriptors_and_its_end_is_seen(void **state)
{
    (void)state;
    const char *const arguments[] = {"test_spawn", "--child", NULL};
    int channel = -1, ends[2], status = 0, descriptors[SPAWN_DESCRIPTORS_MAX];
    pid_t pid = 0;
    char echoed[16] = "", *none = NULL;
    assert_int_equal(pipe(ends), 0);
    assert_true(spawn_self(arguments, &pid, &channel, NULL));
    assert_true(spawn_send(channel, "hello", (const int[]){ends[1], ends[1]}, 2));
    g_autofree char *bye = await(channel, descriptors);
    assert_string_equal(bye, "bye");
    assert_int_equal(descriptors[0], -1);
    assert_int_equal(read(ends[0], echoed, sizeof echoed), 5);
    assert_string_equal(echoed, "hello");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_int_equal(spawn_receive(channel, &none, descriptors), SPAWN_CLOSED);
    assert_false(spawn_send(channel, "anybody?", NULL, 0));
    close(channel);
    close(ends[0]);
    close(ends[1]);
}

static void channel_without_a_message_is_empty(void **state)
{
    (void)state;
    const char *const arguments[] = {"test_spawn", "--child", NULL};
    int channel = -1, status = 0, descriptors[SPAWN_DESCRIPTORS_MAX];
    pid_t pid = 0;
    char *none = NULL;
    assert_true(spawn_self(arguments, &pid, &channel, NULL));
    assert_int_equal(spawn_receive(channel, &none, descriptors), SPAWN_EMPTY);
    close(channel);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_gets_messages_and_descriptors_and_its_end_is_seen),
        cmocka_unit_test(channel_without_a_message_is_empty),
    };
    if (argc == 2 && strcmp(argv[1], "--child") == 0)
        return child();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
