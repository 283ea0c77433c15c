// SPDX-License-Identifier: MIT
// See members.h.
#include "media-worker/members.h"

#include <string.h>
#include "common/limits.h"
#include "common/url.h"

#define PAIRS 3 // audio slot k and video slot k share a stream for k = 1 to 3 (sdp.c)

struct Members {
    Media *media;
    GHashTable *by_participant; // owner
    GHashTable *by_media;
    GHashTable *by_number;
    AssignRecent recent;
};

static void member_free(gpointer data)
{
    Member *member = data;
    g_ptr_array_unref(member->watched);
    g_free(member->participant);
    g_free(member->sources);
    g_free(member->slots);
    g_free(member);
}

Members *members_new(Media *media)
{
    Members *members = g_new0(Members, 1);
    members->media = media;
    members->by_participant = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, member_free);
    members->by_media = g_hash_table_new(NULL, NULL);
    members->by_number = g_hash_table_new(NULL, NULL);
    return members;
}

void members_free(Members *members)
{
    if (members == NULL)
        return;
    g_hash_table_unref(members->by_number);
    g_hash_table_unref(members->by_media);
    g_hash_table_unref(members->by_participant);
    g_free(members);
}

// ---------------------------------------------------------------------------- coming and leaving

static void copy_sources(Member *member, const MediaPeerDescription *description)
{
    member->n_sources = description->n_sources;
    member->sources = g_new0(MemberSource, description->n_sources);
    for (guint i = 0; i < description->n_sources; i++) {
        member->sources[i].kind = description->sources[i].kind;
        member->sources[i].label = description->sources[i].label;
    }
}

static void copy_slots(Member *member, const MediaPeerDescription *description)
{
    member->n_slots = description->n_slots;
    member->slots = g_new0(MemberSlot, description->n_slots);
    for (guint i = 0; i < description->n_slots; i++) {
        member->slots[i].kind = description->slots[i].kind;
        memcpy(member->slots[i].mid, description->slots[i].mid, sizeof member->slots[i].mid);
    }
}

Member *members_add(Members *members, const char *participant, MediaPeerDescription *description)
{
    Member *member = g_new0(Member, 1);
    g_assert(members_find(members, participant) == NULL);
    g_assert(members_by_number(members, description->number) == NULL);
    member->participant = g_strdup(participant);
    member->number = description->number;
    member->watched = g_ptr_array_new_with_free_func(g_free);
    member->since_us = g_get_monotonic_time();
    copy_sources(member, description);
    copy_slots(member, description);
    member->media = media_add_peer(members->media, description);
    g_hash_table_insert(members->by_participant, member->participant, member);
    g_hash_table_insert(members->by_media, GUINT_TO_POINTER(member->media), member);
    g_hash_table_insert(members->by_number, GUINT_TO_POINTER(member->number), member);
    return member;
}

void members_remove(Members *members, Member *member)
{
    media_remove_peer(members->media, member->media);
    assign_recent_forget(&members->recent, member->number);
    g_hash_table_remove(members->by_number, GUINT_TO_POINTER(member->number));
    g_hash_table_remove(members->by_media, GUINT_TO_POINTER(member->media));
    g_hash_table_remove(members->by_participant, member->participant);
}

guint members_count(const Members *members)
{
    return g_hash_table_size(members->by_participant);
}

Member *members_find(const Members *members, const char *participant)
{
    return g_hash_table_lookup(members->by_participant, participant);
}

Member *members_by_media(const Members *members, MediaPeer media)
{
    return g_hash_table_lookup(members->by_media, GUINT_TO_POINTER(media));
}

Member *members_by_number(const Members *members, guint32 number)
{
    return g_hash_table_lookup(members->by_number, GUINT_TO_POINTER(number));
}

GHashTable *members_all(const Members *members)
{
    return members->by_participant;
}

// ------------------------------------------------------------------------------- wishes and news

static gboolean find_wish(const Member *member, const char *participant, guint *ret_index)
{
    return g_ptr_array_find_with_equal_func(member->watched, participant, g_str_equal, ret_index);
}

void members_watch(Member *member, const char *participant, gboolean on)
{
    guint index = 0;
    if (!url_is_key(participant))
        return;
    if (find_wish(member, participant, &index))
        g_ptr_array_remove_index(member->watched, index);
    if (on && member->watched->len < LIMIT_PARTICIPANTS)
        g_ptr_array_add(member->watched, g_strdup(participant));
}

static void add_wish(const char *participant, Json *value, gpointer user)
{
    members_watch(user, participant, json_is_object(value));
}

// The map's order is that of the wishes: a client moves a renewed one to the end.
gboolean members_watch_all(Member *member, const Json *map)
{
    if ((map != NULL && !json_is_object(map)) || json_size(map) > LIMIT_PARTICIPANTS)
        return FALSE;
    g_ptr_array_set_size(member->watched, 0);
    if (map != NULL)
        json_each(map, add_wish, member);
    return TRUE;
}

void members_set_direction(Members *members, Member *member, const char *type,
                           const char *direction)
{
    gboolean muted = g_strcmp0(direction, "in") == 0;
    for (guint i = 0; i < member->n_sources; i++) {
        MemberSource *source = &member->sources[i];
        if (g_strcmp0(source->label, type) != 0 || source->muted == muted)
            continue;
        source->muted = muted;
        media_mute_source(members->media, member->media, i, muted);
    }
}

