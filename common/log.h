// SPDX-License-Identifier: MIT
// One line an event, for operators: `2026-01-31T12:00:00.123456Z INFO registry-1f room.joined
// room=demo … trace=…` in logfmt, or one JSON object with log.format=json. Event names are
// constants; deploy/README.md explains each one. Lines go to stderr, one write(2) a line. May be
// called from any thread.
#pragma once
#include <glib.h>
// czmq.h brings these names as macros.
#include <syslog.h>
#undef LOG_DEBUG
#undef LOG_INFO
#undef LOG_WARNING

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR } LogLevel;

// process: name shown in each line; copied. level: lines below are not written. json: JSON instead
// of logfmt.
void log_open(const char *process, LogLevel level, gboolean json);

// The trace id that lines of this thread carry until it is set again; NULL for none. Copied (<=
// LIMIT_TRACE).
void log_set_trace(const char *trace);
const char *log_trace(void); // NULL where none is set; thread-local

// Writes one line. event: "subject.happened". format: printf; `key=value` pairs separated by one
// blank; a value that holds blanks, quotes or control characters must come from log_quote.
void log_event(LogLevel level, const char *event, const char *format, ...) G_GNUC_PRINTF(3, 4);

// text as one logfmt value: quoted and escaped where needed, at most 200 bytes of it, never NULL
// ("" becomes "\"\""). The result is thread-local and lives until eight further calls.
const char *log_quote(const char *text);
