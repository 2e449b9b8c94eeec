// SPDX-License-Identifier: MIT
// The algorithms of Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (WireGuard's set), Ed25519 for networks
// and invites, and what STUN asks for. Sealing is in aead.h, randomness in random.h.
//
// Every function may be called from any thread. Output may be the same memory as an input unless
// a function says otherwise. Temporary secrets are wiped before return; the caller wipes its own.
//
// libcrypto allocates a little in every call here but wend_blake2s_mac, wend_wipe and wend_equal.
#ifndef WEND_CRYPTO_CRYPTO_H
#define WEND_CRYPTO_CRYPTO_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEND_X25519_LEN       32
#define WEND_ED25519_LEN      32 // seed, and public key
#define WEND_SIGNATURE_LEN    64
#define WEND_BLAKE2S_LEN      32
#define WEND_BLAKE2S_MAC_LEN  16
#define WEND_HKDF_OUTPUTS_MAX 3

// Fetches every algorithm from libcrypto. Idempotent. Calling it is optional: whoever comes first
// does it, but then failure ends the program.
// Returns 0, or -ENOTSUP when libcrypto lacks an algorithm (such as MD5 under FIPS rules).
int wend_crypto_init(void);

// Overwrites secrets; the compiler cannot remove it.
void wend_wipe(void *at, size_t len);
// Compares secrets: the time depends on `len` alone.
bool wend_equal(const void *a, const void *b, size_t len);

// X25519, RFC 7748. A private key is any 32 random bytes: it is clamped inside, on every use, and
// need not be stored clamped. The top bit of a public key is ignored (section 5).
void wend_x25519_public(const uint8_t private_key[static WEND_X25519_LEN],
                        uint8_t ret_public[static WEND_X25519_LEN]);
// Returns 0, or -EBADMSG when the result is all zero (the peer sent a point of small order,
// section 6.1); `ret_shared` is untouched then.
int wend_x25519(const uint8_t private_key[static WEND_X25519_LEN],
                const uint8_t public_key[static WEND_X25519_LEN],
                uint8_t ret_shared[static WEND_X25519_LEN]);

// Ed25519, RFC 8032; the seed is the RFC's private key. Signing is deterministic.
void wend_ed25519_public(const uint8_t seed[static WEND_ED25519_LEN],
                         uint8_t ret_public[static WEND_ED25519_LEN]);
void wend_ed25519_sign(const uint8_t seed[static WEND_ED25519_LEN], struct wend_bytes in,
                       uint8_t ret_signature[static WEND_SIGNATURE_LEN]);
// Returns 0, or -EBADMSG. A signature has one encoding (S below the group order); a public key of
// small order is not refused: whoever chooses one lets everybody sign for them.
int wend_ed25519_verify(const uint8_t public_key[static WEND_ED25519_LEN], struct wend_bytes in,
                        const uint8_t signature[static WEND_SIGNATURE_LEN]);

// BLAKE2s-256 (RFC 7693) over the parts one after the other. Noise's HASH and MixHash.
void wend_blake2s(const struct wend_bytes *parts, size_t count,
                  uint8_t ret[static WEND_BLAKE2S_LEN]);
// Keyed BLAKE2s with 16 bytes of output: WireGuard's MAC. The key has 1 to 32 bytes.
void wend_blake2s_mac(struct wend_bytes key, struct wend_bytes in,
                      uint8_t ret[static WEND_BLAKE2S_MAC_LEN]);
// HMAC (RFC 2104) with BLAKE2s-256: Noise's HMAC-HASH. The key has up to 64 bytes.
void wend_hmac_blake2s(struct wend_bytes key, struct wend_bytes in,
                       uint8_t ret[static WEND_BLAKE2S_LEN]);
// Noise's HKDF, WireGuard's KDF_n: `count` outputs (1 to WEND_HKDF_OUTPUTS_MAX) of 32 bytes.
// `ret` may overlap the chaining key and `in`.
void wend_hkdf(const uint8_t chaining_key[static WEND_BLAKE2S_LEN], struct wend_bytes in,
               uint8_t (*ret)[WEND_BLAKE2S_LEN], size_t count);

// For STUN (RFC 8489 sections 9.2.2, 14.5 and 14.6) and nothing else. Over the parts one after the
// other, so that a header with a changed length needs no copy of the message.
void wend_md5(const struct wend_bytes *parts, size_t count, uint8_t ret[static 16]);
void wend_hmac_sha1(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                    uint8_t ret[static 20]);
void wend_hmac_sha256(struct wend_bytes key, const struct wend_bytes *parts, size_t count,
                      uint8_t ret[static 32]);

#endif
