// SPDX-License-Identifier: MIT
// reTHINK URLs as bus addresses: `scheme://authority/path`, printable ASCII without blanks, at most
// LIMIT_URL bytes. The topic of an address is the URL and one blank, so that /room1 never matches
// /room10.
#pragma once
#include <glib.h>

// Whether text may be an address at all: non-empty, printable ASCII without blanks, within
// LIMIT_URL. `runtime:/x` and `domain://registry.localhost` are addresses too: reTHINK treats them
// as opaque.
gboolean url_is_valid(const char *text);
// Whether text may be a key of our own: room id, participant id. 1-64 of A-Z a-z 0-9 _ -
gboolean url_is_key(const char *text);
// Scheme without "://"; newly allocated, NULL if there is none.
char *url_scheme(const char *url);
// Authority: what stands between "://" and the next "/"; newly allocated, NULL if there is none.
char *url_authority(const char *url);
// Last path segment; borrowed from url; "" if it ends in "/".
const char *url_last_segment(const char *url);
// Whether url equals base or lies below it (base + "/" + anything).
gboolean url_is_under(const char *url, const char *base);
// url without a trailing publication suffix (/changes, /children and all below it, /registration,
// /subscription, /read); newly allocated.
char *url_object(const char *url);
// Whether url ends in /changes, /children…, /registration: publications to it are never refused or
// retried.
gboolean url_is_publication(const char *url);
