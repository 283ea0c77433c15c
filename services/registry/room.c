// SPDX-License-Identifier: MIT
// The rules of one room. See room.h for who may call what.
//
// The Communication's data is the truth that everybody sees; `members` repeats of it what is asked
// for often, and adds the session, which nobody else may know. To print a whole room for each who
// comes would be most of what a join costs: a participant's entry is printed once, when it changes,
// what a join leaves as it is only when it does change, and a snapshot is put together from these
// texts.
#include "registry/room.h"
#include <string.h>
#include "common/limits.h"
#include "common/url.h"

#define HEADER_EXTRA 160 // what room_header adds to the fixed part: a time, a version, a chain

struct Room {
    SyncObject *object;
    gboolean object_is_lent; // its reporter owns it
    GHashTable *members;     // id -> Member
    GHashTable *unstored;    // participant ids that changed
    gboolean is_unstored;
    gboolean is_housed, is_inherited;
    gboolean is_closed;
    guint64 last_epoch;
    guint32 next_number;
    gsize participants_bytes; // their entries, printed
    // What was printed, NULL: not since something in it has changed.
    GBytes *fixed;     // the object without participants, version, chain and time of change
    GString *header;   // without participants
    GString *snapshot; // the whole
};

static void member_clear(Member *member)
{
    g_free(member->id);
    g_free(member->session);
    g_free(member->hyperty);
    g_free(member->connection);
    g_bytes_unref(member->entry);
}

static void member_unref(gpointer member)
{
    g_rc_box_release_full(member, (GDestroyNotify)member_clear);
}

static Member *member_new(const Newcomer *newcomer, GBytes *entry)
{
    Member *member = g_rc_box_new0(Member);
    member->id = g_strdup(newcomer->participant);
    member->session = g_strdup(newcomer->session);
    member->hyperty = g_strdup(newcomer->hyperty);
    member->connection = g_strdup(newcomer->connection);
    member->number = newcomer->number;
    member->entry = g_bytes_ref(entry);
    return member;
}

// In the place of the member of the same id.
static void put_member(Room *room, Member *member)
{
    const Member *before = g_hash_table_lookup(room->members, member->id);
    if (before != NULL)
        room->participants_bytes -= g_bytes_get_size(before->entry);
    room->participants_bytes += g_bytes_get_size(member->entry);
    g_hash_table_replace(room->members, member->id, member);
}

static void remove_member(Room *room, const Member *member)
{
    room->participants_bytes -= g_bytes_get_size(member->entry);
    g_hash_table_remove(room->members, member->id);
}

// Takes the object.
static Room *room_around(SyncObject *object)
{
    Room *room = g_new0(Room, 1);
    room->object = object;
    room->members = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, member_unref);
    room->unstored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return room;
}

static Json *new_communication(const char *id)
{
    g_autoptr(Json) codecs = json_new_array();
    g_autoptr(Json) participants = json_new_object();
    g_autofree char *now = sync_now();
    Json *data = json_new_object();
    static const char *const names[] = {"opus", "VP8"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(Json) name = json_new_text(names[i]);
        json_append(codecs, name);
    }
    json_set_text(data, "roomId", id);
    json_set_text(data, "startingTime", now);
    json_set_text(data, "status", "pending");
    json_set_text(data, "mode", "forward");
    json_set(data, "codecs", codecs);
    json_set(data, "participants", participants);
    return data;
}

Room *room_new(const char *id, const char *url, const char *domain)
{
    g_autofree char *schema = g_strdup_printf(
        "hyperty-catalogue://catalogue.%s/.well-known/dataschema/Communication", domain);
    g_autofree char *reporter = g_strdup_printf("hyperty://%s/conference", domain);
    g_autoptr(Json) data = new_communication(id);
    Room *room = room_around(sync_object_new(url, schema, reporter, 0, data));
    sync_object_set_name(room->object, id);
    room->next_number = 1;
    room->is_unstored = TRUE;
    return room;
}

