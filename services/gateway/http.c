// SPDX-License-Identifier: MIT
// See http.h. Files are read when they change (time and size) and kept, with a hash as ETag;
// browsers ask each time whether theirs is still good, so a new version of the page is seen at
// once.
#include "gateway/http.h"

#include <glib/gstdio.h>
#include <string.h>

#include "common/limits.h"

#define SOURCES "services/gateway/client"
#define PACKAGED "/usr/share/parley/client"

typedef struct {
    gint64 changed;
    goffset size;
    GBytes *body;
    char *etag;
} File;

struct Http {
    char *folder;
    const HttpCalls *calls;
    gpointer user;
    GHashTable *files; // path -> File
};

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".webmanifest", "application/manifest+json"},
    {".woff2", "font/woff2"},
};

static void file_free(gpointer data)
{
    File *file = data;
    g_bytes_unref(file->body);
    g_free(file->etag);
    g_free(file);
}

void http_answer_free(HttpAnswer *answer)
{
    if (answer == NULL)
        return;
    g_free(answer->etag);
    g_free(answer->policy);
    g_clear_pointer(&answer->body, g_bytes_unref);
    g_free(answer);
}

static gboolean has_page(const char *folder)
{
    g_autofree char *page = g_build_filename(folder, "index.html", NULL);
    return g_file_test(page, G_FILE_TEST_IS_REGULAR);
}

Http *http_new(const char *folder, const HttpCalls *calls, gpointer user, GError **error)
{
    if (!has_page(folder)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                    "gateway.client_path: there is no index.html in %s", folder);
        return NULL;
    }
    Http *http = g_new0(Http, 1);
    http->folder = g_strdup(folder);
    http->calls = calls;
    http->user = user;
    http->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, file_free);
    return http;
}

void http_free(Http *http)
{
    if (http == NULL)
        return;
    g_hash_table_unref(http->files);
    g_free(http->folder);
    g_free(http);
}

char *http_find_folder(const char *configured, GError **error)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *beside = program != NULL ? g_path_get_dirname(program) : g_strdup(".");
    g_autofree char *sources = g_build_filename(beside, "..", "..", "..", SOURCES, NULL);
    const char *const places[] = {SOURCES, sources, PACKAGED};
    if (*configured != '\0')
        return g_strdup(configured);
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        if (has_page(places[i]))
            return g_strdup(places[i]);
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                "the page is in none of %s, %s and %s; set gateway.client_path", SOURCES, sources,
                PACKAGED);
    return NULL;
}

static const char *type_of(const char *path)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (g_str_has_suffix(path, types[i].suffix))
            return types[i].type;
    return NULL;
}

// Segments of letters, digits and -_. that do not begin with a dot; nothing that a file system
// could read otherwise.
static gboolean is_plain(const char *path)
{
    for (const char *at = path; *at != '\0'; at++) {
        gboolean first = at == path || at[-1] == '/';
        gboolean fits = g_ascii_isalnum(*at) || *at == '_' || *at == '-';
        if (!fits && (first || (*at != '.' && *at != '/')))
            return FALSE;
    }
    return *path != '\0' && strlen(path) <= LIMIT_URL && !g_str_has_suffix(path, "/");
}

// The file that a path names, relative to the folder; NULL if it names none.
static const char *file_of(const char *path)
{
    if (strcmp(path, "/") == 0)
        return "index.html";
    if (!g_str_has_prefix(path, "/client/"))
        return NULL;
    path += strlen("/client/");
    return is_plain(path) && type_of(path) != NULL ? path : NULL;
}

static const File *load(Http *http, const char *name)
{
    GStatBuf status;
    g_autofree char *path = g_build_filename(http->folder, name, NULL);
    if (g_stat(path, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size > LIMIT_STATIC_FILE)
        return NULL;
    File *file = g_hash_table_lookup(http->files, name);
    gint64 changed = status.st_mtim.tv_sec * G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000;
    if (file != NULL && file->changed == changed && file->size == status.st_size)
        return file;
    char *bytes = NULL;
    gsize length = 0;
    if (!g_file_get_contents(path, &bytes, &length, NULL))
        return NULL;
    file = g_new0(File, 1);
    file->changed = changed;
    file->size = status.st_size;
    file->body = g_bytes_new_take(bytes, length);
    g_autofree char *hash = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, file->body);
    file->etag = g_strdup_printf("\"%.32s\"", hash);
    g_hash_table_replace(http->files, g_strdup(name), file);
    return file;
}

