// SPDX-License-Identifier: MIT
// The load command: real WebRTC clients in rooms of a deployment, and what they got. No daemon and
// no part of a suite: it knows a gateway's URL and nothing else. README.md says how to read it.
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "load/crew.h"
#include "load/report.h"
#include "load/verdict.h"

#define EXIT_BAD 1
#define EXIT_USAGE 2

typedef struct {
    const Options *options;
    GMainLoop *loop;
    Crew *crew;
} Run;

static void on_progress(const CrewProgress *progress, gpointer user)
{
    const Run *run = user;
    g_autofree char *line = report_progress(progress);
    if (!run->options->quiet)
        g_printerr("%s\n", line);
}

static void on_ended(gpointer user)
{
    g_main_loop_quit(((Run *)user)->loop);
}

static gboolean on_signal(gpointer user)
{
    crew_end(((Run *)user)->crew);
    return G_SOURCE_CONTINUE;
}

// The exit status.
static int tell(const Run *run)
{
    g_autoptr(GArray) figures = crew_figures(run->crew);
    g_autoptr(GPtrArray) problems = verdict_problems(figures, run->options->max_loss);
    const ReportRun told = {.options = run->options,
                            .figures = figures,
                            .problems = problems,
                            .measured_s = crew_measured_s(run->crew)};
    g_autoptr(Json) json = run->options->json ? report_json(&told) : NULL;
    g_autofree char *text = json != NULL ? json_print(json, NULL) : report_table(&told);
    g_autofree char *complaints = report_problems(problems);
    printf("%s%s", text, json != NULL ? "\n" : "");
    fflush(stdout);
    g_printerr("%s", complaints);
    return problems->len > 0 ? EXIT_BAD : 0;
}

int main(int argc, char **argv)
{
    static const CrewCalls calls = {on_progress, on_ended};
    g_autoptr(GError) error = NULL;
    setlocale(LC_CTYPE, "");
    g_autoptr(Options) options = options_new(&argc, &argv, &error);
    if (options == NULL) {
        g_printerr("parley-load: %s\n", error->message);
        return EXIT_USAGE;
    }
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Run run = {.options = options, .loop = loop};
    g_autoptr(Crew) crew = crew_new(options, &calls, &run, &error);
    if (crew == NULL) {
        g_printerr("parley-load: %s\n", error->message);
        return EXIT_BAD;
    }
    run.crew = crew;
    g_unix_signal_add(SIGINT, on_signal, &run);
    g_unix_signal_add(SIGTERM, on_signal, &run);
    g_main_loop_run(loop);
    return tell(&run);
}
