// SPDX-License-Identifier: MIT
// The STUN writer: each attribute's bytes, every type's number, both integrities, and no room.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "wire/stun.h"

#define TEXT(text) ((struct wend_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static const struct wend_stun_header request = {
    .method = WEND_STUN_METHOD_BINDING,
    .class = WEND_STUN_REQUEST,
    .transaction = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
};

static struct wend_address address_of(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static struct wend_stun read_back(const uint8_t *at, const struct wend_stun_writer *w)
{
    struct wend_stun m;
    const size_t len = wend_stun_finish(w);
    assert_true(len >= WEND_STUN_HEADER_LEN);
    assert_int_equal(wend_stun_read((struct wend_bytes){at, len}, &m), 0);
    return m;
}

static void writes_every_type(void **state)
{
    (void)state;
    uint8_t message[20];
    for (uint16_t method = 0; method < 0x1000; method++) {
        for (uint8_t class = 0; class < 4; class ++) {
            const struct wend_stun_header header = {.method = method, .class = class};
            struct wend_stun_writer w;
            wend_stun_begin(&w, message, sizeof message, &header);
            assert_int_equal(message[0] & 0xc0, 0);
            const struct wend_stun m = read_back(message, &w);
            assert_int_equal(m.method, method);
            assert_int_equal(m.class, class);
        }
    }
}

static void writes_known_type_numbers(void **state)
{
    (void)state;
    const uint8_t want[4][2] = {{0x00, 0x01}, {0x00, 0x11}, {0x01, 0x01}, {0x01, 0x11}};
    for (uint8_t class = 0; class < 4; class ++) {
        const struct wend_stun_header header = {.method = 1, .class = class};
        uint8_t message[20];
        struct wend_stun_writer w;
        wend_stun_begin(&w, message, sizeof message, &header);
        assert_memory_equal(message, want[class], 2);
    }
}

static void writes_discovery_request(void **state)
{
    (void)state;
    const uint8_t want[] = {
        0, 1,    0, 28, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6,
        7, 8,    9, 10, 11,   12,   0,    3,    0, 4, 0, 0, 0, 6, // CHANGE-REQUEST, both flags
        0, 0x27, 0, 2,  0x12, 0x34, 0,    0,                      // RESPONSE-PORT
        0, 0x26, 0, 6,  0,    0,    0,    0,    0, 0, 0, 0,       // PADDING
    };
    uint8_t message[sizeof want];
    struct wend_stun_writer w;
    wend_stun_begin(&w, message, sizeof message, &request);
    wend_stun_put_change_request(&w, true, true);
    wend_stun_put_response_port(&w, 0x1234);
    wend_stun_put_padding(&w, 6);
    assert_int_equal(wend_stun_finish(&w), sizeof want);
    assert_memory_equal(message, want, sizeof want);
    const struct wend_stun m = read_back(message, &w);
    assert_true(m.change_ip && m.change_port);
    assert_int_equal(m.response_port, 0x1234);
    assert_int_equal(m.padding_len, 6);
    assert_true(wend_stun_has(&m, WEND_STUN_PADDING));
}

static void writes_each_change_flag(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 4; flags++) {
        uint8_t message[28];
        struct wend_stun_writer w;
        wend_stun_begin(&w, message, sizeof message, &request);
        wend_stun_put_change_request(&w, (flags & 1) != 0, (flags & 2) != 0);
        const struct wend_stun m = read_back(message, &w);
        assert_int_equal(m.change_ip, (flags & 1) != 0);
        assert_int_equal(m.change_port, (flags & 2) != 0);
        assert_true(wend_stun_has(&m, WEND_STUN_CHANGE_REQUEST));
    }
}

static void writes_every_address(void **state)
{
    (void)state;
    const struct wend_address a = address_of("203.0.113.9:41641");
    const struct wend_address b = address_of("[2001:db8::7]:5555");
    uint8_t message[256];
    struct wend_stun_writer w;
    wend_stun_begin(&w, message, sizeof message, &request);
    wend_stun_put_address(&w, WEND_STUN_MAPPED_ADDRESS, &a);
    wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, &b);
    wend_stun_put_address(&w, WEND_STUN_ALTERNATE_SERVER, &b);
    wend_stun_put_address(&w, WEND_STUN_RESPONSE_ORIGIN, &a);
    wend_stun_put_address(&w, WEND_STUN_OTHER_ADDRESS, &b);
    const struct wend_stun m = read_back(message, &w);
    assert_true(wend_address_equal(&m.mapped, &a));
    assert_true(wend_address_equal(&m.xor_mapped, &b));
    assert_true(wend_address_equal(&m.alternate_server, &b));
    assert_true(wend_address_equal(&m.response_origin, &a));
    assert_true(wend_address_equal(&m.other, &b));
}

static void writes_errors(void **state)
{
    (void)state;
    const uint16_t types[] = {0x0024, 0x7fff, 0x0001};
    uint8_t message[128];
    struct wend_stun_writer w;
    wend_stun_begin(&w, message, sizeof message, &request);
    wend_stun_put_error(&w, 420, TEXT("Unknown Attribute"));
    wend_stun_put_unknown(&w, types, 3);
    assert_memory_equal(message + 20, ((const uint8_t[8]){0, 9, 0, 21, 0, 0, 4, 20}), 8);
    const struct wend_stun m = read_back(message, &w);
    assert_int_equal(m.error_code, 420);
    assert_true(wend_bytes_equal(m.error_reason, TEXT("Unknown Attribute")));
    assert_int_equal(m.unknown_attributes.len, 6);
    assert_int_equal(wend_get_u16(m.unknown_attributes.at + 2), 0x7fff);
}

