// SPDX-License-Identifier: MIT
// See address.h. Rows are tried in order; a row's address stands for itself and all below it.
#include "gateway/address.h"

#include <string.h>

#include "common/url.h"

typedef struct {
    const char *address; // %D stands for the domain
    AddressKind kind;
} Row;

static const Row rows[] = {
    {"mn:/session", ADDRESS_SESSION},
    {"domain://msg-node.%D/address-allocation", ADDRESS_ALLOCATION},
    {"domain://msg-node.%D/hyperty-address-allocation", ADDRESS_ALLOCATION},
    {"domain://msg-node.%D/object-address-allocation", ADDRESS_ALLOCATION},
    {"domain://msg-node.%D/sm", ADDRESS_ROUTING},
    {"hyperty://%D/conference", ADDRESS_SERVICE},
    {"hyperty://%D/sessions", ADDRESS_INTERNAL},
    {"hyperty://%D/worker", ADDRESS_INTERNAL},
    {"hyperty://%D/media", ADDRESS_INTERNAL},
    {"ctxt://%D/process", ADDRESS_INTERNAL},
    {"ctxt://%D/room", ADDRESS_OBJECT},
};

static gboolean is_row(const Row *row, const char *domain, const char *url)
{
    const char *gap = strstr(row->address, "%D");
    if (gap == NULL)
        return url_is_under(url, row->address);
    gsize before = (gsize)(gap - row->address), length = strlen(domain);
    return strncmp(url, row->address, before) == 0 && strncmp(url + before, domain, length) == 0 &&
           url_is_under(url + before + length, gap + 2);
}

// What follows `scheme://D/`; NULL if url is not of this scheme and domain. Borrowed.
static const char *below(const char *url, const char *scheme, const char *domain)
{
    gsize length = strlen(scheme);
    if (strncmp(url, scheme, length) != 0 || strncmp(url + length, "://", 3) != 0)
        return NULL;
    url += length + 3;
    length = strlen(domain);
    return strncmp(url, domain, length) == 0 && url[length] == '/' ? url + length + 1 : NULL;
}

// Length of `<room>-<8 hex>` without the eight digits and their hyphen; 0 if it is none. A UUID
// ends in twelve digits, so what clients invent is never taken for a room.
static gsize room_length(const char *segment)
{
    gsize length = strcspn(segment, "/");
    if (length < 10 || segment[length - 9] != '-')
        return 0;
    for (gsize i = length - 8; i < length; i++)
        if (!g_ascii_isxdigit(segment[i]) || g_ascii_isupper(segment[i]))
            return 0;
    return length - 9;
}

static gboolean is_own_object(const char *domain, const char *url)
{
    const char *room = below(url, "comm", domain);
    const char *connection = below(url, "connection", domain);
    return (room != NULL && room_length(room) > 0) ||
           (connection != NULL && g_str_has_prefix(connection, "media-"));
}

// A whole scheme or domain must never belong to one client: at least one segment follows.
static gboolean is_long_enough(const char *url)
{
    const char *start = strstr(url, "://");
    const char *slash = strchr(start != NULL ? start + 3 : url, '/');
    return slash != NULL && slash[1] != '\0' && slash[1] != '/' && slash != url;
}

static gboolean has_scheme(const char *url, const char *scheme)
{
    gsize length = strlen(scheme);
    return g_ascii_strncasecmp(url, scheme, length) == 0 && url[length] == ':';
}

AddressKind address_kind(const char *domain, const char *url)
{
    if (!url_is_valid(url))
        return ADDRESS_INVALID;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (is_row(&rows[i], domain, url))
            return rows[i].kind;
    if (is_own_object(domain, url))
        return ADDRESS_OBJECT;
    if (has_scheme(url, "bus"))
        return ADDRESS_INTERNAL;
    if (has_scheme(url, "domain") || has_scheme(url, "mn"))
        return ADDRESS_SERVICE;
    return is_long_enough(url) ? ADDRESS_CLIENT : ADDRESS_INVALID;
}

gboolean address_may_bind(const char *domain, const char *url)
{
    return address_kind(domain, url) == ADDRESS_CLIENT && !url_is_publication(url);
}

char *address_room(const char *domain, const char *url)
{
    const char *segment = url_is_valid(url) ? below(url, "comm", domain) : NULL;
    gsize length = segment != NULL ? room_length(segment) : 0;
    return length > 0 && segment[length + 9] == '\0' ? g_strndup(segment, length) : NULL;
}
