// SPDX-License-Identifier: MIT
#include "crypto/aead.h"

#include "hex.h"

#include <errno.h>
#include <openssl/err.h>

// RFC 8439 appendix A.5; its nonce starts with four zero bytes, as ours do.
static const char KEY[] = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
static const uint64_t COUNTER = 0x0807060504030201;
static const char AD[] = "f33388860000000000004e91";
static const char SEALED[] = "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2"
                             "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf"
                             "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
                             "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4"
                             "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
                             "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
                             "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10"
                             "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29"
                             "a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38";
static const char PLAIN[] =
    "Internet-Drafts are draft documents valid for a maximum of six months "
    "and may be updated, replaced, or obsoleted by other documents at any "
    "time. It is inappropriate to use Internet-Drafts as reference material "
    "or to cite them other than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
#define PLAIN_LEN (sizeof(PLAIN) - 1)

static void gives_the_rfcs_vector_both_ways(void **state)
{
    (void)state;
    const struct hex key = hex(KEY), ad = hex(AD), sealed = hex(SEALED);
    uint8_t out[PLAIN_LEN + WEND_AEAD_TAG_LEN];
    assert_int_equal(sealed.len, sizeof(out));
    assert_int_equal(wend_aead_open(key.at, COUNTER, view_of(&ad), view_of(&sealed), out), 0);
    assert_memory_equal(out, PLAIN, PLAIN_LEN);
    wend_aead_seal(key.at, COUNTER, view_of(&ad),
                   (struct wend_bytes){(const uint8_t *)PLAIN, PLAIN_LEN}, out);
    assert_memory_equal(out, sealed.at, sealed.len);
}

static void works_in_place(void **state)
{
    (void)state;
    const struct hex key = hex(KEY), ad = hex(AD), sealed = hex(SEALED);
    uint8_t buffer[PLAIN_LEN + WEND_AEAD_TAG_LEN];
    memcpy(buffer, PLAIN, PLAIN_LEN);
    wend_aead_seal(key.at, COUNTER, view_of(&ad), (struct wend_bytes){buffer, PLAIN_LEN}, buffer);
    assert_memory_equal(buffer, sealed.at, sealed.len);
    assert_int_equal(wend_aead_open(key.at, COUNTER, view_of(&ad), WEND_BYTES(buffer), buffer), 0);
    assert_memory_equal(buffer, PLAIN, PLAIN_LEN);
}

// Any changed bit, also in place: an error, zeros, and nothing in libcrypto's error queue.
static void refuses_any_flipped_bit(void **state)
{
    (void)state;
    const struct hex key = hex(KEY), ad = hex(AD);
    struct hex sealed = hex(SEALED);
    static const uint8_t zeros[PLAIN_LEN];
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42);
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        uint8_t buffer[PLAIN_LEN + WEND_AEAD_TAG_LEN];
        memcpy(buffer, sealed.at, sizeof(buffer));
        buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(wend_aead_open(key.at, COUNTER, view_of(&ad), WEND_BYTES(buffer), buffer),
                         -EBADMSG);
        assert_memory_equal(buffer, zeros, PLAIN_LEN);
    }
    const unsigned long error = ERR_get_error();
    assert_int_equal(ERR_GET_REASON(error), 42);
    assert_int_equal(ERR_get_error(), 0);
}

static void refuses_another_key_counter_or_ad(void **state)
{
    (void)state;
    struct hex key = hex(KEY), ad = hex(AD);
    const struct hex sealed = hex(SEALED);
    const struct wend_bytes in = view_of(&sealed);
    uint8_t out[PLAIN_LEN];
    assert_int_equal(wend_aead_open(key.at, COUNTER + 1, view_of(&ad), in, out), -EBADMSG);
    assert_int_equal(wend_aead_open(key.at, COUNTER, (struct wend_bytes){0}, in, out), -EBADMSG);
    ad.at[11] ^= 1;
    assert_int_equal(wend_aead_open(key.at, COUNTER, view_of(&ad), in, out), -EBADMSG);
    ad.at[11] ^= 1;
    key.at[31] ^= 0x80;
    assert_int_equal(wend_aead_open(key.at, COUNTER, view_of(&ad), in, out), -EBADMSG);
    key.at[31] ^= 0x80;
    assert_int_equal(wend_aead_open(key.at, COUNTER, view_of(&ad), in, out), 0);
}

static void short_and_huge_texts_are_refused(void **state)
{
    (void)state;
    const struct hex key = hex(KEY), sealed = hex(SEALED);
    struct wend_aead a;
    uint8_t out[1] = {7};
    assert_int_equal(wend_aead_init(&a, key.at), 0);
    for (size_t len = 0; len < WEND_AEAD_TAG_LEN; len++) {
        const struct wend_bytes in = {len > 0 ? sealed.at : NULL, len};
        assert_int_equal(wend_aead_open(key.at, 0, (struct wend_bytes){0}, in, out), -EBADMSG);
        assert_int_equal(wend_aead_open_packet(&a, 0, in, out), -EBADMSG);
    }
    const struct wend_bytes huge = {sealed.at, (size_t)1 << 33}; // refused before it is read
    assert_int_equal(wend_aead_open_packet(&a, 0, huge, out), -EBADMSG);
    assert_int_equal(out[0], 7);
    wend_aead_close(&a);
}

