// SPDX-License-Identifier: MIT
// What is remembered of the true curves is what they give.
#include <errno.h>
#include <string.h>

#include "../base/unit.h"
#include "crypto/crypto.h"
#include "keys.h"
#include "memo_crypto/real.h"

static void make_key(uint8_t number, bool lasts, uint8_t ret_private[static 32],
                     uint8_t ret_public[static 32])
{
    uint8_t expected[32];
    for (uint8_t i = 0; i < 32; i++)
        ret_private[i] = (uint8_t)(number * 37 + i * 5);
    if (lasts)
        assert_int_equal(wend_sim_keys_add(ret_private), 0);
    wend_x25519_public(ret_private, ret_public);
    wend_real_x25519_public(ret_private, expected);
    assert_memory_equal(ret_public, expected, 32);
}

// Each pair of eight keys, half of which last, in both directions and again.
static void both_sides_get_what_the_curve_gives(void **state)
{
    enum { KEYS = 8 };
    uint8_t private_keys[KEYS][32], public_keys[KEYS][32], expected[32], got[32];
    (void)state;
    wend_sim_keys_forget();
    for (uint8_t i = 0; i < KEYS; i++)
        make_key(i, i % 2 == 0, private_keys[i], public_keys[i]);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KEYS; i++) {
            for (int j = 0; j < KEYS; j++) {
                assert_int_equal(wend_x25519(private_keys[i], public_keys[j], got), 0);
                assert_int_equal(wend_real_x25519(private_keys[i], public_keys[j], expected), 0);
                assert_memory_equal(got, expected, 32);
            }
        }
    }
}

// A bit of the other's key that is wrong gives something else, although the curve may ignore it.
static void other_keys_are_other_keys(void **state)
{
    uint8_t a[32], b[32], public_a[32], public_b[32], shared[32], got[32], expected[32];
    (void)state;
    wend_sim_keys_forget();
    make_key(1, false, a, public_a);
    make_key(2, false, b, public_b);
    assert_int_equal(wend_x25519(a, public_b, shared), 0);
    for (size_t bit = 0; bit < 255; bit += 3) {
        uint8_t wrong[32];
        memcpy(wrong, public_a, 32);
        wrong[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_int_equal(wend_x25519(b, wrong, got), 0);
        assert_int_equal(wend_real_x25519(b, wrong, expected), 0);
        assert_memory_equal(got, expected, 32);
        assert_memory_not_equal(got, shared, 32);
    }
    const uint8_t zero[32] = {0};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(wend_x25519(a, zero, got), -EBADMSG);
        assert_int_equal(wend_x25519(zero, zero, got), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_get_what_the_curve_gives),
        cmocka_unit_test(other_keys_are_other_keys),
    };
    return cmocka_run_group_tests_name("memo_crypto", tests, NULL, NULL);
}
