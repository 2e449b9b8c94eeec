// SPDX-License-Identifier: MIT
// Control messages and their attributes.
#include "../base/unit.h"

#include <errno.h>
#include <stdio.h>

#include "wire/control.h"

#define VIEW(array)                                                                                \
    (struct wend_bytes)                                                                            \
    {                                                                                              \
        (array), sizeof(array)                                                                     \
    }

// ---- Messages ----

static void test_keepalive_bytes(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x40, 0x04, 0x00, 0x20, 0x01, 0x02, 0x03, 0x04, 0x00, 0x09,
                                       0x00, 0x08, 0x04, 0x00, 0x0d, 0x96, 0xc0, 0x00, 0x02, 0x07,
                                       0x00, 0x15, 0x00, 0x10, 0,    0,    0,    0,    0,    0,
                                       0,    5,    0,    0,    0,    0,    0,    0,    0,    9};
    const struct wend_address address = wend_address_ipv4(0xc0000207, 3478);
    uint8_t buffer[sizeof(expected)];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    const size_t begun =
        wend_control_begin(&w, WEND_CONTROL_KEEPALIVE | WEND_CONTROL_RESPONSE, 0x01020304);
    wend_attribute_put_address(&w, &address);
    wend_attribute_put_position(&w, (struct wend_position){.epoch = 5, .serial = 9});
    wend_control_end(&w, begun);
    assert_false(w.failed);
    assert_int_equal(w.len, sizeof(expected));
    assert_memory_equal(buffer, expected, sizeof(expected));

    struct wend_control c;
    struct wend_attributes a;
    struct wend_address seen;
    struct wend_position position;
    assert_int_equal(wend_control_decode(VIEW(expected), &c), 0);
    assert_int_equal(c.type, WEND_CONTROL_KEEPALIVE);
    assert_true(c.response);
    assert_int_equal(c.id, 0x01020304);
    assert_int_equal(wend_attributes_parse(c.attributes, &a), 0);
    assert_true(wend_attribute_address(a.address, &seen));
    assert_true(wend_address_equal(&seen, &address));
    assert_true(wend_attribute_position(a.position, &position));
    assert_true(position.epoch == 5 && position.serial == 9);
    assert_null(a.position_to.at);
    assert_false(a.more);
}

static void test_padding(void **state)
{
    (void)state;
    uint8_t message[32] = {0x00, 0x03, 0x00, 0x04, 0, 0, 0, 1, 0x00, 0x17, 0x00, 0x00};
    struct wend_control c;
    assert_int_equal(wend_control_decode(VIEW(message), &c), 0);
    assert_int_equal(c.attributes.len, 4);
    for (size_t i = 12; i < sizeof(message); i++) {
        message[i] = 1;
        assert_int_equal(wend_control_decode(VIEW(message), &c), -EBADMSG);
        message[i] = 0;
    }
    for (size_t len = 0; len < 12; len++)
        assert_int_equal(wend_control_decode((struct wend_bytes){message, len}, &c), -EBADMSG);
}

static void test_unknown_messages(void **state)
{
    (void)state;
    static const uint8_t skip[] = {0x80, 0x77, 0, 0, 0, 0, 0, 1};
    static const uint8_t refuse[] = {0x00, 0x77, 0, 0, 0, 0, 0, 1};
    struct wend_control c;
    assert_int_equal(wend_control_decode(VIEW(skip), &c), 0);
    assert_true(wend_control_is_optional(&c));
    assert_int_equal(wend_control_decode(VIEW(refuse), &c), 0);
    assert_false(wend_control_is_optional(&c));
    assert_string_equal(wend_control_name(c.type), "unknown message");
    assert_string_equal(wend_control_name(WEND_CONTROL_JOIN_COMMIT), "Join Commit");
}

