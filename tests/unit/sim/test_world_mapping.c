// SPDX-License-Identifier: MIT
// Devices that ask their gateways for a port, in worlds: whom that makes reachable, and what comes
// of gateways that change, end, or talk nonsense.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/contact.h"
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
    const struct wend_nat_model m = model();
    assert_int_equal(m.mapped.family, WEND_FAMILY_NONE);
    assert_false(wend_plan_is_open(&m));
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
        reach(seed, WEND_SIM_GATEWAY_IGD);
    }
}

// --- gateways that change ---

// The mapping is made anew, and the model says so.
static void a_mapping_follows_whatever_changes(void **state)
{
    static const enum sim_fault_kind faults[] = {SIM_FAULT_REBOOT, SIM_FAULT_MOVE_SITE,
                                                 SIM_FAULT_MOVE, SIM_FAULT_CRASH};
    (void)state;
    for (size_t k = 0; k < 3 * sizeof faults / sizeof faults[0]; k++) {
        const size_t i = k / 3;
        plan(k, (enum wend_sim_gateway)(WEND_SIM_GATEWAY_PCP + k % 3));
        scenario.flows[0].stop = scenario.flows[1].stop = WEND_S(900);
        const struct sim_fault f = {.at = WEND_S(100), .kind = faults[i], .duration = WEND_S(2)};
        sim_scenario_add_fault(&scenario, &f);
        play(WEND_S(99));
        assert_mapped_to(41641);
        assert_true(is_direct());
        const uint32_t serial = model().serial;
        // The epoch is looked at every five minutes; what has none is renewed every ten.
        sim_world_run(&world, SIM_BEGIN + WEND_S(820));
        assert_mapped_to(world.devices[0].node->mapped.port);
        // While a NAT that rebooted had no mapping, traffic made one for this peer, which comes
        // before the granted one: answers leave by it, and the peer's NAT bars them.
        assert_true(faults[i] == SIM_FAULT_REBOOT || is_direct());
        assert_true(faults[i] == SIM_FAULT_CRASH || model().serial > serial);
        sim_watch_machines(&world);
        assert_string_equal(world.failure, "");
        sim_world_end(&world);
    }
}

static void a_short_lease_is_renewed(void **state)
{
    (void)state;
    plan(5, WEND_SIM_GATEWAY_PCP);
    scenario.places[0].box.gateway_lifetime_s = 60;
    scenario.flows[0].stop = scenario.flows[1].stop = WEND_S(900);
    play(WEND_S(10));
    const uint32_t serial = model().serial;
    for (int i = 0; i < 50; i++) {
        sim_world_run(&world, world.now + WEND_S(10));
        assert_mapped_to(41641);
        assert_int_equal(model().serial, serial);
    }
    assert_true(is_direct());
    sim_world_end(&world);
}

static void a_gateway_that_stops_to_answer_is_believed_no_longer(void **state)
{
    (void)state;
    plan(6, WEND_SIM_GATEWAY_PCP);
    scenario.places[0].box.gateway_lifetime_s = 60;
    scenario.places[0].later = scenario.places[0].box;
    scenario.places[0].later.gateway = WEND_SIM_GATEWAY_NONE;
    const struct sim_fault f = {.at = WEND_S(20), .kind = SIM_FAULT_NAT_CHANGES};
    sim_scenario_add_fault(&scenario, &f);
    play(WEND_S(15));
    assert_mapped_to(41641);
    const uint32_t serial = model().serial;
    sim_world_run(&world, SIM_BEGIN + WEND_S(100));
    assert_int_equal(world.devices[0].node->mapped.family, WEND_FAMILY_NONE);
    assert_int_equal(model().mapped.family, WEND_FAMILY_NONE);
    assert_true(model().serial > serial);
    assert_string_equal(world.failure, "");
    sim_world_end(&world);
}

// --- gateways that are of no use ---

static void another_port_is_taken_as_it_is(void **state)
{
    (void)state;
    plan(7, WEND_SIM_GATEWAY_PCP);
    scenario.places[0].box.taken_port = 41641;
    play(WEND_S(20));
    assert_int_not_equal(world.devices[0].node->mapped.port, 41641);
    assert_mapped_to(world.devices[0].node->mapped.port);
    assert_true(is_direct());
    sim_world_end(&world);
}

