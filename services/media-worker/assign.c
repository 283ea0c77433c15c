// SPDX-License-Identifier: MIT
// See assign.h.
#include "media-worker/assign.h"

#include <stdlib.h>
#include <string.h>

enum { WATCHED, SCREEN, SPEAKER, ARRIVAL, KEPT, NEVER };

typedef struct {
    guint tier, order;
    const AssignSource *source;
} Ranked;

// Position from the front, or n.
static guint position(const guint32 *numbers, guint n, guint32 number)
{
    guint i = 0;
    while (i < n && numbers[i] != number)
        i++;
    return i;
}

static gboolean carries(const AssignSlot *slot, const AssignSource *source)
{
    return slot->number == source->number && slot->source == source->source;
}

static gboolean is_carried(const AssignSource *source, const AssignSlot *slots, guint n_slots)
{
    for (guint i = 0; i < n_slots; i++)
        if (carries(&slots[i], source))
            return TRUE;
    return FALSE;
}

static Ranked rank(const AssignWishes *wishes, guint index, gboolean carried)
{
    const AssignSource *source = &wishes->sources[index];
    Ranked ranked = {.tier = ARRIVAL, .order = index, .source = source};
    guint wish = position(wishes->watched, wishes->n_watched, source->number);
    guint spoke = position(wishes->recent, wishes->n_recent, source->number);
    if (source->idle) {
        ranked.tier = carried && !source->screen ? KEPT : NEVER;
    } else if (wish < wishes->n_watched) {
        ranked.tier = WATCHED;
        ranked.order = (wishes->n_watched - wish) * 2 + (source->screen ? 0 : 1);
    } else if (source->screen) {
        ranked.tier = SCREEN;
    } else if (spoke < wishes->n_recent) {
        ranked.tier = SPEAKER;
        ranked.order = spoke;
    }
    return ranked;
}

static gint by_rank(gconstpointer a, gconstpointer b)
{
    const Ranked *first = a, *second = b;
    if (first->tier != second->tier)
        return first->tier < second->tier ? -1 : 1;
    if (first->order != second->order)
        return first->order < second->order ? -1 : 1;
    return first->source < second->source ? -1 : first->source > second->source;
}

// A camera goes beside its own voice where that slot is free; else where no other voice is.
static AssignSlot *choose(const AssignSource *source, AssignSlot *slots, guint n_slots)
{
    AssignSlot *unpaired = NULL, *any = NULL;
    for (guint i = 0; i < n_slots; i++) {
        AssignSlot *slot = &slots[i];
        if (slot->number != 0)
            continue;
        if (slot->paired == source->number && !source->screen)
            return slot;
        if (unpaired == NULL && slot->paired == 0)
            unpaired = slot;
        if (any == NULL)
            any = slot;
    }
    return unpaired != NULL ? unpaired : any;
}

static void release_others(const Ranked *chosen, guint n_chosen, AssignSlot *slots, guint n_slots)
{
    for (guint i = 0; i < n_slots; i++) {
        gboolean stays = FALSE;
        for (guint k = 0; k < n_chosen && !stays; k++)
            stays = carries(&slots[i], chosen[k].source);
        if (!stays) {
            slots[i].number = 0;
            slots[i].source = 0;
        }
    }
}

void assign_slots(const AssignWishes *wishes, AssignSlot *slots, guint n_slots)
{
    g_autofree Ranked *ranked = g_new(Ranked, wishes->n_sources + 1);
    guint n_chosen = 0;
    for (guint i = 0; i < wishes->n_sources; i++) {
        ranked[n_chosen] = rank(wishes, i, is_carried(&wishes->sources[i], slots, n_slots));
        n_chosen += ranked[n_chosen].tier != NEVER;
    }
    qsort(ranked, n_chosen, sizeof *ranked, by_rank);
    n_chosen = MIN(n_chosen, n_slots);
    release_others(ranked, n_chosen, slots, n_slots);
    for (guint i = 0; i < n_chosen; i++) {
        if (is_carried(ranked[i].source, slots, n_slots))
            continue;
        AssignSlot *slot = choose(ranked[i].source, slots, n_slots);
        slot->number = ranked[i].source->number;
        slot->source = ranked[i].source->source;
    }
}

gboolean assign_recent_heard(AssignRecent *recent, guint32 loudest, gint64 now_us)
{
    if (loudest != recent->loudest) {
        recent->loudest = loudest;
        recent->since_us = now_us;
    }
    if (loudest == 0 || now_us - recent->since_us < ASSIGN_DWELL_US)
        return FALSE;
    guint at = position(recent->numbers, recent->n, loudest);
    if (at == 0 && recent->n > 0)
        return FALSE;
    if (at == recent->n && recent->n < ASSIGN_WISHES_MAX)
        recent->n++;
    memmove(recent->numbers + 1, recent->numbers, MIN(at, recent->n - 1) * sizeof *recent->numbers);
    recent->numbers[0] = loudest;
    return TRUE;
}

void assign_recent_forget(AssignRecent *recent, guint32 number)
{
    guint at = position(recent->numbers, recent->n, number);
    if (recent->loudest == number)
        recent->loudest = 0;
    if (at == recent->n)
        return;
    recent->n--;
    memmove(recent->numbers + at, recent->numbers + at + 1,
            (recent->n - at) * sizeof *recent->numbers);
}
