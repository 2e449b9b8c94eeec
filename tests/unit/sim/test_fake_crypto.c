// SPDX-License-Identifier: MIT
// The simulator's cryptography: what it must have in common with src/crypto, which is linked beside
// it under the names of sim/real_crypto.h.
#include "../session/ends.h"

#include "crypto/internal.h"
#include "crypto/random.h"
#include "keys.h"

void wend_real_random_init(struct wend_random *r, const uint8_t seed[static 32]);
void wend_real_random_bytes(struct wend_random *r, uint8_t *ret, size_t len);
uint32_t wend_real_random_below(struct wend_random *r, uint32_t n);
void wend_real_random_stir(struct wend_random *r, struct wend_bytes extra);
void wend_real_blake2s(const struct wend_bytes *parts, size_t count, uint8_t ret[static 32]);
void wend_real_x25519_public(const uint8_t private_key[static 32], uint8_t ret_public[static 32]);
int wend_real_x25519(const uint8_t private_key[static 32], const uint8_t public_key[static 32],
                     uint8_t ret_shared[static 32]);
void wend_real_ed25519_public(const uint8_t seed[static 32], uint8_t ret_public[static 32]);
void wend_real_crypto_keystream(const uint8_t key[static 32], const uint8_t iv[static 16],
                                uint8_t *ret, size_t len);

static uint64_t dice;

static void draw(uint8_t *ret, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ret[i] = (uint8_t)unit_random(&dice);
}

static int start_afresh(void **state)
{
    (void)state;
    dice = 1;
    wend_sim_keys_forget();
    return 0;
}

static void random_numbers_are_the_real_ones(void **state)
{
    (void)state;
    struct wend_random fake, real;
    uint8_t seed[32], a[2100], b[2100];
    for (int round = 0; round < 20; round++) {
        draw(seed, sizeof(seed));
        wend_random_init(&fake, seed);
        wend_real_random_init(&real, seed);
        for (size_t at = 0, n = 1; at + n < sizeof(a); at += n, n = (n + 13) % 97) {
            wend_random_bytes(&fake, a, n);
            wend_real_random_bytes(&real, b, n);
            assert_memory_equal(a, b, n);
            assert_int_equal(wend_random_below(&fake, 1000), wend_real_random_below(&real, 1000));
        }
        wend_random_stir(&fake, WEND_BYTES(seed));
        wend_real_random_stir(&real, WEND_BYTES(seed));
        wend_random_bytes(&fake, a, sizeof(a));
        wend_real_random_bytes(&real, b, sizeof(b));
        assert_memory_equal(a, b, sizeof(a));
        assert_memory_equal(&fake, &real, sizeof(fake));
    }
}

static void keystream_is_the_real_one_at_every_length(void **state)
{
    (void)state;
    uint8_t key[32], iv[16], a[600], b[600];
    for (size_t len = 0; len <= sizeof(a); len += 1 + len / 8) {
        draw(key, sizeof(key));
        draw(iv, sizeof(iv));
        wend_crypto_keystream(key, iv, a, len);
        wend_real_crypto_keystream(key, iv, b, len);
        assert_memory_equal(a, b, len);
    }
}

static void hashes_are_the_real_ones(void **state)
{
    (void)state;
    uint8_t in[700], a[32], b[32];
    draw(in, sizeof(in));
    for (size_t len = 0; len <= sizeof(in); len++) {
        const struct wend_bytes parts[] = {{in, len / 3}, {0}, {in + len / 3, len - len / 3}};
        wend_blake2s(parts, 3, a);
        wend_real_blake2s(parts, 3, b);
        assert_memory_equal(a, b, 32);
    }
    wend_blake2s(NULL, 0, a);
    wend_real_blake2s(NULL, 0, b);
    assert_memory_equal(a, b, 32);
}

static void lasting_keys_have_their_true_public_keys(void **state)
{
    (void)state;
    uint8_t key[32], fake[32], real[32];
    for (int i = 0; i < 50; i++) {
        draw(key, sizeof(key));
        wend_real_x25519_public(key, real);
        wend_x25519_public(key, fake);
        assert_memory_not_equal(fake, real, 32);
        assert_int_equal(wend_sim_keys_add(key), 0);
        assert_int_equal(wend_sim_keys_add(key), 0); // known already
        wend_x25519_public(key, fake);
        assert_memory_equal(fake, real, 32);
        wend_real_ed25519_public(key, real);
        wend_ed25519_public(key, fake);
        assert_memory_equal(fake, real, 32);
    }
}

