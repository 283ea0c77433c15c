// SPDX-License-Identifier: MIT
// What the room's Communication object says, as far as the media needs it: who is in, who has muted
// what, where the room is placed. Kept from snapshots and changes; plain data, no bus.
#pragma once
#include "common/json.h"
#include "common/sync_object.h"

typedef struct Attendance Attendance;
Attendance *attendance_new(void);
void attendance_free(Attendance *attendance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attendance, attendance_free)

void attendance_read(Attendance *attendance, const Json *object); // msg.Object
void attendance_change(Attendance *attendance, const SyncChange *change);
gboolean attendance_is_known(const Attendance *attendance);

// Whether the participant is listed as joined.
gboolean attendance_lists(const Attendance *attendance, const char *participant);
// Calls each(id, participant's JSON, user) for those that are.
void attendance_each(const Attendance *attendance, JsonEach each, gpointer user);
// Direction of the participant's resource of this type ("audio", …): "inout" where it has none.
const char *attendance_direction(const Json *participant, const char *type);
// Whether the room has been placed elsewhere since.
gboolean attendance_is_elsewhere(const Attendance *attendance, guint64 epoch, const char *media);