static void restore_member(const char *id, Json *participant, gpointer user)
{
    const Newcomer newcomer = {
        .participant = id,
        .hyperty = json_get_text(participant, "hypertyURL"),
        .connection = json_get_text(participant, "connection"),
        .number = (guint32)json_get_number(participant, "number", 0),
    };
    gsize length = 0;
    char *text = json_print(participant, &length);
    g_autoptr(GBytes) entry = g_bytes_new_take(text, length);
    put_member(user, member_new(&newcomer, entry));
}

Room *room_restore(const Json *object, guint64 last_epoch, guint32 next_number, GError **error)
{
    SyncObject *communication = sync_object_from_json(object, error);
    if (communication == NULL)
        return NULL;
    Room *room = room_around(communication);
    room->last_epoch = last_epoch;
    room->next_number = next_number;
    room->is_housed = room->is_inherited = room_placement(room).epoch > 0;
    json_each(json_get(sync_object_data(communication), "participants"), restore_member, room);
    return room;
}

void room_restore_session(Room *room, const char *participant, const char *session)
{
    Member *member = g_hash_table_lookup(room->members, participant);
    if (member == NULL)
        return;
    g_free(member->session);
    member->session = g_strdup(session);
}

Room *room_copy(const Room *room)
{
    Room *copy = room_around(sync_object_copy(room->object));
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, room->members);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        put_member(copy, g_rc_box_acquire(value));
    g_hash_table_iter_init(&iter, room->unstored);
    while (g_hash_table_iter_next(&iter, &value, NULL))
        g_hash_table_add(copy->unstored, g_strdup(value));
    copy->fixed = room->fixed != NULL ? g_bytes_ref(room->fixed) : NULL;
    copy->is_unstored = room->is_unstored;
    copy->is_housed = room->is_housed;
    copy->is_inherited = room->is_inherited;
    copy->is_closed = room->is_closed;
    copy->last_epoch = room->last_epoch;
    copy->next_number = room->next_number;
    return copy;
}

// fixed goes on until something in it changes.
static void forget_texts(Room *room)
{
    if (room->header != NULL)
        g_string_free(g_steal_pointer(&room->header), TRUE);
    if (room->snapshot != NULL)
        g_string_free(g_steal_pointer(&room->snapshot), TRUE);
}

void room_free(Room *room)
{
    if (room == NULL)
        return;
    if (!room->object_is_lent)
        sync_object_free(room->object);
    g_hash_table_unref(room->members);
    g_hash_table_unref(room->unstored);
    forget_texts(room);
    g_bytes_unref(room->fixed);
    g_free(room);
}

const char *room_id(const Room *room)
{
    return sync_object_name(room->object);
}

const char *room_url(const Room *room)
{
    return sync_object_url(room->object);
}

const SyncObject *room_object(const Room *room)
{
    return room->object;
}

SyncObject *room_lend_object(Room *room)
{
    g_assert(!room->object_is_lent);
    room->object_is_lent = TRUE;
    return room->object;
}

// {"url":…,"data":{…}}: what a join leaves as it is; ends with the data.
static GBytes *print_fixed(const Room *room)
{
    static const char *const moving[] = {"lastModified", "version", "chain", "data"};
    g_autoptr(Json) object = sync_object_to_json(room->object);
    g_autoptr(Json) data = json_new_object();
    json_merge(data, json_get(object, "data"));
    gsize length = 0;
    for (guint i = 0; i < G_N_ELEMENTS(moving); i++)
        json_remove(object, moving[i]);
    json_remove(data, "participants");
    json_set(object, "data", data);
    char *text = json_print(object, &length);
    return g_bytes_new_take(text, length);
}

const GString *room_header(Room *room)
{
    const SyncObject *object = room->object;
    if (room->header != NULL)
        return room->header;
    if (room->fixed == NULL)
        room->fixed = print_fixed(room);
    gsize length = 0;
    const char *fixed = g_bytes_get_data(room->fixed, &length);
    room->header = g_string_sized_new(length + HEADER_EXTRA);
    g_string_printf(room->header,
                    "{\"lastModified\":\"%s\",\"version\":%" G_GUINT64_FORMAT ",\"chain\":\"%s\",",
                    sync_object_last_modified(object), sync_object_version(object),
                    sync_object_chain(object));
    g_string_append_len(room->header, fixed + 1, (gssize)length - 1);
    return room->header;
}

