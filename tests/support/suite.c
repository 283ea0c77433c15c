// SPDX-License-Identifier: MIT
// See suite.h. Ports are found by binding and closing; the range for media is tested port by port,
// since a room process takes the first free one of its range.
#include "tests/support/suite.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEDIA_PORTS 24
#define END_MS 2000
#define ROOMS_US 20000 // between two looks for rooms that still run
#define READY_MS 15000

typedef struct {
    char *name;
    GPid pid; // 0: ended
    guint watch;
} Process;

struct Suite {
    char *folder;
    GHashTable *settings;  // variable -> value
    GHashTable *processes; // name -> Process
    char **launcher;       // may be NULL
    guint gateway_port;
    Bus *bus;
    Config *config;
};

static void process_free(gpointer data)
{
    Process *process = data;
    if (process->watch != 0)
        g_source_remove(process->watch);
    g_free(process->name);
    g_free(process);
}

static guint free_port(int type, guint port)
{
    int fd = socket(AF_INET, type, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((guint16)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    gboolean bound = bind(fd, (struct sockaddr *)&address, length) == 0 &&
                     getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    close(fd);
    return bound ? ntohs(address.sin_port) : 0;
}

static gboolean range_is_free(guint first)
{
    for (guint port = first; port < first + MEDIA_PORTS; port++)
        if (free_port(SOCK_DGRAM, port) == 0)
            return FALSE;
    return TRUE;
}

static guint free_range(void)
{
    for (;;) {
        guint first = (guint)g_random_int_range(20000, 32000);
        if (range_is_free(first))
            return first;
    }
}

static void set_port(Suite *suite, const char *variable, const char *format)
{
    g_autofree char *port = g_strdup_printf("%u", free_port(SOCK_STREAM, 0));
    g_autofree char *value = g_strconcat(format, port, NULL);
    suite_set(suite, variable, value);
}

Suite *suite_new(void)
{
    Suite *suite = g_new0(Suite, 1);
    suite->folder = g_dir_make_tmp("parley-test-XXXXXX", NULL);
    assert_non_null(suite->folder);
    suite->settings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    suite->processes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, process_free);
    set_port(suite, "PARLEY_BUS_PUBLISH", "tcp://127.0.0.1:");
    set_port(suite, "PARLEY_BUS_SUBSCRIBE", "tcp://127.0.0.1:");
    set_port(suite, "PARLEY_GATEWAY_PORT", "");
    suite->gateway_port = (guint)atoi(suite_get(suite, "PARLEY_GATEWAY_PORT"));
    guint first = free_range();
    g_autofree char *ports = g_strdup_printf("%u-%u", first, first + MEDIA_PORTS - 1);
    suite_set(suite, "PARLEY_MEDIA_PORTS", ports);
    g_autofree char *store = g_build_filename(suite->folder, "registry.db", NULL);
    suite_set(suite, "PARLEY_REGISTRY_STORE", store);
    suite_set(suite, "PARLEY_SUITE_SECRET", "a secret of this test alone");
    suite_set(suite, "PARLEY_LOG_LEVEL", "debug");
    return suite;
}

static void remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            remove_folder(path);
        else
            g_unlink(path);
    }
    g_rmdir(folder);
}

// Lines of a log in which a sanitizer complains, on stderr.
static guint show_reports(const char *path)
{
    static const char *const signs[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                        "WARNING: ThreadSanitizer", "runtime error: "};
    g_autofree char *text = NULL;
    guint found = 0;
    g_file_get_contents(path, &text, NULL, NULL);
    for (guint i = 0; text != NULL && i < G_N_ELEMENTS(signs); i++) {
        const char *at = strstr(text, signs[i]);
        if (at != NULL)
            g_printerr("# %s: %.2000s\n", path, at);
        found += at != NULL;
    }
    return found;
}

static guint count_reports(const Suite *suite)
{
    g_autoptr(GDir) folder = g_dir_open(suite->folder, 0, NULL);
    guint found = 0;
    for (const char *name; (name = g_dir_read_name(folder)) != NULL;) {
        g_autofree char *path = g_build_filename(suite->folder, name, NULL);
        found += g_str_has_suffix(name, ".log") ? show_reports(path) : 0;
    }
    return found;
}

// Whether a process has this suite's settings: those of a zombie cannot be read.
static gboolean is_of_suite(const Suite *suite, const char *pid)
{
    g_autofree char *path = g_build_filename("/proc", pid, "environ", NULL);
    g_autofree char *variables = NULL;
    gsize length = 0;
    return g_ascii_isdigit(*pid) && g_file_get_contents(path, &variables, &length, NULL) &&
           memmem(variables, length, suite->folder, strlen(suite->folder)) != NULL;
}

static guint signal_all(const Suite *suite, int signal)
{
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    guint found = 0;
    for (const char *pid; (pid = g_dir_read_name(processes)) != NULL;)
        if (is_of_suite(suite, pid)) {
            kill(atoi(pid), signal);
            found++;
        }
    return found;
}

