// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "traverse/budget.h"

#define T0 WEND_S(100)

static struct wend_budget budget;
static const uint8_t key[WEND_HASH_KEY_LEN] = {7};

static int begin(void **state)
{
    (void)state;
    memset(&budget, 0, sizeof budget);
    wend_budget_init(&budget, key);
    return 0;
}

// Over all ports of an address together, and sliding.
static void test_twenty_a_minute(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 20; i++) {
        const struct wend_address a = wend_address_ipv4(0xcb007101, (uint16_t)(1000 + i));
        assert_true(wend_budget_spend(&budget, &a, T0 + WEND_S(i)));
    }
    const struct wend_address a = wend_address_ipv4(0xcb007101, 9);
    assert_false(wend_budget_spend(&budget, &a, T0 + WEND_S(30)));
    assert_false(wend_budget_spend(&budget, &a, T0 + WEND_MS(59999)));
    assert_true(wend_budget_spend(&budget, &a, T0 + WEND_S(60)));
    assert_false(wend_budget_spend(&budget, &a, T0 + WEND_S(60)));
    assert_true(wend_budget_spend(&budget, &a, T0 + WEND_S(61)));
    const struct wend_address other = wend_address_ipv4(0xcb007102, 9);
    assert_true(wend_budget_spend(&budget, &other, T0 + WEND_S(61)));
}

static void test_answers_refund(void **state)
{
    const struct wend_address a = wend_address_ipv4(0xcb007101, 9);

    (void)state;
    for (int i = 1; i <= 1000; i++) {
        assert_true(wend_budget_spend(&budget, &a, T0 + i));
        wend_budget_refund(&budget, &a, T0 + i);
    }
    for (int i = 0; i < 20; i++)
        assert_true(wend_budget_spend(&budget, &a, T0 + 5000 + i));
    wend_budget_refund(&budget, &a, T0 + 1); // long gone: gives nothing
    assert_false(wend_budget_spend(&budget, &a, T0 + 6000));
}

// Full: refused, never forgotten.
static void test_full_table_refuses(void **state)
{
    uint32_t accepted = 0;

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        const struct wend_address a = wend_address_ipv4(0x0a000000 + i, 9);
        accepted += wend_budget_spend(&budget, &a, T0);
    }
    assert_true(accepted <= WEND_BUDGET_SETS * WEND_BUDGET_WAYS);
    assert_true(accepted > WEND_BUDGET_SETS * WEND_BUDGET_WAYS * 9 / 10);
    uint32_t later = 0;
    for (uint32_t i = 10000; i < 10100; i++) {
        const struct wend_address a = wend_address_ipv4(0x0a000000 + i, 9);
        later += wend_budget_spend(&budget, &a, T0 + WEND_S(60));
    }
    assert_int_equal(later, 100); // a minute later there is room
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_twenty_a_minute, begin),
        cmocka_unit_test_setup(test_answers_refund, begin),
        cmocka_unit_test_setup(test_full_table_refuses, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
