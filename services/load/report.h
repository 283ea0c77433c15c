// SPDX-License-Identifier: MIT
// What a run was like, for people and for programs. Everything returned is newly made.
#pragma once
#include "common/json.h"
#include "load/crew.h"

typedef struct {
    const Options *options;
    const GArray *figures;     // ParticipantFigures
    const GPtrArray *problems; // sentences
    double measured_s;
} ReportRun;

char *report_progress(const CrewProgress *progress); // a line without its end
// A line for each that receives, or has failed; then what all of them got.
char *report_table(const ReportRun *run);
Json *report_json(const ReportRun *run);
// The problems, a line each; of very many only the first ones.
char *report_problems(const GPtrArray *problems);
