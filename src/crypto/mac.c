// SPDX-License-Identifier: MIT
// Keyed hashes. A context keeps its last key, so it is given a zero key before return.
#include "crypto/crypto.h"

#include "base/assert.h"
#include "crypto/internal.h"

static void absorb(EVP_MAC_CTX *context, struct wend_bytes key, const struct wend_bytes *parts,
                   size_t count)
{
    // A NULL key would mean 'the last key again'.
    bool ok = EVP_MAC_init(context, key.len > 0 ? key.at : wend_zero_key, key.len, NULL) == 1;
    for (size_t i = 0; i < count; i++)
        ok = ok && (parts[i].len == 0 || EVP_MAC_update(context, parts[i].at, parts[i].len) == 1);
    wend_assert(ok);
}

static void finish(EVP_MAC_CTX *context, uint8_t *ret, size_t len)
{
    const int ok = EVP_MAC_final(context, ret, NULL, len);
    wend_assert(ok == 1);
}

static void forget_key(EVP_MAC_CTX *context)
{
    absorb(context, WEND_BYTES(wend_zero_key), NULL, 0);
}

void wend_blake2s_mac(struct wend_bytes key, struct wend_bytes in,
                      uint8_t ret[static WEND_BLAKE2S_MAC_LEN])
{
    EVP_MAC_CTX *context = wend_crypto_scratch()->blake2s_mac;
    wend_assert(key.len >= 1 && key.len <= 32);
    absorb(context, key, &in, 1);
    finish(context, ret, WEND_BLAKE2S_MAC_LEN);
    forget_key(context);
}

void wend_hmac_blake2s(struct wend_bytes key, struct wend_bytes in,
                       uint8_t ret[static WEND_BLAKE2S_LEN])
{
    EVP_MAC_CTX *context = wend_crypto_scratch()->hmac_blake2s;
    absorb(context, key, &in, 1);
    finish(context, ret, WEND_BLAKE2S_LEN);
    forget_key(context);
}

// temp = HMAC(chaining_key, in); output 1 = HMAC(temp, 0x01); output n = HMAC(temp, output n-1 ||
// n).
void wend_hkdf(const uint8_t chaining_key[static WEND_BLAKE2S_LEN], struct wend_bytes in,
               uint8_t (*ret)[WEND_BLAKE2S_LEN], size_t count)
{
    EVP_MAC_CTX *context = wend_crypto_scratch()->hmac_blake2s;
    wend_assert(count >= 1 && count <= WEND_HKDF_OUTPUTS_MAX);
    uint8_t temp[WEND_BLAKE2S_LEN];
    absorb(context, (struct wend_bytes){chaining_key, WEND_BLAKE2S_LEN}, &in, 1);
    finish(context, temp, sizeof(temp));
    for (size_t i = 0; i < count; i++) {
        const uint8_t number = (uint8_t)(i + 1);
        const struct wend_bytes parts[] = {
            {i > 0 ? ret[i - 1] : NULL, i > 0 ? WEND_BLAKE2S_LEN : 0},
            {&number, 1},
        };
        absorb(context, WEND_BYTES(temp), parts, 2);
        finish(context, ret[i], WEND_BLAKE2S_LEN);
    }
    forget_key(context);
    wend_wipe(temp, sizeof(temp));
}

void wend_hmac_sha1(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                    uint8_t ret[static 20])
{
    EVP_MAC_CTX *context = wend_crypto_scratch()->hmac_sha1;
    absorb(context, key, parts, count);
    finish(context, ret, 20);
    forget_key(context);
}

void wend_hmac_sha256(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                      uint8_t ret[static 32])
{
    EVP_MAC_CTX *context = wend_crypto_scratch()->hmac_sha256;
    absorb(context, key, parts, count);
    finish(context, ret, 32);
    forget_key(context);
}
