// SPDX-License-Identifier: MIT
// A gateway's account of an object that one of its sessions reports. Gaps in such an object cannot
// be seen in its versions (reporters of old jump from 0 to 2 without loss), so each update is
// stamped with the version that came before it from the WebSocket; that is what observers measure.
#include "common/codec.h"
#include "common/limits.h"
#include "common/sync_relay.h"
#include "common/sync_wire.h"

struct SyncRelay {
    SyncLog *log;
    SyncDigest *digest;
};

SyncRelay *sync_relay_new(Bus *bus, const char *url, guint64 version)
{
    SyncRelay *relay = g_new0(SyncRelay, 1);
    relay->log = sync_log_new(url, version);
    relay->digest = sync_digest_new(bus, url, relay->log);
    return relay;
}

void sync_relay_free(SyncRelay *relay)
{
    if (relay == NULL)
        return;
    sync_digest_free(relay->digest);
    sync_log_free(relay->log);
    g_free(relay);
}

const SyncLog *sync_relay_log(const SyncRelay *relay)
{
    return relay->log;
}

gboolean sync_relay_stamp(SyncRelay *relay, Envelope *update)
{
    guint64 previous = sync_log_version(relay->log);
    if (update->body == NULL || !update->body->has_version)
        return TRUE;
    if (update->body->version <= previous || update->body->version > LIMIT_VERSION)
        return FALSE;
    update->has_previous_version = TRUE;
    update->previous_version = previous;
    g_autoptr(SyncChange) change = sync_change_new(codec_copy(update->body), previous);
    sync_log_add(relay->log, change);
    sync_digest_changed(relay->digest, relay->log);
    return TRUE;
}

void sync_relay_restart(SyncRelay *relay, guint64 version)
{
    sync_log_restart(relay->log, version, NULL);
    sync_digest_changed(relay->digest, relay->log);
}

gboolean sync_relay_answer(SyncRelay *relay, BusRequest *request)
{
    const Envelope *message = bus_request_message(request);
    const Msg__Body *asked = message->body;
    if (message->type != MSG__ENVELOPE__TYPE__SUBSCRIBE || asked == NULL || !asked->resume ||
        !asked->has_version)
        return FALSE;
    g_autoptr(Json) deltas = sync_deltas(relay->log, asked->version);
    if (deltas == NULL)
        return FALSE;
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", 200);
    json_set(body, "value", deltas);
    sync_answer(request, body);
    return TRUE;
}
