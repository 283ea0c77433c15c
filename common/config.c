// SPDX-License-Identifier: MIT
// See config.h. Each source of settings only calls set_named, in the order of growing authority;
// what is not in the table is an error that names it, so that a typing error never runs silently
// with a default. Environment variables are the exception: other tools may own some, they are told.
#include "common/config.h"

#include <gio/gio.h>
#include <string.h>

#include "common/log.h"

typedef struct {
    const char *name, *fallback;
    gboolean secret;
    const char *text;
} Row;

static const Row rows[] = {
#define CONFIG_ROW(id, name, fallback, secret, text) {name, fallback, secret, text},
    CONFIG_KEYS(CONFIG_ROW)
#undef CONFIG_ROW
};

// PARLEY_* variables that are no settings: of the supervisor and of the tests.
static const char *const tools[] = {"PARLEY_BIN", "PARLEY_RUN_DIR", "PARLEY_TEST_KEEP"};

struct Config {
    char *values[CONFIG_COUNT];
};

static gint key_of(const char *name)
{
    for (guint i = 0; i < CONFIG_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (gint)i;
    return -1;
}

void config_set(Config *config, ConfigKey key, const char *value)
{
    char *copy = g_strdup(value);
    g_free(config->values[key]);
    config->values[key] = copy;
}

static gboolean set_named(Config *config, const char *name, const char *value, GError **error)
{
    gint key = key_of(name);
    if (key < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                    "there is no setting %s (--help lists them)", name);
        return FALSE;
    }
    config_set(config, (ConfigKey)key, value);
    return TRUE;
}

static gboolean read_group(Config *config, GKeyFile *file, const char *group, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, error);
    for (guint i = 0; keys != NULL && keys[i] != NULL; i++) {
        g_autofree char *name = g_strconcat(group, ".", keys[i], NULL);
        g_autofree char *value = g_key_file_get_string(file, group, keys[i], error);
        if (value == NULL || !set_named(config, name, value, error))
            return FALSE;
    }
    return keys != NULL;
}

static gboolean read_file(Config *config, const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    gboolean read = g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, error);
    g_auto(GStrv) groups = read ? g_key_file_get_groups(file, NULL) : NULL;
    for (guint i = 0; read && groups[i] != NULL; i++)
        read = read_group(config, file, groups[i], error);
    if (!read)
        g_prefix_error(error, "%s: ", path);
    return read;
}

// "bus.publish" -> "PARLEY_BUS_PUBLISH"
static char *variable_of(const char *name)
{
    g_autofree char *upper = g_ascii_strup(name, -1);
    return g_strconcat("PARLEY_", g_strdelimit(upper, ".", '_'), NULL);
}

static gboolean read_secret(Config *config, ConfigKey key, const char *path, GError **error)
{
    g_autofree char *contents = NULL;
    if (!g_file_get_contents(path, &contents, NULL, error))
        return FALSE;
    contents[strcspn(contents, "\r\n")] = '\0';
    config_set(config, key, contents);
    return TRUE;
}

// The settings that the environment has; takes each variable out of `unread`.
static gboolean read_environment(Config *config, GHashTable *unread, GError **error)
{
    for (guint i = 0; i < CONFIG_COUNT; i++) {
        g_autofree char *variable = variable_of(rows[i].name);
        g_autofree char *file = g_strconcat(variable, "_FILE", NULL);
        const char *value = g_getenv(variable);
        const char *path = rows[i].secret ? g_getenv(file) : NULL;
        g_hash_table_remove(unread, variable);
        if (rows[i].secret)
            g_hash_table_remove(unread, file);
        if (value != NULL)
            config_set(config, (ConfigKey)i, value);
        else if (path != NULL && !read_secret(config, (ConfigKey)i, path, error))
            return FALSE;
    }
    return TRUE;
}

static GHashTable *parley_variables(void)
{
    GHashTable *variables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) all = g_listenv();
    for (guint i = 0; all[i] != NULL; i++)
        if (g_str_has_prefix(all[i], "PARLEY_"))
            g_hash_table_add(variables, g_strdup(all[i]));
    for (guint i = 0; i < G_N_ELEMENTS(tools); i++)
        g_hash_table_remove(variables, tools[i]);
    return variables;
}

static void report_unknown(GHashTable *unread)
{
    GHashTableIter iter;
    gpointer variable;
    g_hash_table_iter_init(&iter, unread);
    while (g_hash_table_iter_next(&iter, &variable, NULL))
        log_event(LOG_WARNING, "config.unknown_variable", "variable=%s", log_quote(variable));
}

// Whether argument is a setting: `--section.key=value`, recognised by the dot in its name.
static gboolean is_setting(const char *argument)
{
    gsize name = strcspn(argument, "=");
    return g_str_has_prefix(argument, "--") && memchr(argument, '.', name) != NULL;
}

