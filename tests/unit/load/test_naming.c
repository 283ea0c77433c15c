// SPDX-License-Identifier: MIT
// Who comes in a slot, by its packets and by the room's data, in either order.
#include "load/naming.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static Naming naming;

static int begin(void **state)
{
    (void)state;
    memset(&naming, 0, sizeof naming);
    return 0;
}

static void told(guint32 number, guint32 from)
{
    const NamingEntry entry = {number, from, 100 + number};
    naming_told(&naming, &entry);
}

static void comes(guint32 csrc, guint32 timestamp, gint64 now_us)
{
    const NamingPacket packet = {csrc, timestamp, 100 + csrc, now_us};
    naming_packet(&naming, &packet);
}

static void data_first_is_right(void **state)
{
    (void)state;
    told(1, 1000);
    comes(1, 1000, 0);
    told(2, 5000);
    comes(1, 4900, 0); // on its way when the data came
    comes(2, 5000, 0);
    assert_int_equal(naming.wrong, 0);
    assert_int_equal(naming_number(&naming), 2);
}

static void packets_first_are_right_when_the_data_follows(void **state)
{
    (void)state;
    comes(1, 1000, 0);
    comes(1, 2000, NAMING_GRACE_US);
    told(1, 1000);
    comes(1, 3000, NAMING_GRACE_US * 2);
    comes(2, 4000, NAMING_GRACE_US * 2);
    told(2, 4000);
    comes(1, 6000, NAMING_GRACE_US * 2); // back again, before its data
    told(1, 6000);
    comes(1, 7000, NAMING_GRACE_US * 4);
    assert_int_equal(naming.wrong, 0);
}

static void packets_that_the_data_never_explains_are_wrong(void **state)
{
    (void)state;
    told(1, 1000);
    comes(2, 1000, 1);
    comes(2, 2000, NAMING_GRACE_US);
    assert_int_equal(naming.wrong, 0);
    comes(2, 3000, NAMING_GRACE_US + 2);
    assert_int_equal(naming.wrong, 1);
}

static void the_old_source_after_the_switch_is_wrong(void **state)
{
    (void)state;
    told(1, 1000);
    comes(1, 1000, 0);
    told(2, 2000);
    comes(1, 2000, 0);
    assert_int_equal(naming.wrong, 1);
}

static void the_new_source_before_its_time_is_wrong_also_in_hindsight(void **state)
{
    (void)state;
    told(1, 1000);
    told(2, 2000);
    comes(2, 1999, 0);
    assert_int_equal(naming.wrong, 1);
    comes(3, 2500, 1);
    told(3, 2600);
    assert_int_equal(naming.wrong, 2);
}

static void another_senders_payload_is_wrong(void **state)
{
    (void)state;
    const NamingPacket packet = {1, 1000, 999, 0};
    told(1, 1000);
    naming_packet(&naming, &packet);
    assert_int_equal(naming.wrong, 1);
}

static void an_emptied_slot_that_goes_on_is_wrong(void **state)
{
    (void)state;
    told(1, 1000);
    comes(1, 1000, 0);
    naming_told(&naming, NULL);
    comes(1, 2000, 1);
    assert_int_equal(naming.wrong, 0);
    assert_int_equal(naming_number(&naming), 0);
    comes(1, 3000, NAMING_GRACE_US + 2);
    assert_int_equal(naming.wrong, 1);
}

static void timestamps_wrap(void **state)
{
    (void)state;
    told(1, 0xFFFFFF00);
    comes(1, 0xFFFFFF00, 0);
    comes(1, 0x100, 0);
    told(2, 0x200);
    comes(2, 0x200, 0);
    assert_int_equal(naming.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(data_first_is_right, begin),
        cmocka_unit_test_setup(packets_first_are_right_when_the_data_follows, begin),
        cmocka_unit_test_setup(packets_that_the_data_never_explains_are_wrong, begin),
        cmocka_unit_test_setup(the_old_source_after_the_switch_is_wrong, begin),
        cmocka_unit_test_setup(the_new_source_before_its_time_is_wrong_also_in_hindsight, begin),
        cmocka_unit_test_setup(another_senders_payload_is_wrong, begin),
        cmocka_unit_test_setup(an_emptied_slot_that_goes_on_is_wrong, begin),
        cmocka_unit_test_setup(timestamps_wrap, begin),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
