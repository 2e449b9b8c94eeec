// SPDX-License-Identifier: MIT
// BLAKE2s-256 without a key, RFC 7693, in plain C: for messages of one or two blocks it is faster
// than libcrypto's, whose calls cost more than the hash.
#include <string.h>

#include "crypto/crypto.h"

#define BLOCK_LEN 64

// Section 2.6, the same as SHA-256's.
static const uint32_t start_value[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Section 2.7.
static const uint8_t schedule[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

struct state {
    uint32_t h[8];
    uint64_t count; // bytes compressed
    uint8_t block[BLOCK_LEN];
    size_t used;
};

static inline uint32_t rotate_right(uint32_t v, unsigned bits)
{
    return v >> bits | v << (32 - bits);
}

// Section 3.1: G on four words of v, the column or diagonal that starts with `a`.
#define MIX_COLUMN(a, b, c, d, x, y)                                                               \
    do {                                                                                           \
        v[a] += v[b] + (x);                                                                        \
        v[d] = rotate_right(v[d] ^ v[a], 16);                                                      \
        v[c] += v[d];                                                                              \
        v[b] = rotate_right(v[b] ^ v[c], 12);                                                      \
        v[a] += v[b] + (y);                                                                        \
        v[d] = rotate_right(v[d] ^ v[a], 8);                                                       \
        v[c] += v[d];                                                                              \
        v[b] = rotate_right(v[b] ^ v[c], 7);                                                       \
    } while (0)

static inline void run_round(uint32_t v[static 16], const uint32_t m[static 16],
                             const uint8_t s[static 16])
{
    MIX_COLUMN(0, 4, 8, 12, m[s[0]], m[s[1]]);
    MIX_COLUMN(1, 5, 9, 13, m[s[2]], m[s[3]]);
    MIX_COLUMN(2, 6, 10, 14, m[s[4]], m[s[5]]);
    MIX_COLUMN(3, 7, 11, 15, m[s[6]], m[s[7]]);
    MIX_COLUMN(0, 5, 10, 15, m[s[8]], m[s[9]]);
    MIX_COLUMN(1, 6, 11, 12, m[s[10]], m[s[11]]);
    MIX_COLUMN(2, 7, 8, 13, m[s[12]], m[s[13]]);
    MIX_COLUMN(3, 4, 9, 14, m[s[14]], m[s[15]]);
}

static void compress(struct state *s, bool last)
{
    uint32_t m[16], v[16];
    for (size_t i = 0; i < 16; i++)
        m[i] = wend_get_u32le(s->block + 4 * i);
    s->count += s->used;
    memcpy(v, s->h, sizeof(s->h));
    memcpy(v + 8, start_value, sizeof(start_value));
    v[12] ^= (uint32_t)s->count;
    v[13] ^= (uint32_t)(s->count >> 32);
    v[14] ^= last ? UINT32_MAX : 0;
#ifndef __clang__ // which refuses under sanitizers
#pragma GCC unroll 10
#endif
    for (size_t i = 0; i < 10; i++)
        run_round(v, m, schedule[i]);
    for (size_t i = 0; i < 8; i++)
        s->h[i] ^= v[i] ^ v[i + 8];
    s->used = 0;
}

// A full block waits until more comes: the last one is compressed otherwise.
static void absorb(struct state *s, struct wend_bytes in)
{
    while (in.len > 0) {
        if (s->used == BLOCK_LEN)
            compress(s, false);
        const size_t n = in.len < BLOCK_LEN - s->used ? in.len : BLOCK_LEN - s->used;
        memcpy(s->block + s->used, in.at, n);
        s->used += n;
        in.at += n;
        in.len -= n;
    }
}

void wend_blake2s(const struct wend_bytes *parts, size_t count,
                  uint8_t ret[static WEND_BLAKE2S_LEN])
{
    struct state s = {.used = 0};
    memcpy(s.h, start_value, sizeof(s.h));
    s.h[0] ^= 0x01010000 ^ WEND_BLAKE2S_LEN; // fanout and depth 1, no key, length of the output
    for (size_t i = 0; i < count; i++)
        absorb(&s, parts[i]);
    memset(s.block + s.used, 0, BLOCK_LEN - s.used);
    compress(&s, true);
    for (size_t i = 0; i < 8; i++)
        wend_put_u32le(ret + 4 * i, s.h[i]);
}
