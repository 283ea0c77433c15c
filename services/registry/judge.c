// SPDX-License-Identifier: MIT
// See judge.h. A probe is a ping, sent twice within its 300 ms; any answer proves life, but a 404,
// by which the broker says that nobody listens. One whose link was interrupted proves nothing.
#include "registry/judge.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "registry/failover.h"
#include "registry/placement.h"

typedef struct {
    Judge *judge;
    char *process;
    guint64 request;
    gint64 link_us; // since when the link stands through which it was asked
} Probe;

struct Judge {
    Registry *registry;
    GHashTable *probes; // process -> Probe
    gint64 self_us;     // when we last heard ourselves; 0: never
    gint64 hold_until_us;
};

static void probe_free(gpointer data)
{
    Probe *probe = data;
    if (probe->request != 0)
        bus_cancel(probe->judge->registry->bus, probe->request);
    g_free(probe->process);
    g_free(probe);
}

Judge *judge_new(Registry *registry)
{
    Judge *judge = g_new0(Judge, 1);
    judge->registry = registry;
    judge->probes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, probe_free);
    return judge;
}

void judge_free(Judge *judge)
{
    if (judge == NULL)
        return;
    g_hash_table_unref(judge->probes);
    g_free(judge);
}

// --- most of them at once

gint64 judge_hold_left_us(const Judge *judge, gint64 now_us)
{
    return MAX(judge->hold_until_us - now_us, 0);
}

static void hold_if_mostly_silent(Judge *judge, gint64 now_us)
{
    if (judge_hold_left_us(judge, now_us) > 0 ||
        !presences_are_mostly_silent(judge->registry->presences, now_us))
        return;
    judge->hold_until_us = now_us + LIMIT_HOLD_MS * G_TIME_SPAN_MILLISECOND;
    metrics_add(METRIC_MASS_SILENCES, 1);
    log_event(LOG_ERROR, "placement.held", "for_s=%d reason=%s", LIMIT_HOLD_MS / 1000,
              log_quote("most workers and room processes have fallen silent together"));
}

static void on_lost(Judge *judge, const Presence *presence, const char *evidence, gint64 now_us)
{
    metrics_add(METRIC_PROCESSES_LOST, 1);
    log_event(LOG_WARNING, "process.lost", "process=%s evidence=%s silent_ms=%d", presence->process,
              evidence, (int)((now_us - presence->heard_us) / G_TIME_SPAN_MILLISECOND));
    placements_forsake(judge->registry->placements, presence->process);
    if (presence->silently)
        hold_if_mostly_silent(judge, now_us);
    failover_wake(judge->registry->failover);
}

// --- probes

static gboolean is_same_link(const Probe *probe)
{
    gint64 since_us = 0;
    return bus_is_connected(probe->judge->registry->bus, &since_us) && since_us == probe->link_us;
}

static void on_unanswered(Judge *judge, const char *process)
{
    gint64 now_us = g_get_monotonic_time();
    Presence *presence = presences_find(judge->registry->presences, process);
    if (presence != NULL && presence_learn(presence, PRESENCE_UNANSWERED, now_us))
        on_lost(judge, presence, "left", now_us);
}

static void on_answered(Judge *judge, const char *process)
{
    Presence *presence = presences_find(judge->registry->presences, process);
    if (presence != NULL)
        presence_learn(presence, PRESENCE_HEARD, g_get_monotonic_time());
}

static void on_probed(const Envelope *answer, gpointer user)
{
    Probe *probe = user;
    Judge *judge = probe->judge;
    g_autofree char *process = g_strdup(probe->process);
    gint code = envelope_code(answer);
    gboolean counts = is_same_link(probe);
    if (code < 200)
        return;
    probe->request = 0;
    g_hash_table_remove(judge->probes, process);
    if (code != 404 && code != 504)
        on_answered(judge, process);
    else if (counts)
        on_unanswered(judge, process);
}

static void send_probe(Judge *judge, const Presence *presence)
{
    Bus *bus = judge->registry->bus;
    g_autofree char *from = g_strdup_printf("hyperty://%s/conference", bus_domain(bus));
    Probe *probe = g_new0(Probe, 1);
    probe->judge = judge;
    probe->process = g_strdup(presence->process);
    bus_is_connected(bus, &probe->link_us);
    g_hash_table_replace(judge->probes, probe->process, probe);
    probe->request =
        bus_request(bus, envelope_new(MSG__ENVELOPE__TYPE__PING, from, presence->address),
                    LIMIT_PROBE_MS, on_probed, probe);
}

void judge_gone(Judge *judge, const char *process)
{
    Presence *presence = presences_find(judge->registry->presences, process);
    if (presence == NULL || !presence_learn(presence, PRESENCE_GONE, g_get_monotonic_time()))
        return;
    if (presence_is_media(presence) && presence->address != NULL)
        send_probe(judge, presence);
}

void judge_forget(Judge *judge, const char *process)
{
    g_hash_table_remove(judge->probes, process);
}

// --- silence

void judge_restart(Judge *judge, gint64 now_us)
{
    g_hash_table_remove_all(judge->probes);
    presences_restart(judge->registry->presences, now_us);
}

static gboolean is_deaf(const Judge *judge, gint64 now_us)
{
    return now_us - judge->self_us >= LIMIT_HEARING_MS * G_TIME_SPAN_MILLISECOND ||
           !bus_is_connected(judge->registry->bus, NULL);
}

void judge_heard(Judge *judge, const char *process, gint64 now_us)
{
    if (g_strcmp0(process, bus_process(judge->registry->bus)) != 0)
        return;
    if (is_deaf(judge, now_us))
        judge_restart(judge, now_us);
    judge->self_us = now_us;
}

void judge_tick(Judge *judge, gint64 now_us)
{
    gint64 long_ago_us = now_us - LIMIT_PRESENCE_LIVE_MS * G_TIME_SPAN_MILLISECOND;
    if (is_deaf(judge, now_us))
        return;
    g_autoptr(GList) all = presences_all(judge->registry->presences);
    for (const GList *link = all; link != NULL; link = link->next) {
        Presence *presence = link->data;
        if (presence->heard_us <= long_ago_us && presence_is_media(presence) &&
            presence_learn(presence, PRESENCE_SILENT, now_us))
            on_lost(judge, presence, "silent", now_us);
    }
}