static void writes_every_error_code(void **state)
{
    (void)state;
    for (uint16_t code = 300; code < 700; code++) {
        uint8_t message[28];
        struct wend_stun_writer w;
        wend_stun_begin(&w, message, sizeof message, &request);
        wend_stun_put_error(&w, code, (struct wend_bytes){0});
        assert_int_equal(read_back(message, &w).error_code, code);
    }
}

static void seal(struct wend_stun_writer *w, enum wend_stun_type type, size_t len)
{
    struct wend_bytes covered;
    uint8_t mac[EVP_MAX_MD_SIZE];
    uint8_t *const at = wend_stun_put_integrity(w, type, len, &covered);
    assert_non_null(at);
    const EVP_MD *md = type == WEND_STUN_MESSAGE_INTEGRITY ? EVP_sha1() : EVP_sha256();
    assert_non_null(HMAC(md, "key", 3, covered.at, covered.len, mac, NULL));
    memcpy(at, mac, len);
}

static void assert_sealed(const struct wend_stun_integrity *i, const EVP_MD *md, size_t len)
{
    uint8_t covered[256];
    uint8_t mac[EVP_MAX_MD_SIZE];
    const size_t covered_len = wend_stun_join_covered(i, covered, sizeof covered);
    assert_non_null(HMAC(md, "key", 3, covered, covered_len, mac, NULL));
    assert_int_equal(i->value.len, len);
    assert_memory_equal(i->value.at, mac, len);
}

static void writes_both_integrities_and_a_fingerprint(void **state)
{
    (void)state;
    for (size_t len = 16; len <= 32; len += 4) {
        uint8_t message[256];
        struct wend_stun_writer w;
        wend_stun_begin(&w, message, sizeof message, &request);
        wend_stun_put(&w, WEND_STUN_USERNAME, TEXT("alice"));
        seal(&w, WEND_STUN_MESSAGE_INTEGRITY, 20);
        seal(&w, WEND_STUN_MESSAGE_INTEGRITY_SHA256, len);
        wend_stun_put_fingerprint(&w);
        const struct wend_stun m = read_back(message, &w);
        assert_sealed(&m.integrity, EVP_sha1(), 20);
        assert_sealed(&m.integrity_sha256, EVP_sha256(), len);
        assert_true(wend_stun_has(&m, WEND_STUN_FINGERPRINT));
    }
}

// All of a message in every buffer that is too small: latched, and not a byte beyond the end.
static void stops_at_the_end_of_room(void **state)
{
    (void)state;
    const struct wend_address a = address_of("203.0.113.9:41641");
    const uint16_t unknown = 0x0024;
    size_t whole_len = 0;
    for (size_t capacity = 0; capacity < 256; capacity++) {
        uint8_t message[256];
        struct wend_bytes covered;
        struct wend_stun_writer w;
        memset(message, 0xee, sizeof message);
        wend_stun_begin(&w, message, capacity, &request);
        wend_stun_put(&w, WEND_STUN_SOFTWARE, TEXT("wend"));
        wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, &a);
        wend_stun_put_padding(&w, 5);
        wend_stun_put_unknown(&w, &unknown, 1);
        wend_stun_put_error(&w, 500, TEXT("x"));
        wend_stun_put_integrity(&w, WEND_STUN_MESSAGE_INTEGRITY, 20, &covered);
        wend_stun_put_fingerprint(&w);
        const size_t len = wend_stun_finish(&w);
        for (size_t i = capacity; i < sizeof message; i++)
            assert_int_equal(message[i], 0xee);
        if (whole_len == 0)
            whole_len = len;
        assert_int_equal(len, whole_len);
        assert_true(len <= capacity);
    }
    assert_int_equal(whole_len, 20 + 8 + 12 + 12 + 8 + 12 + 24 + 8);
}

static void refuses_more_than_the_length_field_holds(void **state)
{
    (void)state;
    static uint8_t message[2 * WEND_STUN_BODY_MAX];
    struct wend_stun_writer w;
    wend_stun_begin(&w, message, sizeof message, &request);
    wend_stun_put_padding(&w, WEND_STUN_BODY_MAX - 4);
    assert_int_equal(read_back(message, &w).padding_len, WEND_STUN_BODY_MAX - 4);
    wend_stun_put_padding(&w, 0);
    assert_int_equal(wend_stun_finish(&w), 0);
    wend_stun_begin(&w, message, sizeof message, &request);
    wend_stun_put_padding(&w, 65536);
    assert_int_equal(wend_stun_finish(&w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_every_type),
        cmocka_unit_test(writes_known_type_numbers),
        cmocka_unit_test(writes_discovery_request),
        cmocka_unit_test(writes_each_change_flag),
        cmocka_unit_test(writes_every_address),
        cmocka_unit_test(writes_errors),
        cmocka_unit_test(writes_every_error_code),
        cmocka_unit_test(writes_both_integrities_and_a_fingerprint),
        cmocka_unit_test(stops_at_the_end_of_room),
        cmocka_unit_test(refuses_more_than_the_length_field_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
