// SPDX-License-Identifier: MIT
// See janus.h.
#include "tests/support/janus.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKAGED "/etc/janus"
// Janus may crash, or find itself without a transport, when it is spoken to while it starts: only
// what is needed is started, and its socket is left alone for a while.
#define SETTLES_US 500000
#define OTHER_TRANSPORTS                                                                           \
    "disable = \"libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_rabbitmq.so,"      \
    "libjanus_websockets.so\""
#define OTHER_PLUGINS                                                                              \
    "disable = \"libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,"                \
    "libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,"                    \
    "libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so\""
#define STARTS_US (10 * G_USEC_PER_SEC)
#define ANSWERS_US (10 * G_USEC_PER_SEC)
#define MESSAGE_MAX (256 * 1024)

struct Janus {
    char *folder;
    GPid pid;
    int socket;
    gint64 session;
    guint transaction;
};

// --- the process ---------------------------------------------------------------------------------
// One packaged file with texts replaced (pairs, NULL-terminated); FALSE: it is not as expected.
static gboolean copy_file(const Janus *janus, const char *name, const char *const *replaced)
{
    g_autofree char *from = g_build_filename(PACKAGED, name, NULL);
    g_autofree char *to = g_build_filename(janus->folder, name, NULL);
    char *text = NULL;
    if (!g_file_get_contents(from, &text, NULL, NULL))
        return FALSE;
    for (; replaced != NULL && *replaced != NULL; replaced += 2) {
        g_auto(GStrv) parts = g_strsplit(text, replaced[0], 2);
        if (parts[1] == NULL)
            g_printerr("# janus: no \"%s\" in %s\n", replaced[0], from);
        g_free(text);
        text = g_strjoinv(replaced[1], parts);
    }
    gboolean written = g_file_set_contents(to, text, -1, NULL);
    g_free(text);
    return written;
}

static char *socket_path(const Janus *janus)
{
    return g_build_filename(janus->folder, "api", NULL);
}

static gboolean configure(const Janus *janus, gboolean tuned)
{
    g_autofree char *path = socket_path(janus);
    g_autofree char *api = g_strdup_printf("path = \"%s\"", path);
    const char *const core[] = {"#disable = \"libjanus_rabbitmq.so\"",
                                OTHER_TRANSPORTS,
                                "#disable = \"libjanus_voicemail.so,libjanus_recordplay.so\"",
                                OTHER_PLUGINS,
                                tuned ? "#event_loops = 8" : NULL,
                                "event_loops = 1",
                                NULL};
    const char *const sockets[] = {"enabled = false", "enabled = true",
                                   "#path = \"/path/to/ux-janusapi\"", api, NULL};
    return copy_file(janus, "janus.jcfg", core) &&
           copy_file(janus, "janus.plugin.videoroom.jcfg", NULL) &&
           copy_file(janus, "janus.transport.pfunix.jcfg", sockets);
}

