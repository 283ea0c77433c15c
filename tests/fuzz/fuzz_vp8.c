// SPDX-License-Identifier: MIT
// VP8 payload descriptors: what is read can be written again, and is then read as written.
#include "media-worker/vp8.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    Vp8Descriptor before, after;
    if (!vp8_parse(&before, data, length))
        return 0;
    const Vp8Numbers numbers = {.picture_id = 0x1234, .tl0picidx = 0x56};
    g_autofree guint8 *copy = g_memdup2(data, length);
    g_assert(before.length <= VP8_DESCRIPTOR_MAX && before.length < length);
    guint8 written[VP8_DESCRIPTOR_MAX];
    gsize size = vp8_descriptor_write(written, data, &before, numbers);
    memcpy(copy, written, size);
    g_assert(size == before.length && vp8_parse(&after, copy, length));
    g_assert(after.length == before.length && after.key_frame == before.key_frame);
    g_assert(!after.has_tl0picidx || after.tl0picidx == 0x56);
    g_assert(!after.long_picture_id || after.picture_id == 0x1234);
    return 0;
}
