// SPDX-License-Identifier: MIT
#include "crypto/random.h"

#include "base/assert.h"
#include "crypto/crypto.h"
#include "crypto/internal.h"

#include <string.h>

void wend_random_init(struct wend_random *r, const uint8_t seed[static WEND_RANDOM_SEED_LEN])
{
    *r = (struct wend_random){.left = 0};
    memcpy(r->key, seed, sizeof(r->key));
}

void wend_random_close(struct wend_random *r)
{
    wend_wipe(r, sizeof(*r));
}

static void refill(struct wend_random *r)
{
    static const uint8_t iv[16];
    uint8_t stream[sizeof(r->key) + sizeof(r->pool)];
    wend_crypto_keystream(r->key, iv, stream, sizeof(stream));
    memcpy(r->key, stream, sizeof(r->key));
    memcpy(r->pool, stream + sizeof(r->key), sizeof(r->pool));
    wend_wipe(stream, sizeof(stream));
    r->left = sizeof(r->pool);
}

void wend_random_bytes(struct wend_random *r, uint8_t *ret, size_t len)
{
    while (len > 0) {
        if (r->left == 0)
            refill(r);
        const size_t n = len < r->left ? len : r->left;
        uint8_t *at = r->pool + sizeof(r->pool) - r->left;
        memcpy(ret, at, n);
        wend_wipe(at, n);
        r->left -= n;
        ret += n;
        len -= n;
    }
}

uint32_t wend_random_u32(struct wend_random *r)
{
    uint8_t bytes[4];
    wend_random_bytes(r, bytes, sizeof(bytes));
    return wend_get_u32le(bytes);
}

uint64_t wend_random_u64(struct wend_random *r)
{
    uint8_t bytes[8];
    wend_random_bytes(r, bytes, sizeof(bytes));
    return wend_get_u64le(bytes);
}

uint32_t wend_random_below(struct wend_random *r, uint32_t n)
{
    wend_assert(n > 0);
    // The lowest 2^32 mod n numbers are refused, so that each remainder comes from equally many.
    const uint32_t refused = (uint32_t)((UINT64_C(1) << 32) % n);
    uint32_t v;
    do
        v = wend_random_u32(r);
    while (v < refused);
    return v % n;
}

void wend_random_stir(struct wend_random *r, struct wend_bytes extra)
{
    const struct wend_bytes parts[] = {WEND_BYTES(r->key), extra};
    wend_blake2s(parts, 2, r->key);
    wend_wipe(r->pool, sizeof(r->pool));
    r->left = 0;
}