static void die_with_parent(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static gboolean start(Janus *janus)
{
    const char *arguments[] = {"janus", "--configs-folder", janus->folder, "--debug-level",
                               "2",     "--disable-colors", NULL};
    g_autoptr(GError) error = NULL;
    if (g_spawn_async(NULL, (char **)arguments, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL,
                      die_with_parent, NULL, &janus->pid, &error))
        return TRUE;
    g_printerr("# janus: %s\n", error->message);
    return FALSE;
}

static gboolean connect_socket(Janus *janus)
{
    g_autofree char *path = socket_path(janus);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int bytes = 4 << 20;
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    janus->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    setsockopt(janus->socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    for (gint64 end_us = g_get_monotonic_time() + STARTS_US; g_get_monotonic_time() < end_us;) {
        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            g_usleep(SETTLES_US);
            if (connect(janus->socket, (struct sockaddr *)&address, sizeof(address)) == 0)
                return TRUE;
        }
        if (waitpid(janus->pid, NULL, WNOHANG) == janus->pid) {
            janus->pid = 0;
            break;
        }
        g_usleep(20000);
    }
    g_printerr("# janus: it does not answer\n");
    return FALSE;
}

// --- the protocol --------------------------------------------------------------------------------
static void send_message(Janus *janus, Json *message)
{
    gsize length = 0;
    g_autofree char *transaction = g_strdup_printf("%u", ++janus->transaction);
    json_set_text(message, "transaction", transaction);
    if (janus->session != 0)
        json_set_number(message, "session_id", janus->session);
    g_autofree char *text = json_print(message, &length);
    if (send(janus->socket, text, length, MSG_NOSIGNAL) != (gssize)length)
        g_error("janus: %s", g_strerror(errno));
}

// The next message of Janus; NULL: nothing yet.
static Json *receive(Janus *janus)
{
    static char text[MESSAGE_MAX];
    gssize length = recv(janus->socket, text, sizeof(text), MSG_DONTWAIT);
    if (length == 0)
        g_error("janus has gone");
    return length < 0 ? NULL : json_parse(text, (gsize)length, MESSAGE_MAX, NULL);
}

static gboolean is_reply(const Json *message, guint transaction)
{
    g_autofree char *own = g_strdup_printf("%u", transaction);
    return g_strcmp0(json_get_text(message, "transaction"), own) == 0 &&
           g_strcmp0(json_get_text(message, "janus"), "ack") != 0;
}

static void must_be_good(const Json *reply)
{
    const Json *data = json_get(json_get(reply, "plugindata"), "data");
    if (json_get(reply, "error") == NULL && json_get(data, "error") == NULL)
        return;
    g_autofree char *text = json_print(reply, NULL);
    g_error("janus refuses: %s", text);
}

static Json *await_reply(Janus *janus)
{
    for (gint64 end_us = g_get_monotonic_time() + ANSWERS_US; g_get_monotonic_time() < end_us;) {
        g_autoptr(Json) message = receive(janus);
        if (message != NULL && is_reply(message, janus->transaction)) {
            must_be_good(message);
            return json_ref(message);
        }
        if (message == NULL && !g_main_context_iteration(NULL, FALSE))
            g_usleep(200);
    }
    g_error("janus does not answer");
}

static Json *request(Janus *janus, Json *message)
{
    send_message(janus, message);
    return await_reply(janus);
}

static gint64 id_of(const Json *reply)
{
    return json_get_number(json_get(reply, "data"), "id", 0);
}

gint64 janus_attach(Janus *janus)
{
    g_autoptr(Json) message = json_new_object();
    json_set_text(message, "janus", "attach");
    json_set_text(message, "plugin", "janus.plugin.videoroom");
    g_autoptr(Json) reply = request(janus, message);
    return id_of(reply);
}

Json *janus_ask(Janus *janus, gint64 handle, const char *body, const char *sdp_type,
                const char *sdp)
{
    g_autoptr(Json) message = json_new_object();
    g_autoptr(Json) asked = json_parse(body, strlen(body), MESSAGE_MAX, NULL);
    g_assert(asked != NULL);
    json_set_text(message, "janus", "message");
    json_set_number(message, "handle_id", handle);
    json_set(message, "body", asked);
    if (sdp_type != NULL) {
        g_autoptr(Json) description = json_new_object();
        json_set_text(description, "type", sdp_type);
        json_set_text(description, "sdp", sdp);
        json_set_bool(description, "trickle", FALSE);
        json_set(message, "jsep", description);
    }
    return request(janus, message);
}

// --- life ----------------------------------------------------------------------------------------
static void open_session(Janus *janus)
{
    g_autoptr(Json) message = json_new_object();
    json_set_text(message, "janus", "create");
    g_autoptr(Json) reply = request(janus, message);
    janus->session = id_of(reply);
}

Janus *janus_new(gboolean tuned)
{
    g_autoptr(Janus) janus = g_new0(Janus, 1);
    janus->socket = -1;
    janus->folder = g_dir_make_tmp("parley-janus-XXXXXX", NULL);
    if (!configure(janus, tuned) || !start(janus) || !connect_socket(janus)) {
        g_printerr("# janus: the Debian package janus cannot be used\n");
        return NULL;
    }
    open_session(janus);
    return g_steal_pointer(&janus);
}

void janus_free(Janus *janus)
{
    if (janus == NULL)
        return;
    if (janus->socket >= 0)
        close(janus->socket);
    if (janus->pid > 0) {
        kill(janus->pid, SIGKILL);
        waitpid(janus->pid, NULL, 0);
    }
    const char *const arguments[] = {"rm", "-rf", janus->folder, NULL};
    g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
    g_free(janus->folder);
    g_free(janus);
}

pid_t janus_pid(const Janus *janus)
{
    return janus->pid;
}
