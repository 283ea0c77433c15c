// SPDX-License-Identifier: MIT
// See directory.h. Three indexes: by URL, by owner's runtime, and by what else an entry may be
// asked for (name, user, guid), so that no question but "." looks at every entry.
#include "registry/directory.h"

#include <string.h>

#include "common/limits.h"
#include "common/url.h"

#define REASON(name) MSG__REFUSAL__REASON__##name
#define EXPIRES_S 3600 // where the registrant names none

struct DirectoryEntry {
    char *url, *runtime, *user; // the owner's: runtime and user
    Json *value;
    guint expires_s;
    gint64 ends_us;
    gboolean lost; // disconnected because its runtime was lost
};

struct Directory {
    GHashTable *entries;    // URL -> DirectoryEntry
    GHashTable *by_runtime; // runtime URL -> set of DirectoryEntry
    GHashTable *by_key;     // name, user or guid -> set of DirectoryEntry
    GHashTable *unstored;   // set of URLs
    DirectoryTold on_status;
    gpointer told_user;
};

static const char *const keys[] = {"name", "user", "guid"};

static void entry_free(gpointer data)
{
    DirectoryEntry *entry = data;
    json_unref(entry->value);
    g_free(entry->url);
    g_free(entry->runtime);
    g_free(entry->user);
    g_free(entry);
}

static GHashTable *new_index(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                 (GDestroyNotify)g_hash_table_unref);
}

Directory *directory_new(DirectoryTold on_status, gpointer user)
{
    Directory *directory = g_new0(Directory, 1);
    directory->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
    directory->by_runtime = new_index();
    directory->by_key = new_index();
    directory->unstored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    directory->on_status = on_status;
    directory->told_user = user;
    return directory;
}

void directory_free(Directory *directory)
{
    if (directory == NULL)
        return;
    g_hash_table_unref(directory->by_runtime);
    g_hash_table_unref(directory->by_key);
    g_hash_table_unref(directory->entries);
    g_hash_table_unref(directory->unstored);
    g_free(directory);
}

guint directory_count(const Directory *directory)
{
    return g_hash_table_size(directory->entries);
}

static DirectoryEntry *find(const Directory *directory, const char *url)
{
    return g_hash_table_lookup(directory->entries, url);
}

const Json *directory_value(const Directory *directory, const char *url)
{
    const DirectoryEntry *entry = find(directory, url);
    return entry != NULL ? entry->value : NULL;
}

// --- indexes

static void index_add(GHashTable *index, const char *key, DirectoryEntry *entry)
{
    if (key == NULL)
        return;
    GHashTable *set = g_hash_table_lookup(index, key);
    if (set == NULL) {
        set = g_hash_table_new(NULL, NULL);
        g_hash_table_insert(index, g_strdup(key), set);
    }
    g_hash_table_add(set, entry);
}

static void index_remove(GHashTable *index, const char *key, DirectoryEntry *entry)
{
    GHashTable *set = key != NULL ? g_hash_table_lookup(index, key) : NULL;
    if (set == NULL)
        return;
    g_hash_table_remove(set, entry);
    if (g_hash_table_size(set) == 0)
        g_hash_table_remove(index, key);
}

static void index_value(Directory *directory, DirectoryEntry *entry, gboolean on)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        (on ? index_add : index_remove)(directory->by_key, json_get_text(entry->value, keys[i]),
                                        entry);
}

static guint index_size(const GHashTable *index, const char *key)
{
    GHashTable *set = g_hash_table_lookup((GHashTable *)index, key);
    return set != NULL ? g_hash_table_size(set) : 0;
}

// The elements, to be looked at while the index changes; free the list.
static GList *index_list(const GHashTable *index, const char *key)
{
    GHashTable *set = g_hash_table_lookup((GHashTable *)index, key);
    return set != NULL ? g_hash_table_get_keys(set) : NULL;
}

static void note_unstored(Directory *directory, const char *url)
{
    g_hash_table_add(directory->unstored, g_strdup(url));
}

// --- what is asked

static gboolean holds(const Json *member, const char *text)
{
    if (json_is_text(member))
        return strcmp(json_text(member), text) == 0;
    for (guint i = 0; json_is_array(member) && i < json_size(member); i++)
        if (g_strcmp0(json_text(json_at(member, i)), text) == 0)
            return TRUE;
    return FALSE;
}

