// SPDX-License-Identifier: MIT
// The command line of the monitor, read by hand: GOption would answer --help with its own half of
// the options only.
#include "busmon/options.h"

#include <string.h>

#include "common/url.h"

static gboolean refuse(GError **error, const char *text, const char *argument)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: %s", text, argument);
    return FALSE;
}

static gboolean *flag_of(Options *options, const char *argument)
{
    if (strcmp(argument, "--json") == 0)
        return &options->json;
    if (strcmp(argument, "--events") == 0)
        return &options->events;
    if (strcmp(argument, "--all") == 0)
        return &options->all;
    return NULL;
}

// The text that an option sets; ret_value: what follows "=", else NULL.
static char **text_of(Options *options, const char *argument, const char **ret_value)
{
    char **const members[] = {&options->topic, &options->type, &options->room};
    static const char *const names[] = {"--topic", "--type", "--room"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        gsize length = strlen(names[i]);
        if (strncmp(argument, names[i], length) != 0)
            continue;
        if (argument[length] != '\0' && argument[length] != '=')
            continue;
        *ret_value = argument[length] == '=' ? argument + length + 1 : NULL;
        return members[i];
    }
    return NULL;
}

// Takes one option, and its value where that stands by itself. FALSE: not understood.
static gboolean take(Options *options, char ***argument, GError **error)
{
    const char *name = **argument, *value = NULL;
    gboolean *flag = flag_of(options, name);
    char **text = text_of(options, name, &value);
    if (flag != NULL) {
        *flag = TRUE;
        return TRUE;
    }
    if (text == NULL)
        return refuse(error, "not understood (--help lists the options)", name);
    if (value == NULL && (value = *++*argument) == NULL)
        return refuse(error, "a value is missing", name);
    g_free(*text);
    *text = g_strdup(value);
    return TRUE;
}

Options *options_new(int argc, char **argv, GError **error)
{
    g_autoptr(Options) options = g_new0(Options, 1);
    g_auto(GStrv) arguments = g_new0(char *, (gsize)argc + 1);
    for (int i = 1; i < argc; i++)
        arguments[i - 1] = g_strdup(argv[i]);
    for (char **argument = arguments; *argument != NULL; argument++)
        if (!take(options, &argument, error))
            return NULL;
    if (options->room != NULL && !url_is_key(options->room)) {
        refuse(error, "that is no room id", options->room);
        return NULL;
    }
    return g_steal_pointer(&options);
}

void options_free(Options *options)
{
    if (options == NULL)
        return;
    g_free(options->topic);
    g_free(options->type);
    g_free(options->room);
    g_free(options);
}