// Room processes outlive their host, and end at once with the second SIGTERM only.
static void end_rooms(const Suite *suite)
{
    gint64 end = g_get_monotonic_time() + END_MS * 1000;
    while (signal_all(suite, g_get_monotonic_time() < end ? SIGTERM : SIGKILL) > 0)
        g_usleep(ROOMS_US);
}

void suite_free(Suite *suite)
{
    if (suite == NULL)
        return;
    bus_free(suite->bus);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, suite->processes);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((Process *)value)->pid != 0)
            kill(((Process *)value)->pid, SIGTERM);
    g_hash_table_iter_init(&iter, suite->processes);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        suite_kill(suite, ((Process *)value)->name, SIGTERM);
    end_rooms(suite);
    guint reports = count_reports(suite);
    g_hash_table_unref(suite->processes);
    g_hash_table_unref(suite->settings);
    config_free(suite->config);
    if (g_getenv("PARLEY_TEST_KEEP") != NULL)
        g_printerr("# kept: %s\n", suite->folder);
    else
        remove_folder(suite->folder);
    g_strfreev(suite->launcher);
    g_free(suite->folder);
    g_free(suite);
    if (reports > 0)
        fail_msg("sanitizers complain of processes of this suite, as shown above");
}

void suite_set_launcher(Suite *suite, const char *const *words)
{
    g_strfreev(suite->launcher);
    suite->launcher = g_strdupv((char **)words);
}

void suite_set(Suite *suite, const char *variable, const char *value)
{
    g_hash_table_replace(suite->settings, g_strdup(variable), g_strdup(value));
}

const char *suite_get(const Suite *suite, const char *variable)
{
    return g_hash_table_lookup(suite->settings, variable);
}

const char *suite_folder(const Suite *suite)
{
    return suite->folder;
}

guint suite_gateway_port(const Suite *suite)
{
    return suite->gateway_port;
}

static void die_with_the_test(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void on_ended(GPid pid, int status, gpointer user)
{
    (void)status;
    Process *process = user;
    g_spawn_close_pid(pid);
    process->pid = 0;
    process->watch = 0;
}

static char **environment(const Suite *suite)
{
    char **all = g_get_environ();
    GHashTableIter iter;
    gpointer variable, value;
    g_hash_table_iter_init(&iter, suite->settings);
    while (g_hash_table_iter_next(&iter, &variable, &value))
        all = g_environ_setenv(all, variable, value, TRUE);
    return all;
}

static void add_words(GPtrArray *line, const char *const *words)
{
    for (; words != NULL && *words != NULL; words++)
        g_ptr_array_add(line, (gpointer)*words);
}

// The program with its output appended to the log: through sh, which opens the file and becomes the
// program.
static GPtrArray *command_line(const Suite *suite, const char *binary, const char *log,
                               const char *const *arguments)
{
    GPtrArray *line = g_ptr_array_new();
    const char *const shell[] = {"/bin/sh", "-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1",
                                 "sh",      log,  NULL};
    add_words(line, shell);
    add_words(line, (const char *const *)suite->launcher);
    g_ptr_array_add(line, (gpointer)binary);
    add_words(line, arguments);
    g_ptr_array_add(line, NULL);
    return line;
}

static char *log_path(const Suite *suite, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".log", NULL);
    return g_build_filename(suite->folder, file, NULL);
}

pid_t suite_start(Suite *suite, const char *name, const char *program, const char *const *arguments)
{
    const char *bin = g_getenv("PARLEY_BIN");
    g_autofree char *file = g_strconcat("parley-", program, NULL);
    g_autofree char *binary = g_build_filename(bin != NULL ? bin : "build/debug/bin", file, NULL);
    g_autofree char *log = log_path(suite, name);
    g_autoptr(GPtrArray) line = command_line(suite, binary, log, arguments);
    g_auto(GStrv) variables = environment(suite);
    g_autoptr(GError) error = NULL;
    suite_kill(suite, name, SIGTERM);
    Process *process = g_new0(Process, 1);
    process->name = g_strdup(name);
    if (!g_spawn_async(NULL, (char **)line->pdata, variables, G_SPAWN_DO_NOT_REAP_CHILD,
                       die_with_the_test, NULL, &process->pid, &error))
        fail_msg("%s cannot be started: %s", binary, error->message);
    process->watch = g_child_watch_add(process->pid, on_ended, process);
    g_hash_table_replace(suite->processes, process->name, process);
    return process->pid;
}

static gboolean has_ended(gpointer user)
{
    return ((Process *)user)->pid == 0;
}

void suite_kill(Suite *suite, const char *name, int signal)
{
    Process *process = g_hash_table_lookup(suite->processes, name);
    if (process == NULL || process->pid == 0)
        return;
    kill(process->pid, signal);
    if (signal != SIGKILL && signal != SIGTERM)
        return;
    if (suite_until(has_ended, process, END_MS))
        return;
    kill(process->pid, SIGKILL);
    assert_true(suite_until(has_ended, process, END_MS));
}

pid_t suite_pid(const Suite *suite, const char *name)
{
    const Process *process = g_hash_table_lookup(suite->processes, name);
    return process == NULL ? 0 : process->pid;
}

