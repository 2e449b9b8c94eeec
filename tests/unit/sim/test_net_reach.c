// SPDX-License-Identifier: MIT
// What can be reached through the simulated network's NATs at all, by brute force and full
// knowledge: the arithmetic that budgets rest on, shown on the model. Each side sends what it has
// to in one instant, openers first; who gets a datagram answers it to where it came from, from the
// socket that got it.
#include "net_world.h"

#define EI  WEND_SIM_ENDPOINT_INDEPENDENT
#define AD  WEND_SIM_ADDRESS_DEPENDENT
#define APD WEND_SIM_ADDRESS_AND_PORT_DEPENDENT

#define SOCKETS 20000 // their first port, of both devices

static struct wend_sim_box nat(enum wend_sim_dependence mapping, enum wend_sim_dependence filtering,
                               enum wend_sim_allocation allocation)
{
    return (struct wend_sim_box){.kind = WEND_SIM_BOX_NAT,
                                 .mapping = mapping,
                                 .filtering = filtering,
                                 .allocation = allocation};
}

static void open_pair(const struct wend_sim_box *a, const struct wend_sim_box *b, uint64_t seed)
{
    const struct wend_sim_box *boxes[] = {a, b};
    world.seed = seed + 1;
    world_begin(&(struct wend_sim_limits){.mappings = 2048, .sessions = 4096});
    for (uint32_t d = 0; d < 2; d++) {
        const struct wend_sim_site site = {.box = *boxes[d], .public = public_of(d, 0)};
        const struct wend_sim_interface i = {.site = wend_sim_net_add_site(world.net, &site),
                                             .ipv4 = private_of(d, 0)};
        (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &i);
    }
    add_server(1);
    add_server(2);
}

static uint32_t draw_test(uint64_t *state, uint32_t count)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((*state >> 33) * count) >> 31);
}

#define PROBE  1 // lengths
#define ANSWER 2

static void send_one(uint32_t host, uint16_t port, const struct wend_address *to)
{
    (void)say_bytes(host, port, to, PROBE);
}

// Whether a probe got in at either, and an answer to it back. The probes are under way.
static bool has_met(void)
{
    while (hear()) {
        const struct wend_sim_delivery got = world.got;
        if (got.host >= 2)
            continue;
        if (got.way.bytes.len == ANSWER)
            return true;
        (void)say_bytes(got.host, got.way.local.port, &got.way.remote, ANSWER);
    }
    return false;
}

// A keeps one port; B, symmetric, opens `sockets` holes to it; A guesses as many of B's ports.
static bool meet_random(const struct wend_sim_box *b, uint32_t sockets, uint64_t seed)
{
    const struct wend_sim_box a = nat(EI, APD, WEND_SIM_PORT_RANDOM);
    uint16_t bounds[2];
    uint64_t random = seed * 77 + 5;
    open_pair(&a, b, seed);
    const struct wend_address inside = private_of(1, 0);
    wend_sim_net_ports(world.net, 2, &inside, bounds);
    const struct wend_address at = public_of(0, port_seen(0, PORT, server_at(STUN)));
    for (uint32_t i = 0; i < sockets; i++)
        send_one(1, (uint16_t)(SOCKETS + i), &at);
    while (hear())
        ;
    static bool tried[65536];
    memset(tried, 0, sizeof tried);
    for (uint32_t i = 0; i < sockets; i++) { // each port once
        uint32_t port;
        do
            port = bounds[0] + draw_test(&random, bounds[1] - bounds[0] + 1u);
        while (tried[port]);
        tried[port] = true;
        const struct wend_address to = public_of(1, (uint16_t)port);
        send_one(0, PORT, &to);
    }
    return has_met();
}

static uint32_t count_meetings(const struct wend_sim_box *b, uint32_t sockets, uint32_t trials)
{
    uint32_t met = 0;
    for (uint64_t seed = 0; seed < trials; seed++)
        met += meet_random(b, sockets, seed);
    return met;
}

