// SPDX-License-Identifier: MIT
// See ws_client.h. Frames from the server are not masked and may be of any size; ours are masked
// with a fixed key, which the standard allows a test to do.
#include "tests/support/ws_client.h"

#include <gio/gio.h>
#include <string.h>

#include "common/envelope.h"
#include "tests/support/suite.h"

#define DOMAIN "localhost"
#define CONFERENCE "hyperty://" DOMAIN "/conference"
#define RUNNING_SM "domain://msg-node." DOMAIN "/sm"
#define UPGRADE                                                                                    \
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"      \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
#define ACCEPTED "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

typedef struct {
    WsAnswered answered;
    gpointer user;
} Waiting;

struct WsClient {
    GSocket *socket;
    GSource *readable, *writeable;
    GByteArray *incoming, *outgoing, *message;
    gboolean up;
    guint close_code;
    char *runtime, *hyperty, *connection, *participant, *token, *session;
    gint64 last_id;
    GHashTable *waiting; // id -> Waiting
    GPtrArray *received; // Json
    SyncObject *communication, *answer;
    guint64 version; // of our Connection object
    guint holes, heals;
    gboolean healing; // has asked for what the Communication lacks
    WsMessage on_message;
    gpointer user;
};

// --- frames out ---

static gboolean on_writeable(GSocket *socket, GIOCondition condition, gpointer user);
static void lose(WsClient *client, guint code);

