// SPDX-License-Identifier: MIT
// For src/crypto alone: the algorithms, fetched once, and each thread's contexts.
//
// Making an EVP context costs more than hashing a handshake message in it, and allocates. So each
// thread keeps one of each kind, made at its first use and freed when the thread ends. Whoever used
// one with a secret leaves it with a zero key.
#ifndef WEND_CRYPTO_INTERNAL_H
#define WEND_CRYPTO_INTERNAL_H

#include "base/bytes.h"

#include <openssl/evp.h>
#include <stdint.h>

struct scratch {
    const EVP_MD *blake2s; // shared by all threads
    const EVP_MD *md5;
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *blake2s_mac;
    EVP_MAC_CTX *hmac_sha1;
    EVP_MAC_CTX *hmac_sha256;
    EVP_CIPHER_CTX *chacha20;
    EVP_CIPHER_CTX *aead;
    EVP_PKEY_CTX *x25519;  // makes keys
    EVP_PKEY *x25519_peer; // some public key
};

extern const uint8_t wend_zero_key[32];

// This thread's contexts; never NULL.
struct scratch *wend_crypto_scratch(void);
// A new context for ChaCha20-Poly1305, or NULL.
EVP_CIPHER_CTX *wend_crypto_new_aead(void);

// ChaCha20's keystream; `iv` is the 32-bit block counter, little-endian, and the 96-bit nonce.
void wend_crypto_keystream(const uint8_t key[static 32], const uint8_t iv[static 16], uint8_t *ret,
                           size_t len);

#endif
