// SPDX-License-Identifier: MIT
// Which messages are shown: by topic, type and room; what is malformed or missing is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "busmon/monitor.h"
#include "busmon/options.h"
#include "busmon/room.h"

static Options *options_of(const char *text)
{
    g_autofree char *line = g_strconcat("busmon ", text, NULL);
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    g_autoptr(GError) error = NULL;
    guint argc = *text == '\0' ? 1 : g_strv_length(argv);
    Options *options = options_new((int)argc, argv, &error);
    if (options == NULL)
        fail_msg("%s: %s", text, error->message);
    return options;
}

typedef struct {
    EnvelopeType type;
    const char *from, *to, *body, *trace;
} Sample;

static char *show(Monitor *monitor, const Sample *sample)
{
    g_autoptr(Envelope) envelope = envelope_new(sample->type, sample->from, sample->to);
    const char *text = sample->body != NULL ? sample->body : "{}";
    g_autoptr(Json) body = json_parse(text, strlen(text), 10000, NULL);
    assert_non_null(body);
    envelope_set_body(envelope, body);
    envelope_set(&envelope->trace, sample->trace);
    g_autoptr(GBytes) packed = envelope_pack(envelope);
    g_autofree char *topic = g_strconcat(sample->to, " ", NULL);
    return monitor_frame(monitor, topic, g_bytes_get_data(packed, NULL), g_bytes_get_size(packed));
}

static gboolean is_shown(Monitor *monitor, const Sample *sample)
{
    g_autofree char *line = show(monitor, sample);
    return line != NULL;
}

static const Sample join = {
    MSG__ENVELOPE__TYPE__CREATE, "hyperty://localhost/u1", "hyperty://localhost/conference",
    "{\"roomId\":\"demo\",\"value\":{\"url\":\"connection://localhost/p1\"},"
    "\"token\":\"hidden\"}",
    "t1"};
static const Sample presence = {MSG__ENVELOPE__TYPE__UPDATE, "ctxt://localhost/process/media-1",
                                "ctxt://localhost/process/media-1/changes",
                                "{\"value\":{\"address\":\"hyperty://localhost/media/1\",\"room\":{"
                                "\"roomId\":\"demo\"}}}",
                                NULL};
static const Sample echo = {MSG__ENVELOPE__TYPE__EVENT, "bus://process/gateway-1",
                            "bus://process/gateway-1/echo", NULL, NULL};
static const Sample event = {MSG__ENVELOPE__TYPE__EVENT, "bus://events", "bus://events",
                             "{\"value\":{\"event\":\"connected\",\"process\":\"worker-1\"}}",
                             NULL};
static const Sample change = {MSG__ENVELOPE__TYPE__UPDATE, "comm://localhost/demo-3fa9c1d2",
                              "comm://localhost/demo-3fa9c1d2/changes", "{\"version\":1}", NULL};

static void everything_but_housekeeping_is_shown(void **state)
{
    (void)state;
    g_autoptr(Options) options = options_of("");
    g_autoptr(Monitor) monitor = monitor_new(options);
    assert_true(is_shown(monitor, &join));
    assert_true(is_shown(monitor, &change));
    assert_true(is_shown(monitor, &event));
    assert_false(is_shown(monitor, &presence));
    assert_false(is_shown(monitor, &echo));
    g_autoptr(Options) all = options_of("--all");
    g_autoptr(Monitor) shows_all = monitor_new(all);
    assert_true(is_shown(shows_all, &presence));
    assert_true(is_shown(shows_all, &echo));
}

static void topic_and_type_narrow_it(void **state)
{
    (void)state;
    g_autoptr(Options) by_topic = options_of("--topic=ctxt://localhost/process/");
    g_autoptr(Monitor) monitor = monitor_new(by_topic);
    assert_true(is_shown(monitor, &presence));
    assert_false(is_shown(monitor, &join));
    g_autoptr(Options) by_type = options_of("--type CREATE");
    g_autoptr(Monitor) creates = monitor_new(by_type);
    assert_true(is_shown(creates, &join));
    assert_false(is_shown(creates, &change));
}