static void stop(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void watch(WsClient *client, GSource **source, GIOCondition condition,
                  GSocketSourceFunc function)
{
    *source = g_socket_create_source(client->socket, condition, NULL);
    g_source_set_callback(*source, (GSourceFunc)(void (*)(void))function, client, NULL);
    g_source_attach(*source, NULL);
}

static void flush(WsClient *client)
{
    while (client->outgoing->len > 0) {
        g_autoptr(GError) error = NULL;
        gssize sent = g_socket_send(client->socket, (const char *)client->outgoing->data,
                                    client->outgoing->len, NULL, &error);
        if (sent < 0 && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
            lose(client, 1006);
            return;
        }
        if (sent < 0)
            break;
        g_byte_array_remove_range(client->outgoing, 0, (guint)sent);
    }
    if (client->outgoing->len > 0 && client->writeable == NULL)
        watch(client, &client->writeable, G_IO_OUT, on_writeable);
    else if (client->outgoing->len == 0)
        stop(&client->writeable);
}

static gboolean on_writeable(GSocket *socket, GIOCondition condition, gpointer user)
{
    (void)socket;
    (void)condition;
    flush(user);
    return G_SOURCE_CONTINUE;
}

static void put_length(GByteArray *out, gsize length)
{
    guint8 header[9];
    if (length < 126) {
        header[0] = (guint8)(0x80 | length);
        g_byte_array_append(out, header, 1);
    } else if (length < 65536) {
        header[0] = 0x80 | 126;
        header[1] = (guint8)(length >> 8);
        header[2] = (guint8)length;
        g_byte_array_append(out, header, 3);
    } else {
        header[0] = 0x80 | 127;
        for (guint i = 0; i < 8; i++)
            header[1 + i] = (guint8)((guint64)length >> (56 - 8 * i));
        g_byte_array_append(out, header, 9);
    }
}

void ws_client_send_frame(WsClient *client, guint opcode, gboolean final, const void *data,
                          gsize length)
{
    static const guint8 mask[4] = {0x12, 0x34, 0x56, 0x78};
    guint8 first = (guint8)((final ? 0x80 : 0) | opcode);
    if (client->socket == NULL)
        return;
    g_byte_array_append(client->outgoing, &first, 1);
    put_length(client->outgoing, length);
    g_byte_array_append(client->outgoing, mask, 4);
    guint start = client->outgoing->len;
    g_byte_array_append(client->outgoing, data, (guint)length);
    for (guint i = 0; i < length; i++)
        client->outgoing->data[start + i] ^= mask[i % 4];
    flush(client);
}

void ws_client_send_text(WsClient *client, const char *text)
{
    ws_client_send_frame(client, WS_TEXT, TRUE, text, strlen(text));
}

void ws_client_send(WsClient *client, const Json *message)
{
    g_autofree char *text = json_print(message, NULL);
    ws_client_send_text(client, text);
}

// --- messages in ---

static SyncObject *observed(const WsClient *client, const char *to)
{
    SyncObject *const both[] = {client->communication, client->answer};
    for (guint i = 0; i < G_N_ELEMENTS(both); i++) {
        const char *url = both[i] != NULL ? sync_object_url(both[i]) : NULL;
        if (url != NULL && g_str_has_prefix(to, url) && strcmp(to + strlen(url), "/changes") == 0)
            return both[i];
    }
    return NULL;
}

static void apply(WsClient *client, SyncObject *object, const Json *body)
{
    g_autoptr(Envelope) holder = envelope_new(MSG__ENVELOPE__TYPE__UPDATE, "a:/b", "a:/b");
    envelope_set_body(holder, body);
    Msg__Body *change_body = g_steal_pointer(&holder->body);
    g_autoptr(SyncChange) change = sync_change_new(change_body, sync_object_version(object));
    if (change_body->version <= sync_object_version(object))
        return;
    if (client->healing && change_body->version != sync_object_version(object) + 1)
        return; // comes again, after what is missing
    client->holes += change_body->version != sync_object_version(object) + 1;
    sync_object_apply(object, change);
}

static void heal(WsClient *client, const Json *digest);

static void observe(WsClient *client, const Json *message)
{
    const char *type = json_get_text(message, "type"), *to = json_get_text(message, "to");
    SyncObject *object = to != NULL ? observed(client, to) : NULL;
    if (object == NULL || type == NULL)
        return;
    if (strcmp(type, "update") == 0)
        apply(client, object, json_get(message, "body"));
    else if (strcmp(type, "event") == 0 && object == client->communication)
        heal(client, json_get(json_get(message, "body"), "value"));
    else if (strcmp(type, "event") == 0)
        client->holes++; // of the answer nothing may ever be missing
    else if (object == client->communication && strcmp(type, "delete") == 0)
        g_clear_pointer(&client->communication, sync_object_free);
    else if (strcmp(type, "delete") == 0)
        g_clear_pointer(&client->answer, sync_object_free);
}

static gboolean settle(WsClient *client, const Json *message)
{
    const char *type = json_get_text(message, "type");
    gint64 id = json_get_number(message, "id", -1);
    gint64 code = json_get_number(json_get(message, "body"), "code", 0);
    Waiting *waiting = g_hash_table_lookup(client->waiting, &id);
    if (waiting == NULL || g_strcmp0(type, "response") != 0)
        return FALSE;
    if (code < 200)
        return TRUE;
    Waiting found = *waiting;
    g_hash_table_remove(client->waiting, &id);
    found.answered(client, message, found.user);
    return TRUE;
}

static void on_text(WsClient *client, const guint8 *data, gsize length)
{
    g_autoptr(Json) message = json_parse_bytes(data, length);
    g_assert(message != NULL);
    g_ptr_array_add(client->received, json_ref(message));
    observe(client, message);
    if (!settle(client, message) && client->on_message != NULL)
        client->on_message(client, message, client->user);
}

static void on_frame(WsClient *client, guint first, const guint8 *data, gsize length)
{
    guint opcode = first & 15;
    if (opcode == 8) {
        lose(client, length >= 2 ? (guint)data[0] << 8 | data[1] : 1005);
    } else if (opcode == WS_PING) {
        ws_client_send_frame(client, 10, TRUE, data, length);
    } else if (opcode <= WS_BINARY) {
        g_byte_array_append(client->message, data, (guint)length);
        if ((first & 0x80) == 0)
            return;
        g_autoptr(GByteArray) whole = g_steal_pointer(&client->message);
        client->message = g_byte_array_new();
        on_text(client, whole->data, whole->len);
    }
}

// Bytes of the frame's header and payload, 0 while they have not all come.
static gsize frame_size(const GByteArray *in, gsize *ret_header)
{
    guint64 length = in->len >= 2 ? in->data[1] & 127 : 0;
    guint extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (in->len < 2 + extra)
        return 0;
    if (extra > 0)
        length = 0;
    for (guint i = 0; i < extra; i++)
        length = length << 8 | in->data[2 + i];
    *ret_header = 2 + extra;
    return in->len >= 2 + extra + length ? 2 + extra + length : 0;
}

static void read_frames(WsClient *client)
{
    gsize header = 0, size = 0;
    while (client->up && (size = frame_size(client->incoming, &header)) > 0) {
        g_autofree guint8 *frame = g_memdup2(client->incoming->data, size);
        g_byte_array_remove_range(client->incoming, 0, (guint)size);
        on_frame(client, frame[0], frame + header, size - header);
    }
}

static void read_upgrade(WsClient *client)
{
    g_autofree char *text = g_strndup((const char *)client->incoming->data, client->incoming->len);
    const char *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return;
    if (!g_str_has_prefix(text, "HTTP/1.1 101") || strstr(text, ACCEPTED) == NULL) {
        lose(client, 1006);
        return;
    }
    g_byte_array_remove_range(client->incoming, 0, (guint)(end + 4 - text));
    client->up = TRUE;
}

static gboolean on_readable(GSocket *socket, GIOCondition condition, gpointer user)
{
    WsClient *client = user;
    char piece[65536];
    gssize got = g_socket_receive(socket, piece, sizeof piece, NULL, NULL);
    (void)condition;
    if (got <= 0) {
        lose(client, 1006);
        return G_SOURCE_REMOVE;
    }
    g_byte_array_append(client->incoming, (const guint8 *)piece, (guint)got);
    if (!client->up)
        read_upgrade(client);
    read_frames(client);
    return G_SOURCE_CONTINUE;
}

// --- the connection ---

static void forget_waiting(WsClient *client)
{
    g_autoptr(GHashTable) all = g_steal_pointer(&client->waiting);
    GHashTableIter iterator;
    gpointer value;
    client->waiting = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    g_hash_table_iter_init(&iterator, all);
    while (g_hash_table_iter_next(&iterator, NULL, &value))
        ((Waiting *)value)->answered(client, NULL, ((Waiting *)value)->user);
}

static void lose(WsClient *client, guint code)
{
    if (client->socket == NULL)
        return;
    client->up = FALSE;
    client->close_code = code;
    stop(&client->readable);
    stop(&client->writeable);
    g_socket_close(client->socket, NULL);
    g_clear_object(&client->socket);
    forget_waiting(client);
}

static void connect_to(WsClient *client, guint port)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string("127.0.0.1", port);
    g_autofree char *upgrade = g_strdup_printf(UPGRADE, port);
    client->socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    client->close_code = 0;
    client->up = FALSE;
    g_byte_array_set_size(client->incoming, 0);
    g_byte_array_set_size(client->outgoing, 0);
    g_byte_array_set_size(client->message, 0);
    if (!g_socket_connect(client->socket, address, NULL, NULL)) {
        lose(client, 1006);
        return;
    }
    g_socket_set_blocking(client->socket, FALSE);
    g_byte_array_append(client->outgoing, (const guint8 *)upgrade, (guint)strlen(upgrade));
    watch(client, &client->readable, G_IO_IN, on_readable);
    flush(client);
}

