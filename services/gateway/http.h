// SPDX-License-Identifier: MIT
// What the gateway's HTTP side answers, as plain data: the page and its files out of one folder,
// /healthz, /readyz and /metrics. The folder is a fence: an address names files in it by plain
// segments and nothing else can be asked for.
#pragma once
#include <glib.h>

typedef struct {
    const char *method; // GET, HEAD, …
    const char *path;   // decoded, without the query
    const char *query;  // "" where there is none
    const char *host;   // Host header, "" where there is none
    const char *if_none_match;
} HttpRequest;

typedef struct {
    guint status;
    const char *type; // content type, static
    char *etag;       // NULL where there is none
    char *policy;     // Content-Security-Policy, NULL where there is none
    GBytes *body;
} HttpAnswer;

void http_answer_free(HttpAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpAnswer, http_answer_free)

// What the gateway says of itself. Newly allocated text.
typedef struct {
    // The reason why not, NULL when ready.
    char *(*unready)(gpointer user);
    char *(*metrics)(gboolean self_only, gpointer user);
} HttpCalls;

typedef struct Http Http;

// folder: of index.html and the client's files. FALSE with an error that names it if there is no
// index.html in it.
Http *http_new(const char *folder, const HttpCalls *calls, gpointer user, GError **error);
void http_free(Http *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Http, http_free)
HttpAnswer *http_answer(Http *http, const HttpRequest *request);

// Where the client's files are: configured, or beside the working directory, or beside the
// program's sources, or where a package puts them. Newly allocated; NULL with an error that names
// the places.
char *http_find_folder(const char *configured, GError **error);

// Whether a page from `origin` may open a WebSocket here: one of `allowed` ("*": any), or (with an
// empty list) the gateway's own. origin "": no browser, allowed.
gboolean http_origin_is_allowed(const char *origin, const char *host, char **allowed);
