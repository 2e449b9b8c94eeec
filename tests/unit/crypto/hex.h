// SPDX-License-Identifier: MIT
// Published vectors, written as their documents print them: hexadecimal, spaces allowed.
#ifndef WEND_TESTS_UNIT_CRYPTO_HEX_H
#define WEND_TESTS_UNIT_CRYPTO_HEX_H

#include "../base/unit.h"

#include "base/bytes.h"

struct hex {
    uint8_t at[1024];
    size_t len;
};

static inline struct hex hex(const char *text)
{
    static const char digits[] = "0123456789abcdef";
    struct hex h = {.len = 0};
    size_t nibbles = 0;
    for (; *text != 0; text++) {
        if (*text == ' ')
            continue;
        const char *digit = strchr(digits, *text);
        assert_non_null(digit);
        assert_true(nibbles < 2 * sizeof(h.at));
        h.at[nibbles / 2] = (uint8_t)(h.at[nibbles / 2] << 4 | (digit - digits));
        nibbles++;
    }
    assert_int_equal(nibbles % 2, 0);
    h.len = nibbles / 2;
    return h;
}

// A view of a vector that outlives the call.
static inline struct wend_bytes view_of(const struct hex *h)
{
    return (struct wend_bytes){h->at, h->len};
}

static inline void assert_hex(const uint8_t *got, const char *expected)
{
    const struct hex h = hex(expected);
    assert_memory_equal(got, h.at, h.len);
}

#endif
