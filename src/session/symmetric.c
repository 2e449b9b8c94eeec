// SPDX-License-Identifier: MIT
#include "session/symmetric.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/crypto.h"

void wend_symmetric_start(struct wend_symmetric *s, const struct wend_prologue *prologue,
                          const uint8_t responder[static 32])
{
    memcpy(s->chaining_key, prologue->chaining_key, sizeof s->chaining_key);
    memcpy(s->hash, prologue->hash, sizeof s->hash);
    memset(s->key, 0, sizeof s->key);
    wend_symmetric_mix_hash(s, (struct wend_bytes){responder, WEND_SESSION_KEY_LEN});
}

void wend_symmetric_mix_hash(struct wend_symmetric *s, struct wend_bytes in)
{
    const struct wend_bytes parts[] = {{s->hash, sizeof s->hash}, in};
    wend_blake2s(parts, 2, s->hash);
}

void wend_symmetric_mix_key(struct wend_symmetric *s, const uint8_t in[static 32])
{
    uint8_t keys[2][WEND_BLAKE2S_LEN];
    wend_hkdf(s->chaining_key, (struct wend_bytes){in, 32}, keys, 2);
    memcpy(s->chaining_key, keys[0], sizeof s->chaining_key);
    memcpy(s->key, keys[1], sizeof s->key);
    wend_wipe(keys, sizeof keys);
}

// WireGuard calls it KDF1, Noise MixKey: the key that Noise would derive too is never used, because
// a DH always follows before anything is sealed.
void wend_symmetric_mix_ephemeral(struct wend_symmetric *s, const uint8_t in[static 32])
{
    wend_symmetric_mix_hash(s, (struct wend_bytes){in, 32});
    wend_hkdf(s->chaining_key, (struct wend_bytes){in, 32}, &s->chaining_key, 1);
}

void wend_symmetric_mix_psk(struct wend_symmetric *s, const uint8_t psk[static 32])
{
    uint8_t keys[3][WEND_BLAKE2S_LEN];
    wend_hkdf(s->chaining_key, (struct wend_bytes){psk, 32}, keys, 3);
    memcpy(s->chaining_key, keys[0], sizeof s->chaining_key);
    wend_symmetric_mix_hash(s, (struct wend_bytes){keys[1], sizeof keys[1]});
    memcpy(s->key, keys[2], sizeof s->key);
    wend_wipe(keys, sizeof keys);
}

int wend_symmetric_mix_dh(struct wend_symmetric *s, const uint8_t private_key[static 32],
                          const uint8_t public_key[static 32])
{
    uint8_t shared[WEND_X25519_LEN];
    const int error = wend_x25519(private_key, public_key, shared);
    if (error)
        return error;
    wend_symmetric_mix_key(s, shared);
    wend_wipe(shared, sizeof shared);
    return 0;
}

void wend_symmetric_seal(struct wend_symmetric *s, uint8_t *at, size_t len)
{
    wend_aead_seal(s->key, 0, (struct wend_bytes){s->hash, sizeof s->hash},
                   (struct wend_bytes){at, len}, at);
    wend_symmetric_mix_hash(s, (struct wend_bytes){at, len + WEND_AEAD_TAG_LEN});
}

int wend_symmetric_open(struct wend_symmetric *s, struct wend_bytes in, uint8_t *ret)
{
    // Hashed before opening, because `ret` may be where `in` is.
    const struct wend_bytes parts[] = {{s->hash, sizeof s->hash}, in};
    uint8_t after[WEND_SESSION_HASH_LEN];
    wend_blake2s(parts, 2, after);
    const int error = wend_aead_open(s->key, 0, parts[0], in, ret);
    if (error)
        return error;
    memcpy(s->hash, after, sizeof s->hash);
    return 0;
}

void wend_symmetric_split(const struct wend_symmetric *s, struct wend_keys *keys)
{
    static const char control[] = "wend control";
    const struct wend_bytes labels[] = {{0}, {(const uint8_t *)control, sizeof control - 1}};
    uint8_t(*const targets[2][2])[WEND_SESSION_KEY_LEN] = {
        {&keys->send_key, &keys->receive_key},
        {&keys->control_send_key, &keys->control_receive_key},
    };
    for (size_t i = 0; i < 2; i++) {
        uint8_t pair[2][WEND_BLAKE2S_LEN]; // the initiator's sending key is the first
        wend_hkdf(s->chaining_key, labels[i], pair, 2);
        memcpy(targets[i][0], pair[keys->initiator ? 0 : 1], WEND_SESSION_KEY_LEN);
        memcpy(targets[i][1], pair[keys->initiator ? 1 : 0], WEND_SESSION_KEY_LEN);
        wend_wipe(pair, sizeof pair);
    }
    memcpy(keys->handshake_hash, s->hash, sizeof keys->handshake_hash);
}
