// SPDX-License-Identifier: MIT
// What every fuzz target shares. A target takes any bytes, drives the code under test with them and
// checks with wend_assert what must hold whatever the bytes are.
#ifndef WEND_TESTS_FUZZ_H
#define WEND_TESTS_FUZZ_H

#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

#pragma GCC visibility push(default)
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#pragma GCC visibility pop

// Whether a view lies within another; an empty one lies anywhere.
static inline bool fuzz_is_within(struct wend_bytes inner, struct wend_bytes outer)
{
    if (inner.len == 0)
        return true;
    return inner.at >= outer.at && inner.len <= outer.len &&
           (size_t)(inner.at - outer.at) <= outer.len - inner.len;
}

// Reads every byte, so that a sanitizer sees a view that leads out of its memory.
static inline uint64_t fuzz_digest(uint64_t digest, struct wend_bytes in)
{
    for (size_t i = 0; i < in.len; i++)
        digest = (digest ^ in.at[i]) * UINT64_C(0x100000001b3);
    return (digest ^ in.len) * UINT64_C(0x100000001b3);
}

#endif
