// SPDX-License-Identifier: MIT
// The true curves, with a memory: a simulator builds the same world a thousand times a second, from
// the same lasting keys and the same signed records, and both sides of each handshake are in it.
// What was computed once is not computed again: the public key of a lasting key, what two keys
// share, which is the same from either side (RFC 7748 section 6.1), and that a signature holds. All
// three are functions of their input, so nobody can tell but by the clock.
//
// What two keys share is found only by who holds one of the private keys and names the other public
// key to the last bit: a side that mixes up its keys gets what they truly give.
//
// What is not remembered: signatures that do not hold, and keys that may not be shared with.
#include "crypto/crypto.h"

#include <errno.h>
#include <string.h>

#include "key_table.h"
#include "memo_crypto/real.h"

#define MEMO_SLOTS  4096 // a power of two; the newer one replaces the older
#define DRAWN_SLOTS 256  // the same, for keys that live as long as a handshake

struct shared_memo {
    uint32_t numbers; // of the two keys in the table, plus one; 0: empty
    uint8_t shared[32];
};

// Two public keys, of which one at least was drawn; all zero: empty.
struct drawn_memo {
    uint8_t one[32], other[32], shared[32];
};

// BLAKE2s of key, signature and message; all zero: empty, which no hash that matters is.
struct verified_memo {
    uint8_t hash[WEND_BLAKE2S_LEN];
};

static struct wend_key_table lasting;
static _Thread_local struct wend_key_table signers;
static _Thread_local struct shared_memo shared_memos[MEMO_SLOTS];
static _Thread_local struct wend_key_pair drawn_pairs[DRAWN_SLOTS];
static _Thread_local struct drawn_memo drawn_memos[DRAWN_SLOTS];
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
    memset(drawn_pairs, 0, sizeof(drawn_pairs));
    memset(drawn_memos, 0, sizeof(drawn_memos));
    memset(verified_memos, 0, sizeof(verified_memos));
}

const char *wend_sim_crypto_name(void)
{
    return "real";
}

// Where a drawn key is or would be.
static struct wend_key_pair *drawn_place(const uint8_t private_key[static 32])
{
    return &drawn_pairs[wend_get_u32le(private_key + 8) % DRAWN_SLOTS];
}

void wend_x25519_public(const uint8_t private_key[static WEND_X25519_LEN],
                        uint8_t ret_public[static WEND_X25519_LEN])
{
    const struct wend_key_pair *pair = wend_key_table_find_private(&lasting, private_key);
    if (pair != NULL) {
        memcpy(ret_public, pair->public_key, 32);
        return;
    }
    struct wend_key_pair *drawn = drawn_place(private_key);
    wend_real_x25519_public(private_key, ret_public);
    memcpy(drawn->private_key, private_key, 32);
    memcpy(drawn->public_key, ret_public, 32);
}

// The public key of one of ours; NULL: not known.
static const uint8_t *own_public(const uint8_t private_key[static 32])
{
    static const uint8_t nothing[32]; // which is no public key
    const struct wend_key_pair *pair = wend_key_table_find_private(&lasting, private_key);
    if (pair == NULL)
        pair = drawn_place(private_key);
    const bool known = memcmp(pair->public_key, nothing, 32) != 0;
    return known && memcmp(pair->private_key, private_key, 32) == 0 ? pair->public_key : NULL;
}

// Where what two keys share is or would be, in whatever order they are named.
static struct drawn_memo *drawn_memo_of(const uint8_t a[static 32], const uint8_t b[static 32])
{
    return &drawn_memos[(wend_get_u32le(a + 8) ^ wend_get_u32le(b + 8)) % DRAWN_SLOTS];
}

static bool is_of(const struct drawn_memo *memo, const uint8_t a[static 32],
                  const uint8_t b[static 32])
{
    return (memcmp(memo->one, a, 32) == 0 && memcmp(memo->other, b, 32) == 0) ||
           (memcmp(memo->one, b, 32) == 0 && memcmp(memo->other, a, 32) == 0);
}

static int share_drawn(const uint8_t private_key[static 32], const uint8_t public_key[static 32],
                       uint8_t ret_shared[static 32])
{
    const uint8_t *own = own_public(private_key);
    struct drawn_memo *memo = own != NULL ? drawn_memo_of(own, public_key) : NULL;
    if (memo != NULL && is_of(memo, own, public_key)) {
        memcpy(ret_shared, memo->shared, 32);
        return 0;
    }
    const int error = wend_real_x25519(private_key, public_key, ret_shared);
    if (error == 0 && memo != NULL) {
        memcpy(memo->one, own, 32);
        memcpy(memo->other, public_key, 32);
        memcpy(memo->shared, ret_shared, 32);
    }
    return error;
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
    if (memo == NULL)
        return share_drawn(private_key, public_key, ret_shared);
    if (memo->numbers == numbers) {
        memcpy(ret_shared, memo->shared, 32);
        return 0;
    }
    const int error = wend_real_x25519(private_key, public_key, ret_shared);
    if (error == 0) {
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
