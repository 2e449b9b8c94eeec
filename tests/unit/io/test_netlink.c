// SPDX-License-Identifier: MIT
// Links, addresses, routes and their changes, in a namespace of the test's own.
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/rtnetlink.h>

#include "io/interface.h"
#include "io/netlink.h"
#include "io/tun.h"
#include "netns.h"

static bool own_namespace;
static struct wend_netlink net;
static struct wend_tun tun;
static struct wend_monitor monitor;

// "100.64.0.2/20", host bits and all.
static struct wend_prefix prefix(const char *ip, uint8_t bits)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(ip, 0, &a), 0);
    struct wend_prefix p = {.family = a.family, .bits = bits};
    memcpy(p.ip, a.ip, sizeof p.ip);
    return p;
}

static struct wend_address address(const char *ip)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(ip, 0, &a), 0);
    return a;
}

static int setup(void **state)
{
    (void)state;
    tun.fd = -1;
    if (!own_namespace)
        return 0;
    const struct wend_tun_config c = {.name = "wend0"};
    return wend_netlink_open(&net) != 0 || wend_tun_open(&tun, &c) != 0 ||
           wend_netlink_link_set(&net, tun.index, true, 1400) != 0;
}

static int teardown(void **state)
{
    (void)state;
    wend_tun_close(&tun);
    wend_monitor_close(&monitor);
    wend_netlink_close(&net);
    return 0;
}

static void need_namespace(void)
{
    if (!own_namespace)
        skip();
}

// ---- Links ----

static void test_links(void **state)
{
    (void)state;
    need_namespace();
    struct wend_link link;
    assert_int_equal(wend_netlink_link_find(&net, "wend0", &link), 0);
    assert_int_equal(link.index, tun.index);
    assert_string_equal(link.name, "wend0");
    assert_int_equal(link.mtu, 1400);
    assert_true((link.flags & IFF_UP) != 0);
    assert_int_equal(wend_netlink_link_set(&net, tun.index, false, 0), 0);
    assert_int_equal(wend_netlink_link_get(&net, tun.index, &link), 0);
    assert_int_equal(link.mtu, 1400);
    assert_true((link.flags & IFF_UP) == 0);
    assert_int_equal(wend_netlink_link_find(&net, "nonesuch", &link), -ENODEV);
    assert_int_equal(wend_netlink_link_find(&net, "", &link), -ENODEV);
    assert_int_equal(wend_netlink_link_find(&net, "a-name-beyond-fifteen", &link), -ENODEV);
    assert_int_equal(wend_netlink_link_get(&net, 9999, &link), -ENODEV);
    assert_int_equal(wend_netlink_link_set(&net, 9999, true, 0), -ENODEV);
}

// ---- Addresses ----

static const struct wend_link_address *find_address(const struct wend_prefix *p)
{
    static struct wend_link_address list[64];
    size_t count;
    assert_int_equal(wend_netlink_addresses(&net, list, 64, &count), 0);
    for (size_t i = 0; i < count; i++)
        if (memcmp(&list[i].prefix, p, sizeof *p) == 0)
            return &list[i];
    return NULL;
}

static void addresses(const struct wend_prefix *p)
{
    assert_null(find_address(p));
    assert_int_equal(wend_netlink_address_add(&net, tun.index, p), 0);
    assert_int_equal(wend_netlink_address_add(&net, tun.index, p), -EEXIST);
    const struct wend_link_address *a = find_address(p);
    assert_non_null(a);
    assert_int_equal(a->link.index, tun.index);
    assert_string_equal(a->link.name, "wend0");
    assert_int_equal(a->scope, RT_SCOPE_UNIVERSE);
    assert_int_equal(a->flags & IFA_F_TENTATIVE, 0);
    assert_int_equal(wend_netlink_address_remove(&net, tun.index, p), 0);
    assert_null(find_address(p));
    assert_int_equal(wend_netlink_address_remove(&net, tun.index, p), -EADDRNOTAVAIL);
}

static void test_addresses(void **state)
{
    (void)state;
    need_namespace();
    const struct wend_prefix v4 = prefix("100.64.0.2", 20), v6 = prefix("fd12::2", 64);
    addresses(&v4);
    addresses(&v6);
    const struct wend_prefix bad = {.family = WEND_FAMILY_IPV4, .bits = 33};
    assert_int_equal(wend_netlink_address_add(&net, tun.index, &bad), -EINVAL);
    assert_int_equal(wend_netlink_address_add(&net, 9999, &v4), -ENODEV);
    // A link that is down offers no address.
    assert_int_equal(wend_netlink_address_add(&net, tun.index, &v4), 0);
    assert_int_equal(wend_netlink_link_set(&net, tun.index, false, 0), 0);
    assert_null(find_address(&v4));
    struct wend_link_address few[1];
    size_t count;
    assert_int_equal(wend_netlink_addresses(&net, few, 1, &count), -ENOSPC);
    assert_int_equal(count, 1);
}