static void test_equal_split_against_random_ports(void **state)
{
    (void)state;
    const struct wend_sim_box b = nat(APD, APD, WEND_SIM_PORT_RANDOM);
    // 1 - exp(-503 x 503 / 64,512) = 0.980; exp(-668 x 668 / 64,512) = 0.001; 100 each: 0.144
    assert_in_range(count_meetings(&b, 503, 300), 286, 300);
    assert_in_range(count_meetings(&b, 668, 300), 297, 300);
    assert_in_range(count_meetings(&b, 100, 300), 20, 70);
}

static void test_equal_split_inside_a_block(void **state)
{
    (void)state;
    struct wend_sim_box b = nat(APD, APD, WEND_SIM_PORT_RANDOM_BLOCK);
    b.block_ports = 4096;
    // 1 - exp(-165 x 165 / 4,096) = 0.9987 with 330 datagrams; without putting back it is more
    assert_in_range(count_meetings(&b, 165, 300), 297, 300);
    assert_in_range(count_meetings(&b, 50, 300), 105, 172); // 0.457
}

// Both symmetric: A steps through B's ports from A's own next ports and the other way round; `a`
// and `b` are the steps of 1 and 2 that the two sides take.
static bool meet_in_step(int32_t delta, uint32_t a_step, uint32_t b_step, uint32_t steps,
                         uint64_t seed)
{
    struct wend_sim_box box = nat(APD, APD, WEND_SIM_PORT_SEQUENTIAL);
    box.port_step = delta;
    box.others_per_second = 35;
    box.others_by_chance = true;
    open_pair(&box, &box, seed);
    const uint16_t a = port_seen(0, PORT, server_at(STUN));
    const uint16_t b = port_seen(1, PORT, server_at(STUN));
    pass(WEND_MS(100)); // the samples are old by so much
    for (uint32_t i = 0; i < steps; i++) {
        const struct wend_address to_b =
            public_of(1, (uint16_t)(b + delta * (int32_t)(1 + a_step * i)));
        const struct wend_address to_a =
            public_of(0, (uint16_t)(a + delta * (int32_t)(1 + b_step * i)));
        send_one(0, PORT, &to_b);
        send_one(1, PORT, &to_a);
        if (has_met())
            return true;
    }
    return false;
}

static void test_steps_of_1_and_2_meet_and_lockstep_seldom(void **state)
{
    (void)state;
    uint32_t met = 0, lockstep = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        met += meet_in_step(1 + (int32_t)(seed % 3), 1, 2, 100, seed);
        lockstep += meet_in_step(1 + (int32_t)(seed % 3), 1, 1, 100, seed);
    }
    assert_in_range(met, 97, 100);
    assert_in_range(lockstep, 0, 5);
}

// Both draw their ports: A opens holes from many sockets to ports of B's that it guesses, B too.
static bool meet_both_random(enum wend_sim_dependence mapping, enum wend_sim_dependence filtering,
                             uint32_t sockets, uint64_t seed)
{
    const struct wend_sim_box box = nat(mapping, filtering, WEND_SIM_PORT_RANDOM);
    uint64_t random = seed * 99 + 3;
    open_pair(&box, &box, seed);
    for (uint32_t i = 0; i < sockets; i++) {
        const struct wend_address to = public_of(0, (uint16_t)(1024 + draw_test(&random, 64512)));
        send_one(1, (uint16_t)(SOCKETS + i), &to); // each hole is open for all of A
    }
    while (hear())
        ;
    for (uint32_t i = 0; i < sockets; i++) {
        const struct wend_address to = public_of(1, (uint16_t)(1024 + draw_test(&random, 64512)));
        send_one(0, PORT, &to); // one port for all of B, if it maps by address
    }
    return has_met();
}

static void test_random_on_both_sides(void **state)
{
    (void)state;
    uint32_t by_address = 0, strict = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        by_address += meet_both_random(AD, AD, 503, seed);
        strict += meet_both_random(APD, APD, 503, seed);
    }
    assert_in_range(by_address, 92, 100);
    assert_int_equal(strict, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_split_against_random_ports),
        cmocka_unit_test(test_equal_split_inside_a_block),
        cmocka_unit_test(test_steps_of_1_and_2_meet_and_lockstep_seldom),
        cmocka_unit_test(test_random_on_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
