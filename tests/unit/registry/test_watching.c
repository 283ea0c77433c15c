// SPDX-License-Identifier: MIT
// What others tell: believed of our own processes, never of a client. And the domain registry,
// which tells.
#include "tests/unit/registry/stage.h"
#include "registry/discovery.h"
#include "registry/watching.h"

#define SESSIONS "hyperty://localhost/sessions"
#define REGISTRY "domain://registry.localhost"

static void on_sessions(const Envelope *message, BusRequest *request, gpointer user)
{
    Stage *stage = user;
    if (message->type == MSG__ENVELOPE__TYPE__DELETE)
        on_session_ended(&stage->service, message, request);
    else if (message->type == MSG__ENVELOPE__TYPE__READ)
        on_session_asked(&stage->service, message, request);
    else
        on_session_told(&stage->service, message, request);
}

static void on_registry(const Envelope *message, BusRequest *request, gpointer user)
{
    on_discover(&((Stage *)user)->service, message, request);
}

static Answer *say(Stage *stage, EnvelopeType type, const char *value, const char *session)
{
    Envelope *request = envelope_new(type, "domain://msg-node.localhost/g", SESSIONS);
    Msg__Body *body = envelope_body(request);
    envelope_set(&request->source, "gateway-1");
    envelope_set(&request->session, session);
    envelope_set(&body->resource, "s1");
    if (value != NULL) {
        g_autoptr(Json) json = json_parse_bytes((const guint8 *)value, strlen(value));
        envelope_set_json(&body->value, &body->has_value, json);
    }
    Answer *answer = stage_send(stage, request);
    stage_settle();
    return answer;
}

#define LIVE "{\"session\":\"s1\",\"status\":\"live\",\"addresses\":[\"hyperty://localhost/h\"]}"

static void gateways_tell_and_ask_of_sessions(void **state)
{
    Stage *stage = *state;
    g_autoptr(Answer) unknown = say(stage, MSG__ENVELOPE__TYPE__READ, NULL, NULL);
    assert_int_equal(unknown->code, 404);
    g_autoptr(Answer) told = say(stage, MSG__ENVELOPE__TYPE__CREATE, LIVE, NULL);
    assert_int_equal(told->code, 200);
    g_autoptr(Answer) found = say(stage, MSG__ENVELOPE__TYPE__READ, NULL, NULL);
    const Json *value = json_get(found->body, "value");
    assert_string_equal(json_get_text(value, "gateway"), "gateway-1");
    assert_string_equal(json_text(json_at(json_get(value, "addresses"), 0)),
                        "hyperty://localhost/h");
    g_autoptr(Answer) ended = say(stage, MSG__ENVELOPE__TYPE__DELETE, NULL, NULL);
    assert_int_equal(ended->code, 200);
    assert_null(sessions_find(stage->registry.sessions, "s1"));
}

static void clients_do_not(void **state)
{
    Stage *stage = *state;
    static const EnvelopeType types[] = {MSG__ENVELOPE__TYPE__CREATE, MSG__ENVELOPE__TYPE__UPDATE,
                                         MSG__ENVELOPE__TYPE__DELETE, MSG__ENVELOPE__TYPE__READ};
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autoptr(Answer) answer = say(stage, types[i], LIVE, "s-eve");
        assert_refused(answer, "forbidden");
    }
    assert_int_equal(sessions_count(stage->registry.sessions), 0);
}

static void a_session_that_makes_no_sense_is_refused(void **state)
{
    Stage *stage = *state;
    static const char *const values[] = {NULL, "[]", "{}", "{\"session\":7}"};
    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(Answer) answer = say(stage, MSG__ENVELOPE__TYPE__CREATE, values[i], NULL);
        assert_refused(answer, "malformed");
    }
}

static void hear(Stage *stage, const char *value, const char *source, const char *session)
{
    g_autoptr(Envelope) update = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "ctxt://localhost/x",
                                              "ctxt://localhost/x/changes");
    g_autoptr(Json) json = json_parse_bytes((const guint8 *)value, strlen(value));
    Msg__Body *body = envelope_body(update);
    envelope_set(&update->source, source);
    envelope_set(&update->session, session);
    envelope_set_json(&body->value, &body->has_value, json);
    on_presence(&stage->service, update, NULL);
    stage_settle();
}