// ---- Routes ----

static const struct wend_route *find_route(const struct wend_prefix *p)
{
    static struct wend_route list[64];
    size_t count;
    assert_int_equal(wend_netlink_routes(&net, list, 64, &count), 0);
    for (size_t i = 0; i < count; i++)
        if (memcmp(&list[i].destination, p, sizeof *p) == 0)
            return &list[i];
    return NULL;
}

static void routes(const struct wend_route *r)
{
    assert_int_equal(wend_netlink_route_add(&net, r), 0);
    assert_int_equal(wend_netlink_route_add(&net, r), -EEXIST);
    const struct wend_route *found = find_route(&r->destination);
    assert_non_null(found);
    assert_int_equal(found->index, tun.index);
    assert_int_equal(found->table, r->table != 0 ? r->table : RT_TABLE_MAIN);
    assert_memory_equal(&found->gateway, &r->gateway, sizeof r->gateway);
    if (r->metric != 0)
        assert_int_equal(found->metric, r->metric);
    assert_int_equal(wend_netlink_route_remove(&net, r), 0);
    assert_null(find_route(&r->destination));
    assert_int_equal(wend_netlink_route_remove(&net, r), -ESRCH);
}

static void test_routes(void **state)
{
    (void)state;
    need_namespace();
    const struct wend_prefix v4 = prefix("100.64.0.2", 20), v6 = prefix("fd12::2", 64);
    assert_int_equal(wend_netlink_address_add(&net, tun.index, &v4), 0);
    assert_int_equal(wend_netlink_address_add(&net, tun.index, &v6), 0);
    struct wend_route r = {.destination = prefix("10.77.0.0", 16), .index = tun.index};
    routes(&r);
    r.metric = 77;
    r.table = 1000;
    routes(&r);
    r = (struct wend_route){.destination = prefix("0.0.0.0", 0), .index = tun.index};
    r.gateway = address("100.64.0.1");
    routes(&r);
    r = (struct wend_route){.destination = prefix("2001:db8::", 32), .index = tun.index};
    routes(&r);
    r.gateway = address("fd12::1");
    routes(&r);
    r.gateway = address("100.64.0.1"); // the wrong family
    assert_int_equal(wend_netlink_route_add(&net, &r), -EINVAL);
    const struct wend_prefix pool = prefix("100.64.0.0", 20); // came with the address
    assert_non_null(find_route(&pool));
    const struct wend_address own_address = address("100.64.0.2"), far = address("100.64.0.3");
    assert_true(wend_netlink_is_local(&net, &own_address));
    assert_false(wend_netlink_is_local(&net, &far));
    const struct wend_prefix own = prefix("127.0.0.0", 8); // the local table is not listed
    assert_null(find_route(&own));
}

// ---- Changes ----

// Takes events until one is of this kind and prefix; false if none comes for two seconds.
static bool wait_event(enum wend_link_event_kind kind, const struct wend_prefix *p,
                       struct wend_link_event *ret)
{
    struct pollfd poller = {.fd = wend_monitor_fd(&monitor), .events = POLLIN};
    do {
        while (wend_monitor_next(&monitor, ret))
            if (ret->kind == kind && (p == NULL || memcmp(&ret->prefix, p, sizeof *p) == 0))
                return true;
    } while (poll(&poller, 1, 2000) == 1);
    return false;
}

static void test_monitor(void **state)
{
    (void)state;
    need_namespace();
    const struct wend_prefix v4 = prefix("100.64.0.2", 20), v6 = prefix("fd12::2", 64);
    const struct wend_route r = {.destination = prefix("10.77.0.0", 16), .index = tun.index};
    struct wend_link_event e;
    assert_int_equal(wend_monitor_open(&monitor), 0);
    wend_netlink_address_add(&net, tun.index, &v4);
    assert_true(wait_event(WEND_LINK_ADDRESS_ADDED, &v4, &e));
    assert_int_equal(e.index, tun.index);
    wend_netlink_address_add(&net, tun.index, &v6);
    assert_true(wait_event(WEND_LINK_ADDRESS_ADDED, &v6, &e));
    wend_netlink_route_add(&net, &r);
    assert_true(wait_event(WEND_LINK_ROUTE_ADDED, &r.destination, &e));
    assert_int_equal(e.table, RT_TABLE_MAIN);
    wend_netlink_route_remove(&net, &r);
    assert_true(wait_event(WEND_LINK_ROUTE_REMOVED, &r.destination, &e));
    wend_netlink_address_remove(&net, tun.index, &v6);
    assert_true(wait_event(WEND_LINK_ADDRESS_REMOVED, &v6, &e));
    wend_netlink_link_set(&net, tun.index, false, 0);
    assert_true(wait_event(WEND_LINK_CHANGED, NULL, &e));
    assert_int_equal(e.flags & IFF_UP, 0);
    wend_tun_close(&tun);
    assert_true(wait_event(WEND_LINK_REMOVED, NULL, &e));
    assert_int_equal(e.index, tun.index);
}

