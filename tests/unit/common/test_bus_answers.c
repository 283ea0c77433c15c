// SPDX-License-Identifier: MIT
// Requests of others: handled once, their answers remembered within bounds. What would go to the
// bus is kept as the last answer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "common/bus_answers.h"
#include "common/limits.h"

typedef struct {
    BusAnswers *answers;
    guint sent;
    Envelope *last;
    char *process;
    gsize most; // bytes that fit
} Story;

static gboolean send(Envelope *answer, const char *process, gpointer user)
{
    Story *story = user;
    if (msg__envelope__get_packed_size(answer) > story->most)
        return FALSE;
    story->sent++;
    envelope_free(story->last);
    story->last = envelope_copy(answer);
    envelope_set(&story->process, process);
    return TRUE;
}

static int start(void **state)
{
    Story *story = g_new0(Story, 1);
    story->answers = bus_answers_new(send, story);
    story->most = LIMIT_BUS_MESSAGE;
    *state = story;
    return 0;
}

static int end(void **state)
{
    Story *story = *state;
    bus_answers_free(story->answers);
    envelope_free(story->last);
    g_free(story->process);
    g_free(story);
    return 0;
}

static BusRequest *arrive(Story *story, const char *source, const char *session, guint64 number)
{
    Envelope *message = envelope_new(MSG__ENVELOPE__TYPE__CREATE, "hyperty://d/a", "hyperty://d/b");
    g_autoptr(Json) id = json_new_text("x7");
    envelope_set(&message->source, source);
    envelope_set(&message->session, session);
    envelope_set(&message->trace, "t1");
    envelope_set_json(&message->id, &message->has_id, id);
    message->has_request = TRUE;
    message->request = number;
    return bus_answers_take(story->answers, message);
}

static void answer(BusRequest *request, gint code)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", code);
    bus_answer(request, body);
}

static void arrive_and_answer(Story *story, const char *source, const char *session, guint64 number)
{
    g_autoptr(BusRequest) request = arrive(story, source, session, number);
    assert_non_null(request);
    answer(request, 200);
}

static void an_answer_goes_back_along_the_requests_path(void **state)
{
    Story *story = *state;
    arrive_and_answer(story, "p-1", NULL, 5);
    assert_string_equal(story->process, "p-1");
    assert_string_equal(story->last->from, "hyperty://d/b");
    assert_string_equal(story->last->to, "hyperty://d/a");
    assert_string_equal(story->last->trace, "t1");
    assert_int_equal(story->last->request, 5);
    assert_memory_equal(story->last->id.data, "\"x7\"", 4);
}

static void repeats_are_swallowed_then_answered_from_memory(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    assert_null(arrive(story, "p-1", NULL, 5));
    assert_int_equal(story->sent, 0);
    answer(request, 200);
    assert_null(arrive(story, "p-1", NULL, 5));
    assert_int_equal(story->sent, 2);
    assert_int_equal(envelope_code(story->last), 200);
}

static void equal_numbers_of_two_processes_are_two_requests(void **state)
{
    Story *story = *state;
    arrive_and_answer(story, "p-1", NULL, 5);
    arrive_and_answer(story, "p-2", NULL, 5);
    assert_int_equal(bus_answers_remembered(story->answers), 2);
}

static void not_now_is_not_remembered(void **state)
{
    static const gint codes[] = {408, 429, 500, 503, 504};
    Story *story = *state;
    for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
        g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
        assert_non_null(request);
        answer(request, codes[i]);
        assert_int_equal(envelope_code(story->last), codes[i]);
    }
    assert_int_equal(bus_answers_remembered(story->answers), 0);
}

static void a_second_answer_is_ignored(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    answer(request, 200);
    answer(request, 403);
    assert_int_equal(story->sent, 1);
}

static void provisional_answers_leave_the_request_open(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    bus_acknowledge(request);
    assert_null(story->last->body);
    answer(request, 100);
    assert_int_equal(envelope_code(story->last), 100);
    answer(request, 200);
    assert_int_equal(story->sent, 3);
    assert_int_equal(bus_answers_remembered(story->answers), 1);
}

static void an_answer_without_a_body_is_final(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    bus_answer(request, NULL);
    assert_non_null(story->last->body);
    assert_int_equal(bus_answers_remembered(story->answers), 1);
}

static void a_dropped_request_is_answered_504(void **state)
{
    Story *story = *state;
    BusRequest *request = arrive(story, "p-1", NULL, 5);
    bus_request_unref(bus_request_ref(request));
    assert_int_equal(story->sent, 0);
    bus_request_unref(request);
    assert_int_equal(envelope_code(story->last), 504);
}

