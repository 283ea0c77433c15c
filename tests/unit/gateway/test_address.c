// SPDX-License-Identifier: MIT
#include "gateway/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
    const char *url;
    AddressKind kind;
} table[] = {
    {"mn:/session", ADDRESS_SESSION},
    {"mn:/validator", ADDRESS_SERVICE},
    {"domain://msg-node.d/sm", ADDRESS_ROUTING},
    {"domain://msg-node.d/address-allocation", ADDRESS_ALLOCATION},
    {"domain://msg-node.d/hyperty-address-allocation", ADDRESS_ALLOCATION},
    {"domain://msg-node.d/object-address-allocation", ADDRESS_ALLOCATION},
    {"domain://msg-node.other/sm", ADDRESS_SERVICE},
    {"domain://registry.d", ADDRESS_SERVICE},
    {"domain://registry.d/", ADDRESS_SERVICE},
    {"hyperty://d/conference", ADDRESS_SERVICE},
    {"hyperty://d/conferences", ADDRESS_CLIENT},
    {"hyperty://d/sessions", ADDRESS_INTERNAL},
    {"hyperty://d/worker/12345678", ADDRESS_INTERNAL},
    {"hyperty://d/media/12345678", ADDRESS_INTERNAL},
    {"hyperty://d/media", ADDRESS_INTERNAL},
    {"ctxt://d/process/bus-12345678/changes", ADDRESS_INTERNAL},
    {"bus://events", ADDRESS_INTERNAL},
    {"BUS://process/x", ADDRESS_INTERNAL},
    {"ctxt://d/room/demo/changes", ADDRESS_OBJECT},
    {"comm://d/demo-0a1b2c3d", ADDRESS_OBJECT},
    {"comm://d/demo-0a1b2c3d/changes", ADDRESS_OBJECT},
    {"comm://d/8c5e1c1e-7d6c-4d0c-9f4e-0123456789ab", ADDRESS_CLIENT},
    {"comm://d/demo-0A1B2C3D", ADDRESS_CLIENT},
    {"comm://other/demo-0a1b2c3d", ADDRESS_CLIENT},
    {"connection://d/media-p1/changes", ADDRESS_OBJECT},
    {"connection://d/p1", ADDRESS_CLIENT},
    {"hyperty://d/8c5e1c1e", ADDRESS_CLIENT},
    {"hyperty-runtime://d/1", ADDRESS_CLIENT},
    {"runtime:/x", ADDRESS_CLIENT},
    {"hyperty://d", ADDRESS_INVALID},
    {"hyperty://d/", ADDRESS_INVALID},
    {"hyperty://d//x", ADDRESS_INVALID},
    {"hyperty://", ADDRESS_INVALID},
    {"/x", ADDRESS_INVALID},
    {"x", ADDRESS_INVALID},
    {"", ADDRESS_INVALID},
    {"hyperty://d/a b", ADDRESS_INVALID},
};

static void every_address_has_its_kind(void **state)
{
    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        if (address_kind("d", table[i].url) != table[i].kind)
            fail_msg("%s: %d, not %d", table[i].url, address_kind("d", table[i].url),
                     table[i].kind);
}

static void only_clients_addresses_without_suffix_bind(void **state)
{
    (void)state;
    assert_true(address_may_bind("d", "hyperty://d/1"));
    assert_false(address_may_bind("d", "hyperty://d/1/changes"));
    assert_false(address_may_bind("d", "hyperty://d/conference"));
    assert_false(address_may_bind("d", "hyperty://d"));
}

static void a_room_is_read_off_its_communication(void **state)
{
    (void)state;
    g_autofree char *room = address_room("d", "comm://d/my-room_1-0a1b2c3d");
    assert_string_equal(room, "my-room_1");
    assert_null(address_room("d", "comm://d/my-room_1-0a1b2c3d/changes"));
    assert_null(address_room("d", "comm://d/-0a1b2c3d"));
    assert_null(address_room("d", "comm://e/demo-0a1b2c3d"));
    assert_null(address_room("d", "connection://d/demo-0a1b2c3d"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_has_its_kind),
        cmocka_unit_test(only_clients_addresses_without_suffix_bind),
        cmocka_unit_test(a_room_is_read_off_its_communication),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