static gboolean read_flag(Config *config, const char *argument, GError **error)
{
    const char *value = strchr(argument, '=');
    if (value == NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "%s lacks its value: --section.key=value", argument);
        return FALSE;
    }
    g_autofree char *name = g_strndup(argument + 2, (gsize)(value - argument) - 2);
    return set_named(config, name, value + 1, error);
}

// Moves what is ours out of argv, up to "--": settings to `flags`, the file's name to ret_path (all
// borrowed).
static gboolean sort_arguments(int *argc, char **argv, GPtrArray *flags, const char **ret_path,
                               GError **error)
{
    int kept = MIN(1, *argc), i = kept;
    for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < *argc) {
            *ret_path = argv[++i];
        } else if (strcmp(argv[i], "--config") == 0) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--config lacks a file");
            return FALSE;
        } else if (g_str_has_prefix(argv[i], "--config=")) {
            *ret_path = argv[i] + strlen("--config=");
        } else if (is_setting(argv[i])) {
            g_ptr_array_add(flags, argv[i]);
        } else {
            argv[kept++] = argv[i];
        }
    }
    while (i < *argc)
        argv[kept++] = argv[i++];
    argv[kept] = NULL;
    *argc = kept;
    return TRUE;
}

Config *config_new(int *argc, char ***argv, GError **error)
{
    g_autoptr(Config) config = g_new0(Config, 1);
    g_autoptr(GPtrArray) flags = g_ptr_array_new();
    g_autoptr(GHashTable) unread = parley_variables();
    const char *path = NULL;
    for (guint i = 0; i < CONFIG_COUNT; i++)
        config_set(config, (ConfigKey)i, rows[i].fallback);
    if (!sort_arguments(argc, *argv, flags, &path, error))
        return NULL;
    if (path != NULL && !read_file(config, path, error))
        return NULL;
    if (!read_environment(config, unread, error))
        return NULL;
    for (guint i = 0; i < flags->len; i++)
        if (!read_flag(config, flags->pdata[i], error))
            return NULL;
    report_unknown(unread);
    return g_steal_pointer(&config);
}

void config_free(Config *config)
{
    if (config == NULL)
        return;
    for (guint i = 0; i < CONFIG_COUNT; i++)
        g_free(config->values[i]);
    g_free(config);
}

const char *config_text(const Config *config, ConfigKey key)
{
    return config->values[key];
}

gboolean config_number(const Config *config, ConfigKey key, gint64 least, gint64 most,
                       gint64 *ret_number, GError **error)
{
    if (g_ascii_string_to_signed(config->values[key], 10, least, most, ret_number, NULL))
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "%s=%s is no whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                rows[key].name, config->values[key], least, most);
    return FALSE;
}

static gboolean is_one_of(const char *value, const char *const *words)
{
    for (; *words != NULL; words++)
        if (g_ascii_strcasecmp(value, *words) == 0)
            return TRUE;
    return FALSE;
}

gboolean config_flag(const Config *config, ConfigKey key, gboolean *ret_flag, GError **error)
{
    static const char *const on[] = {"true", "yes", "1", NULL};
    static const char *const off[] = {"false", "no", "0", NULL};
    gboolean yes = is_one_of(config->values[key], on);
    if (!yes && !is_one_of(config->values[key], off)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "%s=%s is neither true nor false", rows[key].name, config->values[key]);
        return FALSE;
    }
    *ret_flag = yes;
    return TRUE;
}

char **config_list(const Config *config, ConfigKey key)
{
    g_auto(GStrv) parts = g_strsplit(config->values[key], ",", -1);
    g_autoptr(GStrvBuilder) list = g_strv_builder_new();
    for (guint i = 0; parts[i] != NULL; i++)
        if (*g_strstrip(parts[i]) != '\0')
            g_strv_builder_add(list, parts[i]);
    return g_strv_builder_end(list);
}

char *config_sample(void)
{
    GString *text = g_string_new(
        "# Settings of every program, with their defaults. --section.key=value goes before\n"
        "# PARLEY_SECTION_KEY in the environment, that before this file.\n");
    gsize section = 0;
    for (guint i = 0; i < CONFIG_COUNT; i++) {
        const char *name = rows[i].name, *key = strchr(name, '.') + 1;
        if (i == 0 || strncmp(rows[i - 1].name, name, (gsize)(key - name)) != 0) {
            section = (gsize)(key - name) - 1;
            g_string_append_printf(text, "\n[%.*s]\n", (int)section, name);
        }
        g_string_append_printf(text, "# %s%s\n#%s=%s\n", rows[i].text,
                               rows[i].secret ? " (secret)" : "", key, rows[i].fallback);
    }
    return g_string_free(text, FALSE);
}

char *config_help(void)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < CONFIG_COUNT; i++) {
        const char *fallback = rows[i].fallback;
        g_string_append_printf(text, "  --%s=…\n      %s", rows[i].name, rows[i].text);
        if (*fallback != '\0')
            g_string_append_printf(text, " (%s)", fallback);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
