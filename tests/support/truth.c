// SPDX-License-Identifier: MIT
// See truth.h.
#include "tests/support/truth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "tests/support/suite.h"

#define IN_STEP_MS 5000

SyncObject *truth_read(WsClient *client)
{
    const char *url = sync_object_url(ws_client_communication(client));
    g_autoptr(Json) body =
        ws_client_request(client, ws_client_message(client, "read", NULL, url, NULL));
    if (ws_code(body) != 200)
        fail_msg("the registry answers %d to read of %s", ws_code(body), url);
    SyncObject *object = sync_object_from_json(json_get(body, "value"), NULL);
    assert_non_null(object);
    return object;
}

typedef struct {
    const WsClient *client;
    const SyncObject *truth;
} Compared;

static guint64 version_of(const WsClient *client)
{
    const SyncObject *mine = ws_client_communication(client);
    return mine == NULL ? 0 : sync_object_version(mine);
}

static gboolean is_in_step(gpointer user)
{
    const Compared *compared = user;
    return version_of(compared->client) == sync_object_version(compared->truth);
}

void truth_assert_held(WsClient *client, const SyncObject *truth, const char *who)
{
    Compared compared = {client, truth};
    if (!suite_until(is_in_step, &compared, IN_STEP_MS))
        fail_msg("%s stays at version %lu, the registry has %lu", who, (gulong)version_of(client),
                 (gulong)sync_object_version(truth));
    const SyncObject *mine = ws_client_communication(client);
    if (!json_equals(sync_object_data(mine), sync_object_data(truth)))
        fail_msg("%s has other data than the registry", who);
    if (strcmp(sync_object_chain(mine), sync_object_chain(truth)) != 0)
        fail_msg("%s has another history than the registry", who);
    if (ws_client_holes(client) != 0)
        fail_msg("%s saw %u holes", who, ws_client_holes(client));
}