static void test_failure(void **state)
{
    (void)state;
    uint8_t buffer[64];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    const struct wend_control request = {.type = WEND_CONTROL_JOIN, .id = 9};
    struct wend_control c;
    struct wend_attributes a;
    struct wend_failure f;
    wend_control_write_failure(&w, &request, WEND_ERROR_TAKEN, "name");
    assert_int_equal(wend_control_decode((struct wend_bytes){buffer, w.len}, &c), 0);
    assert_true(c.response && c.type == WEND_CONTROL_JOIN && c.id == 9);
    assert_int_equal(wend_attributes_parse(c.attributes, &a), 0);
    assert_true(wend_attribute_failure(a.error, &f));
    assert_int_equal(f.code, 409);
    assert_int_equal(f.text.len, 4);
    assert_memory_equal(f.text.at, "name", 4);
    w = wend_writer_of(buffer, sizeof(buffer));
    wend_control_write_failure(&w, &request, WEND_ERROR_LIMIT, NULL);
    assert_int_equal(w.len, 8 + 4 + 2);
}

// Every code has a line of its own.
static void test_error_names(void **state)
{
    (void)state;
    static const uint16_t codes[] = {400, 401, 403, 404, 405, 408, 409, 410, 411, 412, 413, 414,
                                     420, 429, 440, 441, 442, 443, 444, 445, 446, 447, 503, 0};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_not_equal(wend_error_name(codes[i]), "unknown error");
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(wend_error_name(codes[i]), wend_error_name(codes[k]));
    }
    assert_string_equal(wend_error_name(499), "unknown error");
}

// ---- Attributes ----

static int parse_one(uint16_t type, const uint8_t *value, size_t len, struct wend_attributes *ret)
{
    static uint8_t buffer[70000];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_attribute_put(&w, (enum wend_attribute_type)type, (struct wend_bytes){value, len});
    assert_false(w.failed);
    return wend_attributes_parse((struct wend_bytes){buffer, w.len}, ret);
}

static void test_fixed_lengths(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        size_t len;
    } rows[] = {
        {WEND_ATTRIBUTE_NETWORK, 32},
        {WEND_ATTRIBUTE_PEER, 32},
        {WEND_ATTRIBUTE_CAPABILITIES, 4},
        {WEND_ATTRIBUTE_CERTIFICATE_HASH, 32},
        {WEND_ATTRIBUTE_REVOCATION_SERIAL, 8},
        {WEND_ATTRIBUTE_RESPONDER_EPOCH, 8},
        {WEND_ATTRIBUTE_EPOCH, 8},
        {WEND_ATTRIBUTE_CHANNEL, 4},
        {WEND_ATTRIBUTE_IPV4, 4},
        {WEND_ATTRIBUTE_SLOT, 4},
        {WEND_ATTRIBUTE_POSITION, 16},
        {WEND_ATTRIBUTE_MORE, 0},
        {WEND_ATTRIBUTE_SECRET, 16},
        {WEND_ATTRIBUTE_SIGNATURE, 64},
        {WEND_ATTRIBUTE_TIME, 8},
        {WEND_ATTRIBUTE_LIFETIME, 4},
        {WEND_ATTRIBUTE_PATH, 4},
        {WEND_ATTRIBUTE_COUNTERS, 16},
        {WEND_ATTRIBUTE_OFFSET, 4},
        {WEND_ATTRIBUTE_SIZE, 4},
        {WEND_ATTRIBUTE_OBJECT, 1},
        {WEND_ATTRIBUTE_STATUS, 1},
        {WEND_ATTRIBUTE_NETWORK_SERIAL, 8},
        {WEND_ATTRIBUTE_GENERATION, 4},
        {WEND_ATTRIBUTE_SERVER_RTT, 4},
    };
    uint8_t value[80];
    struct wend_attributes a;
    memset(value, 0x11, sizeof(value));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t len = 0; len < sizeof(value); len++)
            assert_int_equal(parse_one(rows[i].type, value, len, &a),
                             len == rows[i].len ? 0 : -EBADMSG);
}