static void nonsense_leaves_the_relay(void **state)
{
    static const enum wend_mapping_reason reasons[WEND_SIM_GATEWAY_HARMS] = {
        [WEND_SIM_GATEWAY_REFUSES] = WEND_MAPPING_REFUSED,
        [WEND_SIM_GATEWAY_FULL] = WEND_MAPPING_NO_RESOURCES,
        [WEND_SIM_GATEWAY_NO_LIFETIME] = WEND_MAPPING_NONSENSE,
        [WEND_SIM_GATEWAY_NOWHERE] = WEND_MAPPING_NONSENSE,
    };
    (void)state;
    for (int harm = WEND_SIM_GATEWAY_SOUND + 1; harm <= WEND_SIM_GATEWAY_GARBLED; harm++) {
        for (int gateway = WEND_SIM_GATEWAY_PCP; gateway <= WEND_SIM_GATEWAY_NATPMP; gateway++) {
            plan((uint64_t)harm, (enum wend_sim_gateway)gateway);
            scenario.places[0].box.gateway_harm = (enum wend_sim_gateway_harm)harm;
            play(WEND_S(60));
            assert_not_mapped(reasons[harm]);
            assert_false(is_direct());
            assert_true(world.stats.delivered > 0);
            sim_world_end(&world);
        }
    }
}

static void play_igd(enum wend_sim_gateway_harm harm)
{
    plan((uint64_t)harm, WEND_SIM_GATEWAY_IGD);
    scenario.places[0].box.gateway_harm = harm;
    play(WEND_S(60));
}

static void nonsense_of_an_igd_leaves_the_relay(void **state)
{
    static const enum wend_mapping_reason reasons[WEND_SIM_GATEWAY_FORGETS] = {
        [WEND_SIM_GATEWAY_REFUSES] = WEND_MAPPING_REFUSED,
        [WEND_SIM_GATEWAY_FULL] = WEND_MAPPING_NO_RESOURCES,
        [WEND_SIM_GATEWAY_NO_LIFETIME] = WEND_MAPPING_NONSENSE,
        [WEND_SIM_GATEWAY_NOWHERE] = WEND_MAPPING_NONSENSE,
        [WEND_SIM_GATEWAY_CONFUSED] = WEND_MAPPING_NONSENSE,
        [WEND_SIM_GATEWAY_GARBLED] = WEND_MAPPING_NONSENSE,
        [WEND_SIM_GATEWAY_ELSEWHERE] = WEND_MAPPING_NO_ANSWER,
    };
    (void)state;
    for (int harm = WEND_SIM_GATEWAY_SOUND + 1; harm < WEND_SIM_GATEWAY_FORGETS; harm++) {
        play_igd((enum wend_sim_gateway_harm)harm);
        assert_int_equal(world.devices[0].node->mapped.family, WEND_FAMILY_NONE);
        assert_int_equal(world.devices[0].mapping.igd.reason, reasons[harm]);
        assert_false(is_direct());
        assert_true(world.stats.delivered > 0);
        sim_world_end(&world);
    }
}

static void an_answer_from_elsewhere_is_none(void **state)
{
    (void)state;
    for (int gateway = WEND_SIM_GATEWAY_PCP; gateway <= WEND_SIM_GATEWAY_NATPMP; gateway++) {
        plan(3, (enum wend_sim_gateway)gateway);
        scenario.places[0].box.gateway_harm = WEND_SIM_GATEWAY_ELSEWHERE;
        play(WEND_S(200));
        const struct wend_drops *drops = &world.devices[0].mapping.machine.drops;
        assert_not_mapped(WEND_MAPPING_NO_ANSWER);
        assert_true(drops->count[WEND_DROP_WRONG_SOURCE] > 0);
        assert_false(is_direct());
        sim_world_end(&world);
    }
}

static const struct wend_contact *contact_of(int device)
{
    const struct sim_device *d = &world.devices[device];

    return wend_contact_of(d->node, (uint32_t)d->slots[1 - device]);
}

// It grants, and maps nothing: the peer speaks to a wall, says so, and the relay carries on.
static void what_is_granted_and_not_mapped_is_found_out(void **state)
{
    (void)state;
    for (int gateway = WEND_SIM_GATEWAY_PCP; gateway <= WEND_SIM_GATEWAY_IGD; gateway++) {
        plan(4, (enum wend_sim_gateway)gateway);
        scenario.places[0].box.gateway_harm = WEND_SIM_GATEWAY_FORGETS;
        play(WEND_S(30));
        assert_mapped_to(41641);
        assert_false(is_direct());
        for (int i = 0; i < 2; i++) {
            assert_int_equal(contact_of(i)->volley_end, WEND_VOLLEY_END_FAILED);
            assert_int_equal(contact_of(i)->volley, 0);
        }
        assert_true(world.stats.delivered + 10 > world.stats.sent);
        sim_world_end(&world);
    }
}

