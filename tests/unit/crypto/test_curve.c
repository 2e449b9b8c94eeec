// SPDX-License-Identifier: MIT
#include "crypto/crypto.h"

#include "hex.h"

#include <errno.h>
#include <openssl/err.h>

// RFC 7748 section 6.1.
static void x25519_agrees(void **state)
{
    (void)state;
    const struct hex a = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    const struct hex b = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    uint8_t public_a[32], public_b[32], shared[32];
    wend_x25519_public(a.at, public_a);
    wend_x25519_public(b.at, public_b);
    assert_hex(public_a, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_hex(public_b, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_int_equal(wend_x25519(a.at, public_b, shared), 0);
    assert_hex(shared, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    memset(shared, 0, sizeof(shared));
    assert_int_equal(wend_x25519(b.at, public_a, shared), 0);
    assert_hex(shared, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

// RFC 7748 section 5.2: unclamped scalars, and a u-coordinate with its top bit set.
static void x25519_gives_the_single_vectors(void **state)
{
    (void)state;
    uint8_t out[32];
    struct hex k = hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    struct hex u = hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    assert_int_equal(wend_x25519(k.at, u.at, out), 0);
    assert_hex(out, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    k = hex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d");
    u = hex("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493");
    assert_int_equal(wend_x25519(k.at, u.at, out), 0);
    assert_hex(out, "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

// RFC 7748 section 5.2: k, u = X25519(k, u), k, a thousand times. In place.
static void x25519_gives_the_iterated_vectors(void **state)
{
    (void)state;
    uint8_t k[32] = {9}, u[32] = {9};
    for (int i = 0; i < 1000; i++) {
        uint8_t old[32];
        memcpy(old, k, 32);
        assert_int_equal(wend_x25519(k, u, k), 0);
        memcpy(u, old, 32);
        if (i == 0)
            assert_hex(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
    assert_hex(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

// The points of small order: 0, 1, the two of order 8, p - 1, p, p + 1.
static void x25519_refuses_small_order(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    const struct hex k = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
        struct hex u = hex(points[i]);
        uint8_t out[32] = {7};
        assert_int_equal(wend_x25519(k.at, u.at, out), -EBADMSG);
        u.at[31] |= 0x80; // the ignored bit does not help
        assert_int_equal(wend_x25519(k.at, u.at, out), -EBADMSG);
        assert_int_equal(out[0], 7);
    }
}

struct signature_vector {
    const char *seed, *public_key, *message, *signature;
};

// RFC 8032 section 7.1, tests 1 to 3.
static const struct signature_vector SIGNATURES[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
};

static void ed25519_gives_the_vectors_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct signature_vector *v = &SIGNATURES[i];
        const struct hex seed = hex(v->seed), message = hex(v->message);
        uint8_t public_key[32], signature[64];
        wend_ed25519_public(seed.at, public_key);
        assert_hex(public_key, v->public_key);
        wend_ed25519_sign(seed.at, view_of(&message), signature);
        assert_hex(signature, v->signature);
        assert_int_equal(wend_ed25519_verify(public_key, view_of(&message), signature), 0);
    }
}

static void ed25519_refuses_any_flipped_bit(void **state)
{
    (void)state;
    struct hex key = hex(SIGNATURES[1].public_key), message = hex(SIGNATURES[1].message);
    struct hex signature = hex(SIGNATURES[1].signature);
    for (size_t bit = 0; bit < 512; bit++) {
        signature.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(wend_ed25519_verify(key.at, view_of(&message), signature.at), -EBADMSG);
        signature.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 256; bit++) { // another key, or no point at all
        key.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(wend_ed25519_verify(key.at, view_of(&message), signature.at), -EBADMSG);
        key.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    message.at[0] ^= 1;
    assert_int_equal(wend_ed25519_verify(key.at, view_of(&message), signature.at), -EBADMSG);
    assert_int_equal(wend_ed25519_verify(key.at, (struct wend_bytes){0}, signature.at), -EBADMSG);
}

// The first vector's S plus the order of the group, which would verify without the range check.
static void ed25519_refuses_a_second_encoding(void **state)
{
    (void)state;
    const struct hex key = hex(SIGNATURES[0].public_key);
    const struct hex signature =
        hex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "4c8c7872aa064e049dbb3013fbf29380d25bf5f0595bbe24655141438e7a101b");
    assert_int_equal(wend_ed25519_verify(key.at, (struct wend_bytes){0}, signature.at), -EBADMSG);
}

// libssl's users read the error queue in the same thread: our failures leave it alone.
static void failures_leave_the_error_queue_alone(void **state)
{
    (void)state;
    const struct hex key = hex(SIGNATURES[0].public_key);
    const uint8_t zero[64] = {0};
    uint8_t out[32];
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42);
    assert_int_equal(wend_x25519(key.at, zero, out), -EBADMSG);
    assert_int_equal(wend_ed25519_verify(key.at, (struct wend_bytes){0}, zero), -EBADMSG);
    assert_int_equal(wend_ed25519_verify(zero, (struct wend_bytes){0}, zero), -EBADMSG);
    const unsigned long error = ERR_get_error();
    assert_int_equal(ERR_GET_REASON(error), 42);
    assert_int_equal(ERR_get_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_agrees),
        cmocka_unit_test(x25519_gives_the_single_vectors),
        cmocka_unit_test(x25519_gives_the_iterated_vectors),
        cmocka_unit_test(x25519_refuses_small_order),
        cmocka_unit_test(ed25519_gives_the_vectors_both_ways),
        cmocka_unit_test(ed25519_refuses_any_flipped_bit),
        cmocka_unit_test(ed25519_refuses_a_second_encoding),
        cmocka_unit_test(failures_leave_the_error_queue_alone),
    };
    return cmocka_run_group_tests_name("curve", tests, NULL, NULL);
}
