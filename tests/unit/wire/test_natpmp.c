// SPDX-License-Identifier: MIT
// NAT-PMP's messages as RFC 6886 draws them, both ways.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/natpmp.h"

static void reads_and_writes(struct wend_bytes bytes, const struct wend_natpmp *m)
{
    struct wend_natpmp got;
    uint8_t again[WEND_NATPMP_LEN_MAX];
    assert_int_equal(wend_natpmp_read(bytes, &got), 0);
    assert_int_equal(got.is_response, m->is_response);
    assert_int_equal(got.opcode, m->opcode);
    assert_int_equal(got.result, m->result);
    assert_int_equal(got.epoch_s, m->epoch_s);
    assert_true(wend_address_equal(&got.external, &m->external));
    assert_int_equal(got.internal_port, m->internal_port);
    assert_int_equal(got.external_port, m->external_port);
    assert_int_equal(got.lifetime_s, m->lifetime_s);
    assert_int_equal(wend_natpmp_write(m, again, sizeof again), bytes.len);
    assert_memory_equal(again, bytes.at, bytes.len);
    assert_int_equal(wend_natpmp_write(m, again, bytes.len - 1), 0);
    // Neither shorter nor longer.
    uint8_t longer[WEND_NATPMP_LEN_MAX + 1] = {0};
    memcpy(longer, bytes.at, bytes.len);
    assert_int_equal(wend_natpmp_read((struct wend_bytes){longer, bytes.len + 1}, &got), -EBADMSG);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(wend_natpmp_read((struct wend_bytes){bytes.at, len}, &got), -EBADMSG);
}

static void asks_for_the_address(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0, 0};
    struct wend_natpmp got;
    uint8_t again[2];
    assert_int_equal(wend_natpmp_read(WEND_BYTES(bytes), &got), 0);
    assert_false(got.is_response);
    assert_int_equal(wend_natpmp_write(&got, again, 2), 2);
    assert_memory_equal(again, bytes, 2);
}

static void is_told_the_address(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0, 128, 0, 0, 0, 1, 0xe2, 0x40, 203, 0, 113, 9};
    reads_and_writes(WEND_BYTES(bytes),
                     &(struct wend_natpmp){.is_response = true,
                                           .epoch_s = 123456,
                                           .external = wend_address_ipv4(0xcb007109, 0)});
}

static void ignores_the_address_of_an_error(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0, 128, 0, 3, 0, 0, 0, 1, 203, 0, 113, 9};
    struct wend_natpmp got;
    assert_int_equal(wend_natpmp_read(WEND_BYTES(bytes), &got), 0);
    assert_int_equal(got.result, WEND_NATPMP_NETWORK_FAILURE);
    assert_int_equal(got.external.family, WEND_FAMILY_NONE);
}

static void maps_a_port(void **state)
{
    (void)state;
    const uint8_t request[] = {0, 1, 0, 0, 0x1f, 0x90, 0x1f, 0x91, 0, 0, 0x1c, 0x20};
    reads_and_writes(WEND_BYTES(request), &(struct wend_natpmp){.opcode = WEND_NATPMP_MAP_UDP,
                                                                .internal_port = 8080,
                                                                .external_port = 8081,
                                                                .lifetime_s = 7200});
    const uint8_t response[] = {0,    129,  0, 0, 0, 0,    0x12, 0x34,
                                0x1f, 0x90, 0, 9, 0, 0x01, 0x51, 0x80};
    reads_and_writes(WEND_BYTES(response), &(struct wend_natpmp){.is_response = true,
                                                                 .opcode = WEND_NATPMP_MAP_UDP,
                                                                 .epoch_s = 0x1234,
                                                                 .internal_port = 8080,
                                                                 .external_port = 9,
                                                                 .lifetime_s = 86400});
    const uint8_t refused[] = {0, 130, 0, 2, 0, 0, 0x12, 0x34, 0x1f, 0x90, 0, 0, 0, 0, 0, 0};
    reads_and_writes(WEND_BYTES(refused), &(struct wend_natpmp){.is_response = true,
                                                                .opcode = WEND_NATPMP_MAP_TCP,
                                                                .result = 2,
                                                                .epoch_s = 0x1234,
                                                                .internal_port = 8080});
}

static void skips_reserved_bytes(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0, 1, 0xff, 0xff, 0x1f, 0x90, 0x1f, 0x91, 0, 0, 0x1c, 0x20};
    struct wend_natpmp got;
    assert_int_equal(wend_natpmp_read(WEND_BYTES(bytes), &got), 0);
    assert_int_equal(got.internal_port, 8080);
}

static void refuses_other_versions_and_opcodes(void **state)
{
    (void)state;
    uint8_t bytes[12] = {0};
    struct wend_natpmp got;
    for (unsigned version = 1; version < 256; version++) {
        bytes[0] = (uint8_t)version;
        assert_int_equal(wend_natpmp_read(WEND_BYTES(bytes), &got), -EPROTONOSUPPORT);
    }
    bytes[0] = 0;
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        bytes[1] = (uint8_t)opcode;
        const bool fits = opcode == 1 || opcode == 2 || opcode == 128;
        assert_int_equal(wend_natpmp_read(WEND_BYTES(bytes), &got), fits ? 0 : -EBADMSG);
    }
}

static void names_results(void **state)
{
    (void)state;
    assert_string_equal(wend_natpmp_result_name(0), "success");
    assert_string_equal(wend_natpmp_result_name(5), "unsupported-opcode");
    assert_string_equal(wend_natpmp_result_name(6), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_the_address),
        cmocka_unit_test(is_told_the_address),
        cmocka_unit_test(ignores_the_address_of_an_error),
        cmocka_unit_test(maps_a_port),
        cmocka_unit_test(skips_reserved_bytes),
        cmocka_unit_test(refuses_other_versions_and_opcodes),
        cmocka_unit_test(names_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