static void lasting_keys_are_bounded(void **state)
{
    (void)state;
    uint8_t key[32];
    for (int i = 0; i < WEND_SIM_KEYS_MAX; i++) {
        draw(key, sizeof(key));
        assert_int_equal(wend_sim_keys_add(key), 0);
    }
    assert_int_equal(wend_sim_keys_add(key), 0);
    key[0] ^= 0x55;
    assert_int_equal(wend_sim_keys_add(key), -ENOSPC);
    wend_sim_keys_forget();
    assert_int_equal(wend_sim_keys_add(key), 0);
    for (int i = 0; i < WEND_SIM_KEYS_MAX + 10; i++) { // seeds are only remembered
        uint8_t public_key[32], expected[32];
        draw(key, sizeof(key));
        wend_ed25519_public(key, public_key);
        wend_real_ed25519_public(key, expected);
        assert_memory_equal(public_key, expected, 32);
    }
}

// Each of two keys lasting or drawn: both get the same, and nobody else does.
static void two_keys_share_one_secret(void **state)
{
    (void)state;
    uint8_t last[32] = {0};
    for (int i = 0; i < 400; i++) {
        uint8_t a[32], b[32], public_a[32], public_b[32], from_a[32], from_b[32];
        draw(a, 32);
        draw(b, 32);
        if (i & 1)
            assert_int_equal(wend_sim_keys_add(a), 0);
        if (i & 2)
            assert_int_equal(wend_sim_keys_add(b), 0);
        wend_x25519_public(a, public_a);
        wend_x25519_public(b, public_b);
        assert_int_equal(wend_x25519(a, public_b, from_a), 0);
        public_a[31] |= 0x80; // ignored, as are the bits that clamping sets
        b[0] ^= 7;
        b[31] ^= 0xc0;
        assert_int_equal(wend_x25519(b, public_a, from_b), 0);
        assert_memory_equal(from_a, from_b, 32);
        assert_memory_not_equal(from_a, last, 32);
        public_a[i % 32] ^= (uint8_t)(i % 32 == 31 ? 0x40 : 1 << i % 8);
        assert_int_equal(wend_x25519(b, public_a, from_b), 0);
        assert_memory_not_equal(from_a, from_b, 32);
        memcpy(last, from_a, 32);
    }
}

// In place, with the points of small order and their neighbours: the same answer as the real one.
static void the_same_points_are_refused(void **state)
{
    (void)state;
    static const uint8_t order_8[32] = {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae,
                                        0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
                                        0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd,
                                        0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00};
    static const uint8_t other_8[32] = {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24,
                                        0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
                                        0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86,
                                        0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57};
    uint8_t key[32], points[4][32];
    int refused = 0;
    draw(key, 32);
    memset(points[0], 0, 32);
    memset(points[1], 0xff, 32);
    memcpy(points[2], order_8, 32);
    memcpy(points[3], other_8, 32);
    for (size_t i = 0; i < 4 * 256 * 2; i++) {
        uint8_t point[32], fake[32] = {7}, real[32];
        memcpy(point, points[i / 512], 32);
        point[0] = (uint8_t)i;
        point[31] ^= (uint8_t)(i / 256 % 2 << 7);
        const int error = wend_x25519(key, point, fake);
        assert_int_equal(error, wend_real_x25519(key, point, real));
        assert_true(error == 0 || (error == -EBADMSG && fake[0] == 7));
        refused += error != 0;
    }
    assert_int_equal(refused, 14); // seven points, with and without the top bit
}

static void signatures_hold_for_their_key_and_message(void **state)
{
    (void)state;
    uint8_t seed[32], public_key[32], text[150], signature[64];
    draw(seed, 32);
    draw(text, sizeof(text));
    wend_ed25519_public(seed, public_key);
    wend_ed25519_sign(seed, WEND_BYTES(text), signature);
    assert_int_equal(wend_ed25519_verify(public_key, WEND_BYTES(text), signature), 0);
    for (size_t bit = 0; bit < 8 * sizeof(signature); bit++) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(wend_ed25519_verify(public_key, WEND_BYTES(text), signature), -EBADMSG);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(text); bit++) {
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(wend_ed25519_verify(public_key, WEND_BYTES(text), signature), -EBADMSG);
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    const struct wend_bytes shorter = {text, sizeof(text) - 1};
    assert_int_equal(wend_ed25519_verify(public_key, shorter, signature), -EBADMSG);
    public_key[7] ^= 4; // nobody's
    assert_int_equal(wend_ed25519_verify(public_key, WEND_BYTES(text), signature), -EBADMSG);
    assert_int_equal(wend_ed25519_verify(public_key, (struct wend_bytes){0}, signature), -EBADMSG);
}