// The line is "<time> <level> <process> service.started pid=…".
static pid_t pid_in_log(const char *path, const char *process)
{
    g_autofree char *log = NULL;
    if (!g_file_get_contents(path, &log, NULL, NULL))
        return 0;
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        if (strstr(lines[i], process) != NULL && strstr(lines[i], "service.started pid=") != NULL)
            return atoi(strstr(lines[i], "pid=") + 4);
    return 0;
}

pid_t suite_media_pid(const Suite *suite, const char *media)
{
    g_autofree char *process = g_strconcat(" media-", strrchr(media, '/') + 1, " ", NULL);
    g_autoptr(GDir) folder = g_dir_open(suite->folder, 0, NULL);
    pid_t pid = 0;
    for (const char *name; pid == 0 && (name = g_dir_read_name(folder)) != NULL;) {
        g_autofree char *path = g_build_filename(suite->folder, name, NULL);
        pid = g_str_has_suffix(name, ".log") ? pid_in_log(path, process) : 0;
    }
    return pid;
}

gboolean suite_is_running(const Suite *suite, const char *name)
{
    return suite_pid(suite, name) != 0;
}

static gboolean wake(gpointer unused)
{
    (void)unused;
    return G_SOURCE_CONTINUE;
}

gboolean suite_until(SuiteCondition condition, gpointer user, guint timeout_ms)
{
    gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    guint ticker = g_timeout_add(10, wake, NULL);
    gboolean holds = condition(user);
    while (!holds && g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, TRUE);
        holds = condition(user);
    }
    g_source_remove(ticker);
    return holds;
}

guint suite_logged(const Suite *suite, const char *name, const char *text)
{
    g_autofree char *path = log_path(suite, name);
    g_autofree char *contents = NULL;
    guint count = 0;
    if (!g_file_get_contents(path, &contents, NULL, NULL))
        return 0;
    g_auto(GStrv) lines = g_strsplit(contents, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        count += strstr(lines[i], text) != NULL;
    return count;
}

typedef struct {
    const Suite *suite;
    const char *name, *text;
    guint count;
} Logged;

static gboolean is_logged(gpointer user)
{
    const Logged *logged = user;
    return suite_logged(logged->suite, logged->name, logged->text) >= logged->count;
}

gboolean suite_until_logged(Suite *suite, const char *name, const char *text, guint count,
                            guint timeout_ms)
{
    Logged logged = {.suite = suite, .name = name, .text = text, .count = count};
    return suite_until(is_logged, &logged, timeout_ms);
}

const Config *suite_config(Suite *suite)
{
    if (suite->config != NULL)
        return suite->config;
    int argc = 1;
    char *arguments[] = {g_strdup("test"), NULL};
    char **argv = arguments;
    suite->config = config_new(&argc, &argv, NULL);
    g_free(arguments[0]);
    assert_non_null(suite->config);
    config_set(suite->config, CONFIG_BUS_PUBLISH, suite_get(suite, "PARLEY_BUS_PUBLISH"));
    config_set(suite->config, CONFIG_BUS_SUBSCRIBE, suite_get(suite, "PARLEY_BUS_SUBSCRIBE"));
    return suite->config;
}

Bus *suite_bus(Suite *suite)
{
    if (suite->bus == NULL) {
        g_autofree char *process = g_strdup_printf("test-%08x", g_random_int());
        suite->bus = bus_new(suite_config(suite), process, NULL);
        assert_non_null(suite->bus);
    }
    return suite->bus;
}

char *suite_http_get(Suite *suite, const char *path, guint *ret_status)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, 5);
    g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host(
        client, "127.0.0.1", (guint16)suite->gateway_port, NULL, NULL);
    if (connection == NULL)
        return NULL;
    g_autofree char *request =
        g_strdup_printf("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n", path,
                        suite->gateway_port);
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    g_autoptr(GString) answer = g_string_new(NULL);
    char piece[4096];
    gssize got = 0;
    if (!g_output_stream_write_all(out, request, strlen(request), NULL, NULL, NULL))
        return NULL;
    while ((got = g_input_stream_read(in, piece, sizeof piece, NULL, NULL)) > 0)
        g_string_append_len(answer, piece, got);
    const char *body = strstr(answer->str, "\r\n\r\n");
    if (body == NULL || answer->len < 12)
        return NULL;
    if (ret_status != NULL)
        *ret_status = (guint)atoi(answer->str + 9);
    return g_strdup(body + 4);
}

static gboolean is_ready(gpointer user)
{
    guint status = 0;
    g_free(suite_http_get(user, "/readyz", &status));
    return status == 200;
}

void suite_start_all(Suite *suite)
{
    static const char *const programs[] = {"bus", "registry", "media-worker", "gateway"};
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
        suite_start(suite, programs[i], programs[i], NULL);
    if (!suite_until(is_ready, suite, READY_MS)) {
        g_autofree char *answer = suite_http_get(suite, "/readyz", NULL);
        fail_msg("the suite did not get ready: %s", answer == NULL ? "no gateway" : answer);
    }
}
