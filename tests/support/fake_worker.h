// SPDX-License-Identifier: MIT
// A media host and its room processes, played by the test on buses of their own: answers startRoom
// and admissions as real ones do, without media. What it saw can be asked.
#pragma once
#include "tests/support/suite.h"

typedef struct FakeWorker FakeWorker;

// Publishes its presence five times a second from now on. capacity: rooms.
FakeWorker *fake_worker_new(Suite *suite, guint capacity);
// Ends without a word, its rooms too.
void fake_worker_free(FakeWorker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeWorker, fake_worker_free)

const char *fake_worker_process(const FakeWorker *worker);
// Answers startRoom with this code from now on (200: again as usual); 0: not at all.
void fake_worker_set_start_code(FakeWorker *worker, guint code);
// The same for admissions at all its rooms.
void fake_worker_set_admit_code(FakeWorker *worker, guint code);

guint fake_worker_starts(const FakeWorker *worker); // startRoom requests, repeats not counted
guint fake_worker_rooms(const FakeWorker *worker);  // room processes that run
// Participants in its room processes of that room, and room processes of that room.
guint fake_worker_peers(const FakeWorker *worker, const char *room);
guint fake_worker_processes(const FakeWorker *worker, const char *room);
guint64 fake_worker_epoch(const FakeWorker *worker, const char *room); // greatest, 0 if none
// A room process lists this participant as silent from now on.
void fake_worker_silence(FakeWorker *worker, const char *room, const char *participant);
// All room processes of that room end; `told`: the host reports it.
void fake_worker_end(FakeWorker *worker, const char *room, gboolean told);