static void test_monitor_merges(void **state)
{
    (void)state;
    need_namespace();
    const struct wend_prefix p = prefix("100.64.0.2", 32);
    struct wend_link_event e;
    assert_int_equal(wend_monitor_open(&monitor), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(wend_netlink_address_add(&net, tun.index, &p), 0);
        if (i < 19)
            assert_int_equal(wend_netlink_address_remove(&net, tun.index, &p), 0);
    }
    int about = 0;
    while (wend_monitor_next(&monitor, &e)) {
        if (memcmp(&e.prefix, &p, sizeof p) != 0 || e.kind == WEND_LINK_ROUTE_ADDED)
            continue; // the kernel has a link-local address of its own to announce
        assert_int_equal(e.kind, WEND_LINK_ADDRESS_ADDED);
        about++;
    }
    assert_int_equal(about, 1);
}

static void test_monitor_overflow(void **state)
{
    (void)state;
    need_namespace();
    struct wend_link_event e;
    assert_int_equal(wend_monitor_open(&monitor), 0);
    for (uint8_t i = 0; i < WEND_LINK_EVENTS_MAX + 10; i++) {
        struct wend_prefix p = prefix("100.64.1.0", 32);
        p.ip[3] = i;
        assert_int_equal(wend_netlink_address_add(&net, tun.index, &p), 0);
    }
    assert_true(wend_monitor_next(&monitor, &e));
    assert_int_equal(e.kind, WEND_LINK_LOST);
    while (wend_monitor_next(&monitor, &e))
        assert_int_not_equal(e.kind, WEND_LINK_LOST);
}

// ---- What another program takes away ----

static struct wend_interface wanted(void)
{
    return (struct wend_interface){.index = tun.index,
                                   .mtu = 1400,
                                   .address_count = 2,
                                   .addresses = {prefix("100.64.0.2", 20), prefix("fd12::2", 64)},
                                   .route_count = 1,
                                   .routes = {{.destination = prefix("10.77.0.0", 16)}}};
}

static void test_interface(void **state)
{
    (void)state;
    need_namespace();
    struct wend_netlink other;
    assert_int_equal(wend_netlink_open(&other), 0);
    const struct wend_interface i = wanted();
    struct wend_route r = i.routes[0];
    r.index = tun.index;
    size_t restored;
    struct wend_link_event e;
    assert_int_equal(wend_interface_apply(&i, &net, &restored), 0);
    assert_int_equal(restored, 3);
    assert_int_equal(wend_interface_apply(&i, &net, &restored), 0);
    assert_int_equal(restored, 0);
    assert_int_equal(wend_monitor_open(&monitor), 0);
    assert_int_equal(wend_netlink_address_remove(&other, tun.index, &i.addresses[1]), 0);
    assert_true(wait_event(WEND_LINK_ADDRESS_REMOVED, &i.addresses[1], &e));
    assert_true(wend_interface_concerns(&i, &e));
    assert_int_equal(wend_netlink_route_remove(&other, &r), 0);
    assert_true(wait_event(WEND_LINK_ROUTE_REMOVED, &r.destination, &e));
    assert_true(wend_interface_concerns(&i, &e));
    assert_int_equal(wend_interface_apply(&i, &net, &restored), 0);
    assert_int_equal(restored, 2);
    assert_non_null(find_address(&i.addresses[1]));
    assert_non_null(find_route(&r.destination));
    assert_true(wait_event(WEND_LINK_ROUTE_ADDED, &r.destination, &e));
    assert_false(wend_interface_concerns(&i, &e));
    // Down takes the routes and the IPv6 addresses with it.
    assert_int_equal(wend_netlink_link_set(&other, tun.index, false, 1300), 0);
    assert_true(wait_event(WEND_LINK_CHANGED, NULL, &e));
    assert_true(wend_interface_concerns(&i, &e));
    assert_int_equal(wend_interface_apply(&i, &net, &restored), 0);
    assert_true(restored >= 2);
    assert_non_null(find_address(&i.addresses[1]));
    assert_non_null(find_route(&r.destination));
    wend_tun_close(&tun);
    assert_true(wait_event(WEND_LINK_REMOVED, NULL, &e));
    assert_true(wend_interface_concerns(&i, &e));
    assert_int_equal(wend_interface_apply(&i, &net, &restored), -ENODEV);
    wend_netlink_close(&other);
}

int main(void)
{
    own_namespace = netns_enter_with_tun();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_routes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_monitor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_monitor_merges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_monitor_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interface, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