WsClient *ws_client_new(guint port)
{
    WsClient *client = g_new0(WsClient, 1);
    g_autofree char *one = g_uuid_string_random(), *two = g_uuid_string_random();
    client->incoming = g_byte_array_new();
    client->outgoing = g_byte_array_new();
    client->message = g_byte_array_new();
    client->waiting = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    client->received = g_ptr_array_new_with_free_func((GDestroyNotify)json_unref);
    client->runtime = g_strdup_printf("hyperty-runtime://" DOMAIN "/%s", one);
    client->hyperty = g_strdup_printf("hyperty://" DOMAIN "/%s", one);
    client->participant = g_strndup(two, 13);
    client->connection = g_strdup_printf("connection://" DOMAIN "/%s", client->participant);
    client->token = g_strdup("");
    client->session = g_strdup("");
    connect_to(client, port);
    return client;
}

void ws_client_reconnect(WsClient *client, guint port)
{
    ws_client_drop(client);
    connect_to(client, port);
}

void ws_client_drop(WsClient *client)
{
    lose(client, 1006);
}

void ws_client_free(WsClient *client)
{
    if (client == NULL)
        return;
    client->on_message = NULL;
    ws_client_drop(client);
    g_byte_array_unref(client->incoming);
    g_byte_array_unref(client->outgoing);
    g_byte_array_unref(client->message);
    g_hash_table_unref(client->waiting);
    g_ptr_array_unref(client->received);
    sync_object_free(client->communication);
    sync_object_free(client->answer);
    g_free(client->runtime);
    g_free(client->hyperty);
    g_free(client->connection);
    g_free(client->participant);
    g_free(client->token);
    g_free(client->session);
    g_free(client);
}

