// SPDX-License-Identifier: MIT
// Noise's SymmetricState (noise.md section 5.2), for the two halves of the handshake only. Every
// key here seals once, with nonce 0, so no nonce is kept.
#ifndef WEND_SESSION_SYMMETRIC_H
#define WEND_SESSION_SYMMETRIC_H

#include "base/bytes.h"
#include "session/handshake.h"

struct wend_symmetric {
    uint8_t chaining_key[WEND_SESSION_HASH_LEN];
    uint8_t hash[WEND_SESSION_HASH_LEN];
    uint8_t key[WEND_SESSION_KEY_LEN]; // of the last mix_key or mix_psk
};

// The state after the pre-message: the responder's static public key.
void wend_symmetric_start(struct wend_symmetric *s, const struct wend_prologue *prologue,
                          const uint8_t responder[static 32]);
void wend_symmetric_mix_hash(struct wend_symmetric *s, struct wend_bytes in);
void wend_symmetric_mix_key(struct wend_symmetric *s, const uint8_t in[static 32]);
// A public ephemeral: into the hash and, as handshakes with a pre-shared key must, into the key.
void wend_symmetric_mix_ephemeral(struct wend_symmetric *s, const uint8_t in[static 32]);
void wend_symmetric_mix_psk(struct wend_symmetric *s, const uint8_t psk[static 32]);
// DH, then mix_key. Returns 0, or -EBADMSG when the DH yields zero.
int wend_symmetric_mix_dh(struct wend_symmetric *s, const uint8_t private_key[static 32],
                          const uint8_t public_key[static 32]);

// EncryptAndHash in place: `len` bytes at `at` grow by the tag.
void wend_symmetric_seal(struct wend_symmetric *s, uint8_t *at, size_t len);
// DecryptAndHash; writes in.len - 16 bytes to `ret`. Returns 0 or -EBADMSG.
int wend_symmetric_open(struct wend_symmetric *s, struct wend_bytes in, uint8_t *ret);

// Split: the keys for data and for control, put where `keys->initiator` says they belong.
void wend_symmetric_split(const struct wend_symmetric *s, struct wend_keys *keys);

#endif