// Ids are keys: nothing in them needs escaping.
static void append_entry(const char *id, Json *unused, gpointer user)
{
    Room *room = user;
    GString *text = room->snapshot;
    const Member *member = room_member(room, id);
    gsize length = 0;
    const char *entry = g_bytes_get_data(member->entry, &length);
    (void)unused;
    if (text->str[text->len - 1] != '{')
        g_string_append_c(text, ',');
    g_string_append_c(text, '"');
    g_string_append(text, id);
    g_string_append(text, "\":");
    g_string_append_len(text, entry, (gssize)length);
}

const GString *room_snapshot(Room *room)
{
    static const char end[] = "}}", key[] = ",\"participants\":{";
    if (room->snapshot != NULL)
        return room->snapshot;
    const GString *header = room_header(room);
    gsize most = header->len + sizeof key + sizeof end + room->participants_bytes +
                 room_size(room) * (LIMIT_KEY + sizeof ",\"\":");
    g_assert(g_str_has_suffix(header->str, end));
    room->snapshot = g_string_sized_new(most);
    g_string_append_len(room->snapshot, header->str, (gssize)(header->len - strlen(end)));
    g_string_append(room->snapshot, key);
    json_each(json_get(sync_object_data(room->object), "participants"), append_entry, room);
    g_string_append_c(room->snapshot, '}');
    g_string_append(room->snapshot, end);
    return room->snapshot;
}

guint room_size(const Room *room)
{
    return g_hash_table_size(room->members);
}

gboolean room_is_closed(const Room *room)
{
    return room->is_closed;
}

const Member *room_member(const Room *room, const char *participant)
{
    return g_hash_table_lookup(room->members, participant);
}

const Member *room_member_of(const Room *room, const char *session, const char *hyperty)
{
    const Member *found = NULL;
    guint of_session = 0;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, room->members);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Member *member = value;
        if (g_strcmp0(member->session, session) != 0)
            continue;
        if (g_strcmp0(member->hyperty, hyperty) == 0)
            return member;
        found = member;
        of_session++;
    }
    return of_session == 1 ? found : NULL;
}

gboolean room_has_session(const Room *room, const char *session)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, room->members);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (g_strcmp0(((const Member *)value)->session, session) == 0)
            return TRUE;
    return FALSE;
}

GList *room_members(const Room *room)
{
    return g_hash_table_get_values(room->members);
}

const Json *room_participant(const Room *room, const char *participant)
{
    return json_get(json_get(sync_object_data(room->object), "participants"), participant);
}

guint32 room_reserve_number(Room *room, const char *participant)
{
    const Member *member = room_member(room, participant);
    return member != NULL ? member->number : room->next_number++;
}

guint32 room_next_number(const Room *room)
{
    return room->next_number;
}

static void touch(Room *room)
{
    room->is_unstored = TRUE;
    forget_texts(room);
}

static const SyncChange *change(Room *room, const char *attribute, Json *value, const char *reason)
{
    // Attributes here are our own, built from checked keys: that one cannot be set would be a bug.
    const SyncChange *made = sync_object_change(room->object, attribute, value, reason);
    g_assert(made != NULL);
    touch(room);
    return made;
}

static void change_header(Room *room, const char *attribute, Json *value)
{
    change(room, attribute, value, NULL);
    g_clear_pointer(&room->fixed, g_bytes_unref);
}

static void set_status(Room *room, const char *status)
{
    g_autoptr(Json) value = json_new_text(status);
    if (g_strcmp0(json_get_text(sync_object_data(room->object), "status"), status) != 0)
        change_header(room, "status", value);
}