void ws_client_set_reading(WsClient *client, gboolean on)
{
    if (!on)
        stop(&client->readable);
    else if (client->readable == NULL && client->socket != NULL)
        watch(client, &client->readable, G_IO_IN, on_readable);
}

int ws_client_descriptor(const WsClient *client)
{
    return client->socket != NULL ? g_socket_get_fd(client->socket) : -1;
}

void ws_client_on_message(WsClient *client, WsMessage on_message, gpointer user)
{
    client->on_message = on_message;
    client->user = user;
}

gpointer ws_client_user(const WsClient *client)
{
    return client->user;
}

gboolean ws_client_is_up(const WsClient *client)
{
    return client->up;
}

guint ws_client_close_code(const WsClient *client)
{
    return client->close_code;
}

static gboolean up_or_lost(gpointer client)
{
    return ((WsClient *)client)->up || ((WsClient *)client)->close_code != 0;
}

static gboolean is_lost(gpointer client)
{
    return ((WsClient *)client)->close_code != 0;
}

gboolean ws_client_wait_up(WsClient *client)
{
    return suite_until(up_or_lost, client, WS_WAIT_MS) && client->up;
}

gboolean ws_client_wait_closed(WsClient *client)
{
    return suite_until(is_lost, client, WS_WAIT_MS);
}

// --- requests ---

Json *ws_client_message(const WsClient *client, const char *type, const char *from, const char *to,
                        Json *body)
{
    Json *message = json_new_object();
    g_autoptr(Json) owned = body;
    json_set_text(message, "type", type);
    json_set_text(message, "from", from != NULL ? from : client->hyperty);
    json_set_text(message, "to", to);
    json_set(message, "body", owned);
    return message;
}

void ws_client_ask(WsClient *client, Json *message, WsAnswered answered, gpointer user)
{
    g_autoptr(Json) owned = message;
    gint64 *id = g_new(gint64, 1);
    Waiting *waiting = g_new(Waiting, 1);
    *id = ++client->last_id;
    *waiting = (Waiting){answered, user};
    json_set_number(owned, "id", *id);
    g_hash_table_insert(client->waiting, id, waiting);
    ws_client_send(client, owned);
}

typedef struct {
    gboolean done;
    Json *body;
} Result;

static void on_result(WsClient *client, const Json *answer, gpointer user)
{
    Result *result = user;
    Json *body = answer != NULL ? json_get(answer, "body") : NULL;
    (void)client;
    result->done = TRUE;
    result->body = body != NULL ? json_ref(body) : NULL;
}

static gboolean is_done(gpointer result)
{
    return ((Result *)result)->done;
}

Json *ws_client_request(WsClient *client, Json *message)
{
    Result result = {FALSE, NULL};
    ws_client_ask(client, message, on_result, &result);
    gint64 id = client->last_id;
    suite_until(is_done, &result, WS_WAIT_MS);
    g_hash_table_remove(client->waiting, &id);
    return result.body;
}

gint ws_code(const Json *body)
{
    return body != NULL ? (gint)json_get_number(body, "code", 0) : -1;
}

// --- what a client does ---

