// SPDX-License-Identifier: MIT
// See url.h. Nothing is decoded or normalised: an address is compared byte by byte, as brokers do,
// so two spellings are two addresses.
#include "common/url.h"

#include <string.h>

#include "common/limits.h"

gboolean url_is_valid(const char *text)
{
    gsize length = 0;
    if (text == NULL)
        return FALSE;
    for (; text[length] != '\0'; length++)
        if (length >= LIMIT_URL || text[length] <= ' ' || text[length] > '~')
            return FALSE;
    return length > 0;
}

gboolean url_is_key(const char *text)
{
    gsize length = 0;
    if (text == NULL)
        return FALSE;
    for (; text[length] != '\0'; length++)
        if (length >= LIMIT_KEY ||
            !(g_ascii_isalnum(text[length]) || text[length] == '_' || text[length] == '-'))
            return FALSE;
    return length > 0;
}

char *url_scheme(const char *url)
{
    const char *end = strstr(url, "://");
    return end == NULL || end == url ? NULL : g_strndup(url, (gsize)(end - url));
}

// What follows "://", or the whole where there is none.
static const char *after_scheme(const char *url)
{
    const char *end = strstr(url, "://");
    return end == NULL ? url : end + 3;
}

char *url_authority(const char *url)
{
    const char *start = after_scheme(url);
    gsize length = strcspn(start, "/");
    return start == url || length == 0 ? NULL : g_strndup(start, length);
}

const char *url_last_segment(const char *url)
{
    const char *slash = strrchr(url, '/');
    return slash == NULL ? url : slash + 1;
}

gboolean url_is_under(const char *url, const char *base)
{
    gsize length = strlen(base);
    return strncmp(url, base, length) == 0 && (url[length] == '\0' || url[length] == '/');
}

// Start of "/children" as a whole segment, NULL if there is none.
static const char *children_of(const char *url)
{
    static const char segment[] = "/children";
    const char *found = after_scheme(url);
    while ((found = strstr(found, segment)) != NULL) {
        found += sizeof segment - 1;
        if (*found == '\0' || *found == '/')
            return found - (sizeof segment - 1);
    }
    return NULL;
}

static const char *suffix_of(const char *url, const char *const *suffixes)
{
    const char *start = after_scheme(url);
    for (; *suffixes != NULL; suffixes++)
        if (g_str_has_suffix(start, *suffixes))
            return url + strlen(url) - strlen(*suffixes);
    return NULL;
}

char *url_object(const char *url)
{
    static const char *const suffixes[] = {"/changes", "/registration", "/subscription", "/read",
                                           NULL};
    const char *end = children_of(url);
    if (end == NULL)
        end = suffix_of(url, suffixes);
    return end == NULL ? g_strdup(url) : g_strndup(url, (gsize)(end - url));
}

gboolean url_is_publication(const char *url)
{
    static const char *const suffixes[] = {"/changes", "/registration", NULL};
    return suffix_of(url, suffixes) != NULL || children_of(url) != NULL;
}
