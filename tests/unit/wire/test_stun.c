// SPDX-License-Identifier: MIT
// STUN against published messages, read and rebuilt to the same bytes, and against broken ones.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "stun_vectors.h"
#include "wire/crc32.h"
#include "wire/stun.h"

#define VIEW(array) ((struct wend_bytes){(array), sizeof(array)})
#define TEXT(text)  ((struct wend_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static const char short_term_key[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const char long_term_text[] = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf"
                                     "\xe3\x82\xb9:example.org:TheMatrIX";

static struct wend_bytes hash_of(const EVP_MD *md, uint8_t ret[EVP_MAX_MD_SIZE])
{
    unsigned len = 0;
    assert_int_equal(EVP_Digest(long_term_text, strlen(long_term_text), ret, &len, md, NULL), 1);
    return (struct wend_bytes){ret, len};
}

static void hmac(const EVP_MD *md, struct wend_bytes key, struct wend_bytes in, uint8_t *ret)
{
    assert_non_null(HMAC(md, key.at, (int)key.len, in.at, in.len, ret, NULL));
}

static void assert_bytes(struct wend_bytes got, struct wend_bytes want)
{
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.at, want.at, want.len);
}

static void assert_address(const struct wend_address *got, const char *want)
{
    char text[WEND_ADDRESS_TEXT_LEN];
    assert_string_equal(wend_address_format(got, text), want);
}

static void assert_integrity(const struct wend_stun_integrity *i, const EVP_MD *md,
                             struct wend_bytes key)
{
    uint8_t covered[256];
    uint8_t mac[EVP_MAX_MD_SIZE];
    const size_t len = wend_stun_join_covered(i, covered, sizeof covered);
    assert_true(len > 0);
    hmac(md, key, (struct wend_bytes){covered, len}, mac);
    assert_memory_equal(i->value.at, mac, i->value.len);
    assert_int_equal(wend_stun_join_covered(i, covered, len - 1), 0);
}

static struct wend_stun read_good(struct wend_bytes in)
{
    struct wend_stun m;
    assert_int_equal(wend_stun_read(in, &m), 0);
    return m;
}

// ---- Rebuilding a message from what was read of it ----

static void put_again(struct wend_stun_writer *w, const struct wend_stun *m,
                      const struct wend_stun_attribute *a, struct wend_bytes key)
{
    struct wend_bytes covered;
    uint8_t mac[EVP_MAX_MD_SIZE];
    switch (a->type) {
    case WEND_STUN_XOR_MAPPED_ADDRESS: wend_stun_put_xor_address(w, a->type, &m->xor_mapped); break;
    case WEND_STUN_MESSAGE_INTEGRITY: {
        uint8_t *const at = wend_stun_put_integrity(w, WEND_STUN_MESSAGE_INTEGRITY, 20, &covered);
        assert_non_null(at);
        hmac(EVP_sha1(), key, covered, mac);
        memcpy(at, mac, 20);
        break;
    }
    case WEND_STUN_FINGERPRINT: wend_stun_put_fingerprint(w); break;
    default: wend_stun_put(w, a->type, a->value); break;
    }
}

// We pad with zeros; the vectors of sections 2.1 to 2.3 with spaces, which their sums cover.
static void copy_padding(uint8_t *out, struct wend_bytes vector,
                         const struct wend_stun_attribute *a)
{
    for (size_t at = (size_t)(a->value.at - vector.at) + a->value.len; at % 4 != 0; at++)
        out[at] = vector.at[at];
}

static void assert_rebuilds(struct wend_bytes vector, struct wend_bytes key)
{
    const struct wend_stun m = read_good(vector);
    struct wend_stun_header header = {.method = m.method, .class = m.class};
    memcpy(header.transaction, m.transaction, sizeof header.transaction);
    uint8_t out[256];
    struct wend_stun_writer w;
    wend_stun_begin(&w, out, vector.len, &header);
    struct wend_reader r = {.at = vector.at + 20, .left = vector.len - 20};
    struct wend_stun_attribute a;
    while (wend_stun_next(&r, &a)) {
        put_again(&w, &m, &a, key);
        copy_padding(out, vector, &a);
    }
    assert_bytes((struct wend_bytes){out, wend_stun_finish(&w)}, vector);
}

