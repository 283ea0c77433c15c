// SPDX-License-Identifier: MIT
// Runs a fuzz target over every file of its corpus folder, without libFuzzer: part of every test
// run. One TAP line.
#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) corpus = argc == 2 ? g_dir_open(argv[1], 0, &error) : NULL;
    guint files = 0;
    if (corpus == NULL) {
        g_print("Bail out! %s: %s\n", argv[0], error != NULL ? error->message : "usage: CORPUS");
        return 1;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (const char *name; (name = g_dir_read_name(corpus)) != NULL; files++) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_autofree char *data = NULL;
        gsize length = 0;
        if (!g_file_get_contents(path, &data, &length, NULL))
            continue;
        // A copy of exactly this size, so that a sanitizer sees a read past the end.
        g_autofree uint8_t *exact = g_memdup2(data, length);
        LLVMFuzzerTestOneInput(exact, length);
    }
    g_print("%s 1 - %s: %u inputs\n1..1\n", files > 0 ? "ok" : "not ok", argv[1], files);
    return files > 0 ? 0 : 1;
}
