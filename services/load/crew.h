// SPDX-License-Identifier: MIT
// Everybody of one run: joins them at their pace, lets them send and receive for their time, ends
// in good order, and has their figures. Main thread, on the default main loop.
#pragma once
#include "load/options.h"
#include "load/participant.h"

// What there is to tell each second.
typedef struct {
    const char *phase; // joining, warming up, running, settling, leaving
    double seconds;    // of this phase
    guint joined, failed, wanted, sending, receiving;
    double kbps; // that all received, since the last time
    guint64 packets, lost;
    double cpu_percent; // of one core, that this process took since the last time
} CrewProgress;

typedef struct {
    void (*progress)(const CrewProgress *progress, gpointer user);
    void (*ended)(gpointer user);
} CrewCalls;

typedef struct Crew Crew;
// options: borrowed. calls: static.
Crew *crew_new(const Options *options, const CrewCalls *calls, gpointer user, GError **error);
void crew_free(Crew *crew);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Crew, crew_free)
// Goes on to the next phase but one: what runs ends, with its figures. Called again: at once.
void crew_end(Crew *crew);

// Of everybody who was to join; valid after ended. Free the array.
GArray *crew_figures(Crew *crew); // ParticipantFigures
double crew_measured_s(const Crew *crew);
