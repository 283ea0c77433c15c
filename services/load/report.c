// SPDX-License-Identifier: MIT
// See report.h. Rates are of RTP payloads, as encoders count them.
#include "load/report.h"

#include "load/verdict.h"

#define PROBLEMS_SHOWN 20
#define HEAD                                                                                       \
    "room             client            join ms  media ms     kbit/s   packets    lost  loss %  "  \
    "resent  sources  p50 ms  p99 ms  max ms\n"

static double kbps(const ParticipantFigures *figures, double seconds)
{
    return seconds > 0 ? (double)figures->octets / seconds / 125 : 0;
}

static double ms_at(const Histogram *delays, double part)
{
    return (double)histogram_at(delays, part) / 1000;
}

char *report_progress(const CrewProgress *progress)
{
    return g_strdup_printf("%-10s %5.0f s   in %u of %u%s%.0u   sending %u, receiving %u   "
                           "%.1f Mbit/s   lost %" G_GUINT64_FORMAT "   this process %.0f %% CPU",
                           progress->phase, progress->seconds, progress->joined, progress->wanted,
                           progress->failed > 0 ? ", failed " : "", progress->failed,
                           progress->sending, progress->receiving, progress->kbps / 1000,
                           progress->lost, progress->cpu_percent);
}

// --- the table -------------------------------------------------------------------------------
static void add_row(GString *text, const ParticipantFigures *figures, double seconds)
{
    const Histogram *delays = figures->delays;
    g_string_append_printf(text, "%-16s %-16s ", figures->room, figures->name);
    if (figures->failure != NULL) {
        g_string_append_printf(text, " %s\n", figures->failure);
        return;
    }
    g_string_append_printf(text,
                           "%8.1f  %8.1f %10.1f %9" G_GUINT64_FORMAT " %7" G_GUINT64_FORMAT
                           "  %6.2f %7u  %3u/%-3u %7.2f %7.2f %7.2f\n",
                           (double)figures->answer_us / 1000, (double)figures->ready_us / 1000,
                           kbps(figures, seconds), figures->packets, figures->lost,
                           verdict_loss_percent(figures), figures->recovered, figures->sources,
                           figures->sources_wanted, ms_at(delays, 0.5), ms_at(delays, 0.99),
                           (double)delays->most / 1000);
}

typedef struct {
    guint joined, failed, sending, receiving;
    guint64 sent;
    ParticipantFigures received; // sums of those who receive
    Histogram delays;
} Sums;

static void sum_one(Sums *sums, const ParticipantFigures *one)
{
    sums->joined += one->joined;
    sums->failed += one->failure != NULL;
    sums->sending += one->sends && one->joined;
    sums->receiving += one->receives && one->joined;
    sums->sent += one->sent;
    sums->received.packets += one->packets;
    sums->received.octets += one->octets;
    sums->received.lost += one->lost;
    sums->received.recovered += one->recovered;
    sums->received.sources += one->sources;
    sums->received.sources_wanted += one->receives ? one->sources_wanted : 0;
    sums->received.answer_us = MAX(sums->received.answer_us, one->answer_us);
    sums->received.ready_us = MAX(sums->received.ready_us, one->ready_us);
    histogram_merge(&sums->delays, one->delays);
}

static Sums *sum(const GArray *figures)
{
    Sums *sums = g_new0(Sums, 1);
    for (guint i = 0; i < figures->len; i++)
        sum_one(sums, &g_array_index(figures, ParticipantFigures, i));
    sums->received.delays = &sums->delays;
    return sums;
}

char *report_table(const ReportRun *run)
{
    GString *text = g_string_new(HEAD);
    g_autofree Sums *sums = sum(run->figures);
    for (guint i = 0; i < run->figures->len; i++) {
        const ParticipantFigures *one = &g_array_index(run->figures, ParticipantFigures, i);
        if (one->receives || one->failure != NULL)
            add_row(text, one, run->measured_s);
    }
    sums->received.room = "all";
    sums->received.name = "";
    add_row(text, &sums->received, run->measured_s);
    g_string_append_printf(text,
                           "\n%u in, %u failed; %u sent %" G_GUINT64_FORMAT
                           " packets in %.1f s, %u received; %u problems\n",
                           sums->joined, sums->failed, sums->sending, sums->sent, run->measured_s,
                           sums->receiving, run->problems->len);
    return g_string_free(text, FALSE);
}

