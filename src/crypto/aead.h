// SPDX-License-Identifier: MIT
// Authenticated encryption: ChaCha20-Poly1305 (RFC 8439), one-shot for handshakes and keyed for the
// data path, and XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) for cookies.
//
// The nonce is Noise's and WireGuard's: four zero bytes and the counter, little-endian. The caller
// never seals twice with one key and counter. A sealed text is WEND_AEAD_TAG_LEN longer than the
// plain one. `out` is the place of the input or does not overlap it. When open fails, `out` holds
// zeros where the plain text would have been: no unauthentic byte stays.
#ifndef WEND_CRYPTO_AEAD_H
#define WEND_CRYPTO_AEAD_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define WEND_AEAD_KEY_LEN      32
#define WEND_AEAD_TAG_LEN      16
#define WEND_AEAD_TEXT_LEN_MAX (1u << 20) // far over any datagram; sealing more is asserted against
#define WEND_XAEAD_NONCE_LEN   24

// Writes in.len + WEND_AEAD_TAG_LEN bytes.
void wend_aead_seal(const uint8_t key[static WEND_AEAD_KEY_LEN], uint64_t counter,
                    struct wend_bytes ad, struct wend_bytes in, uint8_t *out);
// Writes in.len - WEND_AEAD_TAG_LEN bytes. Returns 0, or -EBADMSG: too short, or not sealed so.
int wend_aead_open(const uint8_t key[static WEND_AEAD_KEY_LEN], uint64_t counter,
                   struct wend_bytes ad, struct wend_bytes in, uint8_t *out);

// XChaCha20-Poly1305; otherwise the same. A random nonce is safe.
void wend_xaead_seal(const uint8_t key[static WEND_AEAD_KEY_LEN],
                     const uint8_t nonce[static WEND_XAEAD_NONCE_LEN], struct wend_bytes ad,
                     struct wend_bytes in, uint8_t *out);
int wend_xaead_open(const uint8_t key[static WEND_AEAD_KEY_LEN],
                    const uint8_t nonce[static WEND_XAEAD_NONCE_LEN], struct wend_bytes ad,
                    struct wend_bytes in, uint8_t *out);

// One session key, made ready. About 1 KiB inside libcrypto. Seals and opens, but one thread at a
// time. A zeroed one is closed.
struct wend_aead {
    struct evp_cipher_ctx_st *context;
};

// Copies the key; the only call that allocates. Returns 0, or -ENOMEM and `a` is closed.
int wend_aead_init(struct wend_aead *a, const uint8_t key[static WEND_AEAD_KEY_LEN]);
// Wipes and frees; closed already: does nothing.
void wend_aead_close(struct wend_aead *a);

// Data messages: without associated data. No allocation, no lock.
void wend_aead_seal_packet(struct wend_aead *a, uint64_t counter, struct wend_bytes in,
                           uint8_t *out);
int wend_aead_open_packet(struct wend_aead *a, uint64_t counter, struct wend_bytes in,
                          uint8_t *out);

#endif
