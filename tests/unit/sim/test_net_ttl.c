// SPDX-License-Identifier: MIT
// A TTL in the simulated network: the boxes on the way and the core count, in both directions.
#include "net_world.h"

static const struct wend_sim_box nat = {.kind = WEND_SIM_BOX_NAT,
                                        .filtering = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                                        .allocation = WEND_SIM_PORT_PRESERVING};

static void say_ttl(uint32_t host, struct wend_address to, uint8_t ttl)
{
    static const uint8_t byte[1] = {7};
    const struct wend_datagram d = {.transport = WEND_TRANSPORT_UDP,
                                    .local = {.port = PORT},
                                    .remote = to,
                                    .ttl = ttl,
                                    .bytes = WEND_BYTES(byte)};
    wend_sim_net_counts(world.net, &world.before);
    assert_int_equal(wend_sim_net_send(world.net, host, &d, world.now), 0);
}

static uint64_t mappings(void)
{
    struct wend_sim_counts c;
    wend_sim_net_counts(world.net, &c);
    return c.mappings;
}

static void a_box_at_which_it_dies_maps_nothing(void **state)
{
    (void)state;
    world_open(&nat);
    say_ttl(0, server_at(STUN), 1);
    expect_drop(WEND_SIM_DROP_TTL);
    assert_int_equal(mappings(), 0);
    say_ttl(0, server_at(STUN), 2); // past the box, not through the core
    expect_drop(WEND_SIM_DROP_TTL);
    assert_int_equal(mappings(), 1);
    say_ttl(0, server_at(STUN), 3);
    expect_at(SERVER, NULL);
    say_ttl(0, server_at(STUN), 0);
    expect_at(SERVER, NULL);
}

// Both NATs open with TTL 2: neither meets a packet from outside before its own has left.
static void openers_open_and_are_not_met(void **state)
{
    (void)state;
    world_open(&nat);
    for (uint32_t d = 0; d < 2; d++) {
        say_ttl(d, public_of(1 - d, PORT), 2);
        expect_drop(WEND_SIM_DROP_TTL);
    }
    assert_int_equal(mappings(), 2);
    say_ttl(0, public_of(1, PORT), 3); // dies at the other box, which forgets nothing
    expect_drop(WEND_SIM_DROP_TTL);
    for (uint32_t d = 0; d < 2; d++) {
        const struct wend_address from = public_of(d, PORT);
        say_ttl(d, public_of(1 - d, PORT), 4);
        expect_at(1 - d, &from);
    }
}

static void a_large_one_is_no_limit(void **state)
{
    (void)state;
    world_open(&nat);
    say_ttl(0, server_at(STUN), 255);
    expect_at(SERVER, NULL);
    assert_string_equal(wend_sim_drop_name(WEND_SIM_DROP_TTL), "ttl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_box_at_which_it_dies_maps_nothing),
        cmocka_unit_test(openers_open_and_are_not_met),
        cmocka_unit_test(a_large_one_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
