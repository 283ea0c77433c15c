// SPDX-License-Identifier: MIT
// See verdict.h. One sentence for each kind of thing that went wrong with a client (those of whom
// the same is true share it); who has failed gets no others, for they would only follow.
#include "load/verdict.h"

#include <string.h>

// One sentence, and how many clients it is true of.
typedef struct {
    char *first, *text;
    guint others;
} Problem;

static void say(GPtrArray *problems, const ParticipantFigures *figures, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void say(GPtrArray *problems, const ParticipantFigures *figures, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    for (guint i = 0; i < problems->len; i++) {
        Problem *known = g_ptr_array_index(problems, i);
        if (strcmp(known->text, text) == 0) {
            known->others++;
            g_free(text);
            return;
        }
    }
    Problem *problem = g_new0(Problem, 1);
    problem->first = g_strdup_printf("%s in %s", figures->name, figures->room);
    problem->text = text;
    g_ptr_array_add(problems, problem);
}

static char *sentence(Problem *problem)
{
    char *text = problem->others > 0 ? g_strdup_printf("%s and %u more: %s", problem->first,
                                                       problem->others, problem->text)
                                     : g_strdup_printf("%s: %s", problem->first, problem->text);
    g_free(problem->first);
    g_free(problem->text);
    g_free(problem);
    return text;
}

double verdict_loss_percent(const ParticipantFigures *figures)
{
    guint64 all = figures->packets + figures->lost;
    return all > 0 ? 100.0 * (double)figures->lost / (double)all : 0;
}

static void judge_failure(GPtrArray *problems, const ParticipantFigures *figures)
{
    g_autofree char *again = figures->retry_after_s > 0
                                 ? g_strdup_printf("; try again in %d s", figures->retry_after_s)
                                 : g_strdup("");
    if (figures->reason != NULL)
        say(problems, figures, "%s (%s, %d)%s", figures->failure, figures->reason, figures->code,
            again);
    else
        say(problems, figures, "%s", figures->failure);
}

static void judge_media(GPtrArray *problems, const ParticipantFigures *figures, double max_loss)
{
    if (figures->faults > 0)
        say(problems, figures, "%u packets came that nobody has sent so", figures->faults);
    if (figures->misnamed > 0)
        say(problems, figures, "%u packets came from somebody else than the slot's data says",
            figures->misnamed);
    if (figures->sources < figures->sources_wanted)
        say(problems, figures, "only %u of %u microphones and cameras came", figures->sources,
            figures->sources_wanted);
    if (verdict_loss_percent(figures) > max_loss)
        say(problems, figures, "%.2f %% of the packets are missing (%" G_GUINT64_FORMAT ")",
            verdict_loss_percent(figures), figures->lost);
    if (figures->overflowed > 0)
        say(problems, figures,
            "%" G_GUINT64_FORMAT " datagrams did not fit this host's socket buffer: the load "
            "client itself is too slow, or net.core.rmem_max too small",
            figures->overflowed);
}

GPtrArray *verdict_problems(const GArray *figures, double max_loss)
{
    g_autoptr(GPtrArray) problems = g_ptr_array_new();
    GPtrArray *sentences = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < figures->len; i++) {
        const ParticipantFigures *one = &g_array_index(figures, ParticipantFigures, i);
        if (one->failure != NULL)
            judge_failure(problems, one);
        else if (one->joined && one->receives)
            judge_media(problems, one, max_loss);
    }
    for (guint i = 0; i < problems->len; i++)
        g_ptr_array_add(sentences, sentence(g_ptr_array_index(problems, i)));
    return sentences;
}
