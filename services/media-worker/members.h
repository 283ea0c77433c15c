// SPDX-License-Identifier: MIT
// Who is in the room, as the control thread sees it: what each member may send, what its slots
// carry, whom it watches; and the pass that gives out video slots. No bus here: orders go to Media,
// what happened is asked for by the caller.
//
// A member is one admission: a participant that offers anew is removed and added again. Sources are
// told apart by participant number and index, which outlive an admission, never by Media's handle.
#pragma once
#include "common/json.h"
#include "media-worker/assign.h"
#include "media-worker/media.h"

typedef struct {
    MediaKind kind;
    const char *label; // static: "audio", "video", "screen"
    gboolean active, was_active, muted;
} MemberSource;

typedef struct {
    char mid[MEDIA_MID_MAX + 1];
    MediaKind kind;
    AssignSlot wanted;  // video: what Media was asked for
    MediaPeer of;       // under which handle
    guint32 number;     // what it carries: told by Media; 0: nothing
    guint source, from; // of the same
} MemberSlot;

typedef struct {
    char *participant;
    guint32 number;
    MediaPeer media;
    guint n_sources, n_slots;
    MemberSource *sources;
    MemberSlot *slots;
    GPtrArray *watched; // participant ids, newest wish last
    gboolean heard;     // media or an ICE check has ever come
    gboolean silent;    // told by Media
    gint64 since_us;    // of the admission
    gpointer owner;     // the caller's
} Member;

typedef struct Members Members;
Members *members_new(Media *media); // borrowed
void members_free(Members *members);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Members, members_free)

// Admits: the description (number set) is taken and handed to Media.
Member *members_add(Members *members, const char *participant, MediaPeerDescription *description);
void members_remove(Members *members, Member *member);
guint members_count(const Members *members);
Member *members_find(const Members *members, const char *participant);
Member *members_by_media(const Members *members, MediaPeer media);
Member *members_by_number(const Members *members, guint32 number);
GHashTable *members_all(const Members *members); // participant -> Member; borrowed

// The whole map of wishes, newest last, or one of them; FALSE where it is none.
gboolean members_watch_all(Member *member, const Json *map);
void members_watch(Member *member, const char *participant, gboolean on);
// direction of a HypertyResource of this type ("audio", …): "in" mutes what the member sends.
void members_set_direction(Members *members, Member *member, const char *type,
                           const char *direction);
void members_source_changed(Member *member, guint source, gboolean active);
// What Media says of a slot; FALSE if there is no such slot.
gboolean members_slot_changed(Member *member, const MediaEvent *event);
// The loudest now (0: nobody), to be told again each second; TRUE if slots may have to change.
gboolean members_heard(Members *members, guint32 loudest, gint64 now_us);
// msg.Slot of one slot; the caller's.
Json *members_slot_json(const Members *members, const MemberSlot *slot);

// Gives out the video slots of all members anew, and asks Media for what differs.
void members_assign(Members *members);
