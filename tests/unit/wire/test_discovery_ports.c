// SPDX-License-Identifier: MIT
#include "wire/discovery_ports.h"

#include <errno.h>

#include "../base/unit.h"
#include "wire/attribute.h"

static const uint8_t both[] = {
    4, 2, 0x0d, 0x96, 0x0d, 0x97, 198,  51,   100, 2, //
    6, 1, 0x0d, 0x96, 0x20, 0x01, 0x0d, 0xb8, 0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
};

static void reads_and_writes_the_bytes_of_the_document(void **state)
{
    struct wend_discovery_ports d[2];
    uint8_t bytes[WEND_DISCOVERY_PORTS_LEN_MAX];
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);
    (void)state;
    assert_true(wend_discovery_ports_read(WEND_BYTES(both), d));
    assert_int_equal(d[0].port_count, 2);
    assert_int_equal(d[0].ports[0], 3478);
    assert_int_equal(d[0].ports[1], 3479);
    const struct wend_address second = wend_address_ipv4(0xc6336402, 0);
    assert_true(wend_address_equal(&d[0].second, &second));
    assert_int_equal(d[1].port_count, 1);
    assert_int_equal(d[1].second.family, WEND_FAMILY_IPV6);
    wend_discovery_ports_write(&w, d);
    assert_false(w.failed);
    assert_int_equal(w.len, sizeof both);
    assert_memory_equal(bytes, both, sizeof both);
}

static void a_zero_address_is_none(void **state)
{
    static const uint8_t alone[] = {4, 1, 0x0d, 0x96, 0, 0, 0, 0};
    struct wend_discovery_ports d[2];
    (void)state;
    assert_true(wend_discovery_ports_read(WEND_BYTES(alone), d));
    assert_int_equal(d[0].second.family, WEND_FAMILY_NONE);
    assert_int_equal(d[1].port_count, 0);
}

static bool reads(const uint8_t *at, size_t len)
{
    struct wend_discovery_ports d[2];
    return wend_discovery_ports_read((struct wend_bytes){at, len}, d);
}

static void refuses_every_other_form(void **state)
{
    static const uint8_t no_port[] = {4, 0, 1, 2, 3, 4}, port_zero[] = {4, 1, 0, 0, 1, 2, 3, 4},
                         port_twice[] = {4, 2, 1, 1, 1, 1, 1, 2, 3, 4},
                         family_twice[] = {4, 1, 1, 1, 1, 2, 3, 4, 4, 1, 1, 1, 1, 2, 3, 4},
                         no_family[] = {5, 1, 1, 1, 1, 2, 3, 4},
                         ports_7[] = {4, 7, 1, 1, 1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1, 7, 1, 2, 3, 4};
    (void)state;
    assert_false(reads(no_port, sizeof no_port));
    assert_false(reads(port_zero, sizeof port_zero));
    assert_false(reads(port_twice, sizeof port_twice));
    assert_false(reads(family_twice, sizeof family_twice));
    assert_false(reads(no_family, sizeof no_family));
    assert_false(reads(ports_7, sizeof ports_7));
    for (size_t len = 0; len < sizeof both; len++)
        assert_int_equal(reads(both, len), len == 10);
    uint8_t turned[sizeof both];
    memcpy(turned, both + 10, sizeof both - 10);
    memcpy(turned + sizeof both - 10, both, 10);
    assert_false(reads(turned, sizeof turned));
}

static void an_attribute_is_judged_as_a_whole(void **state)
{
    uint8_t bytes[64];
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);
    struct wend_attributes a;
    (void)state;
    wend_attribute_put(&w, WEND_ATTRIBUTE_DISCOVERY, WEND_BYTES(both));
    const struct wend_bytes area = {bytes, w.len};
    assert_int_equal(wend_attributes_parse(area, &a), 0);
    assert_int_equal(a.discovery.len, sizeof both);
    bytes[WEND_ATTRIBUTE_HEADER_LEN] = 7;
    assert_int_equal(wend_attributes_parse(area, &a), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_the_bytes_of_the_document),
        cmocka_unit_test(a_zero_address_is_none),
        cmocka_unit_test(refuses_every_other_form),
        cmocka_unit_test(an_attribute_is_judged_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