// ---- The vectors ----

static void reads_rfc5769_request(void **state)
{
    (void)state;
    const struct wend_stun m = read_good(VIEW(rfc5769_request));
    assert_int_equal(m.method, WEND_STUN_METHOD_BINDING);
    assert_int_equal(m.class, WEND_STUN_REQUEST);
    assert_memory_equal(m.transaction, rfc5769_request + 8, 12);
    assert_bytes(m.software, TEXT("STUN test client"));
    assert_bytes(m.username, TEXT("evtj:h6vY"));
    assert_int_equal(m.unknown_count, 1); // ICE's PRIORITY; ICE-CONTROLLED may be skipped
    assert_int_equal(m.unknown[0], 0x0024);
    assert_true(wend_stun_has(&m, WEND_STUN_FINGERPRINT));
    assert_true(wend_stun_has(&m, WEND_STUN_USERNAME));
    assert_false(wend_stun_has(&m, WEND_STUN_REALM));
    assert_integrity(&m.integrity, EVP_sha1(), TEXT(short_term_key));
    assert_rebuilds(VIEW(rfc5769_request), TEXT(short_term_key));
}

static void reads_rfc5769_responses(void **state)
{
    (void)state;
    struct wend_stun m = read_good(VIEW(rfc5769_ipv4_response));
    assert_int_equal(m.class, WEND_STUN_SUCCESS);
    assert_bytes(m.software, TEXT("test vector"));
    assert_address(&m.xor_mapped, "192.0.2.1:32853");
    assert_integrity(&m.integrity, EVP_sha1(), TEXT(short_term_key));
    assert_rebuilds(VIEW(rfc5769_ipv4_response), TEXT(short_term_key));

    m = read_good(VIEW(rfc5769_ipv6_response));
    assert_address(&m.xor_mapped, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    assert_integrity(&m.integrity, EVP_sha1(), TEXT(short_term_key));
    assert_rebuilds(VIEW(rfc5769_ipv6_response), TEXT(short_term_key));
}

static void reads_rfc5769_long_term(void **state)
{
    (void)state;
    uint8_t hash[EVP_MAX_MD_SIZE];
    const struct wend_bytes key = hash_of(EVP_md5(), hash);
    const struct wend_stun m = read_good(VIEW(rfc5769_long_term));
    assert_bytes(m.realm, TEXT("example.org"));
    assert_bytes(m.nonce, TEXT("f//499k954d6OL34oL9FSTvy64sA"));
    assert_int_equal(m.username.len, 18);
    assert_false(wend_stun_has(&m, WEND_STUN_FINGERPRINT));
    assert_integrity(&m.integrity, EVP_sha1(), key);
    assert_rebuilds(VIEW(rfc5769_long_term), key);
}

// The printed length is 20 too large, so the message is refused; with the right one it is read, and
// its HMAC holds over the length that was printed.
static void reads_rfc8489_sha256(void **state)
{
    (void)state;
    uint8_t message[sizeof rfc8489_sha256];
    struct wend_stun m;
    memcpy(message, rfc8489_sha256, sizeof message);
    assert_int_equal(wend_stun_read(VIEW(message), &m), -EBADMSG);
    message[3] = 0x88;
    m = read_good(VIEW(message));
    assert_bytes(m.nonce, TEXT("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"));
    assert_int_equal(m.integrity_sha256.value.len, 32);
    assert_int_equal(m.integrity_sha256.header[3], 0x88);
    assert_int_equal(m.unknown[0], 0x001e); // USERHASH
    m.integrity_sha256.header[3] = 0x9c;
    uint8_t hash[EVP_MAX_MD_SIZE];
    assert_integrity(&m.integrity_sha256, EVP_sha256(), hash_of(EVP_sha256(), hash));
}

static void crc32_matches_its_check_value(void **state)
{
    (void)state;
    assert_int_equal(wend_crc32(TEXT("123456789")), 0xcbf43926u);
    assert_int_equal(wend_crc32((struct wend_bytes){0}), 0);
}

// ---- What must be refused ----

static void refuses_every_truncation_and_flip(void **state)
{
    (void)state;
    struct wend_stun m;
    uint8_t copy[sizeof rfc5769_request];
    for (size_t len = 0; len < sizeof copy; len++)
        assert_int_equal(wend_stun_read((struct wend_bytes){rfc5769_request, len}, &m), -EBADMSG);
    // The fingerprint notices every flip, but for one that hides the fingerprint itself.
    for (size_t bit = 0; bit < 8 * sizeof copy; bit++) {
        memcpy(copy, rfc5769_request, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (wend_stun_read(VIEW(copy), &m) == 0)
            assert_false(wend_stun_has(&m, WEND_STUN_FINGERPRINT));
    }
}

static const struct broken {
    const char *why;
    uint8_t body[16];
    uint8_t body_len;
} broken_bodies[] = {
    {"attribute header cut short", {0x00, 0x06}, 2},
    {"attribute longer than the message", {0x80, 0x22, 0, 5, 'a', 'b', 'c', 'd'}, 8},
    {"address of an unknown family", {0, 1, 0, 8, 0, 3, 0, 1, 1, 2, 3, 4}, 12},
    {"IPv4 address too short", {0, 1, 0, 4, 0, 1, 0, 1}, 8},
    {"IPv6 address too short", {0, 0x20, 0, 8, 0, 2, 0, 1, 1, 2, 3, 4}, 12},
    {"empty address", {0, 0x20, 0, 0}, 4},
    {"error class 2", {0, 9, 0, 4, 0, 0, 2, 0}, 8},
    {"error class 7", {0, 9, 0, 4, 0, 0, 7, 0}, 8},
    {"error number 100", {0, 9, 0, 4, 0, 0, 4, 100}, 8},
    {"error cut short", {0, 9, 0, 3, 0, 0, 4, 0}, 8},
    {"odd list of unknown attributes", {0, 10, 0, 3, 0, 1, 0, 0}, 8},
    {"change request of two bytes", {0, 3, 0, 2, 0, 0, 0, 0}, 8},
    {"response port of one byte", {0, 0x27, 0, 1, 0, 0, 0, 0}, 8},
    {"integrity of 4 bytes", {0, 8, 0, 4, 0, 0, 0, 0}, 8},
    {"SHA-256 integrity of 12 bytes", {0, 0x1c, 0, 12}, 16},
    {"fingerprint of 2 bytes", {0x80, 0x28, 0, 2, 0, 0, 0, 0}, 8},
    {"wrong fingerprint", {0x80, 0x28, 0, 4, 1, 2, 3, 4}, 8},
};

static int read_body(const uint8_t *body, size_t len, struct wend_stun *ret)
{
    uint8_t message[1024] = {0, 1, (uint8_t)(len >> 8), (uint8_t)len, 0x21, 0x12, 0xa4, 0x42};
    memcpy(message + 20, body, len);
    return wend_stun_read((struct wend_bytes){message, 20 + len}, ret);
}

static void refuses_broken_attributes(void **state)
{
    (void)state;
    struct wend_stun m;
    for (size_t i = 0; i < sizeof broken_bodies / sizeof broken_bodies[0]; i++)
        if (read_body(broken_bodies[i].body, broken_bodies[i].body_len, &m) != -EBADMSG)
            fail_msg("accepted: %s", broken_bodies[i].why);
}

static void refuses_broken_headers(void **state)
{
    (void)state;
    struct wend_stun m;
    uint8_t header[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    assert_int_equal(wend_stun_read(VIEW(header), &m), 0);
    header[0] = 0x40; // one of the two bits that must be zero
    assert_int_equal(wend_stun_read(VIEW(header), &m), -EBADMSG);
    header[0] = 0;
    header[7] ^= 1; // the cookie
    assert_int_equal(wend_stun_read(VIEW(header), &m), -EBADMSG);
    header[7] ^= 1;
    header[3] = 4;
    assert_int_equal(wend_stun_read(VIEW(header), &m), -EBADMSG);
    assert_int_equal(wend_stun_read((struct wend_bytes){0}, &m), -EBADMSG);
}

static void refuses_overlong_text(void **state)
{
    (void)state;
    struct wend_stun m;
    uint8_t body[4 + 764] = {0x00, 0x06, 763 >> 8, 763 & 0xff};
    assert_int_equal(read_body(body, sizeof body, &m), 0);
    assert_int_equal(m.username.len, 763);
    body[3]++;
    assert_int_equal(read_body(body, sizeof body, &m), -EBADMSG);
}

// ---- Order, repetition, unknown attributes ----

static void first_of_many_counts(void **state)
{
    (void)state;
    const uint8_t body[] = {
        0, 1, 0, 8, 0, 1,  0, 80, 1, 2, 3, 4, 0, 1,
        0, 8, 0, 1, 0, 81, 5, 6,  7, 8, 0, 1, 0, 0}; // the third is not even well formed
    struct wend_stun m;
    assert_int_equal(read_body(body, sizeof body, &m), 0);
    assert_address(&m.mapped, "1.2.3.4:80");
}

static void ignores_what_integrity_does_not_cover(void **state)
{
    (void)state;
    uint8_t body[24 + 12 + 36 + 12 + 24] = {0, 8, 0, 20};
    const uint8_t mapped[12] = {0, 1, 0, 8, 0, 1, 0, 80, 1, 2, 3, 4};
    memcpy(body + 24, mapped, sizeof mapped);
    memcpy(body + 36, (const uint8_t[4]){0, 0x1c, 0, 32}, 4);
    memcpy(body + 72, mapped, sizeof mapped);
    memcpy(body + 84, (const uint8_t[4]){0x7f, 0xff, 0, 20}, 4);
    struct wend_stun m;
    assert_int_equal(read_body(body, sizeof body, &m), 0);
    assert_int_equal(m.mapped.family, WEND_FAMILY_NONE);
    assert_int_equal(m.unknown_count, 0);
    assert_int_equal(m.integrity.rest.len, 0);
    assert_int_equal(m.integrity.header[3], 24);
    assert_int_equal(m.integrity_sha256.rest.len, 36);
    assert_int_equal(m.integrity_sha256.header[3], 72);
}

static void names_unknown_attributes_up_to_a_limit(void **state)
{
    (void)state;
    uint8_t body[20 * 4] = {0};
    for (size_t i = 0; i < 20; i++) {
        body[4 * i] = i < 3 ? 0xc0 : 0x70; // the first three may be skipped
        body[4 * i + 1] = (uint8_t)i;
    }
    struct wend_stun m;
    assert_int_equal(read_body(body, sizeof body, &m), 0);
    assert_int_equal(m.unknown_count, WEND_STUN_UNKNOWN_MAX);
    assert_int_equal(m.unknown[0], 0x7003);
    assert_int_equal(m.unknown[15], 0x7012);
}

static void nothing_follows_a_fingerprint(void **state)
{
    (void)state;
    uint8_t message[64];
    struct wend_stun_writer w;
    struct wend_stun m;
    const struct wend_stun_header header = {.method = 1};
    wend_stun_begin(&w, message, sizeof message, &header);
    wend_stun_put_fingerprint(&w);
    wend_stun_put(&w, WEND_STUN_SOFTWARE, TEXT("late"));
    const size_t len = wend_stun_finish(&w);
    assert_int_equal(wend_stun_read((struct wend_bytes){message, len}, &m), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_rfc5769_request),
        cmocka_unit_test(reads_rfc5769_responses),
        cmocka_unit_test(reads_rfc5769_long_term),
        cmocka_unit_test(reads_rfc8489_sha256),
        cmocka_unit_test(crc32_matches_its_check_value),
        cmocka_unit_test(refuses_every_truncation_and_flip),
        cmocka_unit_test(refuses_broken_attributes),
        cmocka_unit_test(refuses_broken_headers),
        cmocka_unit_test(refuses_overlong_text),
        cmocka_unit_test(first_of_many_counts),
        cmocka_unit_test(ignores_what_integrity_does_not_cover),
        cmocka_unit_test(names_unknown_attributes_up_to_a_limit),
        cmocka_unit_test(nothing_follows_a_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
