// SPDX-License-Identifier: MIT
#include "mix.h"

#include <string.h>

void wend_fake_mix(struct mix *m, struct wend_bytes in)
{
    struct mix state = *m; // in registers
    const uint8_t *at = in.at;
    size_t left = in.len;
    for (; left >= 16; left -= 16, at += 16)
        mix_words(&state, mix_load(at), mix_load(at + 8));
    if (left > 0) {
        uint8_t last[16] = {0};
        memcpy(last, at, left);
        mix_words(&state, mix_load(last), mix_load(last + 8));
    }
    mix_words(&state, in.len, MIX_C);
    *m = state;
}

void wend_fake_expand(const struct mix *m, uint8_t *ret, size_t len)
{
    struct mix state = *m;
    for (size_t at = 0; at < len; at += 8) {
        mix_words(&state, at, MIX_D);
        mix_store(ret + at, state.a ^ state.b);
    }
}

uint64_t wend_fake_key_word(const uint8_t key[static 32])
{
    const uint64_t low = mix_fold(mix_load(key) ^ MIX_C, mix_load(key + 8) ^ MIX_D);
    const uint64_t high = mix_fold(mix_load(key + 16) ^ MIX_D, mix_load(key + 24) ^ MIX_C);
    return mix_fold(low ^ MIX_D, high ^ MIX_C) | 1;
}