// value NULL: removed.
static const SyncChange *change_participant(Room *room, const char *id, Json *value,
                                            const char *reason)
{
    g_autofree char *attribute = g_strconcat("participants.", id, NULL);
    g_hash_table_add(room->unstored, g_strdup(id));
    return change(room, attribute, value, reason);
}

// Puts the entry into the Communication unless it is there already, and the member beside it.
static void set_participant(Room *room, const Newcomer *who, Json *value)
{
    const Member *before = room_member(room, who->participant);
    if (before != NULL && json_equals(value, room_participant(room, who->participant))) {
        put_member(room, member_new(who, before->entry));
        return;
    }
    const ProtobufCBinaryData *printed =
        &change_participant(room, who->participant, value, NULL)->body->value;
    g_autoptr(GBytes) entry = g_bytes_new(printed->data, printed->len);
    put_member(room, member_new(who, entry));
}

static Json *resource(const char *type, const char *direction)
{
    Json *json = json_new_object();
    json_set_text(json, "type", type);
    json_set_text(json, "direction", direction);
    return json;
}

static Json *default_resources(void)
{
    static const char *const rows[][2] = {{"audio", "inout"}, {"video", "inout"}, {"screen", "in"}};
    Json *resources = json_new_array();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Json) row = resource(rows[i][0], rows[i][1]);
        json_append(resources, row);
    }
    return resources;
}

static Json *resources_of(const Room *room, const Newcomer *newcomer)
{
    const Json *before = json_get(room_participant(room, newcomer->participant), "resources");
    if (newcomer->resources != NULL)
        return json_copy(newcomer->resources);
    return before != NULL ? json_copy(before) : default_resources();
}

static Json *participant_json(const Room *room, const Newcomer *newcomer)
{
    g_autofree char *domain = url_authority(newcomer->hyperty);
    g_autoptr(Json) resources = resources_of(room, newcomer);
    g_autoptr(Json) identity =
        newcomer->identity != NULL ? json_copy(newcomer->identity) : json_new_object();
    Json *participant = json_new_object();
    json_set_text(participant, "hypertyURL", newcomer->hyperty);
    json_set_text(participant, "domain", domain);
    json_set(participant, "identity", identity);
    json_set(participant, "resources", resources);
    json_set_text(participant, "status", "joined");
    json_set_number(participant, "number", newcomer->number);
    json_set_text(participant, "connection", newcomer->connection);
    return participant;
}

Refusal room_may_join(const Room *room, const char *participant, const char *session)
{
    const Member *member = room_member(room, participant);
    if (room->is_closed)
        return MSG__REFUSAL__REASON__no_such_room;
    if (member != NULL)
        return g_strcmp0(member->session, session) == 0 ? MSG__REFUSAL__REASON__none
                                                        : MSG__REFUSAL__REASON__not_owner;
    if (room_size(room) >= LIMIT_PARTICIPANTS || room->participants_bytes >= LIMIT_COMMUNICATION)
        return MSG__REFUSAL__REASON__room_full;
    return MSG__REFUSAL__REASON__none;
}

Refusal room_join(Room *room, const Newcomer *newcomer)
{
    Refusal refusal = room_may_join(room, newcomer->participant, newcomer->session);
    if (refusal != MSG__REFUSAL__REASON__none)
        return refusal;
    g_autoptr(Json) participant = participant_json(room, newcomer);
    set_participant(room, newcomer, participant);
    set_status(room, "open");
    return MSG__REFUSAL__REASON__none;
}

Refusal room_leave(Room *room, const char *participant, const char *reason)
{
    const Member *member = room_member(room, participant);
    if (member == NULL)
        return MSG__REFUSAL__REASON__no_such_participant;
    change_participant(room, participant, NULL, reason);
    remove_member(room, member);
    return MSG__REFUSAL__REASON__none;
}

