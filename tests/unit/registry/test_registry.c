// SPDX-License-Identifier: MIT
// The registry as a whole: it starts with what is stored, or says why not, and ends in order.
#include "tests/unit/registry/stage.h"
#include "common/log.h"
#include "registry/registry.h"

// A service of its own beside the stage, whose parts let the store go before.
static Service *new_service(Stage *stage)
{
    int argc = 1;
    char *arguments[] = {(char *)"test", NULL};
    char **argv = arguments;
    Service *service = g_new0(Service, 1);
    service->bus = stage->registry.bus;
    service->config = config_new(&argc, &argv, NULL);
    config_set(service->config, CONFIG_REGISTRY_STORE, stage->path);
    return service;
}

static void free_service(Service *service)
{
    registry_stop(service);
    config_free(service->config);
    g_free(service);
}

static void it_starts_with_what_is_stored_and_says_how_much_it_has(void **state)
{
    Stage *stage = *state;
    stage_join_well(stage, "demo", "ann");
    stage_free_parts(stage);
    Service *service = new_service(stage);
    assert_true(registry_start(service, NULL));
    const Registry *registry = service_state(service);
    assert_int_equal(room_size(rooms_find(registry->rooms, "demo")), 1);
    Msg__Presence presence = MSG__PRESENCE__INIT;
    registry_presence(service, &presence);
    assert_int_equal(presence.load, 1);
    assert_string_equal(presence.address, CONFERENCE);
    g_free(presence.address);
    free_service(service);
    stage_make_parts(stage);
    assert_int_equal(rooms_count(stage->registry.rooms), 1);
}

static void what_is_wrong_with_a_setting_is_said(void **state)
{
    Stage *stage = *state;
    static const struct {
        ConfigKey key;
        const char *value, *words;
    } rows[] = {{CONFIG_REGISTRY_GRACE_S, "-1", "registry.grace_s"},
                {CONFIG_REGISTRY_GRACE_S, "soon", "registry.grace_s"},
                {CONFIG_REGISTRY_STORE, "/proc/nowhere/x.db", "registry.store"}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        Service *service = new_service(stage);
        config_set(service->config, rows[i].key, rows[i].value);
        assert_false(registry_start(service, &error));
        assert_non_null(strstr(error->message, rows[i].words));
        free_service(service);
    }
}

static void draining_ends_when_the_last_join_is_through(void **state)
{
    Stage *stage = *state;
    stage_free_parts(stage);
    Service *service = new_service(stage);
    assert_true(registry_start(service, NULL));
    service->draining = TRUE;
    registry_drain(service);
    assert_int_equal(service->stopped, 0);
    stage_let_pass(600); // one tick
    assert_int_equal(service->stopped, 1);
    free_service(service);
    stage_make_parts(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(it_starts_with_what_is_stored_and_says_how_much_it_has),
        STAGE_TEST(what_is_wrong_with_a_setting_is_said),
        STAGE_TEST(draining_ends_when_the_last_join_is_through),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
