// SPDX-License-Identifier: MIT
#include "crypto/random.h"

#include "hex.h"

static const uint8_t ZERO_SEED[WEND_RANDOM_SEED_LEN];

// RFC 8439 appendix A.1, test vectors 1 and 2: the keystream of the zero key. Its first 32 bytes
// become the next key and are never handed out.
static void hands_out_chacha20_keystream(void **state)
{
    (void)state;
    struct wend_random r;
    uint8_t out[96];
    wend_random_init(&r, ZERO_SEED);
    wend_random_bytes(&r, out, sizeof(out));
    assert_hex(out, "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
                    "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
                    "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

static void rekeys_itself(void **state)
{
    (void)state;
    const struct hex next = hex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7");
    struct wend_random r, fresh;
    uint8_t out[600], expected[120];
    wend_random_init(&r, ZERO_SEED);
    wend_random_bytes(&r, out, sizeof(out)); // 480 of the first key
    wend_random_init(&fresh, next.at);
    wend_random_bytes(&fresh, expected, sizeof(expected));
    assert_memory_equal(out + 480, expected, sizeof(expected));
}

// What was drawn is nowhere in the state.
static void forgets_what_it_gave(void **state)
{
    (void)state;
    struct wend_random r;
    uint8_t out[32], bytes[sizeof(r)];
    wend_random_init(&r, ZERO_SEED);
    wend_random_bytes(&r, out, sizeof(out));
    memcpy(bytes, &r, sizeof(r));
    for (size_t i = 0; i + 4 <= sizeof(bytes); i++)
        for (size_t k = 0; k + 4 <= sizeof(out); k++)
            assert_memory_not_equal(bytes + i, out + k, 4);
    wend_random_close(&r);
    static const struct wend_random closed;
    assert_memory_equal(&r, &closed, sizeof(r));
}

static void pieces_make_the_same_stream(void **state)
{
    (void)state;
    struct wend_random whole, pieces;
    uint8_t a[2000], b[2000];
    wend_random_init(&whole, ZERO_SEED);
    wend_random_init(&pieces, ZERO_SEED);
    wend_random_bytes(&whole, a, sizeof(a));
    for (size_t at = 0, n = 0; at < sizeof(b); at += n, n = (n + 7) % 501) {
        n = n < sizeof(b) - at ? n : sizeof(b) - at;
        wend_random_bytes(&pieces, b + at, n);
    }
    assert_memory_equal(a, b, sizeof(a));
    wend_random_init(&pieces, ZERO_SEED);
    assert_int_equal(wend_random_u32(&pieces), wend_get_u32le(a));
    assert_true(wend_random_u64(&pieces) == wend_get_u64le(a + 4));
}

static void stirring_changes_what_follows(void **state)
{
    (void)state;
    struct wend_random a, b, c;
    wend_random_init(&a, ZERO_SEED);
    b = c = a;
    wend_random_stir(&b, (struct wend_bytes){0});
    wend_random_stir(&c, (struct wend_bytes){(const uint8_t *)"x", 1});
    const uint64_t from_a = wend_random_u64(&a), from_b = wend_random_u64(&b);
    const uint64_t from_c = wend_random_u64(&c);
    assert_true(from_a != from_b && from_b != from_c && from_a != from_c);
    wend_random_init(&a, ZERO_SEED);
    wend_random_stir(&a, (struct wend_bytes){(const uint8_t *)"x", 1});
    assert_true(wend_random_u64(&a) == from_c); // still deterministic
}

static void below_is_in_range_and_even(void **state)
{
    (void)state;
    struct wend_random r;
    wend_random_init(&r, ZERO_SEED);
    unsigned seen[10] = {0};
    for (int i = 0; i < 100000; i++) {
        const uint32_t v = wend_random_below(&r, 10);
        assert_true(v < 10);
        seen[v]++;
    }
    for (int i = 0; i < 10; i++) // four standard deviations are 380
        assert_true(seen[i] > 9620 && seen[i] < 10380);
    assert_int_equal(wend_random_below(&r, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(wend_random_below(&r, UINT32_MAX) < UINT32_MAX);
}

// With 3 * 2^30, plain 'modulo' would give the lowest third two times in four.
static void below_has_no_bias(void **state)
{
    (void)state;
    struct wend_random r;
    wend_random_init(&r, ZERO_SEED);
    unsigned low = 0;
    for (int i = 0; i < 30000; i++)
        low += wend_random_below(&r, 3u << 30) < 1u << 30;
    assert_true(low > 9670 && low < 10330);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_chacha20_keystream),
        cmocka_unit_test(rekeys_itself),
        cmocka_unit_test(forgets_what_it_gave),
        cmocka_unit_test(pieces_make_the_same_stream),
        cmocka_unit_test(stirring_changes_what_follows),
        cmocka_unit_test(below_is_in_range_and_even),
        cmocka_unit_test(below_has_no_bias),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
