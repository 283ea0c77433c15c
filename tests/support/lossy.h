// SPDX-License-Identifier: MIT
// A bad network between one process of a suite and the broker: messages in both directions are
// lost, doubled or late, by chance with a seed. Subscriptions pass. A thread of its own; nothing
// here runs on the main loop.
#pragma once
#include "tests/support/suite.h"

typedef struct Lossy Lossy;

// percent: of the messages that are lost; as many are doubled, and as many delayed by up to 60 ms,
// so that later ones overtake them.
Lossy *lossy_new(const Suite *suite, guint percent, guint32 seed);
void lossy_free(Lossy *lossy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lossy, lossy_free)
// Arguments that make a program go through it: "--bus.publish=…" and "--bus.subscribe=…"; borrowed.
const char *const *lossy_arguments(const Lossy *lossy);
// From now on everything passes, or (again) not.
void lossy_set(Lossy *lossy, gboolean on);
guint lossy_lost(const Lossy *lossy); // so far
