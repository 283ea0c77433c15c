// SPDX-License-Identifier: MIT
// Counting, and the form in which counters travel.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/metrics.h"

static int reset(void **state)
{
    (void)state;
    metrics_reset();
    return 0;
}

static void counters_add_up_and_gauges_are_set(void **state)
{
    (void)state;
    metrics_add(METRIC_BUS_SENT, 2);
    metrics_add(METRIC_BUS_SENT, 3);
    metrics_set(METRIC_BUS_HOLES, 9);
    metrics_set(METRIC_BUS_HOLES, 4);
    assert_int_equal(metrics_get(METRIC_BUS_SENT), 5);
    assert_int_equal(metrics_get(METRIC_BUS_HOLES), 4);
}

static void what_travels_is_what_is_not_zero(void **state)
{
    (void)state;
    metrics_add(METRIC_BUS_SENT, 2);
    metrics_refused(MSG__REFUSAL__REASON__locked);
    g_autoptr(Json) json = metrics_json();
    assert_int_equal(json_size(json), 2);
    assert_int_equal(json_get_number(json, "bus_sent_total", 0), 2);
    assert_int_equal(json_get_number(json, "refused_total{reason=\"locked\"}", 0), 1);
}

static void every_reason_can_be_counted(void **state)
{
    const ProtobufCEnumDescriptor *all = &msg__refusal__reason__descriptor;
    (void)state;
    for (unsigned i = 0; i < all->n_values; i++) {
        metrics_refused((Refusal)all->values[i].value);
        assert_int_equal(metrics_refused_count((Refusal)all->values[i].value), 1);
    }
}

static void each_name_is_explained(void **state)
{
    (void)state;
    assert_non_null(metrics_help("bus_sent_total"));
    assert_non_null(metrics_help("refused_total"));
    assert_non_null(metrics_help("refused_total{reason=\"locked\"}"));
    assert_null(metrics_help("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counters_add_up_and_gauges_are_set, reset),
        cmocka_unit_test_setup(what_travels_is_what_is_not_zero, reset),
        cmocka_unit_test_setup(every_reason_can_be_counted, reset),
        cmocka_unit_test_setup(each_name_is_explained, reset),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
