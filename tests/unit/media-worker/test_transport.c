// SPDX-License-Identifier: MIT
// Batches over real sockets on loopback: lengths, paths, and datagrams cut by the kernel.
#include "media-worker/transport.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static int bound_socket(struct sockaddr_in *ret_address, in_addr_t address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof *ret_address;
    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    assert_int_equal(bind(fd, (struct sockaddr *)ret_address, length), 0);
    getsockname(fd, (struct sockaddr *)ret_address, &length);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

typedef struct {
    Transport *transport;
    struct sockaddr_in server, client_address;
    int client;
    TransportDatagram batch[TRANSPORT_BATCH];
    guint8 memory[TRANSPORT_BATCH][TRANSPORT_DATAGRAM];
} Fixture;

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->transport = transport_new(bound_socket(&fixture->server, INADDR_ANY), -1);
    fixture->client = bound_socket(&fixture->client_address, INADDR_LOOPBACK);
    for (guint i = 0; i < TRANSPORT_BATCH; i++)
        fixture->batch[i].data = fixture->memory[i];
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    transport_free(fixture->transport);
    close(fixture->client);
    g_free(fixture);
    return 0;
}

// Sends one datagram to the server at 127.0.0.2, another address than its route would answer from.
static void say(Fixture *fixture, gconstpointer data, gsize length)
{
    struct sockaddr_in to = fixture->server;
    to.sin_addr.s_addr = htonl(0x7F000002);
    assert_int_equal(sendto(fixture->client, data, length, 0, (struct sockaddr *)&to, sizeof to),
                     length);
}

static TransportPath *hear_one(Fixture *fixture)
{
    say(fixture, "hello", 5);
    transport_wait(fixture->transport, -1, 5000000);
    assert_int_equal(transport_receive(fixture->transport, fixture->batch), 1);
    return &fixture->batch[0].path;
}

static void datagrams_come_in_by_the_batch_with_length_path_and_time(void **state)
{
    Fixture *fixture = *state;
    guint8 large[TRANSPORT_DATAGRAM + 1] = {0};
    say(fixture, "one", 3);
    say(fixture, large, sizeof large);
    say(fixture, "three", 5);
    assert_false(transport_wait(fixture->transport, -1, 5000000));
    assert_int_equal(transport_receive(fixture->transport, fixture->batch), 3);
    assert_int_equal(fixture->batch[0].length, 3);
    assert_memory_equal(fixture->batch[0].data, "one", 3);
    assert_int_equal(fixture->batch[1].length, 0); // too long
    assert_int_equal(fixture->batch[2].length, 5);
    assert_true(transport_path_equal(&fixture->batch[0].path, &fixture->batch[2].path));
    assert_int_equal(fixture->batch[0].path.local.v4.s_addr, htonl(0x7F000002));
    gint64 age_us = g_get_monotonic_time() - fixture->batch[0].arrival_us;
    assert_true(age_us >= 0 && age_us < G_USEC_PER_SEC);
    g_autofree char *text = transport_path_print(&fixture->batch[0].path);
    g_autofree char *expected =
        g_strdup_printf("127.0.0.1:%u", ntohs(fixture->client_address.sin_port));
    assert_string_equal(text, expected);
}

static void a_run_of_packets_arrives_whole_and_in_order_from_the_address_addressed(void **state)
{
    Fixture *fixture = *state;
    TransportPath *path = hear_one(fixture);
    static const gsize lengths[] = {100, 100, 100, 60, 100, 7, 1200, 1300};
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        memset(transport_reserve(fixture->transport), (int)i, lengths[i]);
        transport_commit(fixture->transport, path, lengths[i]);
    }
    transport_flush(fixture->transport);
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        guint8 data[2000];
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        assert_int_equal(
            recvfrom(fixture->client, data, sizeof data, 0, (struct sockaddr *)&from, &length),
            lengths[i]);
        assert_int_equal(data[0], i);
        assert_int_equal(data[lengths[i] - 1], i);
        assert_int_equal(from.sin_addr.s_addr, htonl(0x7F000002));
    }
    assert_int_equal(transport_counts(fixture->transport)->sent, G_N_ELEMENTS(lengths));
    assert_int_equal(transport_counts(fixture->transport)->calls, 1);
}

static void more_than_the_arena_holds_is_flushed_on_the_way(void **state)
{
    Fixture *fixture = *state;
    TransportPath *path = hear_one(fixture);
    guint got = 0;
    for (guint i = 0; i < 1000; i++) {
        memset(transport_reserve(fixture->transport), 0, 1200);
        transport_commit(fixture->transport, path, 1200);
        guint8 data[2000];
        while (recv(fixture->client, data, sizeof data, MSG_DONTWAIT) > 0)
            got++;
    }
    transport_flush(fixture->transport);
    guint8 data[2000];
    while (recv(fixture->client, data, sizeof data, MSG_DONTWAIT) > 0)
        got++;
    assert_int_equal(transport_counts(fixture->transport)->sent, 1000);
    assert_true(got > 0);
}

static void what_the_kernel_refuses_is_counted_and_the_rest_goes_on(void **state)
{
    Fixture *fixture = *state;
    TransportPath *path = hear_one(fixture);
    TransportPath bad = *path;
    bad.remote.v4.sin_port = 0;
    const TransportPath *paths[] = {&bad, path};
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        memset(transport_reserve(fixture->transport), 9, 50);
        transport_commit(fixture->transport, paths[i], 50);
    }
    transport_flush(fixture->transport);
    assert_int_equal(transport_counts(fixture->transport)->refused, 1);
    guint8 data[100];
    assert_int_equal(recv(fixture->client, data, sizeof data, 0), 50);
}

static void both_families_are_served_by_one_transport(void **state)
{
    Fixture *fixture = *state;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in six_four;
    socklen_t length = sizeof address;
    int server = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), only = 1;
    int client = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    if (bind(server, (struct sockaddr *)&address, sizeof address) != 0)
        skip(); // a machine without IPv6
    getsockname(server, (struct sockaddr *)&address, &length);
    transport_free(fixture->transport);
    fixture->transport = transport_new(bound_socket(&six_four, INADDR_ANY), server);
    fixture->server = six_four;
    say(fixture, "four", 4);
    address.sin6_addr = in6addr_loopback;
    assert_int_equal(sendto(client, "six", 3, 0, (struct sockaddr *)&address, sizeof address), 3);
    transport_wait(fixture->transport, -1, 5000000);
    assert_int_equal(transport_receive(fixture->transport, fixture->batch), 2);
    for (guint i = 0; i < 4; i++) { // in turns
        memset(transport_reserve(fixture->transport), 6, 70);
        transport_commit(fixture->transport, &fixture->batch[i % 2].path, 70);
    }
    transport_flush(fixture->transport);
    guint8 data[100];
    for (guint i = 0; i < 2; i++) {
        assert_int_equal(recv(client, data, sizeof data, 0), 70);
        assert_int_equal(recv(fixture->client, data, sizeof data, 0), 70);
    }
    g_autofree char *text = transport_path_print(&fixture->batch[1].path);
    assert_memory_equal(text, "[::1]:", 6);
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(datagrams_come_in_by_the_batch_with_length_path_and_time,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_run_of_packets_arrives_whole_and_in_order_from_the_address_addressed, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(more_than_the_arena_holds_is_flushed_on_the_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_the_kernel_refuses_is_counted_and_the_rest_goes_on,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_families_are_served_by_one_transport, set_up,
                                        tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
