// SPDX-License-Identifier: MIT
// X25519 as multiplication modulo 2^61 - 1, which commutes as well: a private key is a number s,
// its point s * G, and what two keys share is s * t * G. A public key is the point and 24 bytes
// that follow from it. Lasting keys (keys.h) have their true public keys; their points are found by
// table.
//
// An Ed25519 public key is the true one, remembered for each seed; a signature is a hash of the
// public key and the message. Whoever cannot call wend_ed25519_sign cannot make one, which is all
// that a simulated world asks.
#include "crypto/crypto.h"

#include <errno.h>
#include <string.h>

#include "key_table.h"
#include "mix.h"
#include "real.h"

#define PRIME     ((UINT64_C(1) << 61) - 1)
#define GENERATOR UINT64_C(0x0a3c59e1f2b4d687)

static struct wend_key_table lasting;
static _Thread_local struct wend_key_table signers;

static uint64_t multiply(uint64_t x, uint64_t y)
{
    const unsigned __int128 product = (unsigned __int128)x * y;
    const uint64_t sum = (uint64_t)(product & PRIME) + (uint64_t)(product >> 61);
    return sum >= PRIME ? sum - PRIME : sum;
}

// Keys that are equal when clamped (RFC 7748 section 5) are equal here. Never 0.
static uint64_t scalar_of(const uint8_t private_key[static 32])
{
    uint8_t key[32];
    memcpy(key, private_key, sizeof(key));
    key[0] &= 248;
    key[31] = (uint8_t)((key[31] & 127) | 64);
    struct mix m = mix_start(MIX_SCALAR, wend_fake_key_word(key));
    const uint64_t scalar = mix_fold(m.a ^ MIX_C, m.b ^ MIX_D) % PRIME;
    return scalar != 0 ? scalar : 1;
}

static uint64_t point_of(const uint8_t private_key[static 32])
{
    return multiply(scalar_of(private_key), GENERATOR);
}

static void write_point(uint64_t point, uint8_t ret[static 32])
{
    const struct mix m = mix_start(MIX_POINT, point);
    mix_store(ret, point);
    wend_fake_expand(&m, ret + 8, 24);
    ret[31] &= 127;
}

// The point of a public key without its top bit. A key that nobody made has one too, as on the
// curve; nobody knows its scalar.
static uint64_t read_point(const uint8_t public_key[static 32])
{
    const uint64_t point = mix_load(public_key);
    const struct wend_key_pair *pair = wend_key_table_find_public(&lasting, public_key);
    uint8_t expected[32];
    if (pair != NULL)
        return point_of(pair->private_key);
    write_point(point, expected);
    if (point != 0 && point < PRIME && memcmp(expected, public_key, 32) == 0)
        return point;
    struct mix m = mix_start(MIX_STRANGER, wend_fake_key_word(public_key));
    return mix_fold(m.a, m.b) % PRIME | 1;
}

// The points of small order: 0, 1, the two of order 8, p - 1, p and p + 1.
static bool is_small_order(const uint8_t key[static 32])
{
    static const uint8_t order_8[2][32] = {
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
         0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
         0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
         0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
         0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    };
    size_t zeros = 1, ones = 1;
    while (zeros < 32 && key[zeros] == 0)
        zeros++;
    while (ones < 31 && key[ones] == 0xff)
        ones++;
    return (zeros == 32 && key[0] <= 1) ||
           (ones == 31 && key[31] == 0x7f && key[0] >= 0xec && key[0] <= 0xee) ||
           memcmp(key, order_8[0], 32) == 0 || memcmp(key, order_8[1], 32) == 0;
}

void wend_x25519_public(const uint8_t private_key[static WEND_X25519_LEN],
                        uint8_t ret_public[static WEND_X25519_LEN])
{
    const struct wend_key_pair *pair = wend_key_table_find_private(&lasting, private_key);
    if (pair != NULL)
        memcpy(ret_public, pair->public_key, 32);
    else
        write_point(point_of(private_key), ret_public);
}

int wend_x25519(const uint8_t private_key[static WEND_X25519_LEN],
                const uint8_t public_key[static WEND_X25519_LEN],
                uint8_t ret_shared[static WEND_X25519_LEN])
{
    uint8_t peer[32];
    memcpy(peer, public_key, sizeof(peer));
    peer[31] &= 127;
    if (is_small_order(peer))
        return -EBADMSG;
    const uint64_t shared = multiply(scalar_of(private_key), read_point(peer));
    const struct mix m = mix_start(MIX_SHARED, shared);
    wend_fake_expand(&m, ret_shared, WEND_X25519_LEN);
    return 0;
}

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
}

const char *wend_sim_crypto_name(void)
{
    return "fake";
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

static void write_signature(const uint8_t public_key[static WEND_ED25519_LEN], struct wend_bytes in,
                            uint8_t ret[static WEND_SIGNATURE_LEN])
{
    struct mix m = mix_start(MIX_SIGNATURE, wend_fake_key_word(public_key));
    wend_fake_mix(&m, in);
    wend_fake_expand(&m, ret, WEND_SIGNATURE_LEN);
}

void wend_ed25519_sign(const uint8_t seed[static WEND_ED25519_LEN], struct wend_bytes in,
                       uint8_t ret_signature[static WEND_SIGNATURE_LEN])
{
    uint8_t public_key[WEND_ED25519_LEN];
    wend_ed25519_public(seed, public_key);
    write_signature(public_key, in, ret_signature);
}

int wend_ed25519_verify(const uint8_t public_key[static WEND_ED25519_LEN], struct wend_bytes in,
                        const uint8_t signature[static WEND_SIGNATURE_LEN])
{
    uint8_t expected[WEND_SIGNATURE_LEN];
    write_signature(public_key, in, expected);
    return memcmp(signature, expected, sizeof(expected)) == 0 ? 0 : -EBADMSG;
}
