// SPDX-License-Identifier: MIT
// See histogram.h. Values below 2 * HISTOGRAM_STEPS have a count each.
#include "load/histogram.h"

static guint place_of(guint64 value)
{
    guint doublings = 0;
    while (value >= 2 * HISTOGRAM_STEPS && doublings < HISTOGRAM_DOUBLINGS - 2) {
        value >>= 1;
        doublings++;
    }
    return MIN(doublings * HISTOGRAM_STEPS + (guint)MIN(value, G_MAXUINT16), HISTOGRAM_COUNTS - 1);
}

// The highest value that is counted there.
static gint64 value_at(guint place)
{
    if (place < 2 * HISTOGRAM_STEPS)
        return place;
    guint doublings = place / HISTOGRAM_STEPS - 1;
    guint64 step = place - doublings * HISTOGRAM_STEPS;
    return (gint64)(((step + 1) << doublings) - 1);
}

void histogram_add(Histogram *histogram, gint64 value)
{
    histogram->counts[place_of((guint64)MAX(value, 0))]++;
    histogram->count++;
    histogram->most = MAX(histogram->most, value);
}

void histogram_merge(Histogram *histogram, const Histogram *from)
{
    for (guint i = 0; i < HISTOGRAM_COUNTS; i++)
        histogram->counts[i] += from->counts[i];
    histogram->count += from->count;
    histogram->most = MAX(histogram->most, from->most);
}

gint64 histogram_at(const Histogram *histogram, double part)
{
    guint64 below = 0;
    for (guint i = 0; i < HISTOGRAM_COUNTS; i++) {
        below += histogram->counts[i];
        if (below > 0 && (double)below >= part * (double)histogram->count)
            return MIN(value_at(i), histogram->most);
    }
    return 0;
}
