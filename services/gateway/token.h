// SPDX-License-Identifier: MIT
// Session tokens: `<session>.<signature>`, opaque to clients, [A-Za-z0-9_.-], at most 100
// characters. The signature is HMAC-SHA256 by suite.secret over the session id, so any gateway of
// the suite can tell a token that one of them gave from one that somebody made up, without asking.
#pragma once
#include <glib.h>

// 16 hexadecimal digits from the kernel's random source; newly allocated.
char *token_new_session(void);
// 64 hexadecimal digits, for a suite without a configured secret.
char *token_new_secret(void);
char *token_make(const char *secret, const char *session);
// Whether text has a token's form at all (says nothing about its signature).
gboolean token_has_form(const char *text);
// The session that a token stands for; NULL if it is none or its signature is wrong. Newly
// allocated.
char *token_session(const char *secret, const char *token);
