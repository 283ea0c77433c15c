// SPDX-License-Identifier: MIT
// The rules of one room, on plain data: who is in, who may come in, what the Communication object
// says. No bus, no store, no clock but the object's own timestamps.
//
// A room is changed only as a draft (room_copy), which is thrown away if it cannot be stored; a
// function that refuses has changed nothing. Numbers are the exception: they are given out on the
// live room, before anything is stored, and never used again.
#pragma once
#include "common/refusal.h"
#include "common/sync_object.h"

typedef struct Room Room;

// What the registry knows of a participant beyond the Communication object. Shared and immutable.
typedef struct {
    char *id;         // last segment of its Connection URL
    char *session;    // that owns it; not for others to see
    char *hyperty;    // its hyperty's URL
    char *connection; // its Connection's URL
    guint32 number;
    GBytes *entry; // its entry in the Communication, printed
} Member;

// Who wants to come in. Borrowed strings and trees; identity and resources may be NULL (resources:
// as they were, for a newcomer microphone and camera on, no screen).
typedef struct {
    const char *participant;
    const char *session;
    const char *hyperty;
    const char *connection;
    guint32 number;
    const Json *identity;
    const Json *resources;
} Newcomer;

// Where the room's media lives, borrowed strings.
typedef struct {
    guint64 epoch; // 0: nowhere yet
    const char *media;
    const char *worker;
} RoomPlacement;

// A new, empty, pending room, reported by `hyperty://<domain>/conference`.
Room *room_new(const char *id, const char *url, const char *domain);
// From what the store kept: the Communication as an object, and what it does not say.
// room_restore_session attaches a participant's session. NULL with an error if object is no
// Communication.
Room *room_restore(const Json *object, guint64 last_epoch, guint32 next_number, GError **error);
void room_restore_session(Room *room, const char *participant, const char *session);
Room *room_copy(const Room *room); // deep: a draft
void room_free(Room *room);        // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Room, room_free)

const char *room_id(const Room *room);
const char *room_url(const Room *room);
const SyncObject *room_object(const Room *room);
// Hands the object to its reporter; the room goes on reading it there.
SyncObject *room_lend_object(Room *room);
// The object as it travels (msg.Object), and the same without participants, as the store keeps it
// beside them; printed once a version; borrowed.
const GString *room_snapshot(Room *room);
const GString *room_header(Room *room);

guint room_size(const Room *room); // participants
gboolean room_is_closed(const Room *room);
const Member *room_member(const Room *room, const char *participant); // NULL: not in
// The session's participant: the one of this hyperty, else the session's only one. NULL: none.
const Member *room_member_of(const Room *room, const char *session, const char *hyperty);
gboolean room_has_session(const Room *room, const char *session);
GList *room_members(const Room *room); // of const Member *; free the list
// Its entry in the Communication; borrowed, NULL if not in.
const Json *room_participant(const Room *room, const char *participant);

// The number that `participant` has or will have. On the live room.
guint32 room_reserve_number(Room *room, const char *participant);
guint32 room_next_number(const Room *room);

Refusal room_may_join(const Room *room, const char *participant, const char *session);
// In, or in again: a member of the same session replaces itself, which changes the Communication
// only where something differs.
Refusal room_join(Room *room, const Newcomer *newcomer);
// reason: left, lost, removed or replaced.
Refusal room_leave(Room *room, const char *participant, const char *reason);
// type: audio, video or screen; direction: in, out or inout.
Refusal room_set_direction(Room *room, const char *participant, const char *type,
                           const char *direction);
// Only when empty. Nothing can be changed afterwards.
Refusal room_close(Room *room);

// An epoch is spent before a worker is asked for it, so that no two processes ever hold the same.
guint64 room_spend_epoch(Room *room);
guint64 room_last_epoch(const Room *room);
// Refused (stale_epoch) unless it is newer than the present one.
Refusal room_place(Room *room, const RoomPlacement *placement);
RoomPlacement room_placement(const Room *room);
// The process of this placement is gone; ignored if the room has been placed anew since. On the
// live room; not stored, for a restart finds out by asking.
void room_unhouse(Room *room, const char *media, guint64 epoch);
// It was not gone after all. FALSE: the room has been placed anew since, or never was there.
gboolean room_rehouse(Room *room, const char *media, guint64 epoch);
gboolean room_is_housed(const Room *room);
// Whether its process was there before this registry: it may know peers of whom nothing is stored.
gboolean room_is_inherited(const Room *room);

// What has changed since the store last had it. Participants: ids, whose entry is to be written or,
// where it is not there any more, removed; free the list.
gboolean room_is_unstored(const Room *room);
GList *room_unstored_participants(const Room *room);
void room_set_stored(Room *room);
