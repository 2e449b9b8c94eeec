// SPDX-License-Identifier: MIT
// Digests, MACs and key derivation. Where no document prints a vector for our exact variant
// (16-byte keyed BLAKE2s, HMAC and HKDF with BLAKE2s), the values come from Python's hashlib and
// hmac, whose BLAKE2s is the authors' reference code.
#include "crypto/crypto.h"

#include "hex.h"

#include <pthread.h>

// 0, 1, 2, ...
static uint8_t COUNT[256];

static int fill_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(COUNT); i++)
        COUNT[i] = (uint8_t)i;
    return wend_crypto_init();
}

static struct wend_bytes count_to(size_t len)
{
    return (struct wend_bytes){COUNT, len};
}

static void blake2s_of(struct wend_bytes in, const char *expected)
{
    uint8_t out[WEND_BLAKE2S_LEN];
    wend_blake2s(&in, 1, out);
    assert_hex(out, expected);
}

static void blake2s_gives_published_vectors(void **state)
{
    (void)state;
    // RFC 7693 appendix B
    blake2s_of((struct wend_bytes){(const uint8_t *)"abc", 3},
               "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
    // The authors' blake2s-kat.txt, without key, 0, 64 and 255 bytes
    blake2s_of(count_to(0), "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
    blake2s_of(count_to(64), "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e");
    blake2s_of(count_to(255), "f03f5789d3336b80d002d59fdf918bdb775b00956ed5528e86aa994acb38fe2d");
}

static void blake2s_joins_its_parts(void **state)
{
    (void)state;
    const struct wend_bytes parts[] = {count_to(0), count_to(100), {NULL, 0}, {COUNT + 100, 155}};
    uint8_t out[WEND_BLAKE2S_LEN];
    wend_blake2s(parts, 4, out);
    assert_hex(out, "f03f5789d3336b80d002d59fdf918bdb775b00956ed5528e86aa994acb38fe2d");
    wend_blake2s(NULL, 0, out);
    assert_hex(out, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
    // In place, as Noise's MixHash does it.
    memcpy(out, COUNT, sizeof(out));
    const struct wend_bytes mix[] = {WEND_BYTES(out), {COUNT + 32, 32}};
    wend_blake2s(mix, 2, out);
    assert_hex(out, "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e");
}

static void blake2s_mac_is_keyed_blake2s_of_16_bytes(void **state)
{
    (void)state;
    uint8_t out[WEND_BLAKE2S_MAC_LEN];
    for (int i = 0; i < 2; i++) { // also after another key was in use
        wend_blake2s_mac(count_to(32), count_to(148), out);
        assert_hex(out, "33bd6c20ca2a7ab916d6e98003c6c5f8");
        wend_blake2s_mac(count_to(16), count_to(0), out);
        assert_hex(out, "af4e5d3bb230e9ff9096ca6f7c501f76");
    }
}

static void hmac_blake2s_takes_keys_up_to_a_block(void **state)
{
    (void)state;
    uint8_t out[WEND_BLAKE2S_LEN];
    wend_hmac_blake2s(count_to(32), count_to(100), out);
    assert_hex(out, "a81c95080ba2a7c4ed1b7b4c21dec2c4fd6dc9f03ff37b6d65289dc95a7d1ef1");
    wend_hmac_blake2s((struct wend_bytes){0}, count_to(0), out); // no key, not the last one
    assert_hex(out, "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd");
    wend_hmac_blake2s(count_to(64), (struct wend_bytes){(const uint8_t *)"abc", 3}, out);
    assert_hex(out, "3a0ef09eac123871fb79852ec512086d013abff437bd68ca03630932bd6ba81f");
}

static void hkdf_gives_one_to_three_outputs(void **state)
{
    (void)state;
    const struct wend_bytes in = {(const uint8_t *)"wend", 4};
    for (size_t n = 1; n <= 3; n++) {
        uint8_t out[3][32] = {{0}};
        wend_hkdf(COUNT, in, out, n);
        assert_hex(out[0], "a4d15609fb93ccde572edd565e14d221f2fbb988aeb362ff8c7a68b96a3f6893");
        assert_hex(out[1],
                   n < 2 ? "0000"
                         : "bb8c1e3a3a03d4a4c77c4d7beb3245b45e3dd8cfcd0feb705f88dbd97e60e214");
        assert_hex(out[2],
                   n < 3 ? "0000"
                         : "3af6409ed5fbc9fcf8a0451ab73455b1999b35567ca32dad731dc89ae92c6068");
    }
}

static void hkdf_may_replace_its_chaining_key(void **state)
{
    (void)state;
    uint8_t keys[2][32];
    memcpy(keys[0], COUNT, 32);
    wend_hkdf(keys[0], (struct wend_bytes){0}, keys, 1);
    assert_hex(keys[0], "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624");
    memcpy(keys[0], COUNT, 32);
    memcpy(keys[1], "wend", 4);
    wend_hkdf(keys[0], (struct wend_bytes){keys[1], 4}, keys, 2);
    assert_hex(keys[1], "bb8c1e3a3a03d4a4c77c4d7beb3245b45e3dd8cfcd0feb705f88dbd97e60e214");
}

// RFC 2202 section 3 and RFC 4231 sections 4.2 and 4.3, in one part and in two.
static void stun_hmacs_give_published_vectors(void **state)
{
    (void)state;
    const struct hex key = hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
    const struct wend_bytes jefe = {(const uint8_t *)"Jefe", 4};
    const struct wend_bytes hi = {(const uint8_t *)"Hi There", 8};
    const struct wend_bytes what[] = {{(const uint8_t *)"what do ya want ", 16},
                                      {(const uint8_t *)"for nothing?", 12}};
    uint8_t out[32];
    wend_hmac_sha1(view_of(&key), &hi, 1, out);
    assert_hex(out, "b617318655057264e28bc0b6fb378c8ef146be00");
    wend_hmac_sha1(jefe, what, 2, out);
    assert_hex(out, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    wend_hmac_sha256(view_of(&key), &hi, 1, out);
    assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    wend_hmac_sha256(jefe, what, 2, out);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    wend_hmac_sha1((struct wend_bytes){0}, NULL, 0, out);
    assert_hex(out, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"); // Python's hmac
}

// RFC 8489 section 9.2.2: the key of user "user", realm "realm", password "pass".
static void md5_gives_stuns_long_term_key(void **state)
{
    (void)state;
    const struct wend_bytes parts[] = {{(const uint8_t *)"user:", 5},
                                       {(const uint8_t *)"realm:", 6},
                                       {(const uint8_t *)"pass", 4}};
    uint8_t out[16];
    wend_md5(parts, 3, out);
    assert_hex(out, "8493fbc53ba582fb4c044c456bdc40eb");
    wend_md5(NULL, 0, out); // RFC 1321 section A.5
    assert_hex(out, "d41d8cd98f00b204e9800998ecf8427e");
}

static void equal_and_wipe(void **state)
{
    (void)state;
    uint8_t a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 5};
    assert_false(wend_equal(a, b, 4));
    assert_true(wend_equal(a, b, 3));
    assert_true(wend_equal(a, b, 0));
    wend_wipe(a, 3);
    assert_int_equal(a[0] | a[1] | a[2], 0);
    assert_int_equal(a[3], 4);
}

static void *hash_often(void *arg)
{
    uint8_t *ret = arg;
    for (int i = 0; i < 2000; i++) {
        uint8_t out[3][32];
        wend_hkdf(COUNT, (struct wend_bytes){(const uint8_t *)"wend", 4}, out, 3);
        wend_blake2s_mac(count_to(32), count_to(148), ret);
        memcpy(ret + 16, out[2], 32);
    }
    return NULL;
}

static void threads_have_contexts_of_their_own(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint8_t out[4][48];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_often, out[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_hex(out[i], "33bd6c20ca2a7ab916d6e98003c6c5f8 3af6409ed5fbc9fcf8a0451ab73455b1"
                           "999b35567ca32dad731dc89ae92c6068");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2s_gives_published_vectors),
        cmocka_unit_test(blake2s_joins_its_parts),
        cmocka_unit_test(blake2s_mac_is_keyed_blake2s_of_16_bytes),
        cmocka_unit_test(hmac_blake2s_takes_keys_up_to_a_block),
        cmocka_unit_test(hkdf_gives_one_to_three_outputs),
        cmocka_unit_test(hkdf_may_replace_its_chaining_key),
        cmocka_unit_test(stun_hmacs_give_published_vectors),
        cmocka_unit_test(md5_gives_stuns_long_term_key),
        cmocka_unit_test(equal_and_wipe),
        cmocka_unit_test(threads_have_contexts_of_their_own),
    };
    return cmocka_run_group_tests_name("mac", tests, fill_count, NULL);
}
