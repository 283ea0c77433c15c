// SPDX-License-Identifier: MIT
// A call of two that must not notice what a test does to the suite around it: Ann and Ben send and
// receive in the room "demo", Ann asks for the room's Communication all the time.
#pragma once
#include "tests/support/caller.h"

#define GOOD_PAUSE_US (200 * 1000)   // between two packets of a slot, at most
#define GOOD_ANSWER_US (1000 * 1000) // from Ann's question to its answer, at most
#define GOOD_WAIT_MS 2000            // after something has come back

typedef struct GoodCall GoodCall;

// Starts the whole suite, waits until both see and hear each other.
GoodCall *good_call_new(Suite *suite);
void good_call_free(GoodCall *call); // not the suite
Suite *good_call_suite(const GoodCall *call);
// For cmocka: *state is a GoodCall in a suite of its own.
int good_call_set_up(void **state);
int good_call_tear_down(void **state);

Caller *good_call_ann(const GoodCall *call);
Caller *good_call_ben(const GoodCall *call);
// Address of the room process, as the Communication tells; and that process' name.
const char *good_call_media(const GoodCall *call);
const char *good_call_media_process(const GoodCall *call);

// Forgets pauses and slow answers so far.
void good_call_reset(GoodCall *call);
// Waits, GOOD_WAIT_MS at most, until Ann has the answer to the question that is open now, however
// long ago she has asked it.
void good_call_wait_answer(const GoodCall *call, const char *what);
// Fails the test, with words, if since then media paused (longer than this process itself had no
// turn), a packet was wrong or the room was placed elsewhere. what: who is to blame.
void good_call_assert_media(const GoodCall *call, const char *what);
// The same, and if an answer was late or wrong, or a process of the suite has ended.
void good_call_assert_unharmed(const GoodCall *call, const char *what);

// Waits until every process has told its counters anew.
void good_call_refresh(GoodCall *call);
// Sum of a counter over all processes whose name begins with `process`, as their newest presence
// tells: up to a second old.
guint64 good_call_counter(const GoodCall *call, const char *process, const char *name);

// One counter that is to grow by `growth` from now on. process, name: as above, not copied.
typedef struct {
    const GoodCall *call;
    const char *process, *name;
    guint64 before, growth;
} GoodCounter;
// After good_call_refresh.
GoodCounter good_counter_new(const GoodCall *call, const char *process, const char *name,
                             guint64 growth);
// Waits until it has grown by that; fails the test if it has not, or by more.
void good_counter_assert(GoodCounter *counter);

// The number-th of a sequence that looks like rubbish and is the same in each run.
guint good_call_rubbish(guint number);
// A few turns of the main loop, between slices of an attack.
void good_call_breathe(void);
