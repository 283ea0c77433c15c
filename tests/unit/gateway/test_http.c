// SPDX-License-Identifier: MIT
#include "gateway/http.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char *unready_because;

static char *unready(gpointer user)
{
    (void)user;
    return g_strdup(unready_because);
}

static char *metrics(gboolean self_only, gpointer user)
{
    (void)user;
    return g_strdup(self_only ? "self\n" : "all\n");
}

static const HttpCalls calls = {unready, metrics};

typedef struct {
    char *folder;
    Http *http;
} Fixture;

static void put(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->folder = g_dir_make_tmp("parley-http-XXXXXX", NULL);
    put(fixture->folder, "index.html", "<p>page</p>");
    put(fixture->folder, "parley.js", "export {};");
    put(fixture->folder, "notes.txt", "private");
    put(fixture->folder, ".hidden.js", "private");
    fixture->http = http_new(fixture->folder, &calls, NULL, NULL);
    assert_non_null(fixture->http);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"index.html", "parley.js", "notes.txt", ".hidden.js"};
    Fixture *fixture = *state;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(fixture->folder, names[i], NULL);
        g_unlink(path);
    }
    g_rmdir(fixture->folder);
    http_free(fixture->http);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static HttpAnswer *get(Fixture *fixture, const char *path)
{
    HttpRequest request = {"GET", path, "", "h:8080", ""};
    return http_answer(fixture->http, &request);
}

static void assert_answer(Fixture *fixture, const char *path, guint status, const char *body)
{
    g_autoptr(HttpAnswer) answer = get(fixture, path);
    gsize length = 0;
    const char *bytes = g_bytes_get_data(answer->body, &length);
    if (answer->status != status)
        fail_msg("%s: %u, not %u", path, answer->status, status);
    if (body != NULL) {
        assert_int_equal(length, strlen(body));
        assert_memory_equal(bytes, body, length);
    }
}

static void the_root_is_the_page(void **state)
{
    assert_answer(*state, "/", 200, "<p>page</p>");
}

static void the_clients_files_lie_below_client(void **state)
{
    assert_answer(*state, "/client/parley.js", 200, "export {};");
    assert_answer(*state, "/parley.js", 404, NULL);
}

static void nothing_outside_the_folder_can_be_asked_for(void **state)
{
    static const char *const paths[] = {"/client/../index.html",
                                        "/client/..",
                                        "/client//etc/passwd",
                                        "/client/.hidden.js",
                                        "/client/./parley.js",
                                        "/client/",
                                        "/client",
                                        "/client/notes.txt",
                                        "/client/%2e%2e/x.js",
                                        "/client/a/../../x.js",
                                        "/client/..\\x.js",
                                        "/client/none.js",
                                        "",
                                        "//",
                                        "/etc/passwd.html"};
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
        assert_answer(*state, paths[i], 404, NULL);
}

static void files_carry_a_tag_and_a_policy(void **state)
{
    g_autoptr(HttpAnswer) answer = get(*state, "/");
    assert_int_equal(answer->etag[0], '"');
    assert_non_null(strstr(answer->policy, "default-src 'self'"));
    assert_non_null(strstr(answer->policy, " ws://h:8080 wss://h:8080;"));
    assert_string_equal(answer->type, "text/html; charset=utf-8");
}

static void a_host_that_is_none_stays_out_of_the_policy(void **state)
{
    Fixture *fixture = *state;
    HttpRequest request = {"GET", "/", "", "h; script-src *", ""};
    g_autoptr(HttpAnswer) answer = http_answer(fixture->http, &request);
    assert_null(strstr(answer->policy, "script-src"));
}

static void a_known_tag_is_answered_304_until_the_file_changes(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(HttpAnswer) first = get(fixture, "/client/parley.js");
    HttpRequest request = {"GET", "/client/parley.js", "", "h", first->etag};
    g_autoptr(HttpAnswer) second = http_answer(fixture->http, &request);
    assert_int_equal(second->status, 304);
    put(fixture->folder, "parley.js", "export { changed };");
    g_autoptr(HttpAnswer) third = http_answer(fixture->http, &request);
    assert_int_equal(third->status, 200);
}

static void health_is_ok_and_readiness_says_why_not(void **state)
{
    assert_answer(*state, "/healthz", 200, "ok\n");
    unready_because = "no registry was heard";
    assert_answer(*state, "/readyz", 503, "no registry was heard\n");
    unready_because = NULL;
    assert_answer(*state, "/readyz", 200, "ready\n");
}

static void metrics_are_of_all_or_of_this_process(void **state)
{
    Fixture *fixture = *state;
    HttpRequest request = {"GET", "/metrics", "a=b&scope=self", "h", ""};
    g_autoptr(HttpAnswer) answer = http_answer(fixture->http, &request);
    assert_memory_equal(g_bytes_get_data(answer->body, NULL), "self\n", 5);
    assert_answer(fixture, "/metrics", 200, "all\n");
}

static void other_methods_are_refused(void **state)
{
    Fixture *fixture = *state;
    HttpRequest request = {"POST", "/", "", "h", ""};
    g_autoptr(HttpAnswer) answer = http_answer(fixture->http, &request);
    assert_int_equal(answer->status, 405);
}

static void a_folder_without_a_page_is_named(void **state)
{
    g_autoptr(GError) error = NULL;
    (void)state;
    assert_null(http_new("/nonexistent", &calls, NULL, &error));
    assert_non_null(strstr(error->message, "/nonexistent"));
}

static void origins_are_the_gateways_own_or_listed_ones(void **state)
{
    g_auto(GStrv) listed = g_strsplit("https://a.example", ",", -1);
    g_auto(GStrv) any = g_strsplit("*", ",", -1);
    (void)state;
    assert_true(http_origin_is_allowed("", "h:8080", NULL));
    assert_true(http_origin_is_allowed("http://H:8080", "h:8080", NULL));
    assert_false(http_origin_is_allowed("http://h:8081", "h:8080", NULL));
    assert_false(http_origin_is_allowed("http://evil.example", "h:8080", NULL));
    assert_false(http_origin_is_allowed("null", "h:8080", NULL));
    assert_false(http_origin_is_allowed("http://", "", NULL));
    assert_true(http_origin_is_allowed("https://a.example", "h:8080", listed));
    assert_false(http_origin_is_allowed("http://h:8080", "h:8080", listed));
    assert_true(http_origin_is_allowed("http://evil.example", "h:8080", any));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_root_is_the_page, setup, teardown),
        cmocka_unit_test_setup_teardown(the_clients_files_lie_below_client, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_outside_the_folder_can_be_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(files_carry_a_tag_and_a_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_host_that_is_none_stays_out_of_the_policy, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_known_tag_is_answered_304_until_the_file_changes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(health_is_ok_and_readiness_says_why_not, setup, teardown),
        cmocka_unit_test_setup_teardown(metrics_are_of_all_or_of_this_process, setup, teardown),
        cmocka_unit_test_setup_teardown(other_methods_are_refused, setup, teardown),
        cmocka_unit_test(a_folder_without_a_page_is_named),
        cmocka_unit_test(origins_are_the_gateways_own_or_listed_ones),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
