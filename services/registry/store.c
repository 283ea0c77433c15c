// SPDX-License-Identifier: MIT
// The only file that sees SQLite: WAL, synchronous=FULL, exclusive lock. See store.h.
//
// A checkpoint costs fifteen commits (README.md), so none happens inside a commit: store_tidy does
// it when nothing else is to be done, and a commit only where the log has grown beyond 64 MB. The
// exclusive lock forbids a second connection; on one thread it would gain nothing either.
#include "registry/store.h"
#include <errno.h>
#include <gio/gio.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"

#define SCHEMA_VERSION 1
#define WAL_PAGES_MAX 16384 // 64 MB
#define BUSY_MS 1000        // a predecessor that is just ending may still hold the lock
#define TIDY_ROWS 1000      // answers forgotten at once

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS room(url TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " header TEXT NOT NULL, last_epoch INTEGER NOT NULL, next_number INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS participant(url TEXT, id TEXT, session TEXT NOT NULL,"
    " value TEXT NOT NULL, PRIMARY KEY(url, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS answer(source TEXT, request INTEGER, made INTEGER NOT NULL,"
    " body TEXT NOT NULL, PRIMARY KEY(source, request)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS entry(url TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS answer_made ON answer(made);"
    "PRAGMA user_version=1;";

static const char forget_answers[] =
    "DELETE FROM answer WHERE (source, request) IN"
    " (SELECT source, request FROM answer WHERE made < ?1 LIMIT ?2)";

#define STATEMENTS(STATEMENT)                                                                      \
    STATEMENT(BEGIN, "BEGIN IMMEDIATE")                                                            \
    STATEMENT(COMMIT, "COMMIT")                                                                    \
    STATEMENT(ROLLBACK, "ROLLBACK")                                                                \
    STATEMENT(PUT_ROOM, "INSERT OR REPLACE INTO room VALUES(?1, ?2, ?3, ?4, ?5)")                  \
    STATEMENT(DROP_ROOM, "DELETE FROM room WHERE url = ?1")                                        \
    STATEMENT(PUT_PARTICIPANT, "INSERT OR REPLACE INTO participant VALUES(?1, ?2, ?3, ?4)")        \
    STATEMENT(DROP_PARTICIPANT, "DELETE FROM participant WHERE url = ?1 AND id = ?2")              \
    STATEMENT(DROP_PARTICIPANTS, "DELETE FROM participant WHERE url = ?1")                         \
    STATEMENT(PUT_ANSWER, "INSERT OR REPLACE INTO answer VALUES(?1, ?2, unixepoch(), ?3)")         \
    STATEMENT(GET_ANSWER, "SELECT body FROM answer WHERE source = ?1 AND request = ?2")            \
    STATEMENT(FORGET_ANSWERS, forget_answers)                                                      \
    STATEMENT(SKIP_NUMBERS, "UPDATE room SET next_number = next_number + ?1")                      \
    STATEMENT(PUT_ENTRY, "INSERT OR REPLACE INTO entry VALUES(?1, ?2)")                            \
    STATEMENT(DROP_ENTRY, "DELETE FROM entry WHERE url = ?1")                                      \
    STATEMENT(GET_ENTRIES, "SELECT record FROM entry")                                             \
    STATEMENT(GET_ROOMS, "SELECT header, last_epoch, next_number FROM room")                       \
    STATEMENT(GET_PARTICIPANTS, "SELECT id, session, value FROM participant WHERE url = ?1")

typedef enum {
#define STATEMENT_ENUM(id, text) SQL_##id,
    STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        SQL_COUNT
} Statement;

static const char *const texts[] = {
#define STATEMENT_TEXT(id, text) text,
    STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT
};

struct Store {
    sqlite3 *database;
    sqlite3_stmt *statements[SQL_COUNT];
    int failure; // first error of the open transaction, SQLITE_OK if none
    int wal_pages;
};

static gboolean fail(Store *store, const char *path, GError **error)
{
    int code = sqlite3_errcode(store->database);
    const char *why = (code & 0xff) == SQLITE_BUSY
                          ? "another process (a registry that still runs?) has it open"
                          : sqlite3_errmsg(store->database);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "registry.store=%s: %s", path, why);
    return FALSE;
}