typedef struct {
    const Json *value;
    gboolean met;
} Question;

static void check_criterion(const char *name, Json *wanted, gpointer user)
{
    Question *question = user;
    const Json *member = json_get(question->value, name);
    if (json_is_text(wanted))
        question->met = question->met && holds(member, json_text(wanted));
    for (guint i = 0; json_is_array(wanted) && i < json_size(wanted); i++) {
        const char *text = json_text(json_at(wanted, i));
        question->met = question->met && text != NULL && holds(member, text);
    }
}

gboolean directory_matches(const Json *value, const Json *criteria)
{
    Question question = {value, TRUE};
    if (json_is_object(criteria))
        json_each(criteria, check_criterion, &question);
    return question.met;
}

static gboolean is_dead(const DirectoryEntry *entry)
{
    return g_strcmp0(json_get_text(entry->value, "status"), "dead") == 0;
}

static void take_if_met(const DirectoryEntry *entry, const Json *criteria, Json *found)
{
    if (json_size(found) < LIMIT_ENTRIES_FOUND && !is_dead(entry) &&
        directory_matches(entry->value, criteria))
        json_set(found, entry->url, entry->value);
}

static void search_all(const Directory *directory, const Json *criteria, Json *found)
{
    GHashTableIter iter;
    gpointer entry;
    g_hash_table_iter_init(&iter, directory->entries);
    while (g_hash_table_iter_next(&iter, NULL, &entry))
        take_if_met(entry, criteria, found);
}

void directory_search(const Directory *directory, const char *resource, const Json *criteria,
                      Json *found)
{
    static const char by_user[] = "/hyperty/user/";
    if (strcmp(resource, ".") == 0) {
        search_all(directory, criteria, found);
        return;
    }
    if (g_str_has_prefix(resource, by_user))
        resource += sizeof by_user - 1;
    const DirectoryEntry *entry = find(directory, resource);
    g_autoptr(GList) others = index_list(directory->by_key, resource);
    if (entry != NULL)
        take_if_met(entry, criteria, found);
    for (const GList *link = others; link != NULL; link = link->next)
        take_if_met(link->data, criteria, found);
}

// --- what owners do

static gboolean is_owner(const DirectoryEntry *entry, const DirectoryOwner *owner)
{
    return strcmp(entry->runtime, owner->runtime) == 0 ||
           (entry->user != NULL && g_strcmp0(entry->user, owner->user) == 0);
}

static gboolean is_status(const char *text)
{
    static const char *const statuses[] = {"created", "live", "disconnected", "dead", NULL};
    return text != NULL && g_strv_contains(statuses, text);
}

static void set_status(Directory *directory, DirectoryEntry *entry, const char *status)
{
    if (g_strcmp0(json_get_text(entry->value, "status"), status) == 0)
        return;
    Json *changed = json_new_object();
    json_merge(changed, entry->value);
    json_set_text(changed, "status", status);
    json_unref(entry->value);
    entry->value = changed;
    note_unstored(directory, entry->url);
    directory->on_status(entry->url, status, directory->told_user);
}

static guint expires_of(const Json *value, guint fallback)
{
    const Json *expires = json_get(value, "expires");
    gint64 seconds = json_is_number(expires) ? (gint64)json_real(expires, fallback) : fallback;
    return (guint)CLAMP(seconds, 1, LIMIT_ENTRY_EXPIRES_S);
}

static void lease(DirectoryEntry *entry, gint64 now_us)
{
    entry->expires_s = expires_of(entry->value, EXPIRES_S);
    entry->ends_us = now_us + entry->expires_s * G_TIME_SPAN_SECOND;
}

static gboolean fits(const Json *value)
{
    gsize length = 0;
    g_autofree char *text = json_print(value, &length);
    return length <= LIMIT_ENTRY;
}

static Refusal check_value(const Json *value)
{
    const char *url = json_get_text(value, "url");
    const Json *status = json_get(value, "status");
    if (url == NULL || (status != NULL && !is_status(json_text(status))))
        return REASON(malformed);
    if (!url_is_valid(url))
        return REASON(bad_address);
    return fits(value) ? REASON(none) : REASON(too_large);
}

