// SPDX-License-Identifier: MIT
// Why a path is what it is: each state in its own words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "io/status_words.h"

#define DRAWN "one side's ports are drawn at random"

static struct wend_peer_view peer_with(enum wend_path_kind kind)
{
    struct wend_peer_view v = {.path_count = 1, .path_used = 0};
    v.paths[0].kind = kind;
    v.volley.nat_known = true;
    return v;
}

static void expect(const struct wend_peer_view *v, const char *state, const char *why)
{
    char text[WEND_WHY_LEN];
    assert_string_equal(wend_status_volley_state(&v->volley), state);
    assert_string_equal(wend_status_why(v, text), why);
}

static void test_no_path(void **state)
{
    (void)state;
    char text[WEND_WHY_LEN];
    struct wend_peer_view v = peer_with(WEND_PATH_RELAY);
    v.path_used = v.path_count;
    assert_null(wend_status_why(&v, text));
    v = peer_with(WEND_PATH_NONE);
    assert_null(wend_status_why(&v, text));
}

static void test_direct(void **state)
{
    (void)state;
    struct wend_peer_view v = peer_with(WEND_PATH_DIRECT);
    expect(&v, "none", "direct (probes): it answers at an address that it told");
    v.volley.end = WEND_VOLLEY_END_WON;
    v.volley.outcome = WEND_PLAN_TRY;
    v.volley.method = WEND_METHOD_SPREAD;
    v.volley.reason = DRAWN;
    expect(&v, "won", "direct (spread): " DRAWN);
    // The volley failed, then a plain probe came through after all.
    v.volley.end = WEND_VOLLEY_END_FAILED;
    expect(&v, "failed", "direct (probes): it answers at an address that it told");
}

static void test_relay_before_a_plan(void **state)
{
    (void)state;
    struct wend_peer_view v = peer_with(WEND_PATH_RELAY);
    expect(&v, "none", "relay: no direct path has answered yet");
    v.volley.nat_known = false;
    expect(&v, "none", "relay: the NAT here is not found out, no direct path has answered");
    v.relay_preferred = true;
    expect(&v, "none", "relay: as wend prefer asked for");
}

static void test_relay_without_a_way(void **state)
{
    (void)state;
    struct wend_peer_view v = peer_with(WEND_PATH_RELAY);
    v.volley.end = WEND_VOLLEY_END_NO_WAY;
    v.volley.outcome = WEND_PLAN_OUT_OF_REACH;
    v.volley.reason = DRAWN;
    expect(&v, "no-way", "relay: out of reach: " DRAWN);
    v.volley.outcome = WEND_PLAN_UDP_BLOCKED;
    v.volley.reason = "UDP is blocked";
    expect(&v, "no-way", "relay: UDP is blocked");
    // Nothing is begun on the word of a model that cannot be true.
    v.volley.end = WEND_VOLLEY_END_NONE;
    v.volley.outcome = WEND_PLAN_NOT_SOUND;
    v.volley.reason = "it contradicts itself";
    expect(&v, "none", "relay: it contradicts itself");
}

static void test_relay_while_and_after_a_try(void **state)
{
    (void)state;
    static const struct {
        enum wend_volley_code code;
        const char *why;
    } ends[] = {
        {WEND_VOLLEY_GAVE_UP, "relay (scan was tried, nothing came through; again later): " DRAWN},
        {WEND_VOLLEY_REFUSED,
         "relay (scan was tried, the other side refused; again later): " DRAWN},
        {WEND_VOLLEY_NO_PLAN,
         "relay (scan was tried, the other side saw no way; again later): " DRAWN},
        {WEND_VOLLEY_BUSY, "relay (scan was tried, too many were under way; again later): " DRAWN},
        {WEND_VOLLEY_CHANGED,
         "relay (scan was tried, then a network or a NAT changed; again later): " DRAWN},
    };
    struct wend_peer_view v = peer_with(WEND_PATH_RELAY);
    v.volley.running = true;
    v.volley.outcome = WEND_PLAN_TRY;
    v.volley.method = WEND_METHOD_SCAN;
    v.volley.reason = DRAWN;
    expect(&v, "running", "relay (scan is tried): " DRAWN);
    v.volley.running = false;
    v.volley.end = WEND_VOLLEY_END_WON;
    expect(&v, "won", "relay: the direct path that scan found is not in use");
    v.volley.end = WEND_VOLLEY_END_FAILED;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        v.volley.code = ends[i].code;
        expect(&v, "failed", ends[i].why);
    }
}

static void test_the_longest(void **state)
{
    (void)state;
    char text[WEND_WHY_LEN], reason[2 * WEND_WHY_LEN];
    struct wend_peer_view v = peer_with(WEND_PATH_RELAY);
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    v.volley.outcome = WEND_PLAN_TRY;
    v.volley.running = true;
    v.volley.reason = reason;
    assert_int_equal(strlen(wend_status_why(&v, text)), WEND_WHY_LEN - 1);
}

static void test_gateways(void **state)
{
    (void)state;
    struct wend_nat_model m = {.serial = 1, .public = wend_address_ipv4(0xCB007109, 41641)};
    assert_int_equal(wend_status_gateways(&m, 0), 0);
    assert_int_equal(wend_status_gateways(&m, 1), 1);
    m.mapped = wend_address_ipv4(0xCB007109, 5);
    assert_int_equal(wend_status_gateways(&m, 1), 1);
    m.mapped = wend_address_ipv4(0xCB007108, 41641);
    assert_int_equal(wend_status_gateways(&m, 0), 2);
    assert_int_equal(wend_status_gateways(&m, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_path),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_relay_before_a_plan),
        cmocka_unit_test(test_relay_without_a_way),
        cmocka_unit_test(test_relay_while_and_after_a_try),
        cmocka_unit_test(test_the_longest),
        cmocka_unit_test(test_gateways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