static void presence_is_believed_of_the_process_itself_only(void **state)
{
    Stage *stage = *state;
    const char *value = "{\"role\":\"worker\",\"process\":\"worker-9\",\"capacity\":3}";
    hear(stage, value, "worker-8", NULL);
    hear(stage, value, "worker-9", "s-eve");
    hear(stage, "[]", "worker-9", NULL);
    assert_null(presences_find(stage->registry.presences, "worker-9"));
    hear(stage, value, "worker-9", NULL);
    assert_int_equal(presences_find(stage->registry.presences, "worker-9")->capacity, 3);
}

static void a_room_process_that_nobody_needs_is_told_to_end(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    const char *media = stage_media(stage, "demo");
    static const struct {
        const char *url;
        guint participants, closed;
    } rows[] = {{"comm://localhost/gone-1", 1, 0}, {"comm://localhost/gone-1", 0, 1}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *value =
            g_strdup_printf("{\"role\":\"media\",\"process\":\"media-9\",\"address\":\"%s\","
                            "\"room\":{\"url\":\"%s\",\"epoch\":1,\"participants\":%u}}",
                            media, rows[i].url, rows[i].participants);
        hear(stage, value, "media-9", NULL);
        assert_int_equal(stage->close.asked, rows[i].closed);
    }
}

static void only_the_broker_says_who_is_gone(void **state)
{
    Stage *stage = *state;
    static const char *const from[] = {"hyperty://localhost/eve", "bus://events"};
    for (guint i = 0; i < G_N_ELEMENTS(from); i++) {
        const Presence *worker = presences_find(stage->registry.presences, "worker-w1");
        stage_gone(stage, from[i], "worker-w1");
        assert_int_equal(worker->state, i == 1 ? PRESENCE_SUSPECT : PRESENCE_LIVE);
    }
}

static Answer *find(Stage *stage, const char *resource)
{
    Envelope *read = envelope_new(MSG__ENVELOPE__TYPE__READ, "hyperty://localhost/h", REGISTRY);
    envelope_set(&envelope_body(read)->resource, resource);
    Answer *answer = stage_send(stage, read);
    stage_settle();
    return answer;
}

static void rooms_and_the_conference_can_be_found(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    const char *url = room_url(stage_room(stage, "demo"));
    g_autoptr(Answer) by_name = find(stage, "demo");
    g_autoptr(Answer) by_url = find(stage, url);
    g_autoptr(Answer) conference = find(stage, CONFERENCE);
    g_autoptr(Answer) nothing = find(stage, "elsewhere");
    g_autoptr(Answer) unsaid = find(stage, NULL);
    assert_string_equal(json_get_text(json_get(json_get(by_name->body, "value"), url), "name"),
                        "demo");
    assert_true(json_equals(by_name->body, by_url->body));
    assert_non_null(json_get(json_get(conference->body, "value"), CONFERENCE));
    assert_int_equal(nothing->code, 404);
    assert_refused(unsaid, "malformed");
}

static int set_up(void **state)
{
    stage_set_up(state);
    bus_route(((Stage *)*state)->registry.bus, SESSIONS " ", on_sessions, *state);
    bus_route(((Stage *)*state)->registry.bus, REGISTRY " ", on_registry, *state);
    return 0;
}

static int tear_down(void **state)
{
    bus_unroute(((Stage *)*state)->registry.bus, SESSIONS " ", on_sessions, *state);
    bus_unroute(((Stage *)*state)->registry.bus, REGISTRY " ", on_registry, *state);
    return stage_tear_down(state);
}

int main(void)
{
#define WATCHING_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WATCHING_TEST(gateways_tell_and_ask_of_sessions),
        WATCHING_TEST(clients_do_not),
        WATCHING_TEST(a_session_that_makes_no_sense_is_refused),
        WATCHING_TEST(presence_is_believed_of_the_process_itself_only),
        WATCHING_TEST(a_room_process_that_nobody_needs_is_told_to_end),
        WATCHING_TEST(only_the_broker_says_who_is_gone),
        WATCHING_TEST(rooms_and_the_conference_can_be_found),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
