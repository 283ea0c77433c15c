// SPDX-License-Identifier: MIT
// Times by the million in little memory: 32 steps to each doubling, so a figure is right to 3 %.
#pragma once
#include <glib.h>

#define HISTOGRAM_STEPS 32
#define HISTOGRAM_DOUBLINGS 27 // up to about 134 s
#define HISTOGRAM_COUNTS (HISTOGRAM_STEPS * HISTOGRAM_DOUBLINGS)

typedef struct {
    guint64 count;
    gint64 most; // exactly
    guint32 counts[HISTOGRAM_COUNTS];
} Histogram;

void histogram_add(Histogram *histogram, gint64 value); // below 0 counts as 0
void histogram_merge(Histogram *histogram, const Histogram *from);
// The value that `part` (0 … 1) of all are not above; 0 where there are none.
gint64 histogram_at(const Histogram *histogram, double part);