// A copy of resources in which the one of this type has that direction.
static Json *with_direction(const Json *resources, const char *type, const char *direction)
{
    g_autoptr(Json) wanted = resource(type, direction);
    Json *copy = json_new_array();
    gboolean found = FALSE;
    for (guint i = 0; i < json_size(resources); i++) {
        Json *row = json_at(resources, i);
        gboolean is_it = g_strcmp0(json_get_text(row, "type"), type) == 0;
        json_append(copy, is_it ? wanted : row);
        found |= is_it;
    }
    if (!found)
        json_append(copy, wanted);
    return copy;
}

static gboolean is_one_of(const char *text, const char *const *allowed)
{
    return text != NULL && g_strv_contains(allowed, text);
}

Refusal room_set_direction(Room *room, const char *participant, const char *type,
                           const char *direction)
{
    static const char *const types[] = {"audio", "video", "screen", NULL};
    static const char *const directions[] = {"in", "out", "inout", NULL};
    if (!is_one_of(type, types) || !is_one_of(direction, directions))
        return MSG__REFUSAL__REASON__malformed;
    const Member *member = room_member(room, participant);
    if (member == NULL)
        return MSG__REFUSAL__REASON__no_such_participant;
    const Newcomer same = {.participant = member->id,
                           .session = member->session,
                           .hyperty = member->hyperty,
                           .connection = member->connection,
                           .number = member->number};
    g_autoptr(Json) changed = json_copy(room_participant(room, participant));
    g_autoptr(Json) resources = with_direction(json_get(changed, "resources"), type, direction);
    json_set(changed, "resources", resources);
    set_participant(room, &same, changed);
    return MSG__REFUSAL__REASON__none;
}

Refusal room_close(Room *room)
{
    if (room_size(room) > 0)
        return MSG__REFUSAL__REASON__forbidden;
    set_status(room, "closed");
    room->is_closed = TRUE;
    touch(room);
    return MSG__REFUSAL__REASON__none;
}

guint64 room_spend_epoch(Room *room)
{
    touch(room);
    return ++room->last_epoch;
}

guint64 room_last_epoch(const Room *room)
{
    return room->last_epoch;
}

Refusal room_place(Room *room, const RoomPlacement *placement)
{
    if (placement->epoch <= room_placement(room).epoch || placement->epoch > room->last_epoch)
        return MSG__REFUSAL__REASON__stale_epoch;
    g_autoptr(Json) value = json_new_object();
    json_set_number(value, "epoch", (gint64)placement->epoch);
    json_set_text(value, "media", placement->media);
    json_set_text(value, "worker", placement->worker);
    change_header(room, "placement", value);
    room->is_housed = TRUE;
    room->is_inherited = FALSE;
    return MSG__REFUSAL__REASON__none;
}

RoomPlacement room_placement(const Room *room)
{
    const Json *placement = json_get(sync_object_data(room->object), "placement");
    return (RoomPlacement){
        .epoch = (guint64)json_get_number(placement, "epoch", 0),
        .media = json_get_text(placement, "media"),
        .worker = json_get_text(placement, "worker"),
    };
}

static gboolean is_placed(const Room *room, const char *media, guint64 epoch)
{
    RoomPlacement now = room_placement(room);
    return now.epoch > 0 && now.epoch == epoch && g_strcmp0(now.media, media) == 0;
}

void room_unhouse(Room *room, const char *media, guint64 epoch)
{
    if (is_placed(room, media, epoch))
        room->is_housed = FALSE;
}

gboolean room_rehouse(Room *room, const char *media, guint64 epoch)
{
    if (!is_placed(room, media, epoch))
        return FALSE;
    room->is_housed = TRUE;
    return TRUE;
}

gboolean room_is_housed(const Room *room)
{
    return room->is_housed;
}

gboolean room_is_inherited(const Room *room)
{
    return room->is_inherited;
}

gboolean room_is_unstored(const Room *room)
{
    return room->is_unstored;
}

GList *room_unstored_participants(const Room *room)
{
    return g_hash_table_get_keys(room->unstored);
}

void room_set_stored(Room *room)
{
    room->is_unstored = FALSE;
    g_hash_table_remove_all(room->unstored);
}
