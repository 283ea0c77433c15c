// SPDX-License-Identifier: MIT
// The codec: maps, enumerations, raw JSON and the rest that a message does not know.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "common/codec.h"
#include "proto/communication.pb-c.h"
#include "proto/connection.pb-c.h"
#include "proto/context.pb-c.h"
#include "proto/sync.pb-c.h"

static Json *parse(const char *text)
{
    Json *json = json_parse(text, strlen(text), 10000, NULL);
    assert_non_null(json);
    return json;
}

static void assert_round_trip(const ProtobufCMessageDescriptor *descriptor, const char *text)
{
    g_autoptr(Json) json = parse(text);
    ProtobufCMessage *message = codec_from_json(descriptor, json, FALSE, NULL);
    assert_non_null(message);
    g_autoptr(Json) again = codec_to_json(message);
    if (!json_equals(json, again)) {
        g_autofree char *printed = json_print(again, NULL);
        fail_msg("%s became %s", text, printed);
    }
    // A copy outlives what it was made of, and the wire keeps all of it as well.
    ProtobufCMessage *copy = codec_copy(message);
    codec_free(message);
    message = copy;
    gsize length = protobuf_c_message_get_packed_size(message);
    g_autofree guint8 *packed = g_malloc(length + 1);
    protobuf_c_message_pack(message, packed);
    codec_free(message);
    message = protobuf_c_message_unpack(descriptor, NULL, length, packed);
    g_autoptr(Json) unpacked = codec_to_json(message);
    assert_true(json_equals(json, unpacked));
    codec_free(message);
}

static void a_communication_becomes_a_struct(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse(
        "{\"roomId\":\"demo\",\"status\":\"open\",\"codecs\":[\"opus\",\"VP8\"],\"participants\":{"
        "\"p1\":{\"number\":1,\"status\":\"joined\",\"resources\":[{\"type\":\"audio\"}],\"x\":1},"
        "\"p2\":{}},\"placement\":{\"epoch\":3},\"topic\":{\"a\":[]}}");
    Msg__Communication *room =
        CODEC_FROM_JSON(Msg__Communication, msg__communication__descriptor, json, NULL);
    assert_string_equal(room->roomid, "demo");
    assert_true(room->has_status);
    assert_int_equal(room->status, MSG__COMMUNICATION__STATUS__open);
    assert_int_equal(room->n_codecs, 2);
    assert_string_equal(room->codecs[1], "VP8");
    assert_int_equal(room->n_participants, 2);
    assert_string_equal(room->participants[0]->key, "p1");
    assert_int_equal(room->participants[0]->value->number, 1);
    assert_string_equal(room->participants[0]->value->resources[0]->type, "audio");
    assert_int_equal(room->placement->epoch, 3);
    assert_memory_equal(room->unknown.data, "{\"topic\":{\"a\":[]}}", room->unknown.len);
    g_autoptr(Json) again = codec_to_json(&room->base);
    assert_true(json_equals(json, again));
    codec_free(room);
}

static void what_does_not_fit_comes_back_unchanged(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"roomId\":5}",
        "{\"roomId\":null}",
        "{\"status\":\"dancing\"}",
        "{\"status\":1}",
        "{\"duration\":-1}",
        "{\"duration\":4294967296}",
        "{\"duration\":1.0}",
        "{\"codecs\":[]}",
        "{\"codecs\":[\"a\",5,\"b\"]}",
        "{\"codecs\":{\"0\":\"a\"}}",
        "{\"participants\":{}}",
        "{\"participants\":[]}",
        "{\"participants\":{\"a\":{},\"b\":5}}",
        "{\"participants\":{\"a\":{\"status\":7,\"identity\":\"me\",\"resources\":[1]}}}",
        "{\"unknown\":{\"unknown\":1},\"base\":2}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_round_trip(&msg__communication__descriptor, texts[i]);
}

static void raw_json_is_kept_whatever_it_is(void **state)
{
    (void)state;
    assert_round_trip(&msg__object__descriptor, "{\"data\":null,\"version\":9007199254740991}");
    assert_round_trip(&msg__object__descriptor, "{\"data\":[1,{\"a\":\"\"}],\"version\":\"5\"}");
    assert_round_trip(&msg__object__descriptor, "{\"data\":\"text\",\"childrenObjects\":{}}");
    assert_round_trip(&msg__presence__descriptor, "{\"draining\":false,\"capacity\":0}");
    assert_round_trip(&msg__presence__descriptor, "{\"draining\":\"false\"}");
    assert_round_trip(&msg__room_context__descriptor,
                      "{\"speakers\":[{\"participant\":\"a\",\"level\":-127}]}");
}

static void a_message_without_unknown_drops_what_it_does_not_know(void **state)
{
    (void)state;
    g_autoptr(Json) json = parse("{\"participant\":\"a\",\"from\":-1,\"more\":1}");
    Msg__Slot *slot = CODEC_FROM_JSON(Msg__Slot, msg__slot__descriptor, json, NULL);
    assert_string_equal(slot->participant, "a");
    assert_false(slot->has_from);
    assert_int_equal(slot->from, 0);
    codec_free(slot);
}

static void strict_reading_names_the_member(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) bad = parse("{\"roomId\":\"a\",\"codecs\":[\"a\",1]}");
    g_autoptr(Json) good = parse("{\"roomId\":\"a\",\"codecs\":[],\"more\":1}");
    assert_null(codec_from_json(&msg__communication__descriptor, bad, TRUE, &error));
    assert_non_null(strstr(error->message, "codecs"));
    ProtobufCMessage *room = codec_from_json(&msg__communication__descriptor, good, TRUE, NULL);
    assert_non_null(room);
    codec_free(room);
}

static void only_objects_become_messages(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) list = parse("[]");
    ProtobufCBinaryData broken = {1, (uint8_t *)(char[]){"{"}};
    ProtobufCBinaryData nothing = {0, NULL};
    assert_null(codec_from_json(&msg__object__descriptor, list, FALSE, &error));
    assert_non_null(error);
    assert_null(codec_from_bytes(&msg__object__descriptor, &broken, NULL));
    assert_null(codec_from_bytes(&msg__object__descriptor, &nothing, NULL));
    assert_null(codec_json(&nothing));
    codec_free(NULL);
}

static void hostile_structs_print_as_json(void **state)
{
    (void)state;
    Msg__Object object = MSG__OBJECT__INIT;
    object.url = (char[]){"\xff"};
    object.has_version = TRUE;
    object.version = G_MAXUINT64;
    object.has_data = TRUE;
    object.data = (ProtobufCBinaryData){2, (uint8_t *)(char[]){"{{"}};
    object.has_unknown = TRUE;
    object.unknown = (ProtobufCBinaryData){2, (uint8_t *)(char[]){"[]"}};
    g_autoptr(Json) json = codec_to_json(&object.base);
    g_autofree char *text = json_print(json, NULL);
    assert_string_equal(text, "{\"url\":\"\xef\xbf\xbd\",\"version\":9223372036854775807}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_communication_becomes_a_struct),
        cmocka_unit_test(what_does_not_fit_comes_back_unchanged),
        cmocka_unit_test(raw_json_is_kept_whatever_it_is),
        cmocka_unit_test(a_message_without_unknown_drops_what_it_does_not_know),
        cmocka_unit_test(strict_reading_names_the_member),
        cmocka_unit_test(only_objects_become_messages),
        cmocka_unit_test(hostile_structs_print_as_json),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
