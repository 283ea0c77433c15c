// SPDX-License-Identifier: MIT
// See speakers.h. Loudness is smoothed by the time that passed, not by packets, since a silent
// sender with DTX sends two a second and a loud one fifty.
#include "media-worker/speakers.h"
#include <math.h>

#define RISE_US 40000.0 // time constants
#define FALL_US 500000.0
#define BONUS_DB 6.0     // of who is in front
#define SPEAKING_DB 77.0 // -50 dBov
#define STEP_MAX_US (60 * G_USEC_PER_SEC)

static gdouble smoothed(gdouble from, gdouble to, gint64 elapsed_us)
{
    gdouble elapsed = (gdouble)CLAMP(elapsed_us, 0, STEP_MAX_US);
    return to + (from - to) * exp(-elapsed / (to > from ? RISE_US : FALL_US));
}

void voice_heard(Voice *voice, guint8 level, gint64 now_us)
{
    gdouble loud = VOICE_SILENCE - MIN(level, VOICE_SILENCE);
    // The packet holds 20 ms of sound, whenever the one before it came.
    gint64 elapsed_us = CLAMP(now_us - voice->heard_us, 0, 20000);
    gdouble before = voice_loudness(voice, now_us - elapsed_us);
    voice->loudness = smoothed(before, loud, elapsed_us);
    voice->heard_us = now_us;
}

gdouble voice_loudness(const Voice *voice, gint64 now_us)
{
    return smoothed(voice->loudness, 0, now_us - voice->heard_us);
}

gboolean voice_is_speaking(const Voice *voice, gint64 now_us)
{
    return voice->open && voice_loudness(voice, now_us) >= SPEAKING_DB;
}

typedef struct {
    Voice *voice;
    gdouble score;
} Ranked;

static gdouble score(const Voice *voice, gint64 now_us)
{
    if (!voice->active)
        return -1;
    return voice_loudness(voice, now_us) + (voice->in_front ? BONUS_DB : 0);
}

// Insertion into the short list of the best; equals stay in the order of arrival.
static guint insert(Ranked *best, guint n, guint max, Ranked ranked)
{
    guint at = n;
    while (at > 0 && best[at - 1].score < ranked.score)
        at--;
    if (at == max)
        return n;
    for (guint i = MIN(n, max - 1); i > at; i--)
        best[i] = best[i - 1];
    best[at] = ranked;
    return MIN(n + 1, max);
}

guint speakers_order(const SpeakersRoom *room, Voice **ret_order, guint max)
{
    g_assert(max <= SPEAKERS_MAX);
    Ranked best[SPEAKERS_MAX];
    guint n = 0;
    for (guint i = 0; i < room->n && max > 0; i++)
        if (room->voices[i]->open)
            n = insert(best, n, max,
                       (Ranked){room->voices[i], score(room->voices[i], room->now_us)});
    for (guint i = 0; i < room->n; i++)
        room->voices[i]->in_front = FALSE;
    for (guint i = 0; i < n; i++) {
        best[i].voice->in_front = i < room->n_front;
        ret_order[i] = best[i].voice;
    }
    return n;
}

static gint index_of(Voice *const *voices, guint n, const Voice *voice)
{
    for (guint i = 0; i < n; i++)
        if (voices[i] == voice)
            return (gint)i;
    return -1;
}

// The voices that have a right to a slot of this receiver.
static guint entitled(const SpeakersChoice *choice, Voice **ret_voices, guint max)
{
    guint n = 0;
    for (guint i = 0; i < choice->n && n < max; i++)
        if (choice->order[i]->number != choice->own)
            ret_voices[n++] = choice->order[i];
    return n;
}

// A slot to be taken over: an empty one, else one whose voice has no right to it; -1: none.
static gint free_slot(Voice *const *slots, guint n_slots, Voice *const *wanted, guint n_wanted)
{
    gint empty = index_of(slots, n_slots, NULL);
    for (guint i = 0; empty < 0 && i < n_slots; i++)
        if (index_of(wanted, n_wanted, slots[i]) < 0)
            return (gint)i;
    return empty;
}

gboolean speakers_fill(const SpeakersChoice *choice, Voice **slots, guint n_slots)
{
    Voice *wanted[SPEAKERS_MAX];
    guint n_wanted = entitled(choice, wanted, MIN(n_slots, SPEAKERS_MAX));
    gboolean changed = FALSE;
    for (guint i = 0; i < n_slots; i++)
        if (slots[i] != NULL && !slots[i]->open) {
            slots[i] = NULL;
            changed = TRUE;
        }
    for (guint i = 0; i < n_wanted; i++) {
        if (index_of(slots, n_slots, wanted[i]) >= 0)
            continue;
        gint slot = free_slot(slots, n_slots, wanted, n_wanted);
        g_assert(slot >= 0); // n_wanted <= n_slots
        slots[slot] = wanted[i];
        changed = TRUE;
    }
    return changed;
}
