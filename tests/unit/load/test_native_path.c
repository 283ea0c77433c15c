// SPDX-License-Identifier: MIT
// All candidates are checked, the one that answers is kept, consent goes on; arrival times are the
// kernel's. The servers are sockets of this test on loopback.
#include "load/native_path.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PASSWORD "a-password-of-22-chars"

static NativeTask task;
static NativePath path;
static NativePathSettings settings;
static guint readings;
static gint64 read_us;
static guint8 last[2048];
static gsize last_length;

static void run(gpointer user, gboolean readable, gint64 now_us)
{
    (void)user;
    (void)now_us;
    readings += readable;
}

// A server on loopback; its address becomes a candidate.
static int serve(int family)
{
    struct sockaddr_storage *at = &settings.candidates[settings.n_candidates++];
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int server = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof *at;
    if (family == AF_INET6)
        memcpy(at, &v6, sizeof v6);
    else
        memcpy(at, &v4, sizeof v4);
    assert_int_equal(
        bind(server, (struct sockaddr *)at, family == AF_INET6 ? sizeof v6 : sizeof v4), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)at, &length), 0);
    return server;
}

static const char *password_of(const StunUser *user, gpointer closure)
{
    (void)user;
    (void)closure;
    return PASSWORD;
}

// Reads the next check at this server, without answering it; *ret_from is where it came from.
static StunCheck take_check(int server, struct sockaddr_storage *ret_from)
{
    g_autoptr(StunServer) stun = stun_server_new();
    guint8 data[STUN_REQUEST_MAX];
    StunCheck check;
    socklen_t length = sizeof *ret_from;
    gssize got = recvfrom(server, data, sizeof data, 0, (struct sockaddr *)ret_from, &length);
    const StunDatagram datagram = {data, (gsize)got, ret_from};
    assert_true(got > 0);
    assert_int_equal(stun_server_check(stun, &datagram, password_of, NULL, &check), STUN_SUCCESS);
    return check;
}

static void say(int server, const struct sockaddr_storage *to, const guint8 *data, gsize length)
{
    socklen_t size =
        to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    assert_true(sendto(server, data, length, 0, (const struct sockaddr *)to, size) > 0);
}

static void on_datagram(guint8 *data, gsize length, gint64 arrived_us, gpointer user)
{
    (void)user;
    memcpy(last, data, length);
    last_length = length;
    read_us = arrived_us;
}

static int begin(void **state)
{
    (void)state;
    settings = (NativePathSettings){.username = "room:me", .password = PASSWORD, .tie_breaker = 1};
    task = (NativeTask){.run = run};
    native_loop_add(&task);
    return 0;
}

static int end(void **state)
{
    (void)state;
    native_path_close(&path);
    native_loop_remove(&task);
    return 0;
}

// The peer's side of what say() has sent.
static gboolean read_answer(gint64 now_us)
{
    guint before = readings;
    while (readings == before)
        g_main_context_iteration(NULL, TRUE);
    native_path_read(&path, on_datagram, NULL);
    return native_path_take(&path, last, last_length, now_us);
}

static void the_candidate_that_answers_is_kept(void **state)
{
    (void)state;
    struct sockaddr_storage from[2];
    gint64 now_us = g_get_monotonic_time();
    int silent = serve(AF_INET), server = serve(AF_INET6);
    native_path_open(&path, &settings, &task);
    native_path_run(&path, now_us);
    take_check(silent, &from[0]); // both were asked
    StunCheck check = take_check(server, &from[1]);
    assert_false(check.use_candidate);
    assert_false(native_path_is_open(&path));
    say(server, &from[1], check.answer, check.answer_length);
    assert_true(read_answer(now_us));
    assert_true(native_path_is_open(&path));
    assert_int_equal(path.sockets[0], -1); // the other family's socket is not needed any more
    native_path_run(&path, now_us);
    check = take_check(server, &from[1]);
    assert_true(check.use_candidate);
    say(server, &from[1], check.answer, check.answer_length);
    assert_false(read_answer(now_us)); // it was open before
    assert_true(path.due_us > now_us + 2000000);
    assert_int_equal(path.answers, 2);
    close(silent);
    close(server);
}

static void an_answer_to_nothing_opens_nothing(void **state)
{
    (void)state;
    struct sockaddr_storage from;
    gint64 now_us = g_get_monotonic_time();
    int server = serve(AF_INET);
    native_path_open(&path, &settings, &task);
    native_path_run(&path, now_us);
    StunCheck check = take_check(server, &from);
    check.answer[10] ^= 1; // the transaction
    say(server, &from, check.answer, check.answer_length);
    assert_false(read_answer(now_us));
    assert_false(native_path_is_open(&path));
    close(server);
}

static void a_check_is_repeated_and_then_made_anew(void **state)
{
    (void)state;
    struct sockaddr_storage from;
    gint64 now_us = g_get_monotonic_time();
    int server = serve(AF_INET);
    guint8 answers[3][STUN_ANSWER_MAX];
    native_path_open(&path, &settings, &task);
    for (guint i = 0; i < 3; i++) {
        native_path_run(&path, now_us);
        memcpy(answers[i], take_check(server, &from).answer, 20);
        now_us += i == 0 ? 50000 : 600000;
    }
    assert_memory_equal(answers[0], answers[1], 20); // its transaction stands in the header
    assert_memory_not_equal(answers[1], answers[2], 20);
    close(server);
}

// One datagram, read 20 ms after its arrival. TRUE: it has the time of its arrival, not of its
// reading.
static gboolean is_stamped_at_arrival(int server, const struct sockaddr_storage *to,
                                      const StunCheck *check)
{
    gint64 before_us = g_get_monotonic_time();
    say(server, to, check->answer, check->answer_length);
    gint64 after_us = g_get_monotonic_time();
    while (g_get_monotonic_time() < after_us + 20000)
        ; // a reader that is late
    read_answer(after_us);
    return read_us >= before_us - 1000 && read_us <= after_us + 1000;
}

static void a_datagram_has_the_time_of_its_arrival(void **state)
{
    (void)state;
    struct sockaddr_storage from;
    guint tries = 0;
    int server = serve(AF_INET);
    native_path_open(&path, &settings, &task);
    native_path_run(&path, g_get_monotonic_time());
    StunCheck check = take_check(server, &from);
    // Linux turns time stamps on in the background once a socket of the machine wants them; a
    // datagram without one gets the time of its reading.
    while (!is_stamped_at_arrival(server, &from, &check) && tries < 100)
        tries++;
    assert_in_range(tries, 0, 99);
    close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_candidate_that_answers_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_to_nothing_opens_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_check_is_repeated_and_then_made_anew, begin, end),
        cmocka_unit_test_setup_teardown(a_datagram_has_the_time_of_its_arrival, begin, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
