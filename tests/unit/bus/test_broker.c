// SPDX-License-Identifier: MIT
// The broker in one main loop with two bus clients: it passes on, it speaks itself, and its address
// can be taken only once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/broker.h"
#include "common/bus.h"
#include "common/log.h"

typedef struct {
    Config *config;
    Broker *broker;
    Bus *one, *other;
    guint heard, presences;
    gint64 routes;
} Story;

static guint free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void set_endpoint(Config *config, ConfigKey key)
{
    g_autofree char *endpoint = g_strdup_printf("tcp://127.0.0.1:%u", free_port());
    config_set(config, key, endpoint);
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    int argc = 1;
    char *arguments[] = {(char *)"test", NULL};
    char **argv = arguments;
    log_open("test", LOG_ERROR, FALSE);
    story->config = config_new(&argc, &argv, NULL);
    set_endpoint(story->config, CONFIG_BUS_PUBLISH);
    set_endpoint(story->config, CONFIG_BUS_SUBSCRIBE);
    story->broker = broker_new(story->config, "bus-1", NULL);
    story->one = bus_new(story->config, "one-1", NULL);
    story->other = bus_new(story->config, "other-1", NULL);
    assert_true(story->broker != NULL && story->one != NULL && story->other != NULL);
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    bus_free(story->one);
    bus_free(story->other);
    broker_free(story->broker);
    config_free(story->config);
    g_free(story);
    return 0;
}

static gboolean give_up(gpointer expired)
{
    *(gboolean *)expired = TRUE;
    return G_SOURCE_CONTINUE;
}

static void run_until(const guint *counter)
{
    gboolean expired = FALSE;
    guint timer = g_timeout_add(5000, give_up, &expired);
    while (*counter == 0 && !expired)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    assert_true(*counter > 0);
}

static void on_heard(const Envelope *message, BusRequest *request, gpointer user)
{
    (void)request;
    assert_string_equal(message->source, "one-1");
    ((Story *)user)->heard++;
}

static void on_ready(gpointer user)
{
    Story *story = user;
    bus_publish(story->one,
                envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "comm://d/r", "comm://d/r/changes"));
}

static void a_message_passes_from_one_to_the_other(void **state)
{
    Story *story = *state;
    bus_route(story->other, "comm://d/r/", on_heard, story);
    bus_when_routed(story->other, on_ready, story);
    run_until(&story->heard);
}

static void on_presence(const Envelope *message, BusRequest *request, gpointer user)
{
    Story *story = user;
    g_autoptr(Json) value = envelope_value(message);
    assert_null(request);
    assert_string_equal(json_get_text(value, "role"), "bus");
    assert_string_equal(json_get_text(value, "process"), "bus-1");
    story->presences++;
    story->routes = json_get_number(value, "load", 0);
}

static void it_shows_its_own_presence_with_its_routes(void **state)
{
    Story *story = *state;
    bus_route(story->one, "ctxt://localhost/process/bus-1/changes ", on_presence, story);
    run_until(&story->presences);
    assert_true(story->routes >= 3); // this one, and the two clients' own
}

static void an_address_in_use_is_an_error_that_names_it(void **state)
{
    Story *story = *state;
    g_autoptr(GError) error = NULL;
    assert_null(broker_new(story->config, "bus-2", &error));
    assert_non_null(strstr(error->message, config_text(story->config, CONFIG_BUS_PUBLISH)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_passes_from_one_to_the_other, start, end),
        cmocka_unit_test_setup_teardown(it_shows_its_own_presence_with_its_routes, start, end),
        cmocka_unit_test_setup_teardown(an_address_in_use_is_an_error_that_names_it, start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