struct sealing {
    uint8_t key[32], ad[20], plain[100], sealed[116];
    uint64_t counter;
    size_t len, ad_len;
};

static int unseal(const struct sealing *s, const uint8_t *sealed, uint8_t *ret)
{
    return wend_aead_open(s->key, s->counter, (struct wend_bytes){s->ad, s->ad_len},
                          (struct wend_bytes){sealed, s->len + 16}, ret);
}

static void refuses_what_was_touched(const struct sealing *s)
{
    static const uint8_t zeros[100];
    uint8_t out[116];
    struct sealing other = *s;
    for (size_t bit = 0; bit < 8 * (s->len + 16); bit++) {
        memcpy(out, s->sealed, s->len + 16);
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(unseal(s, out, out), -EBADMSG);
        assert_memory_equal(out, zeros, s->len);
    }
    for (size_t bit = 0; bit < 8 * 32; bit++) {
        other.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(unseal(&other, s->sealed, out), -EBADMSG);
        other.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 64; bit++) {
        other.counter = s->counter ^ UINT64_C(1) << bit;
        assert_int_equal(unseal(&other, s->sealed, out), -EBADMSG);
    }
    other.counter = s->counter;
    other.ad_len ^= 1;
    assert_int_equal(unseal(&other, s->sealed, out), -EBADMSG);
    other.ad_len = s->ad_len;
    other.ad[0] ^= 1;
    assert_int_equal(unseal(&other, s->sealed, out), s->ad_len > 0 ? -EBADMSG : 0);
    other.len = s->len - 1;
    assert_int_equal(s->len > 0 ? unseal(&other, s->sealed, out) : -EBADMSG, -EBADMSG);
}

static void sealed_texts_open_untouched_only(void **state)
{
    (void)state;
    struct sealing s = {.counter = 5};
    uint8_t out[100], box[116];
    struct wend_aead a;
    for (s.len = 0; s.len <= sizeof(s.plain); s.len += 1 + s.len / 12) {
        draw(s.key, 32);
        draw(s.plain, s.len);
        s.ad_len = s.len % 3 == 0 ? 0 : s.len % 20;
        s.counter = unit_random(&dice);
        const struct wend_bytes in = {s.plain, s.len};
        wend_aead_seal(s.key, s.counter, (struct wend_bytes){s.ad, s.ad_len}, in, s.sealed);
        assert_true(s.len < 8 || memcmp(s.sealed, s.plain, s.len) != 0);
        assert_int_equal(unseal(&s, s.sealed, out), 0);
        assert_memory_equal(out, s.plain, s.len);
        refuses_what_was_touched(&s);
        assert_int_equal(wend_aead_init(&a, s.key), 0);
        memcpy(box, s.plain, s.len);
        wend_aead_seal_packet(&a, s.counter, (struct wend_bytes){box, s.len}, box);
        assert_int_equal(wend_aead_open(s.key, s.counter, (struct wend_bytes){0},
                                        (struct wend_bytes){box, s.len + 16}, out),
                         0);
        assert_int_equal(
            wend_aead_open_packet(&a, s.counter, (struct wend_bytes){box, s.len + 16}, box), 0);
        assert_memory_equal(box, s.plain, s.len);
        wend_aead_close(&a);
    }
}

static void short_and_huge_texts_are_refused(void **state)
{
    (void)state;
    uint8_t key[32] = {1}, in[16] = {0}, out[1] = {7};
    for (size_t len = 0; len < WEND_AEAD_TAG_LEN; len++) {
        const struct wend_bytes text = {len > 0 ? in : NULL, len};
        assert_int_equal(wend_aead_open(key, 0, (struct wend_bytes){0}, text, out), -EBADMSG);
    }
    const struct wend_bytes huge = {in, (size_t)1 << 33};
    assert_int_equal(wend_aead_open(key, 0, (struct wend_bytes){0}, huge, out), -EBADMSG);
    assert_int_equal(out[0], 7);
}

