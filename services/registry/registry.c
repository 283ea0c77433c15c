// SPDX-License-Identifier: MIT
// Makes the parts of the registry in the order in which they need each other, restores the rooms,
// and ends them in the opposite order.
#include "registry/registry.h"
#include "common/limits.h"
#include "common/log.h"
#include "registry/admission.h"
#include "registry/discovery.h"
#include "registry/failover.h"
#include "registry/judge.h"
#include "registry/loss.h"
#include "registry/placement.h"

#define TICK_MS 500
#define TICKS_PER_MINUTE 120
#define TICKS_TO_CATCH_UP 10
#define TICKS_TO_LOOK_AFTER_ENTRIES 2
#define GRACE_S_MAX 86400
#define QUARANTINE_S_MAX 86400

static void on_store_broken(gpointer user)
{
    Registry *registry = user;
    log_event(LOG_ERROR, "store.broken", "the registry ends: what starts it may help");
    service_stop(registry->service, 1);
}

// Whose gateway has not been heard for a minute is not coming back there; who is in a room may come
// back at another one, which then asks for the session's addresses.
static gboolean is_wanted(const Msg__Session *session, gpointer user)
{
    const Registry *registry = user;
    if (presences_find(registry->presences, session->gateway) != NULL)
        return TRUE;
    for (gsize i = 0; i < session->n_addresses; i++)
        if (rooms_seated(registry->rooms, session->addresses[i]) != NULL)
            return TRUE;
    return FALSE;
}

static void prune(Registry *registry, gint64 now_us)
{
    if (!bus_is_connected(registry->bus, NULL))
        return;
    presences_prune(registry->presences, now_us);
    sessions_prune(registry->sessions, is_wanted, registry);
}

static gboolean on_tick(gpointer user)
{
    Registry *registry = user;
    gint64 now_us = g_get_monotonic_time();
    loss_tick(registry->loss, now_us);
    judge_tick(registry->judge, now_us);
    failover_look(registry->failover, now_us);
    if (++registry->ticks % TICKS_TO_CATCH_UP == 0)
        batch_catch_up(registry->batch);
    if (registry->ticks % TICKS_TO_LOOK_AFTER_ENTRIES == 0)
        discovery_tick(registry, now_us);
    if (batch_is_idle(registry->batch))
        store_tidy(registry->store, g_get_real_time() / G_USEC_PER_SEC);
    if (registry->ticks % TICKS_PER_MINUTE == 0)
        prune(registry, now_us);
    if (service_is_draining(registry->service) && admissions_count(registry->admissions) == 0)
        service_stop(registry->service, 0);
    return G_SOURCE_CONTINUE;
}

// While the link was down nobody could be heard: nothing is counted against anybody.
static void on_link(gboolean connected, gpointer user)
{
    Registry *registry = user;
    if (!connected)
        return;
    judge_restart(registry->judge, g_get_monotonic_time());
    loss_restart(registry->loss);
}

static void restore_room(Room *room, gpointer user)
{
    rooms_restore(user, room);
}

static void restore_entry(const Json *record, gpointer user)
{
    directory_restore(user, record, g_get_monotonic_time());
}

static gboolean restore(Registry *registry, const char *path, GError **error)
{
    if (!store_load(registry->store, restore_room, registry->rooms, error) ||
        !store_load_entries(registry->store, restore_entry, registry->directory, error))
        return FALSE;
    log_event(LOG_INFO, "store.opened", "path=%s rooms=%u entries=%u", log_quote(path),
              rooms_count(registry->rooms), directory_count(registry->directory));
    return TRUE;
}

static void make_parts(Registry *registry, guint grace_s, guint quarantine_s)
{
    registry->rooms = rooms_new(registry->bus);
    registry->batch = batch_new(registry->rooms, registry->store, on_store_broken, registry);
    registry->directory = directory_new(discovery_told, registry);
    batch_set_directory(registry->batch, registry->directory);
    registry->sessions = sessions_new();
    registry->presences = presences_new();
    registry->placements = placements_new(registry);
    registry->admissions = admissions_new(registry);
    registry->loss = loss_new(registry, grace_s);
    registry->judge = judge_new(registry);
    registry->failover = failover_new(registry, quarantine_s);
}

gboolean registry_start(Service *service, GError **error)
{
    const Config *config = service_config(service);
    const char *path = config_text(config, CONFIG_REGISTRY_STORE);
    gint64 grace_s = 0, quarantine_s = 0;
    g_autoptr(Turn) turn = NULL;
    if (!config_number(config, CONFIG_REGISTRY_GRACE_S, 0, GRACE_S_MAX, &grace_s, error) ||
        !config_number(config, CONFIG_REGISTRY_QUARANTINE_S, 0, QUARANTINE_S_MAX, &quarantine_s,
                       error) ||
        !turn_new(config, &turn, error))
        return FALSE;
    g_autoptr(Policy) policy = policy_configure(config, service_domain(service), error);
    if (policy == NULL)
        return FALSE;
    g_autoptr(Store) store = store_open(path, error);
    if (store == NULL)
        return FALSE;
    Registry *registry = g_new0(Registry, 1);
    registry->service = service;
    registry->bus = service_bus(service);
    registry->store = g_steal_pointer(&store);
    registry->turn = g_steal_pointer(&turn);
    registry->policy = g_steal_pointer(&policy);
    make_parts(registry, (guint)grace_s, (guint)quarantine_s);
    service_set_state(service, registry);
    bus_watch_link(registry->bus, on_link, registry);
    registry->tick = g_timeout_add(TICK_MS, on_tick, registry);
    return restore(registry, path, error);
}

void registry_presence(Service *service, Msg__Presence *presence)
{
    const Registry *registry = service_state(service);
    presence->address = g_strdup_printf("hyperty://%s/conference", service_domain(service));
    presence->has_load = TRUE;
    presence->load = rooms_count(registry->rooms);
    presence->has_capacity = TRUE;
    presence->capacity = LIMIT_ROOMS;
}

// on_tick stops the service when the last join is through; new ones are refused meanwhile.
void registry_drain(Service *service)
{
    (void)service;
}

void registry_stop(Service *service)
{
    Registry *registry = service_state(service);
    if (registry == NULL)
        return;
    g_source_remove(registry->tick);
    bus_unwatch_link(registry->bus, on_link, registry);
    batch_flush(registry->batch);
    failover_free(registry->failover);
    judge_free(registry->judge);
    loss_free(registry->loss);
    admissions_free(registry->admissions);
    placements_free(registry->placements);
    batch_free(registry->batch);
    directory_free(registry->directory);
    presences_free(registry->presences);
    sessions_free(registry->sessions);
    rooms_free(registry->rooms);
    turn_free(registry->turn);
    policy_free(registry->policy);
    store_close(registry->store);
    g_free(registry);
}