// What was mapped is dropped without a word: the path is left at once, traffic goes on.
static void a_mapping_that_is_dropped_leaves_the_relay(void **state)
{
    (void)state;
    for (int gateway = WEND_SIM_GATEWAY_PCP; gateway <= WEND_SIM_GATEWAY_IGD; gateway++) {
        plan(10, (enum wend_sim_gateway)gateway);
        scenario.flows[0].stop = scenario.flows[1].stop = WEND_S(100);
        const struct sim_fault f = {
            .at = WEND_S(20), .kind = SIM_FAULT_GATEWAY, .other = WEND_SIM_GATEWAY_FORGETS};
        sim_scenario_add_fault(&scenario, &f);
        play(WEND_S(19));
        assert_true(is_direct());
        sim_world_run(&world, SIM_BEGIN + WEND_S(90));
        assert_string_equal(world.failure, "");
        assert_false(is_direct());
        assert_int_equal(contact_of(1)->volley_end, WEND_VOLLEY_END_FAILED);
        // Half a second, to find out, and what is on its way.
        assert_true(world.stats.delivered + 40 > world.stats.sent);
        sim_world_end(&world);
    }
}

// Renewals are refused: believed until the lease is over, and no longer.
static void a_gateway_that_changes_its_mind(void **state)
{
    (void)state;
    plan(11, WEND_SIM_GATEWAY_PCP);
    scenario.places[0].box.gateway_lifetime_s = 60;
    const struct sim_fault f = {
        .at = WEND_S(20), .kind = SIM_FAULT_GATEWAY, .other = WEND_SIM_GATEWAY_REFUSES};
    sim_scenario_add_fault(&scenario, &f);
    play(WEND_S(15));
    assert_mapped_to(41641);
    sim_world_run(&world, SIM_BEGIN + WEND_S(100));
    assert_string_equal(world.failure, "");
    assert_not_mapped(WEND_MAPPING_REFUSED);
    assert_true(world.stats.delivered + 40 > world.stats.sent);
    sim_world_end(&world);
}

// What the inner gateway maps is inside of the outer one, which does not answer.
static void a_mapping_within_another_nat_is_told_nobody(void **state)
{
    (void)state;
    plan(8, WEND_SIM_GATEWAY_PCP);
    scenario.places[0].two_layers = true;
    scenario.places[0].outer = scenario.places[1].box;
    play(WEND_S(200));
    const struct wend_mapping *m = &world.devices[0].mapping.machine;
    assert_int_equal(m->layers[0].state, WEND_LEASE_HELD);
    assert_false(wend_mapping_is_public(&m->layers[0].external));
    assert_not_mapped(WEND_MAPPING_NO_ANSWER);
    assert_false(is_direct());
    sim_world_end(&world);
}

static void both_gateways_of_two_map(void **state)
{
    (void)state;
    for (int outer = WEND_SIM_GATEWAY_PCP; outer <= WEND_SIM_GATEWAY_NATPMP; outer++) {
        plan(9, WEND_SIM_GATEWAY_PCP);
        scenario.places[0].two_layers = true;
        scenario.places[0].outer = scenario.places[1].box;
        scenario.places[0].outer.gateway = (enum wend_sim_gateway)outer;
        play(WEND_S(20));
        assert_mapped_to(41641);
        assert_true(is_direct());
        sim_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_mapping_only_the_relay_is_left),
        cmocka_unit_test(a_mapped_port_is_reached_by_anybody),
        cmocka_unit_test(a_mapping_follows_whatever_changes),
        cmocka_unit_test(a_short_lease_is_renewed),
        cmocka_unit_test(a_gateway_that_stops_to_answer_is_believed_no_longer),
        cmocka_unit_test(another_port_is_taken_as_it_is),
        cmocka_unit_test(nonsense_leaves_the_relay),
        cmocka_unit_test(nonsense_of_an_igd_leaves_the_relay),
        cmocka_unit_test(an_answer_from_elsewhere_is_none),
        cmocka_unit_test(what_is_granted_and_not_mapped_is_found_out),
        cmocka_unit_test(a_mapping_that_is_dropped_leaves_the_relay),
        cmocka_unit_test(a_gateway_that_changes_its_mind),
        cmocka_unit_test(a_mapping_within_another_nat_is_told_nobody),
        cmocka_unit_test(both_gateways_of_two_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
