// SPDX-License-Identifier: MIT
// XChaCha20-Poly1305 is ChaCha20-Poly1305 with a subkey and the last 8 bytes of the nonce after
// four zero bytes (draft-irtf-cfrg-xchacha-03 section 2.3), which is our counter's place.
//
// The subkey is HChaCha20 (section 2.2): ChaCha20's rounds without the addition of the initial
// state. libcrypto gives the keystream, which is their sum; the initial state is known, so it is
// subtracted from the words that HChaCha20 outputs, the first and the last row.
#include "crypto/aead.h"

#include "crypto/crypto.h"
#include "crypto/internal.h"

static void derive_subkey(const uint8_t key[static WEND_AEAD_KEY_LEN],
                          const uint8_t nonce[static 16], uint8_t ret[static WEND_AEAD_KEY_LEN])
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    uint8_t block[64];
    wend_crypto_keystream(key, nonce, block, sizeof(block));
    for (size_t i = 0; i < 4; i++) {
        const uint32_t first = wend_get_u32le(block + 4 * i) - constants[i];
        const uint32_t last = wend_get_u32le(block + 48 + 4 * i) - wend_get_u32le(nonce + 4 * i);
        wend_put_u32le(ret + 4 * i, first);
        wend_put_u32le(ret + 16 + 4 * i, last);
    }
    wend_wipe(block, sizeof(block));
}

void wend_xaead_seal(const uint8_t key[static WEND_AEAD_KEY_LEN],
                     const uint8_t nonce[static WEND_XAEAD_NONCE_LEN], struct wend_bytes ad,
                     struct wend_bytes in, uint8_t *out)
{
    uint8_t subkey[WEND_AEAD_KEY_LEN];
    derive_subkey(key, nonce, subkey);
    wend_aead_seal(subkey, wend_get_u64le(nonce + 16), ad, in, out);
    wend_wipe(subkey, sizeof(subkey));
}

int wend_xaead_open(const uint8_t key[static WEND_AEAD_KEY_LEN],
                    const uint8_t nonce[static WEND_XAEAD_NONCE_LEN], struct wend_bytes ad,
                    struct wend_bytes in, uint8_t *out)
{
    uint8_t subkey[WEND_AEAD_KEY_LEN];
    derive_subkey(key, nonce, subkey);
    const int status = wend_aead_open(subkey, wend_get_u64le(nonce + 16), ad, in, out);
    wend_wipe(subkey, sizeof(subkey));
    return status;
}
