// SPDX-License-Identifier: MIT
// See conference.h. Thin on purpose: what holds for one room stands in room.c, what holds for all
// of them and for the outside world stands here.
#include "registry/conference.h"
#include <string.h>
#include "common/limits.h"

static gboolean is_user(const char *url)
{
    return url != NULL && g_str_has_prefix(url, "user://");
}

// Whom a token has named once keeps that name, although it does not show the token again.
static void stay_the_same(Join *join, const Json *participant)
{
    const Json *profile = json_get(json_get(participant, "identity"), "userProfile");
    const char *url = json_get_text(profile, "userURL");
    if (is_user(url))
        join_identify(join, url, json_get_text(profile, "preferred_username"));
}

Refusal conference_on_join_room(const Policy *policy, Join *join, const Room *room,
                                const char **ret_detail)
{
    const Member *member = room != NULL ? room_member(room, join->participant) : NULL;
    if (member == NULL || g_strcmp0(member->session, join->session) != 0)
        return policy_check(policy, join, g_get_real_time() / G_USEC_PER_SEC, ret_detail);
    stay_the_same(join, room_participant(room, join->participant));
    return MSG__REFUSAL__REASON__none;
}

Refusal conference_create_room(Batch *batch, const char *id, const char *domain, Room **ret_room)
{
    Room *room = batch_draft(batch, id);
    if (room != NULL && room_is_closed(room)) // in this very batch: the next one makes a new room
        return MSG__REFUSAL__REASON__no_such_room;
    if (room == NULL) {
        if (batch_room_count(batch) >= LIMIT_ROOMS)
            return MSG__REFUSAL__REASON__no_capacity;
        g_autofree char *url = g_strdup_printf("comm://%s/%s-%08x", domain, id, g_random_int());
        room = room_new(id, url, domain);
        batch_add_draft(batch, room);
    }
    *ret_room = room;
    return MSG__REFUSAL__REASON__none;
}

Refusal conference_add_participant(Batch *batch, const Join *join, guint64 epoch)
{
    Room *room = batch_draft(batch, join->room);
    if (room == NULL)
        return MSG__REFUSAL__REASON__no_such_room;
    if (room_placement(room).epoch != epoch)
        return MSG__REFUSAL__REASON__stale_epoch;
    Newcomer newcomer = join_newcomer(join);
    return room_join(room, &newcomer);
}

Refusal conference_remove_participant(Batch *batch, const char *room_id, const char *participant,
                                      const char *reason)
{
    Room *room = batch_draft(batch, room_id);
    return room != NULL ? room_leave(room, participant, reason)
                        : MSG__REFUSAL__REASON__no_such_room;
}

Refusal conference_close(Batch *batch, const char *room_id)
{
    Room *room = batch_draft(batch, room_id);
    return room != NULL ? room_close(room) : MSG__REFUSAL__REASON__no_such_room;
}
