// SPDX-License-Identifier: MIT
// A private Parley for one test: the real programs (PARLEY_BIN names their folder) on free ports,
// with a temporary folder, started, killed and restarted by name. Everything ends with the suite,
// by process id; a child also ends if the test dies.
//
// Main thread only. Waiting means running the GLib main loop until a condition holds, with a limit,
// never sleeping.
#pragma once
#include <sys/types.h>
#include "common/bus.h"

typedef struct Suite Suite;

// Chooses free ports (bus, gateway, a range of UDP ports on loopback) and makes the folder. Nothing
// runs yet.
Suite *suite_new(void);
// Ends what still runs (SIGTERM, after 2 s SIGKILL), removes the folder. If PARLEY_TEST_KEEP is
// set, keeps it and says where. Fails the test if a sanitizer has complained in a log.
void suite_free(Suite *suite);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Suite, suite_free)

// One setting for processes that are started from now on: suite_set(suite,
// "PARLEY_REGISTRY_GRACE_S", "1").
void suite_set(Suite *suite, const char *variable, const char *value);
const char *suite_get(const Suite *suite, const char *variable);
const char *suite_folder(const Suite *suite);
guint suite_gateway_port(const Suite *suite);

// Words before every program that is started from now on ("ip netns exec <name>"); NULL: none.
void suite_set_launcher(Suite *suite, const char *const *words);
// Starts build/.../bin/parley-<program> under `name` ("gateway", or "gateway2" for a second one),
// with `arguments` (NULL-terminated, may be NULL). Its output goes to <folder>/<name>.log, appended
// over restarts. Fails the test if it cannot be started.
pid_t suite_start(Suite *suite, const char *name, const char *program,
                  const char *const *arguments);
// bus, registry, media-worker and gateway, in this order, each waited for (its link to the bus, the
// gateway's /readyz).
void suite_start_all(Suite *suite);
// Sends a signal; with SIGKILL or SIGTERM waits until the process has ended. No-op if it does not
// run.
void suite_kill(Suite *suite, const char *name, int signal);
gboolean suite_is_running(const Suite *suite, const char *name);
pid_t suite_pid(const Suite *suite, const char *name); // 0 if it does not run
// Of the room process at this address (hyperty://D/media/<id>), as the logs tell; 0: in none.
pid_t suite_media_pid(const Suite *suite, const char *media);

// Runs the main loop until condition(user) is TRUE or `timeout_ms` have passed; returns the
// condition's last value. The condition is asked after each dispatch and at least each 10 ms.
typedef gboolean (*SuiteCondition)(gpointer user);
gboolean suite_until(SuiteCondition condition, gpointer user, guint timeout_ms);
// Until a line of <name>.log contains `text` `count` times in all.
gboolean suite_until_logged(Suite *suite, const char *name, const char *text, guint count,
                            guint timeout_ms);
// How many lines of <name>.log contain text.
guint suite_logged(const Suite *suite, const char *name, const char *text);

// A bus client of this suite in this process ("test-<8 hex>"), made at the first call, owned by the
// suite.
Bus *suite_bus(Suite *suite);
// A Config with this suite's settings; borrowed.
const Config *suite_config(Suite *suite);
// GET http://127.0.0.1:<gateway port><path>; the body (newly allocated), NULL if it cannot be had;
// ret_status may be NULL.
char *suite_http_get(Suite *suite, const char *path, guint *ret_status);