char *report_problems(const GPtrArray *problems)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < MIN(problems->len, PROBLEMS_SHOWN); i++)
        g_string_append_printf(text, "parley-load: %s\n",
                               (const char *)g_ptr_array_index(problems, i));
    if (problems->len > PROBLEMS_SHOWN)
        g_string_append_printf(text, "parley-load: and %u more\n", problems->len - PROBLEMS_SHOWN);
    return g_string_free(text, FALSE);
}

// --- JSON ------------------------------------------------------------------------------------
static void put_real(Json *object, const char *name, double value)
{
    g_autoptr(Json) number = json_new_double(value);
    json_set(object, name, number);
}

static void put_count(Json *object, const char *name, guint64 value)
{
    json_set_number(object, name, (gint64)value);
}

static void put_received(Json *object, const ParticipantFigures *figures, double seconds)
{
    const Histogram *delays = figures->delays;
    put_count(object, "kbps", (guint64)(kbps(figures, seconds) + 0.5));
    put_count(object, "packets", figures->packets);
    put_count(object, "lost", figures->lost);
    put_real(object, "loss_percent", verdict_loss_percent(figures));
    put_count(object, "recovered", figures->recovered);
    put_count(object, "sources", figures->sources);
    put_count(object, "sources_wanted", figures->sources_wanted);
    json_set_number(object, "delay_p50_us", histogram_at(delays, 0.5));
    json_set_number(object, "delay_p99_us", histogram_at(delays, 0.99));
    json_set_number(object, "delay_max_us", delays->most);
}

static void put_details(Json *object, const ParticipantFigures *figures)
{
    put_count(object, "reordered", figures->reordered);
    put_count(object, "duplicates", figures->duplicates);
    put_count(object, "switches", figures->switches);
    put_count(object, "faults", figures->faults);
    put_count(object, "misnamed", figures->misnamed);
    put_count(object, "heals", figures->heals);
    put_count(object, "overflowed", figures->overflowed);
}

static Json *client_json(const ParticipantFigures *figures, double seconds)
{
    Json *object = json_new_object();
    json_set_text(object, "room", figures->room);
    json_set_text(object, "name", figures->name);
    json_set_text(object, "participant", figures->id);
    json_set_bool(object, "joined", figures->joined);
    json_set_text(object, "failure", figures->failure);
    json_set_text(object, "reason", figures->reason);
    if (figures->code > 0)
        json_set_number(object, "code", figures->code);
    if (figures->retry_after_s > 0)
        json_set_number(object, "retry_after", figures->retry_after_s);
    json_set_number(object, "join_us", figures->answer_us);
    json_set_number(object, "media_us", figures->ready_us);
    if (figures->sends) {
        put_count(object, "sent", figures->sent);
        put_count(object, "resent", figures->resent);
    }
    if (figures->receives) {
        put_received(object, figures, seconds);
        put_details(object, figures);
    }
    return object;
}

static Json *problems_json(const GPtrArray *problems)
{
    Json *list = json_new_array();
    for (guint i = 0; i < problems->len; i++) {
        g_autoptr(Json) text = json_new_text(g_ptr_array_index(problems, i));
        json_append(list, text);
    }
    return list;
}

static Json *all_json(const ReportRun *run)
{
    g_autofree Sums *sums = sum(run->figures);
    Json *all = json_new_object();
    put_count(all, "joined", sums->joined);
    put_count(all, "failed", sums->failed);
    put_count(all, "sending", sums->sending);
    put_count(all, "receiving", sums->receiving);
    put_count(all, "sent", sums->sent);
    put_received(all, &sums->received, run->measured_s);
    return all;
}

Json *report_json(const ReportRun *run)
{
    Json *whole = json_new_object();
    g_autoptr(Json) clients = json_new_array();
    g_autoptr(Json) all = all_json(run);
    g_autoptr(Json) problems = problems_json(run->problems);
    for (guint i = 0; i < run->figures->len; i++) {
        g_autoptr(Json) one =
            client_json(&g_array_index(run->figures, ParticipantFigures, i), run->measured_s);
        json_append(clients, one);
    }
    json_set_text(whole, "url", run->options->url);
    put_real(whole, "seconds", run->measured_s);
    json_set_bool(whole, "ok", run->problems->len == 0);
    json_set(whole, "all", all);
    json_set(whole, "clients", clients);
    json_set(whole, "problems", problems);
    return whole;
}
