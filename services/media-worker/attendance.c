// SPDX-License-Identifier: MIT
// See attendance.h. The data is a tree that is never changed in place (json_with_path).
#include "media-worker/attendance.h"

#include <string.h>

struct Attendance {
    Json *data; // of the Communication; NULL before the first snapshot
};

Attendance *attendance_new(void)
{
    return g_new0(Attendance, 1);
}

void attendance_free(Attendance *attendance)
{
    if (attendance == NULL)
        return;
    json_unref(attendance->data);
    g_free(attendance);
}

static void take(Attendance *attendance, Json *data)
{
    json_unref(attendance->data);
    attendance->data = data;
}

void attendance_read(Attendance *attendance, const Json *object)
{
    Json *data = json_get(object, "data");
    if (json_is_object(data))
        take(attendance, json_ref(data));
}

void attendance_change(Attendance *attendance, const SyncChange *change)
{
    const Msg__Body *body = change->body;
    g_autoptr(Json) value =
        body->has_value ? json_parse_bytes(body->value.data, body->value.len) : NULL;
    Json *data = NULL;
    if (attendance->data == NULL)
        return;
    if (body->attribute == NULL || *body->attribute == '\0')
        data = json_is_object(value) ? json_ref(value) : NULL;
    else
        data = json_with_path(attendance->data, body->attribute, value);
    if (data != NULL)
        take(attendance, data);
}

gboolean attendance_is_known(const Attendance *attendance)
{
    return attendance->data != NULL;
}

static gboolean is_in(const Json *participant)
{
    const char *status = json_get_text(participant, "status");
    return json_is_object(participant) && (status == NULL || strcmp(status, "joined") == 0);
}

gboolean attendance_lists(const Attendance *attendance, const char *participant)
{
    return is_in(json_get(json_get(attendance->data, "participants"), participant));
}

typedef struct {
    JsonEach each;
    gpointer user;
} Those;

static void if_in(const char *id, Json *participant, gpointer user)
{
    const Those *those = user;
    if (is_in(participant))
        those->each(id, participant, those->user);
}

void attendance_each(const Attendance *attendance, JsonEach each, gpointer user)
{
    Those those = {.each = each, .user = user};
    const Json *participants = json_get(attendance->data, "participants");
    if (json_is_object(participants))
        json_each(participants, if_in, &those);
}

const char *attendance_direction(const Json *participant, const char *type)
{
    const Json *resources = json_get(participant, "resources");
    for (guint i = 0; i < json_size(resources); i++) {
        const Json *resource = json_at(resources, i);
        const char *direction = json_get_text(resource, "direction");
        if (g_strcmp0(json_get_text(resource, "type"), type) == 0 && direction != NULL)
            return direction;
    }
    return "inout";
}

gboolean attendance_is_elsewhere(const Attendance *attendance, guint64 epoch, const char *media)
{
    const Json *placement = json_get(attendance->data, "placement");
    const char *where = json_get_text(placement, "media");
    gint64 there = json_get_number(placement, "epoch", 0);
    if (there > (gint64)epoch)
        return TRUE;
    return there == (gint64)epoch && where != NULL && *where != '\0' && strcmp(where, media) != 0;
}