static Json *identity_body(const char *name)
{
    Json *body = json_new_object();
    g_autoptr(Json) identity = json_new_object();
    g_autoptr(Json) profile = json_new_object();
    json_set_text(profile, "preferred_username", name);
    json_set(identity, "userProfile", profile);
    json_set(body, "identity", identity);
    return body;
}

gboolean ws_client_open(WsClient *client, const char *name)
{
    gboolean again = *client->token != '\0';
    g_autofree char *from = g_strconcat(client->runtime, again ? "/" : "", client->token, NULL);
    if (!ws_client_wait_up(client))
        return FALSE;
    g_autoptr(Json) body =
        ws_client_request(client, ws_client_message(client, again ? "re-open" : "open", from,
                                                    "mn:/session", identity_body(name)));
    const char *token = body != NULL ? json_get_text(body, "runtimeToken") : NULL;
    if (ws_code(body) != 200 || token == NULL)
        return FALSE;
    ws_client_set_token(client, token);
    return TRUE;
}

Json *ws_client_join_message(WsClient *client, const char *room, const char *name,
                             const char *offer)
{
    Json *body = identity_body(name);
    g_autoptr(Json) value = json_new_object();
    g_autoptr(Json) data = json_new_object();
    g_autoptr(Json) description = json_new_object();
    json_set_text(body, "source", client->hyperty);
    json_set_text(body, "schema",
                  "hyperty-catalogue://catalogue." DOMAIN "/.well-known/dataschema/Connection");
    json_set_text(body, "roomId", room);
    json_set_bool(body, "mutual", FALSE);
    json_set_text(description, "type", "offer");
    json_set_text(description, "sdp", offer);
    json_set_text(data, "status", "new");
    json_set(data, "connectionDescription", description);
    json_set_text(value, "url", client->connection);
    json_set_text(value, "reporter", client->hyperty);
    json_set_text(value, "runtime", client->runtime);
    json_set_text(value, "name", "connection");
    json_set_number(value, "version", (gint64)++client->version);
    json_set(value, "data", data);
    json_set(body, "value", value);
    return ws_client_message(client, "create", NULL, CONFERENCE, body);
}

static void take_object(SyncObject **object, const Json *json)
{
    SyncObject *taken = json != NULL ? sync_object_from_json(json, NULL) : NULL;
    if (taken == NULL)
        return;
    sync_object_free(*object);
    *object = taken;
}

void ws_client_joined(WsClient *client, const Json *body)
{
    if (ws_code(body) != 200)
        return;
    take_object(&client->communication, json_get(body, "value"));
    take_object(&client->answer, json_get(body, "answer"));
}

Json *ws_client_join(WsClient *client, const char *room, const char *name, const char *offer)
{
    Json *body = ws_client_request(client, ws_client_join_message(client, room, name, offer));
    if (body != NULL)
        ws_client_joined(client, body);
    return body;
}

static void add_resource(Json *resources, const char *url, const char *suffix)
{
    g_autofree char *whole = g_strconcat(url, suffix, NULL);
    g_autoptr(Json) text = json_new_text(whole);
    json_append(resources, text);
}

static gboolean subscribe_routes(WsClient *client)
{
    Json *body = json_new_object();
    g_autoptr(Json) resources = json_new_array();
    add_resource(resources, client->hyperty, "");
    add_resource(resources, client->connection, "");
    if (client->communication != NULL)
        add_resource(resources, sync_object_url(client->communication), "/changes");
    if (client->answer != NULL)
        add_resource(resources, sync_object_url(client->answer), "/changes");
    json_set(body, "resources", resources);
    g_autoptr(Json) answer = ws_client_request(
        client, ws_client_message(client, "subscribe", client->runtime, RUNNING_SM, body));
    return ws_code(answer) == 200;
}

static void take_value(WsClient *client, SyncObject **object, const Json *value)
{
    const Json *changes = json_get(value, "changes");
    if (changes == NULL)
        take_object(object, value);
    for (guint i = 0; i < json_size(changes); i++)
        apply(client, *object, json_at(changes, i));
}

