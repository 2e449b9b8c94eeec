// SPDX-License-Identifier: MIT
// Devices that ask their gateways for a port, in worlds: whom that makes reachable, and what comes
// of gateways that change, end, or talk nonsense.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/node_state.h"
#include "node/view.h"
#include "run.h"
#include "scenario_parts.h"
#include "traverse/plan.h"

static struct sim_world world;
static struct sim_scenario scenario;
static const struct sim_options options = {.bound = WEND_S(30), .best_bound = WEND_S(310)};

// Two NATs that nothing but the relay passes; the first one's gateway maps ports.
static void plan(uint64_t seed, enum wend_sim_gateway gateway)
{
    sim_scenario_clear(&scenario, "mapping", seed);
    scenario.discovery = scenario.port_mapping = true;
    for (int i = 0; i < 2; i++)
        scenario.places[i] =
            sim_place_nat(WEND_SIM_ADDRESS_AND_PORT_DEPENDENT, WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                          WEND_SIM_PORT_RANDOM);
    scenario.places[0].box.gateway = gateway;
    sim_scenario_talk(&scenario, 0, 1, WEND_MS(50));
}

static void play(wend_duration length)
{
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + length);
    assert_string_equal(world.failure, "");
    sim_watch_machines(&world);
}

static struct wend_nat_model model(void)
{
    struct wend_self_view self;

    wend_node_self(world.devices[0].node, &self);
    return self.nat;
}

static struct wend_address outside(uint16_t port)
{
    struct wend_address a = sim_place_public(&scenario.places[0], 0, world.devices[0].site_moves);

    a.port = port;
    return a;
}

static void assert_mapped_to(uint16_t port)
{
    const struct wend_address want = outside(port);
    const struct wend_nat_model m = model();

    assert_true(wend_address_equal(&world.devices[0].node->mapped, &want));
    assert_true(wend_address_equal(&m.mapped, &want));
    assert_true(wend_plan_is_open(&m));
}

static void assert_not_mapped(enum wend_mapping_reason reason)
{
    assert_int_equal(world.devices[0].node->mapped.family, WEND_FAMILY_NONE);
    assert_int_equal(model().mapped.family, WEND_FAMILY_NONE);
    assert_false(wend_plan_is_open(&(struct wend_nat_model){0}));
    assert_int_equal(world.devices[0].mapping.reason, reason);
}

static bool is_direct(void)
{
    for (int i = 0; i < 2; i++)
        if (world.devices[i].ways[1 - i] != 2)
            return false;
    return true;
}

static void without_a_mapping_only_the_relay_is_left(void **state)
{
    (void)state;
    plan(1, WEND_SIM_GATEWAY_PCP);
    scenario.port_mapping = false;
    play(WEND_S(20));
    assert_not_mapped(WEND_MAPPING_NO_REASON);
    assert_false(is_direct());
    assert_int_equal(world.stats.direct_after, -1);
    sim_world_end(&world);
}

static void reach(uint64_t seed, enum wend_sim_gateway gateway)
{
    plan(seed, gateway);
    play(WEND_S(20));
    assert_mapped_to(41641);
    assert_true(is_direct());
    assert_in_range(world.stats.direct_after, 1, WEND_MS(500));
    sim_world_end(&world);
}

static void a_mapped_port_is_reached_by_anybody(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        reach(seed, WEND_SIM_GATEWAY_PCP);
        reach(seed, WEND_SIM_GATEWAY_NATPMP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_mapping_only_the_relay_is_left),
        cmocka_unit_test(a_mapped_port_is_reached_by_anybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
