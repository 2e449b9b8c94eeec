// SPDX-License-Identifier: MIT
// Devices that change their place, lose every address, or sleep; and the server that sleeps with
// them.
#ifndef WEND_TESTS_UNIT_NODE_MOVES_H
#define WEND_TESTS_UNIT_NODE_MOVES_H

#include "world.h"

static inline void host_move(size_t i, uint32_t ip)
{
    struct host *h = &world.hosts[i];
    h->address = wend_address_ipv4(ip, PORT);
    h->permitted_count = 0;
    const struct wend_address interface =
        h->nat ? wend_address_ipv4(0xc0a80105 + ip % 256, 0) : h->address;
    wend_node_set_interfaces(h->node, &interface, 1, world.now);
    drain(h);
}

// No address is left.
static inline void host_cut_off(size_t i)
{
    struct host *h = &world.hosts[i];
    h->address = (struct wend_address){0};
    h->permitted_count = 0;
    wend_node_set_interfaces(h->node, NULL, 0, world.now);
    drain(h);
}

// All machines stand still for so long, and nothing is under way when they go on.
static inline void sleep_all(wend_duration duration)
{
    world.flight_count = 0;
    world.now += duration;
}

#endif