void members_source_changed(Member *member, guint source, gboolean active)
{
    if (source >= member->n_sources)
        return;
    member->sources[source].active = active;
    member->sources[source].was_active |= active;
    member->heard |= active;
}

gboolean members_slot_changed(Member *member, const MediaEvent *event)
{
    if (event->index >= member->n_slots)
        return FALSE;
    MemberSlot *slot = &member->slots[event->index];
    slot->number = event->from_number;
    slot->source = event->from_source;
    slot->from = event->from;
    return TRUE;
}

gboolean members_heard(Members *members, guint32 loudest, gint64 now_us)
{
    return assign_recent_heard(&members->recent, loudest, now_us);
}

Json *members_slot_json(const Members *members, const MemberSlot *slot)
{
    Json *json = json_new_object();
    const Member *of = slot->number == 0 ? NULL : members_by_number(members, slot->number);
    if (of == NULL || slot->source >= of->n_sources)
        return json;
    json_set_text(json, "participant", of->participant);
    json_set_text(json, "source", of->sources[slot->source].label);
    json_set_number(json, "number", slot->number);
    json_set_number(json, "from", slot->from);
    return json;
}

// -------------------------------------------------------------------------------- the slot pass

static gint by_number(gconstpointer a, gconstpointer b)
{
    const AssignSource *first = a, *second = b;
    if (first->number != second->number)
        return first->number < second->number ? -1 : 1;
    return first->source < second->source ? -1 : first->source > second->source;
}

// Every picture that somebody might get, in the order of arrival.
static GArray *pictures(const Members *members)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(AssignSource));
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, members->by_participant);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Member *member = value;
        for (guint i = 0; i < member->n_sources; i++) {
            const MemberSource *source = &member->sources[i];
            if (source->kind != MEDIA_VIDEO || source->muted || !source->was_active)
                continue;
            AssignSource picture = {.number = member->number,
                                    .source = i,
                                    .screen = strcmp(source->label, "screen") == 0,
                                    .idle = !source->active};
            g_array_append_val(all, picture);
        }
    }
    g_array_sort(all, by_number);
    return all;
}

// Numbers of those whom it watches and who are here: at most as many as can matter, newest last.
static guint watched_numbers(const Members *members, const Member *member, guint32 *ret_numbers)
{
    guint32 newest[ASSIGN_WISHES_MAX];
    guint n = 0;
    for (guint i = member->watched->len; i > 0 && n < ASSIGN_WISHES_MAX; i--) {
        const Member *of = members_find(members, g_ptr_array_index(member->watched, i - 1));
        if (of != NULL)
            newest[n++] = of->number;
    }
    for (guint i = 0; i < n; i++)
        ret_numbers[i] = newest[n - 1 - i];
    return n;
}

// The participant in the member's audio slot k, counted from 0.
static guint32 voice_of(const Member *member, guint k)
{
    for (guint i = 0; i < member->n_slots; i++)
        if (member->slots[i].kind == MEDIA_AUDIO && k-- == 0)
            return member->slots[i].number;
    return 0;
}

// The member's video slots as plain data; returns their number.
static guint video_slots(const Member *member, AssignSlot *slots, guint *indices)
{
    guint n = 0;
    for (guint i = 0; i < member->n_slots && n < LIMIT_SLOTS_PER_PEER; i++) {
        if (member->slots[i].kind != MEDIA_VIDEO)
            continue;
        slots[n] = member->slots[i].wanted;
        slots[n].paired = n < PAIRS ? voice_of(member, n) : 0;
        indices[n++] = i;
    }
    return n;
}

static void ask_media(Members *members, Member *member, guint index, const AssignSlot *wanted)
{
    MemberSlot *slot = &member->slots[index];
    const Member *of = wanted->number == 0 ? NULL : members_by_number(members, wanted->number);
    MediaPeer handle = of == NULL ? 0 : of->media;
    if (slot->of == handle && slot->wanted.source == wanted->source)
        return;
    slot->wanted = *wanted;
    slot->of = handle;
    media_assign_slot(members->media, member->media, index, handle, wanted->source);
}

static void assign_member(Members *members, Member *member, const GArray *all)
{
    AssignSlot slots[LIMIT_SLOTS_PER_PEER];
    guint indices[LIMIT_SLOTS_PER_PEER];
    guint32 watched[ASSIGN_WISHES_MAX];
    guint n_slots = video_slots(member, slots, indices);
    if (n_slots == 0)
        return;
    g_autofree AssignSource *sources = g_new(AssignSource, all->len + 1);
    guint n_sources = 0;
    for (guint i = 0; i < all->len; i++) {
        const AssignSource *picture = &g_array_index(all, AssignSource, i);
        if (picture->number != member->number)
            sources[n_sources++] = *picture;
    }
    const AssignWishes wishes = {.sources = sources,
                                 .n_sources = n_sources,
                                 .watched = watched,
                                 .n_watched = watched_numbers(members, member, watched),
                                 .recent = members->recent.numbers,
                                 .n_recent = members->recent.n};
    assign_slots(&wishes, slots, n_slots);
    for (guint i = 0; i < n_slots; i++)
        ask_media(members, member, indices[i], &slots[i]);
}

void members_assign(Members *members)
{
    g_autoptr(GArray) all = pictures(members);
    GHashTableIter iter;
    gpointer member;
    g_hash_table_iter_init(&iter, members->by_participant);
    while (g_hash_table_iter_next(&iter, NULL, &member))
        assign_member(members, member, all);
}