// A keepalive is a sealed nothing.
static void seals_and_opens_nothing(void **state)
{
    (void)state;
    const struct hex key = hex(KEY);
    struct wend_aead a;
    uint8_t one_shot[16], keyed[16];
    assert_int_equal(wend_aead_init(&a, key.at), 0);
    wend_aead_seal(key.at, 5, (struct wend_bytes){0}, (struct wend_bytes){0}, one_shot);
    wend_aead_seal_packet(&a, 5, (struct wend_bytes){0}, keyed);
    assert_memory_equal(one_shot, keyed, 16);
    assert_int_equal(wend_aead_open_packet(&a, 5, WEND_BYTES(keyed), keyed), 0);
    assert_int_equal(wend_aead_open_packet(&a, 6, WEND_BYTES(keyed), keyed), -EBADMSG);
    wend_aead_close(&a);
    wend_aead_close(&a); // closed already
}

// The keyed form is the one-shot form: every length up to three blocks and some beyond, directions
// mixed, failures between.
static void keyed_equals_one_shot(void **state)
{
    (void)state;
    const struct hex key = hex(KEY);
    struct wend_aead a;
    static uint8_t plain[1500], one_shot[1516], keyed[1516];
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(7 * i);
    assert_int_equal(wend_aead_init(&a, key.at), 0);
    for (size_t len = 0; len <= sizeof(plain); len += len < 200 ? 1 : 97) {
        const uint64_t counter = UINT64_MAX - len;
        wend_aead_seal(key.at, counter, (struct wend_bytes){0}, (struct wend_bytes){plain, len},
                       one_shot);
        memcpy(keyed, plain, len);
        wend_aead_seal_packet(&a, counter, (struct wend_bytes){keyed, len}, keyed);
        assert_memory_equal(one_shot, keyed, len + 16);
        one_shot[len + 15] ^= 1;
        assert_int_equal(
            wend_aead_open_packet(&a, counter, (struct wend_bytes){one_shot, len + 16}, one_shot),
            -EBADMSG);
        assert_int_equal(
            wend_aead_open_packet(&a, counter, (struct wend_bytes){keyed, len + 16}, keyed), 0);
        assert_memory_equal(keyed, plain, len);
    }
    wend_aead_close(&a);
}

// draft-irtf-cfrg-xchacha-03 appendix A.3.1.
static void xchacha_gives_the_drafts_vector_both_ways(void **state)
{
    (void)state;
    static const char plain[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only "
        "one tip for the future, sunscreen would be it.";
    const struct hex key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    const struct hex nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
    const struct hex ad = hex("50515253c0c1c2c3c4c5c6c7");
    struct hex sealed = hex("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
                            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
                            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
                            "21f9664c97637da9768812f615c68b13b52e"
                            "c0875924c1c7987947deafd8780acf49");
    uint8_t out[sizeof(plain) - 1 + 16];
    assert_int_equal(sealed.len, sizeof(out));
    wend_xaead_seal(key.at, nonce.at, view_of(&ad),
                    (struct wend_bytes){(const uint8_t *)plain, sizeof(plain) - 1}, out);
    assert_memory_equal(out, sealed.at, sealed.len);
    assert_int_equal(wend_xaead_open(key.at, nonce.at, view_of(&ad), WEND_BYTES(out), out), 0);
    assert_memory_equal(out, plain, sizeof(plain) - 1);
    sealed.at[0] ^= 1;
    assert_int_equal(wend_xaead_open(key.at, nonce.at, view_of(&ad), view_of(&sealed), out),
                     -EBADMSG);
}

// Each third of the nonce counts: the two of HChaCha20 and the counter.
static void xchacha_depends_on_the_whole_nonce(void **state)
{
    (void)state;
    const uint8_t key[32] = {1};
    uint8_t first[16], other[16];
    const uint8_t zero[24] = {0};
    wend_xaead_seal(key, zero, (struct wend_bytes){0}, (struct wend_bytes){0}, first);
    for (size_t i = 0; i < 24; i++) {
        uint8_t nonce[24] = {0};
        nonce[i] = 1;
        wend_xaead_seal(key, nonce, (struct wend_bytes){0}, (struct wend_bytes){0}, other);
        assert_memory_not_equal(first, other, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_rfcs_vector_both_ways),
        cmocka_unit_test(works_in_place),
        cmocka_unit_test(refuses_any_flipped_bit),
        cmocka_unit_test(refuses_another_key_counter_or_ad),
        cmocka_unit_test(short_and_huge_texts_are_refused),
        cmocka_unit_test(seals_and_opens_nothing),
        cmocka_unit_test(keyed_equals_one_shot),
        cmocka_unit_test(xchacha_gives_the_drafts_vector_both_ways),
        cmocka_unit_test(xchacha_depends_on_the_whole_nonce),
    };
    return cmocka_run_group_tests_name("aead", tests, NULL, NULL);
}
