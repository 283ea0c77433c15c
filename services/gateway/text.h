// SPDX-License-Identifier: MIT
// One message as it goes into WebSockets: printed once, shared by all that get it. The bytes have
// headroom in front, because libwebsockets writes the frame's header there (each time anew; the
// payload itself is never touched, for servers do not mask).
#pragma once
#include "common/json.h"

#define TEXT_HEADROOM 32

typedef struct Text Text;

Text *text_new(const char *bytes, gsize length); // copies
Text *text_from_json(const Json *json);
Text *text_ref(Text *text);
void text_unref(Text *text);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Text, text_unref)
// The payload; TEXT_HEADROOM bytes before it may be written. Ends in a NUL that does not count.
char *text_bytes(Text *text);
gsize text_length(const Text *text);
