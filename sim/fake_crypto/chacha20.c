// SPDX-License-Identifier: MIT
// ChaCha20's keystream, RFC 8439 section 2.3, four blocks at a time: src/crypto/random.c, which is
// compiled into this library as it is, then gives the numbers that it gives elsewhere.
#include <string.h>

#include "crypto/internal.h"

#define LANES 4

// The same word of four blocks.
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

static inline lanes spread(uint32_t v)
{
    return (lanes){v, v, v, v};
}

static inline lanes rotate_left(lanes v, unsigned bits)
{
    return v << bits | v >> (32 - bits);
}

static inline void quarter_round(lanes *a, lanes *b, lanes *c, lanes *d)
{
    *a += *b;
    *d = rotate_left(*d ^ *a, 16);
    *c += *d;
    *b = rotate_left(*b ^ *c, 12);
    *a += *b;
    *d = rotate_left(*d ^ *a, 8);
    *c += *d;
    *b = rotate_left(*b ^ *c, 7);
}

static void run_rounds(lanes x[static 16])
{
    for (int i = 0; i < 10; i++) {
        quarter_round(&x[0], &x[4], &x[8], &x[12]);
        quarter_round(&x[1], &x[5], &x[9], &x[13]);
        quarter_round(&x[2], &x[6], &x[10], &x[14]);
        quarter_round(&x[3], &x[7], &x[11], &x[15]);
        quarter_round(&x[0], &x[5], &x[10], &x[15]);
        quarter_round(&x[1], &x[6], &x[11], &x[12]);
        quarter_round(&x[2], &x[7], &x[8], &x[13]);
        quarter_round(&x[3], &x[4], &x[9], &x[14]);
    }
}

static void write_blocks(const lanes start[static 16], uint8_t ret[static 64 * LANES])
{
    lanes x[16];
    memcpy(x, start, sizeof(x));
    run_rounds(x);
    for (size_t word = 0; word < 16; word++) {
        x[word] += start[word];
        for (size_t block = 0; block < LANES; block++)
            wend_put_u32le(ret + 64 * block + 4 * word, x[word][block]);
    }
}

void wend_crypto_keystream(const uint8_t key[static 32], const uint8_t iv[static 16], uint8_t *ret,
                           size_t len)
{
    lanes start[16] = {spread(0x61707865), spread(0x3320646e), spread(0x79622d32),
                       spread(0x6b206574)};
    uint8_t blocks[64 * LANES];
    for (size_t i = 0; i < 8; i++)
        start[4 + i] = spread(wend_get_u32le(key + 4 * i));
    for (size_t i = 0; i < 4; i++)
        start[12 + i] = spread(wend_get_u32le(iv + 4 * i));
    start[12] += (lanes){0, 1, 2, 3};
    for (size_t at = 0; at < len; at += sizeof(blocks)) {
        const size_t n = len - at < sizeof(blocks) ? len - at : sizeof(blocks);
        write_blocks(start, blocks);
        memcpy(ret + at, blocks, n);
        start[12] += spread(LANES);
    }
}