static Refusal check_room(const Directory *directory, const DirectoryOwner *owner)
{
    return directory_count(directory) >= LIMIT_ENTRIES ||
                   index_size(directory->by_runtime, owner->runtime) >= LIMIT_ENTRIES_OF_ONE
               ? REASON(too_many)
               : REASON(none);
}

static void drop(Directory *directory, DirectoryEntry *entry)
{
    note_unstored(directory, entry->url);
    index_value(directory, entry, FALSE);
    index_remove(directory->by_runtime, entry->runtime, entry);
    g_hash_table_remove(directory->entries, entry->url);
}

static DirectoryEntry *add(Directory *directory, const Json *value, const DirectoryOwner *owner)
{
    DirectoryEntry *entry = g_new0(DirectoryEntry, 1);
    entry->url = g_strdup(json_get_text(value, "url"));
    entry->runtime = g_strdup(owner->runtime);
    entry->user = g_strdup(owner->user);
    entry->value = json_new_object();
    json_merge(entry->value, value);
    if (json_get(value, "status") == NULL)
        json_set_text(entry->value, "status", "live");
    g_hash_table_insert(directory->entries, entry->url, entry);
    index_add(directory->by_runtime, entry->runtime, entry);
    index_value(directory, entry, TRUE);
    return entry;
}

Refusal directory_put(Directory *directory, const Json *value, const DirectoryOwner *owner,
                      gint64 now_us)
{
    Refusal refusal = check_value(value);
    if (refusal != REASON(none))
        return refusal;
    DirectoryEntry *before = find(directory, json_get_text(value, "url"));
    if (before != NULL && !is_owner(before, owner))
        return REASON(not_owner);
    g_autofree char *status =
        before != NULL ? g_strdup(json_get_text(before->value, "status")) : NULL;
    refusal = before == NULL ? check_room(directory, owner) : REASON(none);
    if (refusal != REASON(none))
        return refusal;
    if (before != NULL)
        drop(directory, before);
    DirectoryEntry *entry = add(directory, value, owner);
    lease(entry, now_us);
    note_unstored(directory, entry->url);
    const char *now = json_get_text(entry->value, "status");
    if (status == NULL || strcmp(status, now) != 0)
        directory->on_status(entry->url, now, directory->told_user);
    return REASON(none);
}

// The owner's entry; NULL with the reason.
static DirectoryEntry *owned(const Directory *directory, const char *url,
                             const DirectoryOwner *owner, Refusal *ret_refusal)
{
    DirectoryEntry *entry = find(directory, url);
    *ret_refusal = entry == NULL             ? REASON(no_such_object)
                   : !is_owner(entry, owner) ? REASON(not_owner)
                                             : REASON(none);
    return *ret_refusal == REASON(none) ? entry : NULL;
}

static void replace_value(Directory *directory, DirectoryEntry *entry, Json *value)
{
    const char *status = json_get_text(value, "status");
    gboolean told = g_strcmp0(json_get_text(entry->value, "status"), status) != 0;
    index_value(directory, entry, FALSE);
    json_unref(entry->value);
    entry->value = value;
    index_value(directory, entry, TRUE);
    note_unstored(directory, entry->url);
    if (told)
        directory->on_status(entry->url, status, directory->told_user);
}

// Its URL is its name here and stays. changed: taken.
static Refusal change(Directory *directory, DirectoryEntry *entry, Json *changed)
{
    g_autoptr(Json) owned_value = changed;
    json_set_text(changed, "url", entry->url);
    if (json_get(changed, "status") == NULL)
        json_set_text(changed, "status", "live");
    if (json_equals(changed, entry->value))
        return REASON(none);
    Refusal refusal = check_value(changed);
    if (refusal == REASON(none))
        replace_value(directory, entry, g_steal_pointer(&owned_value));
    return refusal;
}

static Json *merged(const DirectoryEntry *entry, const Json *value)
{
    Json *whole = json_new_object();
    json_merge(whole, entry->value);
    json_merge(whole, value);
    return whole;
}

