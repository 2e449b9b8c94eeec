// SPDX-License-Identifier: MIT
// A small world for the tests of the simulated network: two devices, each on a site of its own, and
// two servers.
//
//   device 0 (192.168.1.10) -- site 1 [box, 203.0.113.1] ---+
//   device 1 (192.168.1.20) -- site 2 [box, 203.0.113.2] ---+-- internet
//   server   (198.51.100.1)    on the internet itself -------+
//   other    (198.51.100.2)    on the internet itself -------+
#ifndef WEND_TESTS_UNIT_SIM_NET_WORLD_H
#define WEND_TESTS_UNIT_SIM_NET_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net.h"

#define MEMORY_MAX (8u << 20)
#define SERVER     2
#define OTHER      3
#define PORT       41641
#define STUN       3478

struct net_world {
    struct wend_sim_net *net;
    wend_instant now;
    struct wend_sim_delivery got;  // the last one
    struct wend_sim_counts before; // the last datagram was sent
    uint64_t seed;                 // of the next one; 0: 1
};

static _Alignas(64) uint8_t world_memory[MEMORY_MAX];
static struct net_world world;

static inline struct wend_address ip(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return wend_address_ipv4((uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d, port);
}

static inline struct wend_address ip6(uint16_t network, uint16_t host, uint16_t port)
{
    struct wend_address a = {.family = WEND_FAMILY_IPV6, .port = port, .ip = {0x20, 0x01}};
    a.ip[2] = (uint8_t)(network >> 8);
    a.ip[3] = (uint8_t)network;
    a.ip[14] = (uint8_t)(host >> 8);
    a.ip[15] = (uint8_t)host;
    return a;
}

static inline struct wend_address server_at(uint16_t port)
{
    return ip(198, 51, 100, 1, port);
}

static inline struct wend_address other_at(uint16_t port)
{
    return ip(198, 51, 100, 2, port);
}

static inline struct wend_address public_of(uint32_t device, uint16_t port)
{
    return ip(203, 0, 113, (uint8_t)(device + 1), port);
}

static inline struct wend_address private_of(uint32_t device, uint16_t port)
{
    return ip(192, 168, 1, (uint8_t)(10 * (device + 1)), port);
}

static inline void world_begin(const struct wend_sim_limits *limits)
{
    assert_true(wend_sim_net_size(limits) <= sizeof world_memory);
    memset(world_memory, 0xa5, wend_sim_net_size(limits)); // nobody promises zeros
    const uint64_t seed = world.seed != 0 ? world.seed : 1;
    world = (struct net_world){0};
    world.net = wend_sim_net_init(world_memory, limits, seed);
}

static inline void add_server(uint8_t number)
{
    const struct wend_sim_interface i = {.ipv4 = ip(198, 51, 100, number, 0),
                                         .ipv6 = ip6(0xdb8, number, 0)};
    (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &i);
}

// The drawing above, with this box at both sites and this link on all four accesses.
static inline void world_open_linked(const struct wend_sim_box *box,
                                     const struct wend_sim_link *link)
{
    world_begin(&(struct wend_sim_limits){0});
    for (uint32_t d = 0; d < 2; d++) {
        const struct wend_sim_site site = {
            .box = *box, .public = public_of(d, 0), .up = link, .down = link};
        const uint32_t at = wend_sim_net_add_site(world.net, &site);
        const struct wend_sim_interface i = {
            .site = at,
            .ipv4 = box->kind == WEND_SIM_BOX_NAT ? private_of(d, 0) : public_of(d, 0),
            .ipv6 = ip6((uint16_t)(d + 1), 1, 0),
        };
        (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &i);
    }
    add_server(1);
    add_server(2);
}

static inline void world_open(const struct wend_sim_box *box)
{
    world_open_linked(box, NULL);
}

// One more host at a site; returns its number.
static inline uint32_t add_neighbour(uint32_t site, const struct wend_address *at)
{
    const struct wend_sim_interface i = {.site = site, .ipv4 = *at};
    const uint32_t host = wend_sim_net_add_host(world.net);
    (void)wend_sim_net_add_interface(world.net, host, &i);
    return host;
}

static inline int say_bytes(uint32_t host, uint16_t port, const struct wend_address *to, size_t len)
{
    static uint8_t bytes[WEND_DATAGRAM_MAX + 1];
    const struct wend_datagram d = {
        .transport = WEND_TRANSPORT_UDP,
        .local = {.port = port},
        .remote = *to,
        .bytes = {bytes, len},
    };
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(len + i);
    wend_sim_net_counts(world.net, &world.before);
    return wend_sim_net_send(world.net, host, &d, world.now);
}

static inline void say(uint32_t host, uint16_t port, struct wend_address to)
{
    assert_int_equal(say_bytes(host, port, &to, 100), 0);
}

// The next delivery within `wait`, into world.got; time goes on to it, or by `wait`.
static inline bool hear_within(wend_duration wait)
{
    const wend_instant end = world.now + wait;
    for (;;) {
        if (wend_sim_net_next(world.net, world.now, &world.got))
            return true;
        const wend_instant next = wend_sim_net_deadline(world.net);
        if (next > end)
            break;
        world.now = next;
    }
    world.now = end;
    wend_sim_net_check(world.net);
    return false;
}

static inline bool hear(void)
{
    return hear_within(WEND_MS(1));
}

static inline void pass(wend_duration d)
{
    assert_false(hear_within(d));
}

static inline void assert_address(const struct wend_address *got, struct wend_address want)
{
    char a[WEND_ADDRESS_TEXT_LEN], b[WEND_ADDRESS_TEXT_LEN];
    assert_string_equal(wend_address_format(got, a), wend_address_format(&want, b));
}

// A datagram comes to the host, from `from` unless that is NULL.
static inline void expect_at(uint32_t host, const struct wend_address *from)
{
    assert_true(hear());
    assert_int_equal(world.got.kind, WEND_SIM_DATAGRAM);
    assert_int_equal(world.got.host, host);
    if (from != NULL)
        assert_address(&world.got.way.remote, *from);
}

static inline uint64_t dropped(enum wend_sim_drop why)
{
    struct wend_sim_counts c;
    wend_sim_net_counts(world.net, &c);
    return c.dropped[why];
}

// Nothing comes of what was sent last, for this reason.
static inline void expect_drop(enum wend_sim_drop why)
{
    assert_false(hear());
    assert_int_equal(dropped(why), world.before.dropped[why] + 1);
}

// The outside port that a device's datagram to `to` gets; it must arrive at a server.
static inline uint16_t port_seen(uint32_t host, uint16_t port, struct wend_address to)
{
    say(host, port, to);
    assert_true(hear());
    assert_int_equal(world.got.kind, WEND_SIM_DATAGRAM);
    assert_address(&world.got.way.local, to);
    return world.got.way.remote.port;
}

#endif
