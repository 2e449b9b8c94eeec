// SPDX-License-Identifier: MIT
// The curves of src/crypto, under the names of real_crypto.h.
#ifndef WEND_SIM_MEMO_CRYPTO_REAL_H
#define WEND_SIM_MEMO_CRYPTO_REAL_H

#include "base/bytes.h"

void wend_real_x25519_public(const uint8_t private_key[static 32], uint8_t ret_public[static 32]);
int wend_real_x25519(const uint8_t private_key[static 32], const uint8_t public_key[static 32],
                     uint8_t ret_shared[static 32]);
void wend_real_ed25519_public(const uint8_t seed[static 32], uint8_t ret_public[static 32]);
void wend_real_ed25519_sign(const uint8_t seed[static 32], struct wend_bytes in,
                            uint8_t ret_signature[static 64]);
int wend_real_ed25519_verify(const uint8_t public_key[static 32], struct wend_bytes in,
                             const uint8_t signature[static 64]);

#endif
