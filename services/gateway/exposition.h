// SPDX-License-Identifier: MIT
// Counters of many processes as Prometheus reads them: one family a name with its HELP and TYPE,
// one line a process and label set. Names come from the bus, so they are checked before they are
// shown.
#pragma once
#include "common/json.h"

typedef struct Exposition Exposition;

Exposition *exposition_new(void);
// counters: {"name_total": 3, "refused_total{reason=\"locked\"}": 1}. process becomes a label.
void exposition_add(Exposition *exposition, const char *process, const Json *counters);
void exposition_add_one(Exposition *exposition, const char *process, const char *name,
                        gint64 value);
// The whole text; frees the exposition.
char *exposition_finish(Exposition *exposition);
