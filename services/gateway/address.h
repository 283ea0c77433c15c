// SPDX-License-Identifier: MIT
// Whose an address is, told from its text alone: a service's, of one of our own objects, or free
// for clients. Everything that clients may or may not do with addresses rests on this one table
// (rethink.md sections 2 and 3).
#pragma once
#include <glib.h>

typedef enum {
    ADDRESS_INVALID,    // no URL, or too short to stand for one thing (hyperty://D)
    ADDRESS_SESSION,    // mn:/session: answered by this gateway
    ADDRESS_ALLOCATION, // domain://msg-node.D/address-allocation and its aliases: this gateway
    ADDRESS_ROUTING,    // domain://msg-node.D/sm: this gateway
    ADDRESS_SERVICE,  // a service that clients may ask: conference, domain registry, other domains
    ADDRESS_INTERNAL, // what only our own processes speak to
    ADDRESS_OBJECT,   // an object that a service of ours reports (or something below it)
    ADDRESS_CLIENT    // may belong to a client
} AddressKind;

AddressKind address_kind(const char *domain, const char *url);
// Whether a client may own it: ADDRESS_CLIENT, without a publication suffix.
gboolean address_may_bind(const char *domain, const char *url);
// comm://D/<room>-<8 hex>: the room's id, newly allocated; NULL for anything else.
char *address_room(const char *domain, const char *url);
