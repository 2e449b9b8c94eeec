// SPDX-License-Identifier: MIT
// What may allocate and what may not: libcrypto is given an allocator that counts.
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/random.h"

#include "../base/unit.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_ulong allocations, frees;

static void *count_malloc(size_t len, const char *file, int line)
{
    (void)file, (void)line;
    atomic_fetch_add(&allocations, 1);
    return malloc(len);
}

static void *count_realloc(void *at, size_t len, const char *file, int line)
{
    (void)file, (void)line;
    atomic_fetch_add(&allocations, 1);
    return realloc(at, len);
}

static void count_free(void *at, const char *file, int line)
{
    (void)file, (void)line;
    if (at != NULL)
        atomic_fetch_add(&frees, 1);
    free(at);
}

// What data paths, cookie checks and pure rooms do between handshakes.
static void use_packet_path(struct wend_aead *a, struct wend_random *r, uint64_t counter)
{
    uint8_t buffer[1416] = {0}, key[32] = {1}, nonce[24] = {2}, mac[32];
    const struct wend_bytes text = {buffer, 1400}, none = {0};
    wend_aead_seal_packet(a, counter, text, buffer);
    assert_int_equal(wend_aead_open_packet(a, counter, WEND_BYTES(buffer), buffer), 0);
    assert_int_equal(wend_aead_open_packet(a, counter, WEND_BYTES(buffer), buffer), -EBADMSG);
    wend_aead_seal(key, counter, none, text, buffer);
    assert_int_equal(wend_aead_open(key, counter, none, WEND_BYTES(buffer), buffer), 0);
    wend_xaead_seal(key, nonce, none, text, buffer);
    assert_int_equal(wend_xaead_open(key, nonce, none, WEND_BYTES(buffer), buffer), 0);
    wend_blake2s_mac(WEND_BYTES(key), text, mac);
    wend_random_bytes(r, buffer, 1000);
}

static void sealing_macs_and_randomness_do_not_allocate(void **state)
{
    (void)state;
    const uint8_t key[32] = {1};
    struct wend_random r;
    struct wend_aead a;
    wend_random_init(&r, key);
    assert_int_equal(wend_aead_init(&a, key), 0);
    use_packet_path(&a, &r, 0); // makes this thread's contexts
    const unsigned long before = atomic_load(&allocations);
    assert_true(before > 0); // the counter works
    for (uint64_t counter = 1; counter <= 100; counter++)
        use_packet_path(&a, &r, counter);
    assert_int_equal(atomic_load(&allocations), before);
    wend_aead_close(&a);
}

static void use_handshake(void)
{
    uint8_t key[32] = {1}, public_key[32], out[64], keys[3][32];
    const struct wend_bytes text = WEND_BYTES(key);
    struct wend_aead a;
    wend_x25519_public(key, public_key);
    assert_int_equal(wend_x25519(key, public_key, out), 0);
    assert_int_equal(wend_x25519(key, (const uint8_t[32]){0}, out), -EBADMSG);
    wend_ed25519_public(key, public_key);
    wend_ed25519_sign(key, text, out);
    assert_int_equal(wend_ed25519_verify(public_key, text, out), 0);
    out[0] ^= 1;
    assert_int_equal(wend_ed25519_verify(public_key, text, out), -EBADMSG);
    wend_blake2s(&text, 1, out);
    wend_md5(&text, 1, out);
    wend_hmac_blake2s(text, text, out);
    wend_hkdf(key, text, keys, 3);
    wend_hmac_sha1(text, &text, 1, out);
    wend_hmac_sha256(text, &text, 1, out);
    assert_int_equal(wend_aead_init(&a, key), 0);
    wend_aead_close(&a);
}

static void the_rest_frees_what_it_allocates(void **state)
{
    (void)state;
    use_handshake(); // fills this thread's contexts and libcrypto's caches
    use_handshake();
    const unsigned long kept = atomic_load(&allocations) - atomic_load(&frees);
    for (int i = 0; i < 10; i++)
        use_handshake();
    assert_int_equal(atomic_load(&allocations) - atomic_load(&frees), kept);
}

int main(void)
{
    // Must come before libcrypto's first allocation.
    if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealing_macs_and_randomness_do_not_allocate),
        cmocka_unit_test(the_rest_frees_what_it_allocates),
    };
    return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