static gboolean make_folder(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_mkdir_with_parents(folder, 0700) == 0)
        return TRUE;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "registry.store=%s: %s: %s", path,
                folder, g_strerror(errno));
    return FALSE;
}

static int read_number(Store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int number = -1;
    if (sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static int on_wal(void *user, sqlite3 *database, const char *name, int pages)
{
    Store *store = user;
    (void)database;
    (void)name;
    store->wal_pages = pages;
    return SQLITE_OK;
}

static gboolean run_script(Store *store, const char *sql)
{
    return sqlite3_exec(store->database, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static gboolean prepare(Store *store)
{
    for (guint i = 0; i < SQL_COUNT; i++)
        if (sqlite3_prepare_v3(store->database, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            return FALSE;
    return TRUE;
}

static gboolean set_up(Store *store, const char *path, GError **error)
{
    // The names of sessions are in it: for its owner only.
    mode_t before = umask(0077);
    int opened =
        sqlite3_open_v2(path, &store->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    gboolean ready = opened == SQLITE_OK && sqlite3_busy_timeout(store->database, BUSY_MS) == 0 &&
                     run_script(store, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                                       "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
                                       "BEGIN EXCLUSIVE; COMMIT;");
    umask(before);
    if (!ready)
        return fail(store, path, error);
    int version = read_number(store, "PRAGMA user_version");
    if (version > SCHEMA_VERSION) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "registry.store=%s: made by a newer Parley (schema %d, this one knows %d)",
                    path, version, SCHEMA_VERSION);
        return FALSE;
    }
    sqlite3_wal_hook(store->database, on_wal, store);
    return (run_script(store, schema) && prepare(store)) || fail(store, path, error);
}

Store *store_open(const char *path, GError **error)
{
    g_autoptr(Store) store = g_new0(Store, 1);
    if (!make_folder(path, error) || !set_up(store, path, error))
        return NULL;
    return g_steal_pointer(&store);
}

void store_close(Store *store)
{
    if (store == NULL)
        return;
    for (guint i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->database);
    g_free(store);
}

void store_set_most_pages(Store *store, guint pages)
{
    g_autofree char *sql = g_strdup_printf("PRAGMA max_page_count=%u", pages);
    run_script(store, sql);
}

static void bind_text(Store *store, Statement statement, int index, const char *text)
{
    sqlite3_bind_text(store->statements[statement], index, text != NULL ? text : "", -1,
                      SQLITE_TRANSIENT);
}

static void bind_number(Store *store, Statement statement, int index, guint64 number)
{
    sqlite3_bind_int64(store->statements[statement], index, (sqlite3_int64)number);
}

// Runs a statement that returns no rows; after a failure the rest of the transaction is skipped.
static void run(Store *store, Statement statement)
{
    if (store->failure == SQLITE_OK) {
        int result = sqlite3_step(store->statements[statement]);
        if (result != SQLITE_DONE && result != SQLITE_ROW)
            store->failure = sqlite3_extended_errcode(store->database);
    }
    sqlite3_reset(store->statements[statement]);
    sqlite3_clear_bindings(store->statements[statement]);
}

static const char *column_text(Store *store, Statement statement, int column)
{
    return (const char *)sqlite3_column_text(store->statements[statement], column);
}

static Json *column_json(Store *store, Statement statement, int column)
{
    const char *text = column_text(store, statement, column);
    int length = sqlite3_column_bytes(store->statements[statement], column);
    return text != NULL ? json_parse_bytes((const guint8 *)text, (gsize)length) : NULL;
}

// Adds the participants to the room's header; returns their sessions by id.
static GHashTable *load_participants(Store *store, Json *header)
{
    GHashTable *sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(Json) participants = json_new_object();
    bind_text(store, SQL_GET_PARTICIPANTS, 1, json_get_text(header, "url"));
    while (sqlite3_step(store->statements[SQL_GET_PARTICIPANTS]) == SQLITE_ROW) {
        const char *id = column_text(store, SQL_GET_PARTICIPANTS, 0);
        g_autoptr(Json) value = column_json(store, SQL_GET_PARTICIPANTS, 2);
        if (value == NULL)
            continue;
        json_set(participants, id, value);
        g_hash_table_insert(sessions, g_strdup(id),
                            g_strdup(column_text(store, SQL_GET_PARTICIPANTS, 1)));
    }
    sqlite3_reset(store->statements[SQL_GET_PARTICIPANTS]);
    json_set(json_get(header, "data"), "participants", participants);
    return sessions;
}

// Numbers that were given out but not stored may be in use in a room process: each start skips as
// many as can have been under way. In the file, or two starts in a row would give out the same;
// returns how many are to be skipped beyond that, where it cannot be written.
static guint32 skip_numbers(Store *store)
{
    store->failure = SQLITE_OK;
    bind_number(store, SQL_SKIP_NUMBERS, 1, LIMIT_PARTICIPANTS);
    run(store, SQL_SKIP_NUMBERS);
    return store->failure == SQLITE_OK ? 0 : LIMIT_PARTICIPANTS;
}

static Room *load_room(Store *store, guint32 skip, GError **error)
{
    g_autoptr(Json) header = column_json(store, SQL_GET_ROOMS, 0);
    if (!json_is_object(json_get(header, "data"))) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a stored room is no object");
        return NULL;
    }
    g_autoptr(GHashTable) sessions = load_participants(store, header);
    guint64 last_epoch = (guint64)sqlite3_column_int64(store->statements[SQL_GET_ROOMS], 1);
    guint32 next_number = (guint32)sqlite3_column_int64(store->statements[SQL_GET_ROOMS], 2);
    Room *room = room_restore(header, last_epoch, next_number + skip, error);
    if (room == NULL)
        return NULL;
    GHashTableIter iter;
    gpointer id, session;
    g_hash_table_iter_init(&iter, sessions);
    while (g_hash_table_iter_next(&iter, &id, &session))
        room_restore_session(room, id, session);
    return room;
}

static gboolean is_read(int result, GError **error)
{
    if (result != SQLITE_DONE)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the store cannot be read: %s",
                    sqlite3_errstr(result));
    return result == SQLITE_DONE;
}

gboolean store_load_entries(Store *store, StoreEachEntry each, gpointer user, GError **error)
{
    int result;
    while ((result = sqlite3_step(store->statements[SQL_GET_ENTRIES])) == SQLITE_ROW) {
        g_autoptr(Json) record = column_json(store, SQL_GET_ENTRIES, 0);
        each(record, user);
    }
    sqlite3_reset(store->statements[SQL_GET_ENTRIES]);
    return is_read(result, error);
}

gboolean store_load(Store *store, StoreEach each, gpointer user, GError **error)
{
    int result;
    Room *room = NULL;
    guint32 skip = skip_numbers(store);
    while ((result = sqlite3_step(store->statements[SQL_GET_ROOMS])) == SQLITE_ROW) {
        room = load_room(store, skip, error);
        if (room == NULL)
            break;
        each(room, user);
    }
    sqlite3_reset(store->statements[SQL_GET_ROOMS]);
    return result != SQLITE_ROW && is_read(result, error);
}

void store_begin(Store *store)
{
    store->failure = SQLITE_OK;
    run(store, SQL_BEGIN);
}

static void put_participant(Store *store, const Room *room, const char *id)
{
    const Member *member = room_member(room, id);
    Statement statement = member != NULL ? SQL_PUT_PARTICIPANT : SQL_DROP_PARTICIPANT;
    bind_text(store, statement, 1, room_url(room));
    bind_text(store, statement, 2, id);
    if (member != NULL) {
        gsize length = 0;
        const char *value = g_bytes_get_data(member->entry, &length);
        bind_text(store, statement, 3, member->session);
        sqlite3_bind_text(store->statements[statement], 4, value, (int)length, SQLITE_TRANSIENT);
    }
    run(store, statement);
}

static void drop_room(Store *store, const Room *room)
{
    bind_text(store, SQL_DROP_PARTICIPANTS, 1, room_url(room));
    run(store, SQL_DROP_PARTICIPANTS);
    bind_text(store, SQL_DROP_ROOM, 1, room_url(room));
    run(store, SQL_DROP_ROOM);
}

void store_put_room(Store *store, Room *room)
{
    if (room_is_closed(room)) {
        drop_room(store, room);
        return;
    }
    g_autoptr(GList) participants = room_unstored_participants(room);
    bind_text(store, SQL_PUT_ROOM, 1, room_url(room));
    bind_text(store, SQL_PUT_ROOM, 2, room_id(room));
    bind_text(store, SQL_PUT_ROOM, 3, room_header(room)->str);
    bind_number(store, SQL_PUT_ROOM, 4, room_last_epoch(room));
    bind_number(store, SQL_PUT_ROOM, 5, room_next_number(room));
    run(store, SQL_PUT_ROOM);
    for (const GList *id = participants; id != NULL; id = id->next)
        put_participant(store, room, id->data);
}

void store_put_entry(Store *store, const char *url, const Json *record)
{
    Statement statement = record != NULL ? SQL_PUT_ENTRY : SQL_DROP_ENTRY;
    bind_text(store, statement, 1, url);
    if (record != NULL) {
        g_autofree char *text = json_print(record, NULL);
        bind_text(store, statement, 2, text);
    }
    run(store, statement);
}

void store_put_answer(Store *store, const char *source, guint64 request, const Json *answer)
{
    g_autofree char *text = json_print(answer, NULL);
    bind_text(store, SQL_PUT_ANSWER, 1, source);
    bind_number(store, SQL_PUT_ANSWER, 2, request);
    bind_text(store, SQL_PUT_ANSWER, 3, text);
    run(store, SQL_PUT_ANSWER);
}

static void checkpoint(Store *store, int mode)
{
    int left = 0;
    int result = sqlite3_wal_checkpoint_v2(store->database, NULL, mode, &left, NULL);
    if (result != SQLITE_OK)
        log_event(LOG_WARNING, "store.checkpoint_failed", "error=%s",
                  log_quote(sqlite3_errmsg(store->database)));
    store->wal_pages = 0;
}

StoreResult store_commit(Store *store)
{
    run(store, SQL_COMMIT);
    if (store->failure == SQLITE_OK) {
        if (store->wal_pages > WAL_PAGES_MAX)
            checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE);
        return STORE_DONE;
    }
    int failure = store->failure;
    log_event(LOG_ERROR, "store.failed", "code=%d error=%s", failure,
              log_quote(sqlite3_errstr(failure)));
    metrics_add(METRIC_STORE_FAILED, 1);
    store->failure = SQLITE_OK;
    if (!sqlite3_get_autocommit(store->database)) // some errors have rolled back by themselves
        run(store, SQL_ROLLBACK);
    return (failure & 0xff) == SQLITE_FULL ? STORE_FULL : STORE_BROKEN;
}

Json *store_answer(Store *store, const char *source, guint64 request)
{
    Json *answer = NULL;
    bind_text(store, SQL_GET_ANSWER, 1, source);
    bind_number(store, SQL_GET_ANSWER, 2, request);
    if (sqlite3_step(store->statements[SQL_GET_ANSWER]) == SQLITE_ROW)
        answer = column_json(store, SQL_GET_ANSWER, 0);
    sqlite3_reset(store->statements[SQL_GET_ANSWER]);
    return answer;
}

void store_tidy(Store *store, gint64 now_s)
{
    store->failure = SQLITE_OK;
    bind_number(store, SQL_FORGET_ANSWERS, 1, (guint64)(now_s - LIMIT_BUS_ANSWER_AGE_MS / 1000));
    bind_number(store, SQL_FORGET_ANSWERS, 2, TIDY_ROWS);
    run(store, SQL_FORGET_ANSWERS);
    if (store->wal_pages > 0)
        checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
}