Refusal directory_renew(Directory *directory, const char *url, const Json *value,
                        const DirectoryOwner *owner, gint64 now_us)
{
    Refusal refusal;
    DirectoryEntry *entry = owned(directory, url, owner, &refusal);
    if (entry == NULL)
        return refusal;
    if (value != NULL)
        refusal = change(directory, entry, merged(entry, value));
    if (refusal != REASON(none))
        return refusal;
    entry->lost = FALSE;
    lease(entry, now_us);
    return REASON(none);
}

Refusal directory_set(Directory *directory, const char *url, const char *attribute, Json *value,
                      const DirectoryOwner *owner)
{
    Refusal refusal;
    DirectoryEntry *entry = owned(directory, url, owner, &refusal);
    if (entry == NULL)
        return refusal;
    Json *changed = json_with_path(entry->value, attribute, value);
    if (changed == NULL)
        return REASON(malformed);
    entry->lost = FALSE;
    return change(directory, entry, changed);
}

Refusal directory_remove(Directory *directory, const char *key, const DirectoryOwner *owner)
{
    DirectoryEntry *entry = find(directory, key);
    g_autoptr(GList) all =
        entry != NULL ? g_list_prepend(NULL, entry) : index_list(directory->by_key, key);
    Refusal refusal = all != NULL ? REASON(not_owner) : REASON(no_such_object);
    for (const GList *link = all; link != NULL; link = link->next) {
        if (!is_owner(link->data, owner))
            continue;
        set_status(directory, link->data, "dead");
        drop(directory, link->data);
        refusal = REASON(none);
    }
    return refusal;
}

// --- sessions and time

void directory_runtime(Directory *directory, const char *runtime, gboolean present)
{
    g_autoptr(GList) all = index_list(directory->by_runtime, runtime);
    for (const GList *link = all; link != NULL; link = link->next) {
        DirectoryEntry *entry = link->data;
        const char *status = json_get_text(entry->value, "status");
        gboolean away = strcmp(status, "disconnected") == 0;
        if (present && away && entry->lost)
            set_status(directory, entry, "live");
        else if (!present && !away && strcmp(status, "dead") != 0)
            set_status(directory, entry, "disconnected");
        else
            continue;
        entry->lost = !present;
    }
}

void directory_each_runtime(const Directory *directory, void (*each)(const char *, gpointer),
                            gpointer user)
{
    g_autoptr(GList) runtimes = g_hash_table_get_keys(directory->by_runtime);
    for (const GList *link = runtimes; link != NULL; link = link->next)
        each(link->data, user);
}

void directory_expire(Directory *directory, gint64 now_us)
{
    g_autoptr(GList) all = g_hash_table_get_values(directory->entries);
    for (const GList *link = all; link != NULL; link = link->next) {
        DirectoryEntry *entry = link->data;
        if (entry->ends_us > now_us)
            continue;
        set_status(directory, entry, "dead");
        drop(directory, entry);
    }
}

// --- what is durable

Json *directory_record(const Directory *directory, const char *url)
{
    const DirectoryEntry *entry = find(directory, url);
    if (entry == NULL)
        return NULL;
    Json *record = json_new_object();
    json_set(record, "value", entry->value);
    json_set_text(record, "runtime", entry->runtime);
    json_set_text(record, "user", entry->user);
    json_set_bool(record, "lost", entry->lost);
    return record;
}

gboolean directory_restore(Directory *directory, const Json *record, gint64 now_us)
{
    const Json *value = json_get(record, "value");
    DirectoryOwner owner = {json_get_text(record, "runtime"), json_get_text(record, "user")};
    const char *url = json_get_text(value, "url");
    if (url == NULL || owner.runtime == NULL || find(directory, url) != NULL)
        return FALSE;
    DirectoryEntry *entry = add(directory, value, &owner);
    entry->lost = json_truth(json_get(record, "lost"), FALSE);
    lease(entry, now_us);
    return TRUE;
}

gboolean directory_is_unstored(const Directory *directory)
{
    return g_hash_table_size(directory->unstored) > 0;
}

GList *directory_unstored(const Directory *directory)
{
    return g_hash_table_get_keys(directory->unstored);
}

void directory_set_stored(Directory *directory)
{
    g_hash_table_remove_all(directory->unstored);
}