static void test_address_forms(void **state)
{
    (void)state;
    uint8_t value[24] = {4, 0, 1, 2, 10, 0, 0, 1};
    struct wend_attributes a;
    struct wend_address seen;
    for (size_t len = 0; len < sizeof(value); len++)
        assert_int_equal(parse_one(WEND_ATTRIBUTE_ADDRESS, value, len, &a),
                         len == 8 ? 0 : -EBADMSG);
    value[0] = 6;
    for (size_t len = 0; len < sizeof(value); len++)
        assert_int_equal(parse_one(WEND_ATTRIBUTE_ADDRESS, value, len, &a),
                         len == 20 ? 0 : -EBADMSG);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_ADDRESS, value, 20, &a), 0);
    assert_true(wend_attribute_address(a.address, &seen));
    assert_int_equal(seen.family, WEND_FAMILY_IPV6);
    assert_int_equal(seen.port, 0x0102);
    assert_memory_equal(seen.ip, value + 4, 16);
    value[1] = 1;
    assert_int_equal(parse_one(WEND_ATTRIBUTE_ADDRESS, value, 20, &a), -EBADMSG);
    value[1] = 0, value[0] = 5;
    assert_int_equal(parse_one(WEND_ATTRIBUTE_ADDRESS, value, 20, &a), -EBADMSG);
}

static void test_judged_values(void **state)
{
    (void)state;
    static const uint8_t zeros[4];
    uint8_t name[64];
    struct wend_attributes a;
    memset(name, 'n', sizeof(name));
    assert_int_equal(parse_one(WEND_ATTRIBUTE_CHANNEL, zeros, 4, &a), -EBADMSG);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_NAME, name, 0, &a), -EBADMSG);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_NAME, name, 63, &a), 0);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_NAME, name, 64, &a), -EBADMSG);
    name[3] = '\n';
    assert_int_equal(parse_one(WEND_ATTRIBUTE_NAME, name, 8, &a), -EBADMSG);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_ERROR, zeros, 1, &a), -EBADMSG);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_ERROR, zeros, 2, &a), 0);
}

static void test_absent(void **state)
{
    (void)state;
    struct wend_attributes a;
    struct wend_address address;
    struct wend_position position;
    struct wend_counters counters;
    struct wend_failure failure;
    struct wend_candidate candidates[WEND_CANDIDATES_MAX];
    assert_int_equal(wend_attributes_parse((struct wend_bytes){0}, &a), 0);
    assert_null(a.network.at);
    assert_int_equal(wend_attribute_u8(a.status), 0);
    assert_int_equal(wend_attribute_u32(a.channel), 0);
    assert_int_equal(wend_attribute_u64(a.epoch), 0);
    assert_false(wend_attribute_address(a.address, &address));
    assert_false(wend_attribute_position(a.position, &position));
    assert_false(wend_attribute_counters(a.counters, &counters));
    assert_false(wend_attribute_failure(a.error, &failure));
    assert_int_equal(wend_attribute_candidates(a.candidates, candidates), 0);
}

static void test_empty_is_present(void **state)
{
    (void)state;
    struct wend_attributes a;
    assert_int_equal(parse_one(WEND_ATTRIBUTE_PART, NULL, 0, &a), 0);
    assert_non_null(a.part.at);
    assert_int_equal(a.part.len, 0);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_MORE, NULL, 0, &a), 0);
    assert_true(a.more);
}

static void test_unknown(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x80, 0x99, 0, 1, 7, 0x80, 0x99, 0, 0,
                                    0x00, 0x99, 0, 1, 7, 0x00, 0x98, 0, 0};
    struct wend_attributes a;
    assert_int_equal(wend_attributes_parse((struct wend_bytes){bytes, 9}, &a), 0);
    assert_int_equal(a.unknown, 0);
    assert_int_equal(wend_attributes_parse((struct wend_bytes){bytes, 14}, &a), -ENOTSUP);
    assert_int_equal(a.unknown, 0x99);
    assert_int_equal(wend_attributes_parse(VIEW(bytes), &a), -ENOTSUP);
    assert_int_equal(a.unknown, 0x99);
    assert_int_equal(wend_attributes_parse((struct wend_bytes){bytes, 17}, &a), -EBADMSG);
    assert_int_equal(a.unknown, 0);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_NONE, bytes, 0, &a), -EBADMSG);
}

