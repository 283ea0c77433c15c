// SPDX-License-Identifier: MIT
// See resources.h.
#include "gateway/resources.h"

#include "common/limits.h"

// The depth of what comes from a WebSocket is bounded before it gets here (LIMIT_JSON_DEPTH).
static gboolean flatten(const Json *value, GPtrArray *found)
{
    if (json_is_text(value)) {
        g_ptr_array_add(found, (gpointer)json_text(value));
        return found->len <= LIMIT_SESSION_ROUTES;
    }
    for (guint i = 0; i < json_size(value); i++)
        if (!flatten(json_at(value, i), found))
            return FALSE;
    return json_is_array(value);
}

GPtrArray *resources_of(const Json *body)
{
    static const char *const members[] = {"resources", "subscribe", "unsubscribe", "resource",
                                          "childrenResources"};
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        const Json *value = json_get(body, members[i]);
        if (value != NULL && !json_is_nothing(value) && !flatten(value, found))
            return NULL;
    }
    return g_steal_pointer(&found);
}
