// SPDX-License-Identifier: MIT
// Who speaks: rules on plain data. Levels of RFC 6464 come in with each audio packet; out come an
// order of the room's voices, the loudest first, and which of them a receiver's audio slots carry.
//
// The hard thing is calm: a slot that changes cuts a syllable, so loudness rises within 100 ms,
// falls over a second, whoever is in front has a bonus, and nobody loses a slot that nobody else
// needs.
#pragma once
#include <glib.h>

#define SPEAKERS_MAX 32 // of one order: no receiver has more slots (LIMIT_SLOTS_PER_PEER)
#define SPEAKERS_EVERY_US (100 * 1000) // how often the order is made anew

// One source of audio. Plain data, all zero but for the number at first.
typedef struct {
    guint32 number;    // of the participant that it belongs to
    gboolean open;     // not muted by its owner, and heard at least once
    gboolean active;   // heard in the last seconds
    gboolean in_front; // among the loudest of the last order
    gdouble loudness;  // dB above silence, smoothed, at heard_us
    gint64 heard_us;
} Voice;

#define VOICE_SILENCE 127 // -dBov: RFC 6464's least, also for packets that bear no level
void voice_heard(Voice *voice, guint8 level, gint64 now_us);
// Loudness at present, 0 to 127: dBov + 127. voice_is_speaking: loud enough to be named.
gdouble voice_loudness(const Voice *voice, gint64 now_us);
gboolean voice_is_speaking(const Voice *voice, gint64 now_us);

// The `max` loudest open voices (<= SPEAKERS_MAX), loudest first; returns how many. n_front of them
// count as in front and keep their bonus for the next time.
typedef struct {
    Voice **voices;
    guint n, n_front;
    gint64 now_us;
} SpeakersRoom;
guint speakers_order(const SpeakersRoom *room, Voice **ret_order, guint max);

// Changes `slots` (NULL: empty) so that they carry the first n_slots of `order` other than `own`
// (nobody hears itself). Voices that keep their right to a slot keep that slot; others lose it only
// to somebody who needs it, or when they are no longer open. TRUE: something has changed.
typedef struct {
    Voice *const *order;
    guint n;
    guint32 own; // the receiver's number
} SpeakersChoice;
gboolean speakers_fill(const SpeakersChoice *choice, Voice **slots, guint n_slots);
