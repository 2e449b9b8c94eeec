// SPDX-License-Identifier: MIT
// Volley messages: what was read is written again to the same bytes, and fits into 64 of them.
#include <errno.h>

#include "fuzz.h"
#include "wire/volley.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buffer[WEND_VOLLEY_MESSAGE_MAX];
    struct wend_volley_message m;
    struct wend_writer w = wend_writer_of(buffer, sizeof buffer);
    const int error = wend_volley_message_read((struct wend_bytes){data, size}, &m);

    if (error != 0) {
        wend_assert(error == -EBADMSG);
        return 0;
    }
    wend_volley_message_write(&w, &m);
    wend_assert(!w.failed && w.len == size && memcmp(buffer, data, size) == 0);
    return 0;
}
