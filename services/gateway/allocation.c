// SPDX-License-Identifier: MIT
// See allocation.h.
#include "gateway/allocation.h"

#include <string.h>

#include "common/limits.h"
#include "gateway/address.h"
#include "gateway/message.h"
#include "gateway/resources.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define DEFAULT_COUNT 5

static gboolean is_scheme(const char *text)
{
    gsize length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    return length > 0 && length <= LIMIT_KEY && text[length] == '\0' && g_ascii_islower(text[0]);
}

static char *new_address(Sessions *sessions, const char *scheme)
{
    g_autofree char *uuid = g_uuid_string_random();
    return g_strdup_printf("%s://%s/%s", scheme, sessions_domain(sessions), uuid);
}

// Newly bound addresses; fewer than asked for where the session owns too many (reason then).
static GPtrArray *allocate(Sessions *sessions, Session *session, const char *scheme, gint64 count,
                           Refusal *ret_reason)
{
    GPtrArray *block = g_ptr_array_new_with_free_func(g_free);
    *ret_reason = REASON(none);
    for (gint64 i = 0; i < count && *ret_reason == REASON(none); i++) {
        g_autofree char *address = new_address(sessions, scheme);
        *ret_reason = sessions_bind(sessions, session, address);
        if (*ret_reason == REASON(none))
            g_ptr_array_add(block, g_steal_pointer(&address));
    }
    return block;
}

static void release(Sessions *sessions, Session *session, const GPtrArray *block)
{
    for (guint i = 0; i < block->len; i++)
        sessions_release(sessions, session, g_ptr_array_index(block, i));
}

static Json *allocated_body(const GPtrArray *block)
{
    Json *body = message_ok_body();
    g_autoptr(Json) value = json_new_object();
    g_autoptr(Json) list = json_new_array();
    for (guint i = 0; i < block->len; i++) {
        g_autoptr(Json) address = json_new_text(g_ptr_array_index(block, i));
        json_append(list, address);
    }
    json_set(value, "allocated", list);
    json_set(body, "value", value);
    return body;
}

static void remember(Session *session, const char *key, GPtrArray *block)
{
    if (session->blocks == NULL)
        session->blocks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                (GDestroyNotify)g_ptr_array_unref);
    g_hash_table_insert(session->blocks, g_strdup(key), g_ptr_array_ref(block));
}

Json *allocation_create(Sessions *sessions, Session *session, const Json *body)
{
    const Json *value = json_get(body, "value");
    const char *scheme = json_get_text(body, "scheme");
    const char *key = json_get_text(value, "allocationKey");
    gint64 count = json_get_number(value, "number", DEFAULT_COUNT);
    if (scheme == NULL)
        scheme = "hyperty";
    if (!is_scheme(scheme) || (key != NULL && strlen(key) > LIMIT_URL))
        return message_refusal_body(REASON(malformed), "scheme or allocationKey");
    if (count < 1 || count > LIMIT_ALLOCATION)
        return message_refusal_body(REASON(too_large), "value.number is from 1 to 32");
    GPtrArray *known =
        key != NULL && session->blocks != NULL ? g_hash_table_lookup(session->blocks, key) : NULL;
    if (known != NULL)
        return allocated_body(known);
    Refusal reason;
    g_autoptr(GPtrArray) block = allocate(sessions, session, scheme, count, &reason);
    if (reason != REASON(none)) {
        release(sessions, session, block);
        return message_refusal_body(reason, "addresses of one session");
    }
    if (key != NULL)
        remember(session, key, block);
    return allocated_body(block);
}

Json *allocation_delete(Sessions *sessions, Session *session, const Json *body)
{
    g_autoptr(GPtrArray) named = resources_of(body);
    if (named == NULL)
        return message_refusal_body(REASON(malformed), "childrenResources or resource");
    for (guint i = 0; i < named->len; i++) {
        const char *name = g_ptr_array_index(named, i);
        const GPtrArray *block =
            session->blocks != NULL ? g_hash_table_lookup(session->blocks, name) : NULL;
        sessions_release(sessions, session, name);
        if (block != NULL) {
            release(sessions, session, block);
            g_hash_table_remove(session->blocks, name);
        }
    }
    return message_ok_body();
}