static void no_subscription_is_a_route(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"", ""},
        {"--topic comm://localhost/", "comm://localhost"},
        {"--topic hyperty://", "hyperty:"},
        {"--topic /", ""},
        {"--topic a --room demo", ""},
        {"--events", "bus://events"},
        {"--events --all", ""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(Options) options = options_of(table[i][0]);
        g_autoptr(Monitor) monitor = monitor_new(options);
        g_autofree char *topic = monitor_subscription(monitor);
        assert_string_equal(topic, table[i][1]);
    }
}

static void secrets_are_masked(void **state)
{
    (void)state;
    g_autoptr(Options) options = options_of("--json");
    g_autoptr(Monitor) monitor = monitor_new(options);
    g_autofree char *line = show(monitor, &join);
    assert_null(strstr(line, "hidden"));
    assert_non_null(strstr(line, "\"trace\":\"t1\""));
}

static void what_is_no_message_is_told(void **state)
{
    (void)state;
    g_autoptr(Options) options = options_of("--room demo");
    g_autoptr(Monitor) monitor = monitor_new(options);
    g_autofree char *garbage = monitor_frame(monitor, "a://b ", (const guint8 *)"\xff\xff", 2);
    assert_non_null(strstr(garbage, "a://b malformed"));
    assert_non_null(strstr(garbage, "not an envelope"));
    g_autofree char *empty = monitor_frame(monitor, "a://b ", (const guint8 *)"", 0);
    assert_non_null(strstr(empty, "type is missing"));
}

static char *numbered(Monitor *monitor, guint64 sequence)
{
    g_autoptr(Envelope) envelope = envelope_new(MSG__ENVELOPE__TYPE__PING, "a://b", "a://c");
    envelope_set(&envelope->source, "gateway-1");
    envelope->has_sequence = TRUE;
    envelope->sequence = sequence;
    g_autoptr(GBytes) packed = envelope_pack(envelope);
    return monitor_frame(monitor, "a://c ", g_bytes_get_data(packed, NULL),
                         g_bytes_get_size(packed));
}

static void what_did_not_arrive_is_told(void **state)
{
    (void)state;
    g_autoptr(Options) options = options_of("--type create");
    g_autoptr(Monitor) monitor = monitor_new(options);
    assert_null(numbered(monitor, 7));
    assert_null(numbered(monitor, 8));
    g_autofree char *hole = numbered(monitor, 12);
    assert_non_null(strstr(hole, "dropped"));
    assert_non_null(strstr(hole, "3 messages of gateway-1 did not arrive"));
    assert_null(numbered(monitor, 9));
    assert_null(numbered(monitor, 13));
    g_autofree char *slow = monitor_missed(monitor, 5);
    assert_non_null(strstr(slow, "5 lines left out"));
}

static void events_are_shown_alone(void **state)
{
    (void)state;
    g_autoptr(Options) options = options_of("--events");
    g_autoptr(Monitor) monitor = monitor_new(options);
    assert_true(is_shown(monitor, &event));
    assert_false(is_shown(monitor, &join));
    g_autofree char *own = monitor_link(monitor, "busmon-1", FALSE);
    assert_non_null(strstr(own, "disconnected"));
    g_autoptr(Options) plain = options_of("");
    g_autoptr(Monitor) without = monitor_new(plain);
    assert_null(monitor_link(without, "busmon-1", TRUE));
}

#define D "localhost"

