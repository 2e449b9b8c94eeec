// SPDX-License-Identifier: MIT
// The fast hash that the simulator's cryptography is made of: 64 by 64 bit multiplications, folded.
// It keeps apart whatever differs, which is all that a simulation asks; it protects nothing.
#ifndef WEND_SIM_FAKE_CRYPTO_MIX_H
#define WEND_SIM_FAKE_CRYPTO_MIX_H

#include <endian.h>
#include <string.h>

#include "base/bytes.h"

// Two lanes, so that 128 bits can be read.
struct mix {
    uint64_t a, b;
};

// What is being computed: the same input gives something else for each.
enum mix_use {
    MIX_AEAD = 1,
    MIX_XAEAD,
    MIX_HKDF,
    MIX_HMAC,
    MIX_MAC,
    MIX_SCALAR,
    MIX_POINT,
    MIX_STRANGER,
    MIX_SHARED,
    MIX_SIGNATURE,
};

// A and B are for mix_words alone: what it is given must not cancel them.
#define MIX_A UINT64_C(0xa0761d6478bd642f)
#define MIX_B UINT64_C(0xe7037ed1a0b428db)
#define MIX_C UINT64_C(0x8ebc6af09c88c6e3)
#define MIX_D UINT64_C(0x589965cc75374cc3)

// Little-endian, in one instruction each.
static inline uint64_t mix_load(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return le64toh(v);
}

static inline void mix_store(uint8_t *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof(v));
}

static inline uint64_t mix_fold(uint64_t x, uint64_t y)
{
    const unsigned __int128 product = (unsigned __int128)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// 16 bytes, as two words.
static inline void mix_words(struct mix *m, uint64_t first, uint64_t second)
{
    m->a = mix_fold(first ^ MIX_A, second ^ m->a);
    m->b = mix_fold(first ^ m->b, second ^ MIX_B);
}

static inline struct mix mix_start(enum mix_use use, uint64_t key)
{
    struct mix m = {.a = MIX_C, .b = MIX_D};
    mix_words(&m, key, MIX_D + (uint64_t)use);
    return m;
}

// Any number of bytes, and then how many they were: parts do not run into each other.
void wend_fake_mix(struct mix *m, struct wend_bytes in);
// Reads `len` bytes, a multiple of 8.
void wend_fake_expand(const struct mix *m, uint8_t *ret, size_t len);
// A 32-byte key as one word, never 0.
uint64_t wend_fake_key_word(const uint8_t key[static 32]);

#endif