static Json *resume_message(const WsClient *client, const SyncObject *object)
{
    Json *body = json_new_object();
    g_autofree char *to = g_strconcat(sync_object_url(object), "/subscription", NULL);
    json_set_text(body, "source", client->hyperty);
    json_set_bool(body, "mutual", FALSE);
    json_set_bool(body, "resume", TRUE);
    json_set_number(body, "version", (gint64)sync_object_version(object));
    return ws_client_message(client, "subscribe", NULL, to, body);
}

static void on_healed(WsClient *client, const Json *answer, gpointer unused)
{
    const Json *body = answer != NULL ? json_get(answer, "body") : NULL;
    (void)unused;
    client->healing = FALSE;
    if (ws_code(body) == 200 && client->communication != NULL)
        take_value(client, &client->communication, json_get(body, "value"));
}

// The gateway could not tell all changes: its digest says that we lack some, so we ask.
static void heal(WsClient *client, const Json *digest)
{
    gint64 mine = (gint64)sync_object_version(client->communication);
    if (client->healing || json_get_number(digest, "version", 0) <= mine)
        return;
    client->healing = TRUE;
    client->heals++;
    ws_client_ask(client, resume_message(client, client->communication), on_healed, NULL);
}

static gboolean resume_object(WsClient *client, SyncObject **object)
{
    if (*object == NULL)
        return FALSE;
    g_autoptr(Json) answer = ws_client_request(client, resume_message(client, *object));
    if (ws_code(answer) != 200 || *object == NULL)
        return FALSE;
    take_value(client, object, json_get(answer, "value"));
    return TRUE;
}

gboolean ws_client_resume(WsClient *client)
{
    gboolean resumed = subscribe_routes(client) && resume_object(client, &client->communication);
    resume_object(client, &client->answer);
    return resumed;
}

void ws_client_update(WsClient *client, const char *attribute, Json *value)
{
    g_autoptr(Json) owned = value;
    g_autofree char *to = g_strconcat(client->connection, "/changes", NULL);
    Json *body = json_new_object();
    json_set_number(body, "version", (gint64)++client->version);
    json_set_text(body, "source", client->hyperty);
    json_set_text(body, "attribute", attribute);
    json_set(body, "value", owned);
    g_autoptr(Json) message = ws_client_message(client, "update", client->connection, to, body);
    json_set_number(message, "id", ++client->last_id);
    ws_client_send(client, message);
}

// --- what it knows ---

const char *ws_client_session(const WsClient *client)
{
    return client->session;
}

const char *ws_client_token(const WsClient *client)
{
    return client->token;
}

void ws_client_set_token(WsClient *client, const char *token)
{
    char *copy = g_strdup(token);
    g_free(client->token);
    g_free(client->session);
    client->token = copy;
    client->session = g_strndup(copy, strcspn(copy, "."));
}

const char *ws_client_runtime(const WsClient *client)
{
    return client->runtime;
}

void ws_client_set_runtime(WsClient *client, const char *runtime)
{
    g_free(client->runtime);
    client->runtime = g_strdup(runtime);
}

const char *ws_client_hyperty(const WsClient *client)
{
    return client->hyperty;
}

const char *ws_client_connection(const WsClient *client)
{
    return client->connection;
}

const char *ws_client_participant(const WsClient *client)
{
    return client->participant;
}

const SyncObject *ws_client_communication(const WsClient *client)
{
    return client->communication;
}

const SyncObject *ws_client_answer(const WsClient *client)
{
    return client->answer;
}

guint ws_client_holes(const WsClient *client)
{
    return client->holes;
}

guint ws_client_heals(const WsClient *client)
{
    return client->heals;
}

guint ws_client_count(const WsClient *client, const char *type, const char *to)
{
    guint count = 0;
    for (guint i = 0; i < client->received->len; i++) {
        const Json *message = g_ptr_array_index(client->received, i);
        gboolean of_type = type == NULL || g_strcmp0(json_get_text(message, "type"), type) == 0;
        gboolean there = to == NULL || g_strcmp0(json_get_text(message, "to"), to) == 0;
        count += of_type && there;
    }
    return count;
}

const GPtrArray *ws_client_received(const WsClient *client)
{
    return client->received;
}
