// SPDX-License-Identifier: MIT
// A room process lets participants in and drops them, with the test as registry and gateway.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "media-worker/connection.h"
#include "media-worker/room_people.h"
#include "media-worker/room_requests.h"
#include "tests/support/stage.h"

#define WAIT_MS 5000

static const char *sdp_of(const Json *object)
{
    return json_get_text(json_get(json_get(object, "data"), "connectionDescription"), "sdp");
}

static void an_offer_is_answered_with_a_connection_object(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    stage_place(stage, "demo", 3);
    g_autoptr(Json) body = stage_join(stage, "demo", "ann", 1, sdp);
    const Json *object = json_get(body, "value");
    const Json *data = json_get(object, "data");
    assert_string_equal(json_get_text(object, "url"), "connection://localhost/media-ann");
    assert_int_equal(json_get_number(object, "version", 0), (3LL << 32) + 1);
    assert_int_equal(json_get_number(data, "offerVersion", 0), 1);
    assert_string_equal(json_get_text(data, "peer"), "connection://localhost/ann");
    assert_string_equal(json_get_text(data, "status"), "new");
    assert_int_equal(json_size(json_get(data, "slots")), 12);
    assert_non_null(strstr(sdp_of(object), "a=ice-lite"));
    assert_non_null(strstr(sdp_of(object), " 127.0.0.1 "));
    assert_true(json_equals(stage_answer(stage, "ann"), data));
}

static void the_same_offer_has_the_same_answer_and_a_new_one_a_new_answer(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    g_autofree char *other = stage_sdp("aiortc");
    stage_place(stage, "demo", 1);
    g_autoptr(Json) first = stage_join(stage, "demo", "ann", 1, sdp);
    g_autoptr(Json) again = stage_offer(stage, "demo", "ann", 1, 1, sdp);
    assert_string_equal(sdp_of(json_get(again, "value")), sdp_of(json_get(first, "value")));
    g_autoptr(Json) newer = stage_offer(stage, "demo", "ann", 1, 2, sdp);
    const Json *object = json_get(newer, "value");
    assert_string_not_equal(sdp_of(object), sdp_of(json_get(first, "value")));
    assert_int_equal(json_get_number(json_get(object, "data"), "offerVersion", 0), 2);
    assert_true(json_get_number(object, "version", 0) > (1LL << 32) + 1);
    assert_true(stage_until_answer(stage, "ann", "connectionDescription.sdp", sdp_of(object)));
    g_autoptr(Json) reloaded = stage_offer(stage, "demo", "ann", 1, 1, other);
    assert_int_equal(json_size(json_get(json_get(json_get(reloaded, "value"), "data"), "slots")),
                     2);
}

static const char *reason_of(Stage *stage, const char *participant, guint number, const char *sdp)
{
    static char reason[64];
    g_autoptr(Json) body = stage_offer(stage, "demo", participant, number, 1, sdp);
    assert_true(json_get_number(body, "code", 0) >= 400);
    g_strlcpy(reason, json_get_text(body, "reason"), sizeof reason);
    return reason;
}

static void offers_that_cannot_be_answered_are_refused_in_words(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    g_autofree char *hostile = stage_sdp("hostile-mids");
    stage_place(stage, "demo", 1);
    assert_string_equal(reason_of(stage, "ann", 1, "v=0\r\n"), "bad_offer");
    assert_string_equal(reason_of(stage, "ann", 1, hostile), "bad_offer");
    assert_string_equal(reason_of(stage, "no key", 1, sdp), "malformed");
    assert_string_equal(reason_of(stage, "ann", 0, sdp), "malformed");
    json_unref(stage_join(stage, "demo", "ann", 1, sdp));
    assert_string_equal(reason_of(stage, "bob", 1, sdp), "malformed"); // ann's number
    assert_string_equal(reason_of(stage, "bob", 2, ""), "bad_offer");
    g_autoptr(Json) body = stage_offer(stage, "demo", "bob", 2, 1, "v=0\r\n");
    assert_non_null(strstr(json_get_text(body, "desc"), "BUNDLE"));
}

static gboolean is_deleted(gpointer user)
{
    return stage_answer(user, "ann") == NULL;
}

static void a_participant_that_leaves_the_communication_is_dropped(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    stage_place(stage, "demo", 1);
    json_unref(stage_join(stage, "demo", "ann", 1, sdp));
    json_unref(stage_join(stage, "demo", "bob", 2, sdp));
    assert_non_null(stage_answer(stage, "ann"));
    stage_change(stage, "demo", "participants.ann", NULL);
    assert_true(suite_until(is_deleted, stage, WAIT_MS));
    assert_non_null(stage_answer(stage, "bob"));
}

static void a_participant_that_the_registry_deletes_is_dropped(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    const char *media = stage_place(stage, "demo", 1);
    json_unref(stage_join(stage, "demo", "ann", 1, sdp));
    Json *body = json_new_object();
    json_set_text(body, "resource", "connection://localhost/ann");
    json_set_number(body, "version", 1);
    g_autoptr(Json) answer = stage_ask(stage, MSG__ENVELOPE__TYPE__DELETE, media, body);
    assert_int_equal(json_get_number(answer, "code", 0), 200);
    assert_true(suite_until(is_deleted, stage, WAIT_MS));
}

static void who_never_appears_in_the_communication_is_dropped_again(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    stage_place(stage, "demo", 1);
    g_autoptr(Json) body = stage_offer(stage, "demo", "ann", 1, 1, sdp);
    assert_int_equal(json_get_number(body, "code", 0), 200);
    assert_true(suite_until_logged(suite, "media-worker", "reason=never_listed", 1, 30000));
}

typedef struct {
    Stage *stage;
    const char *media;
    guint silent;
} Health;

static gboolean is_silent(gpointer user)
{
    const Health *health = user;
    const Json *room = json_get(stage_presence(health->stage, health->media), "room");
    return json_size(json_get(room, "silent")) == health->silent;
}

static void participants_without_media_are_told_as_silent(void **state)
{
    (void)state;
    g_autoptr(Suite) suite = suite_new();
    g_autoptr(Stage) stage = stage_new(suite);
    g_autofree char *sdp = stage_sdp("chromium-trimmed");
    Health health = {.stage = stage, .media = stage_place(stage, "demo", 4), .silent = 2};
    Json *listed = json_new_object();
    json_set_text(listed, "status", "joined");
    json_unref(stage_join(stage, "demo", "ann", 1, sdp));
    stage_change(stage, "demo", "participants.bob", listed); // of a process before this one
    assert_true(suite_until(is_silent, &health, 3 * WAIT_MS));
    const Json *room = json_get(stage_presence(stage, health.media), "room");
    assert_string_equal(json_get_text(room, "roomId"), "demo");
    assert_int_equal(json_get_number(room, "epoch", 0), 4);
    assert_int_equal(json_get_number(room, "participants", 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_is_answered_with_a_connection_object),
        cmocka_unit_test(the_same_offer_has_the_same_answer_and_a_new_one_a_new_answer),
        cmocka_unit_test(offers_that_cannot_be_answered_are_refused_in_words),
        cmocka_unit_test(a_participant_that_leaves_the_communication_is_dropped),
        cmocka_unit_test(a_participant_that_the_registry_deletes_is_dropped),
        cmocka_unit_test(who_never_appears_in_the_communication_is_dropped_again),
        cmocka_unit_test(participants_without_media_are_told_as_silent),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