static void cookies_open_under_their_nonce_only(void **state)
{
    (void)state;
    uint8_t key[32], nonce[24], plain[16], box[32], out[16];
    draw(key, 32);
    draw(nonce, 24);
    draw(plain, 16);
    wend_xaead_seal(key, nonce, WEND_BYTES(key), WEND_BYTES(plain), box);
    assert_int_equal(wend_xaead_open(key, nonce, WEND_BYTES(key), WEND_BYTES(box), out), 0);
    assert_memory_equal(out, plain, 16);
    for (size_t i = 0; i < 24; i++) {
        nonce[i] ^= 0x10;
        assert_int_equal(wend_xaead_open(key, nonce, WEND_BYTES(key), WEND_BYTES(box), out),
                         -EBADMSG);
        nonce[i] ^= 0x10;
    }
}

static void keyed_hashes_differ_by_key_input_and_use(void **state)
{
    (void)state;
    uint8_t key[32], other[3][32], in[60], outputs[3][32], again[3][32];
    draw(key, 32);
    draw(in, sizeof(in));
    wend_hkdf(key, WEND_BYTES(in), outputs, 3);
    for (size_t count = 1; count <= 3; count++) {
        wend_hkdf(key, WEND_BYTES(in), again, count);
        assert_memory_equal(outputs, again, 32 * count);
    }
    memcpy(again[0], key, 32); // in place
    wend_hkdf(again[0], WEND_BYTES(in), again, 2);
    assert_memory_equal(outputs, again, 64);
    assert_memory_not_equal(outputs[0], outputs[1], 32);
    assert_memory_not_equal(outputs[1], outputs[2], 32);
    wend_hmac_blake2s(WEND_BYTES(key), WEND_BYTES(in), other[0]);
    wend_blake2s_mac(WEND_BYTES(key), WEND_BYTES(in), other[1]);
    assert_memory_not_equal(other[0], outputs[0], 32);
    assert_memory_not_equal(other[0], other[1], 16);
    wend_blake2s_mac(WEND_BYTES(key), (struct wend_bytes){in, sizeof(in) - 1}, other[2]);
    assert_memory_not_equal(other[1], other[2], 16);
    key[31] ^= 1;
    wend_blake2s_mac(WEND_BYTES(key), WEND_BYTES(in), other[2]);
    assert_memory_not_equal(other[1], other[2], 16);
}

// The session machines over it: both ends have the same keys.
static void sessions_are_set_up(void **state)
{
    (void)state;
    static const enum wend_session_kind kinds[] = {WEND_SESSION_WIREGUARD, WEND_SESSION_SERVER,
                                                   WEND_SESSION_PEER};
    struct ends w;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wend_sim_keys_add(vector_initiator), 0);
        ends_init(&w, kinds[i]);
        ends_connect(&w.a, &w.b, 0);
        assert_int_equal(w.a.keys, 1);
        assert_int_equal(w.b.keys, 1);
        assert_memory_equal(w.a.last_keys.send_key, w.b.last_keys.receive_key, 32);
        assert_memory_equal(w.a.last_keys.receive_key, w.b.last_keys.send_key, 32);
        assert_memory_equal(w.a.last_keys.handshake_hash, w.b.last_keys.handshake_hash, 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(random_numbers_are_the_real_ones, start_afresh),
        cmocka_unit_test_setup(keystream_is_the_real_one_at_every_length, start_afresh),
        cmocka_unit_test_setup(hashes_are_the_real_ones, start_afresh),
        cmocka_unit_test_setup(lasting_keys_have_their_true_public_keys, start_afresh),
        cmocka_unit_test_setup(lasting_keys_are_bounded, start_afresh),
        cmocka_unit_test_setup(two_keys_share_one_secret, start_afresh),
        cmocka_unit_test_setup(the_same_points_are_refused, start_afresh),
        cmocka_unit_test_setup(signatures_hold_for_their_key_and_message, start_afresh),
        cmocka_unit_test_setup(sealed_texts_open_untouched_only, start_afresh),
        cmocka_unit_test_setup(short_and_huge_texts_are_refused, start_afresh),
        cmocka_unit_test_setup(cookies_open_under_their_nonce_only, start_afresh),
        cmocka_unit_test_setup(keyed_hashes_differ_by_key_input_and_use, start_afresh),
        cmocka_unit_test_setup(sessions_are_set_up, start_afresh),
    };
    return cmocka_run_group_tests_name("fake crypto", tests, NULL, NULL);
}
