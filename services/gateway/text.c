// SPDX-License-Identifier: MIT
// See text.h.
#include "gateway/text.h"

#include <string.h>

struct Text {
    guint references;
    gsize length;
    char bytes[]; // headroom, payload, NUL
};

Text *text_new(const char *bytes, gsize length)
{
    Text *text = g_malloc(sizeof *text + TEXT_HEADROOM + length + 1);
    text->references = 1;
    text->length = length;
    memcpy(text->bytes + TEXT_HEADROOM, bytes, length);
    text->bytes[TEXT_HEADROOM + length] = '\0';
    return text;
}

Text *text_from_json(const Json *json)
{
    gsize length = 0;
    g_autofree char *bytes = json_print(json, &length);
    return text_new(bytes, length);
}

Text *text_ref(Text *text)
{
    text->references++;
    return text;
}

void text_unref(Text *text)
{
    if (text != NULL && --text->references == 0)
        g_free(text);
}

char *text_bytes(Text *text)
{
    return text->bytes + TEXT_HEADROOM;
}

gsize text_length(const Text *text)
{
    return text->length;
}
