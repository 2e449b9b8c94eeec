// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "relay/limits.h"

static const uint8_t key[WEND_HASH_KEY_LEN] = {1, 2, 3};

static struct wend_limits *open_limits(void)
{
    struct wend_limits *l = calloc(1, sizeof *l);
    assert_non_null(l);
    wend_limits_init(l, key);
    return l;
}

static unsigned take_all(struct wend_limits *l, enum wend_limit_kind kind,
                         struct wend_address source, wend_instant now)
{
    unsigned count = 0;
    while (wend_limits_take(l, kind, &source, now))
        count++;
    return count;
}

static void numbers_are_those_of_the_protocol(void **state)
{
    struct wend_limits *l = open_limits();
    const struct wend_address a = wend_address_ipv4(0x01020304, 1);
    (void)state;
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, a, 0), 100);
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, a, WEND_S(1)), 50);
    assert_int_equal(take_all(l, WEND_LIMIT_HANDSHAKE, a, WEND_S(1)), 100);
    assert_int_equal(take_all(l, WEND_LIMIT_HANDSHAKE, a, WEND_S(2)), 20);
    assert_int_equal(take_all(l, WEND_LIMIT_HINT, a, WEND_S(2)), 10);
    assert_int_equal(take_all(l, WEND_LIMIT_HINT, a, WEND_S(3)), 10);
    free(l);
}

static void neighbours_share_a_bucket(void **state)
{
    struct wend_limits *l = open_limits();
    (void)state;
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, wend_address_ipv4(0x01020304, 1), 0), 100);
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, wend_address_ipv4(0x010203ff, 9), 0), 0);
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, wend_address_ipv4(0x01020404, 1), 0), 100);
    struct wend_address a = {.family = WEND_FAMILY_IPV6, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 1, 7}};
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, a, 0), 100);
    a.ip[7] = 0xff; // the same /56
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, a, 0), 0);
    a.ip[6] = 2;
    assert_int_equal(take_all(l, WEND_LIMIT_STUN, a, 0), 100);
    // Hints are counted by address.
    assert_int_equal(take_all(l, WEND_LIMIT_HINT, wend_address_ipv4(0x01020304, 1), 0), 10);
    assert_int_equal(take_all(l, WEND_LIMIT_HINT, wend_address_ipv4(0x01020305, 1), 0), 10);
    free(l);
}

// A table that is overrun forgets quiet sources, and stays a limit for those that are not.
static void many_sources_do_not_free_a_busy_one(void **state)
{
    struct wend_limits *l = open_limits();
    const struct wend_address busy = wend_address_ipv4(0x01020304, 1);
    unsigned passed = 0;
    (void)state;
    (void)take_all(l, WEND_LIMIT_STUN, busy, 0);
    for (uint32_t i = 0; i < 8 * WEND_LIMITS_SETS * WEND_LIMITS_WAYS; i++) {
        const struct wend_address other = wend_address_ipv4(0x02000000 + (i << 8), 1);
        const wend_instant now = (wend_instant)i * 1000; // 1 us apart
        (void)wend_limits_take(l, WEND_LIMIT_STUN, &other, now);
        passed += wend_limits_take(l, WEND_LIMIT_STUN, &busy, now);
    }
    assert_in_range(passed, 0, 50); // an eighth of a second is worth seven
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_protocol),
        cmocka_unit_test(neighbours_share_a_bucket),
        cmocka_unit_test(many_sources_do_not_free_a_busy_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