static void a_refusal_carries_reason_and_both_texts(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    bus_refuse(request, MSG__REFUSAL__REASON__locked, "room demo");
    g_autoptr(Json) body = envelope_body_json(story->last);
    assert_int_equal(json_get_number(body, "code", 0), 403);
    assert_string_equal(json_get_text(body, "reason"), "locked");
    assert_string_equal(json_get_text(body, "desc"), "the room takes nobody in: room demo");
    assert_string_equal(json_get_text(body, "description"), json_get_text(body, "desc"));
}

static void a_body_in_an_envelope_is_copied(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    g_autoptr(Envelope) relayed = envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, "a://b", "a://c");
    envelope_body(relayed)->has_code = TRUE;
    relayed->body->code = 486;
    envelope_set(&relayed->body->desc, "busy");
    bus_answer_body(request, relayed->body);
    assert_int_equal(envelope_code(story->last), 486);
    assert_string_equal(story->last->body->desc, "busy");
}

static void an_answer_that_is_too_large_becomes_413(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    g_autoptr(Json) body = json_new_object();
    g_autofree char *text = g_strnfill(1000, 'x');
    story->most = 800;
    json_set_number(body, "code", 200);
    json_set_text(body, "desc", text);
    bus_answer(request, body);
    assert_int_equal(envelope_code(story->last), 413);
}

static void a_session_pushes_only_its_own_answers_out(void **state)
{
    Story *story = *state;
    arrive_and_answer(story, "p-1", "quiet", 1);
    for (guint i = 0; i < LIMIT_BUS_ANSWERS_PER_ASKER + 10; i++)
        arrive_and_answer(story, "p-1", "loud", 100 + i);
    assert_int_equal(bus_answers_remembered(story->answers), LIMIT_BUS_ANSWERS_PER_ASKER + 1);
    assert_null(arrive(story, "p-1", "quiet", 1));
    g_autoptr(BusRequest) forgotten = arrive(story, "p-1", "loud", 100);
    assert_non_null(forgotten);
}

static void memory_is_bounded_in_all(void **state)
{
    Story *story = *state;
    for (guint i = 0; i < LIMIT_BUS_ANSWERS + 100; i++) {
        g_autofree char *session = g_strdup_printf("s%u", i);
        arrive_and_answer(story, "p-1", session, i);
    }
    assert_int_equal(bus_answers_remembered(story->answers), LIMIT_BUS_ANSWERS);
}

static void one_held_too_many_is_refused(void **state)
{
    Story *story = *state;
    g_autoptr(GPtrArray) held = g_ptr_array_new();
    for (guint i = 0; i < LIMIT_BUS_REQUESTS_HELD; i++)
        g_ptr_array_add(held, arrive(story, "p-1", NULL, i));
    assert_null(arrive(story, "p-1", NULL, 1000000));
    assert_int_equal(envelope_code(story->last), 429);
    for (guint i = 0; i < held->len; i++) {
        answer(held->pdata[i], 503);
        bus_request_unref(held->pdata[i]);
    }
    arrive_and_answer(story, "p-1", NULL, 1000000);
}

static void a_request_outlives_the_bus_and_its_answer_goes_nowhere(void **state)
{
    Story *story = *state;
    g_autoptr(BusRequest) request = arrive(story, "p-1", NULL, 5);
    g_clear_pointer(&story->answers, bus_answers_free);
    answer(request, 200);
    assert_int_equal(story->sent, 0);
    assert_string_equal(bus_request_message(request)->to, "hyperty://d/b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_goes_back_along_the_requests_path, start, end),
        cmocka_unit_test_setup_teardown(repeats_are_swallowed_then_answered_from_memory, start,
                                        end),
        cmocka_unit_test_setup_teardown(equal_numbers_of_two_processes_are_two_requests, start,
                                        end),
        cmocka_unit_test_setup_teardown(not_now_is_not_remembered, start, end),
        cmocka_unit_test_setup_teardown(a_second_answer_is_ignored, start, end),
        cmocka_unit_test_setup_teardown(provisional_answers_leave_the_request_open, start, end),
        cmocka_unit_test_setup_teardown(an_answer_without_a_body_is_final, start, end),
        cmocka_unit_test_setup_teardown(a_dropped_request_is_answered_504, start, end),
        cmocka_unit_test_setup_teardown(a_refusal_carries_reason_and_both_texts, start, end),
        cmocka_unit_test_setup_teardown(a_body_in_an_envelope_is_copied, start, end),
        cmocka_unit_test_setup_teardown(an_answer_that_is_too_large_becomes_413, start, end),
        cmocka_unit_test_setup_teardown(a_session_pushes_only_its_own_answers_out, start, end),
        cmocka_unit_test_setup_teardown(memory_is_bounded_in_all, start, end),
        cmocka_unit_test_setup_teardown(one_held_too_many_is_refused, start, end),
        cmocka_unit_test_setup_teardown(a_request_outlives_the_bus_and_its_answer_goes_nowhere,
                                        start, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
