// SPDX-License-Identifier: MIT
// Lines to a file descriptor that may be slow: never blocks, keeps at most LIMIT_MONITOR_QUEUE
// bytes, counts what it leaves out, and tells when nobody reads any more.
#pragma once
#include <glib.h>

typedef struct Output Output;

typedef struct {
    char *(*missed)(guint64 lines,
                    gpointer user); // the line that stands for those left out; newly allocated
    void (*closed)(gpointer user);  // nobody reads any more; told once
} OutputCalls;

// calls: static. descriptor: borrowed.
Output *output_new(int descriptor, const OutputCalls *calls, gpointer user);
// Writes what can be written at once.
void output_free(Output *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Output, output_free)

// A whole line with its end (or several). Written at once if the descriptor takes it.
void output_line(Output *output, const char *line);
