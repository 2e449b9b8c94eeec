// SPDX-License-Identifier: MIT
// A deterministic random generator: how randomness enters the rooms that have none of their own.
// Whoever composes the program seeds it (from the kernel, or from the simulator's seed); the same
// seed and the same calls give the same bytes.
//
// ChaCha20 keystream with fast key erasure (Bernstein, 2017): each refill's first 32 bytes replace
// the key, bytes handed out are wiped, so that what was drawn cannot be recomputed from the state.
//
// Not thread-safe; one for each thread. 520 bytes, embeddable.
#ifndef WEND_CRYPTO_RANDOM_H
#define WEND_CRYPTO_RANDOM_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define WEND_RANDOM_SEED_LEN 32

struct wend_random {
    uint8_t key[WEND_RANDOM_SEED_LEN];
    uint8_t pool[480];
    size_t left; // unused bytes, at the end of the pool
};

void wend_random_init(struct wend_random *r, const uint8_t seed[static WEND_RANDOM_SEED_LEN]);
// Wipes the state.
void wend_random_close(struct wend_random *r);

void wend_random_bytes(struct wend_random *r, uint8_t *ret, size_t len);
uint32_t wend_random_u32(struct wend_random *r);
uint64_t wend_random_u64(struct wend_random *r);
// Unbiased, 0 to n - 1. `n` is not 0.
uint32_t wend_random_below(struct wend_random *r, uint32_t n);

// Mixes in more randomness; never makes the state easier to guess.
void wend_random_stir(struct wend_random *r, struct wend_bytes extra);

#endif
