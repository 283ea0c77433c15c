// SPDX-License-Identifier: MIT
// How fast rooms come to be: one after the other (the spare is warm), and a hundred at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/stage.h"

#define ROOMS 100
#define SINGLE 20
#define PAUSE_MS 300 // for the next spare to get warm

static guint answered;
static char *media[SINGLE + ROOMS];

static void on_answer(const Envelope *answer, gpointer user)
{
    (void)user;
    g_autoptr(Json) value = envelope_value(answer);
    if (envelope_code(answer) < 200)
        return;
    g_assert(envelope_code(answer) == 200);
    media[answered++] = g_strdup(json_get_text(value, "media"));
}

static gboolean all_answered(gpointer user)
{
    return answered >= GPOINTER_TO_UINT(user);
}

static gboolean has_passed(gpointer until)
{
    return g_get_monotonic_time() >= *(const gint64 *)until;
}

static void ask(Suite *suite, const Stage *stage, guint number)
{
    g_autofree char *text = g_strdup_printf("{\"method\":\"startRoom\",\"params\":[{\"roomId\":\"r%"
                                            "u\",\"url\":\"comm://localhost/r%u-1\","
                                            "\"epoch\":1}]}",
                                            number, number);
    g_autoptr(Json) body = json_parse(text, strlen(text), 1000, NULL);
    Envelope *request = envelope_new(MSG__ENVELOPE__TYPE__EXECUTE, "hyperty://localhost/conference",
                                     stage_worker(stage));
    envelope_set_body(request, body);
    bus_request(suite_bus(suite), request, 20000, on_answer, NULL);
}

static gint by_size(gconstpointer a, gconstpointer b)
{
    return *(const gint64 *)a < *(const gint64 *)b ? -1 : 1;
}

int main(void)
{
    g_autoptr(Suite) suite = suite_new();
    suite_set(suite, "PARLEY_MEDIA_PORTS", "33000-39999");
    suite_set(suite, "PARLEY_MEDIA_CAPACITY", "1000");
    suite_set(suite, "PARLEY_LOG_LEVEL", "info");
    Stage *stage = stage_new(suite);
    gint64 took[SINGLE];
    for (guint i = 0; i < SINGLE; i++) {
        gint64 until = g_get_monotonic_time() + PAUSE_MS * 1000;
        suite_until(has_passed, &until, 2 * PAUSE_MS);
        gint64 start = g_get_monotonic_time();
        ask(suite, stage, i);
        suite_until(all_answered, GUINT_TO_POINTER(i + 1), 5000);
        took[i] = g_get_monotonic_time() - start;
    }
    qsort(took, SINGLE, sizeof *took, by_size);
    gint64 start = g_get_monotonic_time();
    for (guint i = 0; i < ROOMS; i++)
        ask(suite, stage, SINGLE + i);
    suite_until(all_answered, GUINT_TO_POINTER(SINGLE + ROOMS), 20000);
    g_print("room_start_p50 %.2f ms\n", (double)took[SINGLE / 2] / 1000);
    g_print("room_start_max %.2f ms\n", (double)took[SINGLE - 1] / 1000);
    g_print("rooms_started_at_once %u rooms\n", answered - SINGLE);
    g_print("rooms_started_at_once_took %.0f ms\n",
            (double)(g_get_monotonic_time() - start) / 1000);
    for (guint i = 0; i < answered; i++) {
        json_unref(stage_ask(stage, MSG__ENVELOPE__TYPE__CLOSE, media[i], NULL));
        g_free(media[i]);
    }
    stage_free(stage);
    return 0;
}
