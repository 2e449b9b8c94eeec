// SPDX-License-Identifier: MIT
// Unkeyed digests. What they hash may be secret (Noise's chaining), but libcrypto wipes a digest's
// state when it is read.
#include "crypto/crypto.h"

#include "base/assert.h"
#include "crypto/internal.h"

static void digest(EVP_MD_CTX *context, const EVP_MD *algorithm, const struct wend_bytes *parts,
                   size_t count)
{
    bool ok = EVP_DigestInit_ex2(context, algorithm, NULL) == 1;
    for (size_t i = 0; i < count; i++)
        ok = ok && (parts[i].len == 0 || EVP_DigestUpdate(context, parts[i].at, parts[i].len) == 1);
    wend_assert(ok);
}

static void finish(EVP_MD_CTX *context, uint8_t *ret)
{
    const int ok = EVP_DigestFinal_ex(context, ret, NULL);
    wend_assert(ok == 1);
}

void wend_blake2s(const struct wend_bytes *parts, size_t count,
                  uint8_t ret[static WEND_BLAKE2S_LEN])
{
    struct scratch *s = wend_crypto_scratch();
    digest(s->digest, s->blake2s, parts, count);
    finish(s->digest, ret);
}

void wend_md5(const struct wend_bytes *parts, size_t count, uint8_t ret[static 16])
{
    struct scratch *s = wend_crypto_scratch();
    digest(s->digest, s->md5, parts, count);
    finish(s->digest, ret);
}