static void a_rooms_messages_are_followed_through_every_process(void **state)
{
    (void)state;
    static const struct {
        Sample sample;
        gboolean is_shown;
    } story[] = {
        {{MSG__ENVELOPE__TYPE__UPDATE, "connection://" D "/p1", "connection://" D "/p1/changes",
          NULL, NULL},
         FALSE},
        {join, TRUE},
        {{MSG__ENVELOPE__TYPE__EXECUTE, "hyperty://" D "/conference", "hyperty://" D "/worker/w",
          "{\"method\":\"startRoom\",\"params\":[{\"roomId\":\"demo\"}]}", "t0"},
         TRUE},
        {{MSG__ENVELOPE__TYPE__RESPONSE, "hyperty://" D "/worker/w", "hyperty://" D "/conference",
          "{\"code\":200,\"value\":{\"media\":\"hyperty://" D "/media/2\"}}", "t0"},
         TRUE},
        {{MSG__ENVELOPE__TYPE__CLOSE, "hyperty://" D "/conference", "hyperty://" D "/media/2", NULL,
          NULL},
         TRUE},
        {{MSG__ENVELOPE__TYPE__RESPONSE, "hyperty://" D "/conference", "hyperty://" D "/u1",
          "{\"code\":200}", "t1"},
         TRUE},
        {{MSG__ENVELOPE__TYPE__UPDATE, "connection://" D "/p1", "connection://" D "/p1/changes",
          NULL, NULL},
         TRUE},
        {{MSG__ENVELOPE__TYPE__UPDATE, "connection://" D "/media-p1",
          "connection://" D "/media-p1/changes", NULL, NULL},
         TRUE},
        {change, TRUE},
        {{MSG__ENVELOPE__TYPE__UPDATE, "ctxt://" D "/room/demo", "ctxt://" D "/room/demo/changes",
          NULL, NULL},
         TRUE},
        {{MSG__ENVELOPE__TYPE__UPDATE, "ctxt://" D "/room/demo1", "ctxt://" D "/room/demo1/changes",
          NULL, NULL},
         FALSE},
        {{MSG__ENVELOPE__TYPE__UPDATE, "comm://" D "/demo-x-3fa9c1d2",
          "comm://" D "/demo-x-3fa9c1d2/changes", NULL, NULL},
         FALSE},
        {{MSG__ENVELOPE__TYPE__EXECUTE, "hyperty://" D "/u2", "hyperty://" D "/conference",
          "{\"method\":\"leaveRoom\",\"params\":[\"other\"]}", "t2"},
         FALSE},
        {{MSG__ENVELOPE__TYPE__EXECUTE, "hyperty://" D "/u2", "hyperty://" D "/conference",
          "{\"method\":\"leaveRoom\",\"params\":[\"demo\"]}", "t3"},
         TRUE},
        {presence, FALSE},
        {{MSG__ENVELOPE__TYPE__DELETE, "hyperty://" D "/conference", "hyperty://" D "/media/1",
          NULL, NULL},
         TRUE},
    };
    g_autoptr(Options) options = options_of("--room demo");
    g_autoptr(Monitor) monitor = monitor_new(options);
    for (guint i = 0; i < G_N_ELEMENTS(story); i++)
        if (is_shown(monitor, &story[i].sample) != story[i].is_shown)
            fail_msg("message %u", i);
}

static void a_snapshot_names_the_participants(void **state)
{
    (void)state;
    g_autoptr(RoomFilter) filter = room_filter_new("demo");
    g_autoptr(Envelope) answer =
        envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, "comm://" D "/demo-3fa9c1d2/subscription",
                     "hyperty://" D "/x");
    const char *text = "{\"value\":{\"data\":{\"participants\":{\"p7\":{}}}}}";
    g_autoptr(Json) body = json_parse(text, strlen(text), 1000, NULL);
    g_autoptr(Envelope) update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "connection://" D "/p7",
                                              "connection://" D "/p7/changes");
    assert_false(room_filter_match(filter, update->to, update, NULL));
    assert_true(room_filter_match(filter, "bus://process/x ", answer, body));
    assert_true(room_filter_match(filter, update->to, update, NULL));
}

static void options_that_are_not_understood_are_named(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"busmon --frobnicate", "--frobnicate"},
        {"busmon --room", "--room"},
        {"busmon --room=a.b", "a.b"},
        {"busmon --topics x", "--topics"},
        {"busmon demo", "demo"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(GStrv) argv = g_strsplit(lines[i][0], " ", -1);
        g_autoptr(GError) error = NULL;
        assert_null(options_new((int)g_strv_length(argv), argv, &error));
        assert_non_null(strstr(error->message, lines[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_but_housekeeping_is_shown),
        cmocka_unit_test(topic_and_type_narrow_it),
        cmocka_unit_test(no_subscription_is_a_route),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(what_is_no_message_is_told),
        cmocka_unit_test(what_did_not_arrive_is_told),
        cmocka_unit_test(events_are_shown_alone),
        cmocka_unit_test(a_rooms_messages_are_followed_through_every_process),
        cmocka_unit_test(a_snapshot_names_the_participants),
        cmocka_unit_test(options_that_are_not_understood_are_named),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