static void put_twice(enum wend_attribute_type type, const uint8_t *value, size_t len, int expected)
{
    uint8_t buffer[256];
    struct wend_attributes a;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_attribute_put(&w, type, (struct wend_bytes){value, len});
    wend_attribute_put(&w, type, (struct wend_bytes){value, len});
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, w.len}, &a), expected);
}

static void test_twice(void **state)
{
    (void)state;
    static const uint8_t value[64] = {1, 1};
    put_twice(WEND_ATTRIBUTE_NETWORK, value, 32, -EBADMSG);
    put_twice(WEND_ATTRIBUTE_MORE, value, 0, -EBADMSG);
    put_twice(WEND_ATTRIBUTE_PART, value, 0, -EBADMSG);
    put_twice(WEND_ATTRIBUTE_SERVER_RTT, value, 4, -EBADMSG);
    put_twice(WEND_ATTRIBUTE_POSITION, value, 16, 0);
    put_twice(WEND_ATTRIBUTE_DATAGRAM, value, 5, 0);
    put_twice(WEND_ATTRIBUTE_ENTRY, value, 0, 0);
    put_twice(WEND_ATTRIBUTE_INVITE, value, 0, 0);
}

static void test_positions(void **state)
{
    (void)state;
    uint8_t buffer[80];
    struct wend_attributes a;
    struct wend_position from, to;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    for (uint64_t i = 0; i < 3; i++)
        wend_attribute_put_position(&w, (struct wend_position){.epoch = 7, .serial = i});
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, 40}, &a), 0);
    assert_true(wend_attribute_position(a.position, &from));
    assert_true(wend_attribute_position(a.position_to, &to));
    assert_true(from.serial == 0 && to.serial == 1);
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, 60}, &a), -EBADMSG);
}

static void test_repeated(void **state)
{
    (void)state;
    uint8_t buffer[256];
    struct wend_attributes a;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    for (uint8_t i = 0; i < 5; i++) {
        wend_attribute_put(&w, WEND_ATTRIBUTE_DATAGRAM, (struct wend_bytes){&i, i > 0 ? 1 : 0});
        if (i == 2)
            wend_attribute_put_flag(&w, WEND_ATTRIBUTE_MORE);
    }
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, w.len}, &a), 0);
    assert_non_null(a.datagram.at);
    assert_int_equal(a.datagram.len, 0);
    struct wend_bytes rest = a.all, one;
    for (uint8_t i = 0; i < 5; i++) {
        assert_true(wend_attribute_next(&rest, WEND_ATTRIBUTE_DATAGRAM, &one));
        assert_int_equal(one.len, i > 0 ? 1 : 0);
        assert_int_equal(wend_attribute_u8(one), i);
    }
    assert_false(wend_attribute_next(&rest, WEND_ATTRIBUTE_DATAGRAM, &one));
    assert_false(wend_attribute_next(&rest, WEND_ATTRIBUTE_DATAGRAM, &one));
}

static void test_nested(void **state)
{
    (void)state;
    uint8_t buffer[256], peer[32];
    struct wend_attributes a, inner;
    struct wend_bytes rest, one;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    memset(peer, 9, sizeof(peer));
    for (uint8_t status = 0; status <= WEND_STATUS_ONLINE; status++) {
        const size_t begun = wend_attribute_begin(&w, WEND_ATTRIBUTE_ENTRY);
        wend_attribute_put(&w, WEND_ATTRIBUTE_PEER, VIEW(peer));
        wend_attribute_put_u8(&w, WEND_ATTRIBUTE_STATUS, status);
        wend_attribute_end(&w, begun);
    }
    assert_false(w.failed);
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, w.len}, &a), 0);
    rest = a.all;
    for (uint8_t status = 0; status <= WEND_STATUS_ONLINE; status++) {
        assert_true(wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &one));
        assert_int_equal(wend_attributes_parse(one, &inner), 0);
        assert_memory_equal(inner.peer.at, peer, 32);
        assert_non_null(inner.status.at);
        assert_int_equal(wend_attribute_u8(inner.status), status);
    }
    assert_false(wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &one));
}

static void assert_candidates(const struct wend_candidate *a, const struct wend_candidate *b,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(a[i].kind, b[i].kind);
        assert_true(wend_address_equal(&a[i].address, &b[i].address));
    }
}

