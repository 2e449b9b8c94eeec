// SPDX-License-Identifier: MIT
// Keyed hashes are fast ones. What STUN asks for is the real thing: it is rare. BLAKE2s without a
// key is real too (blake2s.c), because names, ids and addresses come from it.
#include "crypto/crypto.h"

#include <string.h>

#include "base/assert.h"
#include "mix.h"
#include "real.h"

static struct mix mix_keyed(enum mix_use use, struct wend_bytes key, struct wend_bytes in)
{
    struct mix m = mix_start(use, 0);
    wend_fake_mix(&m, key);
    wend_fake_mix(&m, in);
    return m;
}

void wend_blake2s_mac(struct wend_bytes key, struct wend_bytes in,
                      uint8_t ret[static WEND_BLAKE2S_MAC_LEN])
{
    wend_assert(key.len >= 1 && key.len <= 32);
    const struct mix m = mix_keyed(MIX_MAC, key, in);
    wend_fake_expand(&m, ret, WEND_BLAKE2S_MAC_LEN);
}

void wend_hmac_blake2s(struct wend_bytes key, struct wend_bytes in,
                       uint8_t ret[static WEND_BLAKE2S_LEN])
{
    const struct mix m = mix_keyed(MIX_HMAC, key, in);
    wend_fake_expand(&m, ret, WEND_BLAKE2S_LEN);
}

// The first outputs are the same however many there are.
void wend_hkdf(const uint8_t chaining_key[static WEND_BLAKE2S_LEN], struct wend_bytes in,
               uint8_t (*ret)[WEND_BLAKE2S_LEN], size_t count)
{
    wend_assert(count >= 1 && count <= WEND_HKDF_OUTPUTS_MAX);
    const struct mix m =
        mix_keyed(MIX_HKDF, (struct wend_bytes){chaining_key, WEND_BLAKE2S_LEN}, in);
    wend_fake_expand(&m, ret[0], count * WEND_BLAKE2S_LEN);
}

void wend_md5(const struct wend_bytes *parts, size_t count, uint8_t ret[static 16])
{
    wend_real_md5(parts, count, ret);
}

void wend_hmac_sha1(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                    uint8_t ret[static 20])
{
    wend_real_hmac_sha1(key, parts, count, ret);
}

void wend_hmac_sha256(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                      uint8_t ret[static 32])
{
    wend_real_hmac_sha256(key, parts, count, ret);
}

int wend_crypto_init(void)
{
    return wend_real_crypto_init();
}

// The memory is written even where nobody reads it again: state stays the same bit for bit.
void wend_wipe(void *at, size_t len)
{
    if (len > 0)
        memset(at, 0, len);
    __asm__ volatile("" ::"r"(at) : "memory");
}

bool wend_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || memcmp(a, b, len) == 0;
}
