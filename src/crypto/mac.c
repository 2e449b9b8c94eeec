// SPDX-License-Identifier: MIT
// Keyed hashes. A context keeps its last key, so it is given a zero key before return.
#include "crypto/crypto.h"

#include "base/assert.h"
#include "crypto/internal.h"

#include <string.h>

#define BLOCK_LEN 64 // BLAKE2s's

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

// RFC 2104's two pads for one key, which a KDF uses several times. libcrypto's HMAC would copy
// digest contexts instead, which takes longer than to hash the pads of BLAKE2s again.
struct pads {
    uint8_t inner[BLOCK_LEN], outer[BLOCK_LEN];
};

static void make_pads(struct wend_bytes key, struct pads *ret)
{
    wend_assert(key.len <= BLOCK_LEN);
    memset(ret->inner, 0x36, sizeof(ret->inner));
    memset(ret->outer, 0x5c, sizeof(ret->outer));
    for (size_t i = 0; i < key.len; i++) {
        ret->inner[i] ^= key.at[i];
        ret->outer[i] ^= key.at[i];
    }
}

static void hmac(const struct pads *pads, struct wend_bytes first, struct wend_bytes second,
                 uint8_t ret[static WEND_BLAKE2S_LEN])
{
    uint8_t hash[WEND_BLAKE2S_LEN];
    const struct wend_bytes inner[] = {WEND_BYTES(pads->inner), first, second};
    const struct wend_bytes outer[] = {WEND_BYTES(pads->outer), WEND_BYTES(hash)};
    wend_blake2s(inner, 3, hash);
    wend_blake2s(outer, 2, ret);
    wend_wipe(hash, sizeof(hash));
}

void wend_hmac_blake2s(struct wend_bytes key, struct wend_bytes in,
                       uint8_t ret[static WEND_BLAKE2S_LEN])
{
    struct pads pads;
    make_pads(key, &pads);
    hmac(&pads, in, (struct wend_bytes){0}, ret);
    wend_wipe(&pads, sizeof(pads));
}

// temp = HMAC(chaining_key, in); output 1 = HMAC(temp, 0x01); output n = HMAC(temp, output n-1 ||
// n).
void wend_hkdf(const uint8_t chaining_key[static WEND_BLAKE2S_LEN], struct wend_bytes in,
               uint8_t (*ret)[WEND_BLAKE2S_LEN], size_t count)
{
    wend_assert(count >= 1 && count <= WEND_HKDF_OUTPUTS_MAX);
    struct pads pads;
    uint8_t temp[WEND_BLAKE2S_LEN];
    make_pads((struct wend_bytes){chaining_key, WEND_BLAKE2S_LEN}, &pads);
    hmac(&pads, in, (struct wend_bytes){0}, temp);
    make_pads(WEND_BYTES(temp), &pads);
    for (size_t i = 0; i < count; i++) {
        const uint8_t number = (uint8_t)(i + 1);
        const struct wend_bytes before = {i > 0 ? ret[i - 1] : NULL, i > 0 ? WEND_BLAKE2S_LEN : 0};
        hmac(&pads, before, (struct wend_bytes){&number, 1}, ret[i]);
    }
    wend_wipe(temp, sizeof(temp));
    wend_wipe(&pads, sizeof(pads));
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