static void test_candidates(void **state)
{
    (void)state;
    uint8_t buffer[512];
    struct wend_candidate in[WEND_CANDIDATES_MAX + 1] = {0}, out[WEND_CANDIDATES_MAX];
    struct wend_attributes a;
    for (size_t i = 0; i <= WEND_CANDIDATES_MAX; i++) {
        in[i].kind = (uint8_t)(1 + i % 4);
        in[i].address = wend_address_ipv4(0x0a000000 + (uint32_t)i, (uint16_t)(1000 + i));
        if (i % 2 == 1)
            in[i].address.family = WEND_FAMILY_IPV6, in[i].address.ip[15] = 7;
    }
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_attribute_put_candidates(&w, in, WEND_CANDIDATES_MAX);
    assert_false(w.failed);
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, w.len}, &a), 0);
    assert_int_equal(wend_attribute_candidates(a.candidates, out), WEND_CANDIDATES_MAX);
    assert_candidates(out, in, WEND_CANDIDATES_MAX);
    buffer[4] = 77; // a kind made after us is left out
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, w.len}, &a), 0);
    assert_int_equal(wend_attribute_candidates(a.candidates, out), WEND_CANDIDATES_MAX - 1);
    assert_candidates(out, in + 1, WEND_CANDIDATES_MAX - 1);
    buffer[5] = 0; // a family that does not say how long it is
    assert_int_equal(wend_attributes_parse((struct wend_bytes){buffer, w.len}, &a), -EBADMSG);
    w = wend_writer_of(buffer, sizeof(buffer));
    wend_attribute_put_candidates(&w, in, WEND_CANDIDATES_MAX + 1);
    assert_true(w.failed);
    w = wend_writer_of(buffer, sizeof(buffer));
    in[1].address.family = 0;
    wend_attribute_put_candidates(&w, in, 2);
    assert_true(w.failed);
}

// 17 candidates of 8 bytes are one too many.
static void test_too_many_candidates(void **state)
{
    (void)state;
    uint8_t value[17 * 8] = {0};
    struct wend_attributes a;
    for (size_t i = 0; i < 17; i++)
        value[8 * i] = 1, value[8 * i + 1] = 4;
    assert_int_equal(parse_one(WEND_ATTRIBUTE_CANDIDATES, value, 16 * 8, &a), 0);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_CANDIDATES, value, 17 * 8, &a), -EBADMSG);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_CANDIDATES, value, 16 * 8 - 1, &a), -EBADMSG);
    assert_int_equal(parse_one(WEND_ATTRIBUTE_CANDIDATES, value, 0, &a), 0);
    assert_non_null(a.candidates.at);
}

static void test_no_room(void **state)
{
    (void)state;
    static const uint8_t large[70000] = {0};
    static uint8_t buffer[70000];
    for (size_t room = 0; room < 8 + 4 + 4; room++) {
        struct wend_writer w = wend_writer_of(buffer, room);
        const size_t begun = wend_control_begin(&w, WEND_CONTROL_KEEPALIVE, 1);
        wend_attribute_put_u32(&w, WEND_ATTRIBUTE_LIFETIME, 5);
        wend_control_end(&w, begun);
        assert_true(w.failed);
    }
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_attribute_put(&w, WEND_ATTRIBUTE_PART, (struct wend_bytes){large, UINT16_MAX});
    assert_false(w.failed);
    w = wend_writer_of(buffer, sizeof(buffer));
    wend_attribute_put(&w, WEND_ATTRIBUTE_PART, (struct wend_bytes){large, UINT16_MAX + 1});
    assert_true(w.failed);
    w = wend_writer_of(buffer, sizeof(buffer));
    wend_control_write(&w, WEND_CONTROL_SHOW, 1, (struct wend_bytes){large, UINT16_MAX + 1});
    assert_true(w.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keepalive_bytes),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_unknown_messages),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_error_names),
        cmocka_unit_test(test_fixed_lengths),
        cmocka_unit_test(test_address_forms),
        cmocka_unit_test(test_judged_values),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_empty_is_present),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_too_many_candidates),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
