// SPDX-License-Identifier: MIT
// What is taken from src/crypto as it is, under the names of real_crypto.h.
#ifndef WEND_SIM_FAKE_CRYPTO_REAL_H
#define WEND_SIM_FAKE_CRYPTO_REAL_H

#include "base/bytes.h"

int wend_real_crypto_init(void);
void wend_real_x25519_public(const uint8_t private_key[static 32], uint8_t ret_public[static 32]);
void wend_real_ed25519_public(const uint8_t seed[static 32], uint8_t ret_public[static 32]);
void wend_real_md5(const struct wend_bytes *parts, size_t count, uint8_t ret[static 16]);
void wend_real_hmac_sha1(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                         uint8_t ret[static 20]);
void wend_real_hmac_sha256(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                           uint8_t ret[static 32]);

#endif