static HttpAnswer *answer_text(guint status, const char *text)
{
    HttpAnswer *answer = g_new0(HttpAnswer, 1);
    answer->status = status;
    answer->type = "text/plain; charset=utf-8";
    answer->body = g_bytes_new(text, strlen(text));
    return answer;
}

// Scripts, styles and pictures of our own only; the WebSocket is named in full because 'self' does
// not cover it in every browser. A Host that is no host name is left out.
static char *policy_for(const char *host)
{
    gsize length = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                ".-:[]");
    gboolean known = length > 0 && host[length] == '\0';
    g_autofree char *sockets =
        known ? g_strdup_printf(" ws://%s wss://%s", host, host) : g_strdup("");
    return g_strdup_printf("default-src 'self'; connect-src 'self'%s; img-src 'self' data: blob:; "
                           "media-src 'self' blob: mediastream:; object-src 'none'; "
                           "base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
                           sockets);
}

static HttpAnswer *answer_file(Http *http, const HttpRequest *request, const char *name)
{
    const File *file = load(http, name);
    if (file == NULL)
        return answer_text(404, "there is no such file\n");
    HttpAnswer *answer = g_new0(HttpAnswer, 1);
    gboolean known = strstr(request->if_none_match, file->etag) != NULL;
    answer->status = known ? 304 : 200;
    answer->type = type_of(name);
    answer->etag = g_strdup(file->etag);
    answer->policy = policy_for(request->host);
    answer->body = known ? g_bytes_new(NULL, 0) : g_bytes_ref(file->body);
    return answer;
}

static HttpAnswer *answer_ready(Http *http)
{
    g_autofree char *reason = http->calls->unready(http->user);
    g_autofree char *text = g_strdup_printf("%s\n", reason != NULL ? reason : "ready");
    return answer_text(reason != NULL ? 503 : 200, text);
}

static HttpAnswer *answer_metrics(Http *http, const char *query)
{
    g_auto(GStrv) parameters = g_strsplit(query, "&", 8);
    gboolean self = g_strv_contains((const char *const *)parameters, "scope=self");
    g_autofree char *text = http->calls->metrics(self, http->user);
    HttpAnswer *answer = answer_text(200, text);
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    return answer;
}

HttpAnswer *http_answer(Http *http, const HttpRequest *request)
{
    const char *file = file_of(request->path);
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        return answer_text(405, "only GET and HEAD are answered here\n");
    if (file != NULL)
        return answer_file(http, request, file);
    if (strcmp(request->path, "/healthz") == 0)
        return answer_text(200, "ok\n");
    if (strcmp(request->path, "/readyz") == 0)
        return answer_ready(http);
    if (strcmp(request->path, "/metrics") == 0)
        return answer_metrics(http, request->query);
    if (strcmp(request->path, "/ws") == 0)
        return answer_text(426, "this is a WebSocket's address\n");
    return answer_text(404, "there is nothing here\n");
}

static gboolean is_same_place(const char *origin, const char *host)
{
    const char *place = strstr(origin, "://");
    return place != NULL && *host != '\0' && g_ascii_strcasecmp(place + 3, host) == 0;
}

gboolean http_origin_is_allowed(const char *origin, const char *host, char **allowed)
{
    if (*origin == '\0')
        return TRUE;
    if (allowed == NULL || allowed[0] == NULL)
        return is_same_place(origin, host);
    for (; *allowed != NULL; allowed++)
        if (strcmp(*allowed, "*") == 0 || g_ascii_strcasecmp(*allowed, origin) == 0)
            return TRUE;
    return FALSE;
}
