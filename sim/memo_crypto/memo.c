// SPDX-License-Identifier: MIT
// The true curves, with a memory: a simulator builds the same world a thousand times a second, from
// the same lasting keys and the same signed records. What was computed once is not computed again:
// the public key of a lasting key, what two lasting keys share, and that a signature holds. All
// three are functions of their input, so nobody can tell but by the clock.
//
// What is not remembered: anything with a key that was drawn (handshakes are real, each time), and
// signatures that do not hold.
#include "crypto/crypto.h"

#include <errno.h>
#include <string.h>

#include "key_table.h"
#include "memo_crypto/real.h"

#define MEMO_SLOTS 4096 // a power of two; the newer one replaces the older

struct shared_memo {
    uint32_t numbers; // of the two keys in the table, plus one; 0: empty
    uint8_t shared[32];
};

// BLAKE2s of key, signature and message; all zero: empty, which no hash that matters is.
struct verified_memo {
    uint8_t hash[WEND_BLAKE2S_LEN];
};

static struct wend_key_table lasting;
static _Thread_local struct wend_key_table signers;
static _Thread_local struct shared_memo shared_memos[MEMO_SLOTS];
static _Thread_local struct verified_memo verified_memos[MEMO_SLOTS];

int wend_sim_keys_add(const uint8_t private_key[static 32])
{
    struct wend_key_pair pair;
    if (wend_key_table_find_private(&lasting, private_key) != NULL)
        return 0;
    memcpy(pair.private_key, private_key, 32);
    wend_real_x25519_public(private_key, pair.public_key);
    return wend_key_table_add(&lasting, &pair) != NULL ? 0 : -ENOSPC;
}

void wend_sim_keys_forget(void)
{
    memset(&lasting, 0, sizeof(lasting));
    memset(&signers, 0, sizeof(signers));
    memset(shared_memos, 0, sizeof(shared_memos));
    memset(verified_memos, 0, sizeof(verified_memos));
}

const char *wend_sim_crypto_name(void)
{
    return "real";
}

void wend_x25519_public(const uint8_t private_key[static WEND_X25519_LEN],
                        uint8_t ret_public[static WEND_X25519_LEN])
{
    const struct wend_key_pair *pair = wend_key_table_find_private(&lasting, private_key);
    if (pair != NULL)
        memcpy(ret_public, pair->public_key, 32);
    else
        wend_real_x25519_public(private_key, ret_public);
}

// Where what two lasting keys share is or would be; NULL if one of them does not last.
static struct shared_memo *memo_of(const uint8_t private_key[static 32],
                                   const uint8_t public_key[static 32], uint32_t *ret_numbers)
{
    const struct wend_key_pair *own = wend_key_table_find_private(&lasting, private_key);
    const struct wend_key_pair *peer =
        own != NULL ? wend_key_table_find_public(&lasting, public_key) : NULL;
    if (peer == NULL)
        return NULL;
    *ret_numbers = wend_key_table_number(&lasting, own) * WEND_SIM_KEYS_MAX +
                   wend_key_table_number(&lasting, peer) + 1;
    return &shared_memos[(*ret_numbers * UINT32_C(0x9e3779b1)) >> 20];
}

_Static_assert(MEMO_SLOTS == 1 << 12, "twelve bits of a product choose the slot");

int wend_x25519(const uint8_t private_key[static WEND_X25519_LEN],
                const uint8_t public_key[static WEND_X25519_LEN],
                uint8_t ret_shared[static WEND_X25519_LEN])
{
    uint32_t numbers = 0;
    struct shared_memo *memo = memo_of(private_key, public_key, &numbers);
    if (memo != NULL && memo->numbers == numbers) {
        memcpy(ret_shared, memo->shared, 32);
        return 0;
    }
    const int error = wend_real_x25519(private_key, public_key, ret_shared);
    if (error == 0 && memo != NULL) {
        memo->numbers = numbers;
        memcpy(memo->shared, ret_shared, 32);
    }
    return error;
}

void wend_ed25519_public(const uint8_t seed[static WEND_ED25519_LEN],
                         uint8_t ret_public[static WEND_ED25519_LEN])
{
    const struct wend_key_pair *known = wend_key_table_find_private(&signers, seed);
    if (known == NULL) {
        struct wend_key_pair pair;
        memcpy(pair.private_key, seed, 32);
        wend_real_ed25519_public(seed, pair.public_key);
        if (signers.count == WEND_SIM_KEYS_MAX) // only remembered: may be forgotten
            memset(&signers, 0, sizeof(signers));
        known = wend_key_table_add(&signers, &pair);
    }
    memcpy(ret_public, known->public_key, 32);
}

void wend_ed25519_sign(const uint8_t seed[static WEND_ED25519_LEN], struct wend_bytes in,
                       uint8_t ret_signature[static WEND_SIGNATURE_LEN])
{
    wend_real_ed25519_sign(seed, in, ret_signature);
}

int wend_ed25519_verify(const uint8_t public_key[static WEND_ED25519_LEN], struct wend_bytes in,
                        const uint8_t signature[static WEND_SIGNATURE_LEN])
{
    const struct wend_bytes parts[] = {
        {public_key, WEND_ED25519_LEN}, {signature, WEND_SIGNATURE_LEN}, in};
    uint8_t hash[WEND_BLAKE2S_LEN];
    wend_blake2s(parts, 3, hash);
    struct verified_memo *memo = &verified_memos[wend_get_u32le(hash) % MEMO_SLOTS];
    if (memcmp(memo->hash, hash, sizeof(hash)) == 0)
        return 0;
    const int error = wend_real_ed25519_verify(public_key, in, signature);
    if (error == 0)
        memcpy(memo->hash, hash, sizeof(hash));
    return error;
}
