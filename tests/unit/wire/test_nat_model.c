// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/nat_model.h"

static const uint8_t sequential[] = {
    0,    0,    0,   7,             // serial
    0x43,                           // APDM, ADF
    0x30,                           // sequential
    0x91,                           // udp yes, hairpin no, parity unknown, paired no
    0x84,                           // translates, public IPv4
    0xff, 0xfe,                     // delta -2
    0x9c, 0x4a, 0,   0, 0,    0xfa, // port 40010, 250 ms ago
    0x01,                           // a rate follows
    203,  0,    113, 9, 0x9c, 0x40, 0, 0, 0, 100, 0, 0, 0x0d, 0xac, 0, 0, 0x23, 0x28,
};

static struct wend_nat_told model;

static int begin(void **state)
{
    (void)state;
    model = (struct wend_nat_told){.serial = 7,
                                   .mapping = 4,
                                   .filtering = 3,
                                   .allocation = 3,
                                   .udp = 2,
                                   .hairpin = 1,
                                   .paired = 1,
                                   .translates = 2,
                                   .delta = -2,
                                   .newest_port = 40010,
                                   .newest_age_ms = 250,
                                   .public = wend_address_ipv4(0xcb007109, 40000)};
    model.estimates[WEND_NAT_TOLD_RATE] = (struct wend_nat_told_range){100, 3500, 9000};
    return 0;
}

// By their fields: padding has no value.
static void expect_same(const struct wend_nat_told *a, const struct wend_nat_told *b)
{
    assert_int_equal(a->serial, b->serial);
    assert_memory_equal(&a->mapping, &b->mapping, 9); // up to translates
    assert_int_equal(a->byte_swapped, b->byte_swapped);
    assert_int_equal(a->delta, b->delta);
    assert_int_equal(a->newest_port, b->newest_port);
    assert_int_equal(a->newest_age_ms, b->newest_age_ms);
    assert_true(wend_address_equal(&a->public, &b->public));
    assert_true(wend_address_equal(&a->mapped, &b->mapped));
    assert_memory_equal(a->estimates, b->estimates, sizeof a->estimates);
}

static void test_bytes_both_ways(void **state)
{
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];
    struct wend_nat_told back;

    (void)state;
    assert_int_equal(wend_nat_told_write(bytes, &model), sizeof sequential);
    assert_memory_equal(bytes, sequential, sizeof sequential);
    assert_int_equal(wend_nat_told_read(WEND_BYTES(sequential), &back), 0);
    expect_same(&back, &model);
}

static void test_least_and_greatest(void **state)
{
    const struct wend_nat_told least = {.serial = 1};
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];
    struct wend_nat_told back;

    (void)state;
    assert_int_equal(wend_nat_told_write(bytes, &least), WEND_NAT_MODEL_LEN_MIN);
    assert_int_equal(wend_nat_told_read((struct wend_bytes){bytes, WEND_NAT_MODEL_LEN_MIN}, &back),
                     0);
    expect_same(&back, &least);
    assert_int_equal(wend_address_parse("[2001:db8::7]:4000", 0, &model.public), 0);
    assert_int_equal(wend_address_parse("[2001:db8::8]:4001", 0, &model.mapped), 0);
    for (int i = 0; i < WEND_NAT_TOLD_ESTIMATES; i++)
        model.estimates[i] = (struct wend_nat_told_range){1, 2, 65535};
    assert_int_equal(wend_nat_told_write(bytes, &model), WEND_NAT_MODEL_LEN_MAX);
    assert_int_equal(wend_nat_told_read(WEND_BYTES(bytes), &back), 0);
    expect_same(&back, &model);
}

// The IP address of a mapping that public has too is told once.
static void test_same_ip(void **state)
{
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];
    struct wend_nat_told back;

    (void)state;
    model.mapped = wend_address_ipv4(0xcb007109, 41641);
    const size_t len = wend_nat_told_write(bytes, &model);
    assert_int_equal(len, sizeof sequential + 2);
    assert_int_equal(wend_nat_told_read((struct wend_bytes){bytes, len}, &back), 0);
    expect_same(&back, &model);
}

static void test_later_versions_and_cuts(void **state)
{
    uint8_t bytes[sizeof sequential + 9] = {0};
    struct wend_nat_told back;

    (void)state;
    memcpy(bytes, sequential, sizeof sequential);
    assert_int_equal(wend_nat_told_read(WEND_BYTES(bytes), &back), 0);
    expect_same(&back, &model);
    for (size_t len = 0; len < sizeof sequential; len++)
        assert_int_equal(wend_nat_told_read((struct wend_bytes){sequential, len}, &back), -EBADMSG);
}

static void test_refused(void **state)
{
    static const struct {
        uint8_t at, value;
    } wrong[] = {
        {3, 0},     // serial 0
        {4, 0x53},  // mapping 5
        {4, 0x45},  // filtering 5
        {5, 0x60},  // allocation 6
        {5, 0x31},  // fallback to preserving
        {5, 0x36},  // fallback 6
        {5, 0x40},  // a delta without a sequence
        {6, 0xd1},  // udp 3
        {6, 0xb1},  // hairpin 3
        {6, 0x9d},  // parity 3
        {6, 0x93},  // paired 3
        {7, 0xc4},  // translates 3
        {7, 0x94},  // reserved bit
        {7, 0x8c},  // public of kind 3
        {16, 0x21}, // unknown estimate
        {17, 127},  // loopback
        {17, 0},    // this network
        {25, 1},    // least above likely
        {31, 0},    // likely above most
    };
    struct wend_nat_told back = {.serial = 99};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t bytes[sizeof sequential];
        memcpy(bytes, sequential, sizeof bytes);
        bytes[wrong[i].at] = wrong[i].value;
        if (wrong[i].at == 31) // most: 0x0028
            bytes[33] = 0;
        if (wrong[i].at == 25)
            bytes[23] = 1;
        if (wend_nat_told_read(WEND_BYTES(bytes), &back) != -EBADMSG)
            fail_msg("byte %u as %u is taken", wrong[i].at, wrong[i].value);
        assert_int_equal(back.serial, 99);
    }
    uint8_t none[sizeof sequential];
    memcpy(none, sequential, sizeof none);
    none[8] = none[9] = 0; // a sequence without a delta
    assert_int_equal(wend_nat_told_read(WEND_BYTES(none), &back), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bytes_both_ways, begin),
        cmocka_unit_test_setup(test_least_and_greatest, begin),
        cmocka_unit_test_setup(test_same_ip, begin),
        cmocka_unit_test_setup(test_later_versions_and_cuts, begin),
        cmocka_unit_test_setup(test_refused, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
