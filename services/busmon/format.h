// SPDX-License-Identifier: MIT
// What the monitor prints. Everything that it shows is a record first: {time, topic, source, trace,
// id, type, from, to, body}, null where a message has no such member; a record is one line of JSON,
// or one line for people. Secrets are the monitor's business.
#pragma once
#include "common/envelope.h"

// time_us: microseconds since 1970. topic: without the blank at its end. body: of the message, or
// NULL.
Json *format_record(gint64 time_us, const char *topic, const Envelope *message, const Json *body);
// What is no message: type "malformed", "dropped" or "event" of our own. body: taken.
Json *format_note(gint64 time_us, const char *topic, const char *type, Json *body);
// One line with its end; newly allocated. What a terminal would obey is escaped.
char *format_line(const Json *record);
char *format_json_line(const Json *record);
