// SPDX-License-Identifier: MIT
// What nodes find out about the NATs in front of them, against what those are.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/node_state.h"
#include "node/view.h"
#include "run.h"
#include "traverse/plan.h"

enum { SEEDS = 5 };

static struct sim_world world;
static struct sim_scenario scenario;
static const struct sim_options options = {.bound = WEND_S(30), .best_bound = WEND_S(310)};

static void plan(uint64_t seed, const struct wend_sim_box *box)
{
    const struct sim_scale as_it_is = {0};

    assert_true(sim_scenario_make(&scenario, "plain", seed, &as_it_is));
    scenario.discovery = true;
    scenario.places[0].box = *box;
}

static struct wend_nat_model found(void)
{
    struct wend_self_view self;

    wend_node_self(world.devices[0].node, &self);
    return self.nat;
}

static struct wend_nat_model find_out(uint64_t seed, const struct wend_sim_box *box)
{
    plan(seed, box);
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + WEND_S(5));
    assert_false(sim_world_failed(&world));
    const struct wend_nat_model m = found();
    assert_int_equal(world.devices[0].sockets.count, 0); // all closed again
    sim_world_end(&world);
    return m;
}

static enum wend_nat_dependence named(enum wend_sim_dependence d)
{
    switch (d) {
    case WEND_SIM_ENDPOINT_INDEPENDENT: return WEND_NAT_ENDPOINT_INDEPENDENT;
    case WEND_SIM_ADDRESS_DEPENDENT: return WEND_NAT_ADDRESS_DEPENDENT;
    case WEND_SIM_ADDRESS_AND_PORT_DEPENDENT: return WEND_NAT_ADDRESS_AND_PORT_DEPENDENT;
    }
    return WEND_NAT_UNKNOWN;
}

static void every_mapping_and_filtering_is_named_rightly(void **state)
{
    static const enum wend_sim_allocation allocations[] = {
        WEND_SIM_PORT_PRESERVING, WEND_SIM_PORT_SEQUENTIAL, WEND_SIM_PORT_RANDOM};

    (void)state;
    for (uint64_t i = 0; i < 3 * 3 * 3 * SEEDS; i++) {
        const struct wend_sim_box box = {
            .kind = WEND_SIM_BOX_NAT,
            .mapping = (enum wend_sim_dependence)(i % 3),
            .filtering = (enum wend_sim_dependence)(i / 3 % 3),
            .allocation = allocations[i / 9 % 3],
            .port_min = 20000,
        };
        const struct wend_nat_model m = find_out(i, &box);
        // A NAT that keeps the port for each destination cannot be told from one with one mapping
        // for all, as long as nobody else has the port.
        if (box.mapping == WEND_SIM_ENDPOINT_INDEPENDENT ||
            box.allocation != WEND_SIM_PORT_PRESERVING)
            assert_int_equal(m.mapping, named(box.mapping));
        assert_int_equal(m.filtering, named(box.filtering));
        assert_int_equal(m.translates, WEND_NAT_YES);
        assert_int_equal(m.public.family, WEND_FAMILY_IPV4);
        if (box.allocation == WEND_SIM_PORT_SEQUENTIAL)
            assert_int_equal(m.allocation, WEND_NAT_SEQUENTIAL);
    }
}

static void none_is_named_so(void **state)
{
    const struct wend_sim_box none = {.kind = WEND_SIM_BOX_NONE};

    (void)state;
    const struct wend_nat_model m = find_out(1, &none);
    assert_int_equal(m.mapping, WEND_NAT_NONE);
    assert_false(m.barred);
    assert_int_equal(m.translates, WEND_NAT_NO);
}

static void a_blocked_device_asks_in_vain_and_says_so(void **state)
{
    const struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .only_tcp443 = true};

    (void)state;
    const struct wend_nat_model m = find_out(1, &box);
    assert_int_equal(m.udp, WEND_NAT_NO);
    assert_int_equal(m.mapping, WEND_NAT_UNKNOWN);
}

static uint64_t questions(void)
{
    return world.devices[0].node->nat.discovery.run;
}

// Asked at the start; after ten minutes only while somebody wants a path; elsewhere, anew.
static void it_is_asked_again_when_it_matters(void **state)
{
    const struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .port_min = 20000};

    (void)state;
    plan(1, &box);
    for (uint32_t i = 0; i < scenario.flow_count; i++)
        scenario.flows[i].stop = WEND_S(900);
    scenario.length = WEND_S(4000);
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + WEND_S(500));
    assert_int_equal(questions(), 1);
    const uint32_t serial = found().serial;
    sim_world_run(&world, SIM_BEGIN + WEND_S(800));
    assert_int_equal(questions(), 2);
    assert_int_equal(found().mapping, WEND_NAT_ENDPOINT_INDEPENDENT);
    sim_world_run(&world, SIM_BEGIN + WEND_S(3500));
    assert_int_equal(questions(), 2); // nobody has wanted anything for long
    assert_true(found().serial >= serial);
    assert_false(sim_world_failed(&world));
    sim_world_end(&world);
}

// --- one NAT within another ---

static enum wend_sim_dependence more(enum wend_sim_dependence a, enum wend_sim_dependence b)
{
    return a > b ? a : b;
}

static struct wend_nat_model find_nested(uint64_t seed, const struct wend_sim_box *inner,
                                         const struct wend_sim_box *outer)
{
    plan(seed, inner);
    scenario.places[0].two_layers = true;
    scenario.places[0].outer = *outer;
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + WEND_S(5));
    assert_false(sim_world_failed(&world));
    const struct wend_nat_model m = found();
    sim_world_end(&world);
    return m;
}

// The mapping is the more dependent one of both, the filtering the stricter one; what is counted
// outside is a sequence, whether the outer NAT counts or keeps what the inner one counts. Named or
// unknown, never something else.
static void nats_within_nats_are_named_together(void **state)
{
    uint32_t named_count = 0;

    (void)state;
    for (uint64_t i = 0; i < 3 * 3 * 3 * 3 * SEEDS; i++) {
        const bool outer_counts = i % 2 != 0;
        const struct wend_sim_box inner = {
            .kind = WEND_SIM_BOX_NAT,
            .mapping = (enum wend_sim_dependence)(i % 3),
            .filtering = (enum wend_sim_dependence)(i / 3 % 3),
            .allocation = outer_counts ? WEND_SIM_PORT_RANDOM : WEND_SIM_PORT_SEQUENTIAL,
            .port_min = 20000,
            .port_step = 7,
            .others_per_second = 100,
        };
        const struct wend_sim_box outer = {
            .kind = WEND_SIM_BOX_NAT,
            .mapping = (enum wend_sim_dependence)(i / 9 % 3),
            .filtering = (enum wend_sim_dependence)(i / 27 % 3),
            .allocation = outer_counts ? WEND_SIM_PORT_SEQUENTIAL : WEND_SIM_PORT_PRESERVING,
            .port_min = 1024,
            .port_step = -3,
            .others_per_second = 300,
        };
        const struct wend_nat_model m = find_nested(i, &inner, &outer);
        const enum wend_nat_dependence mapping = named(more(inner.mapping, outer.mapping));
        // The inner one's mappings towards the second address are others than those of the first:
        // who filters by them is seen only where one mapping serves both.
        const enum wend_nat_dependence filtering = named(more(inner.filtering, outer.filtering));
        if (outer_counts)
            assert_int_equal(m.mapping, mapping);
        if (outer.mapping == WEND_SIM_ENDPOINT_INDEPENDENT || outer_counts)
            assert_true(m.allocation == WEND_NAT_ALLOCATION_UNKNOWN ||
                        m.allocation == WEND_NAT_SEQUENTIAL);
        assert_true(m.allocation != WEND_NAT_SEQUENTIAL || m.delta == (outer_counts ? -3 : 7));
        assert_int_equal(m.filtering, filtering);
        assert_true(wend_plan_is_sound(&m));
        named_count += m.allocation == WEND_NAT_SEQUENTIAL;
    }
    print_message("%u of %u sequences named\n", named_count, 3 * 3 * 3 * 3 * SEEDS);
}

// A counting NAT within one that keeps ports for sockets' first mappings alone.
static void what_is_counted_for_first_mappings_alone_is_no_sequence(void **state)
{
    const struct wend_sim_box inner = {.kind = WEND_SIM_BOX_NAT,
                                       .mapping = WEND_SIM_ENDPOINT_INDEPENDENT,
                                       .filtering = WEND_SIM_ENDPOINT_INDEPENDENT,
                                       .allocation = WEND_SIM_PORT_SEQUENTIAL,
                                       .port_step = 1};
    const struct wend_sim_box outer = {.kind = WEND_SIM_BOX_NAT,
                                       .mapping = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                                       .filtering = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                                       .allocation = WEND_SIM_PORT_SECOND_PRIORITY,
                                       .fallback = WEND_SIM_PORT_RANDOM};

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        const struct wend_nat_model m = find_nested(seed, &inner, &outer);
        assert_int_equal(m.mapping, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
        assert_int_equal(m.allocation, WEND_NAT_ALLOCATION_UNKNOWN);
        assert_true(wend_plan_is_sound(&m));
    }
}

// --- what little there is to find out ---

// One port is open, the discovery servers' others are not: the public address is known all the
// same.
static void barred_ports_leave_what_the_session_shows(void **state)
{
    const struct wend_sim_box box = {
        .kind = WEND_SIM_BOX_NAT,
        .mapping = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
        .filtering = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
        .allocation = WEND_SIM_PORT_RANDOM,
        .egress_to = {443},
    };
    struct wend_self_view self;

    (void)state;
    plan(1, &box);
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + WEND_S(5));
    wend_node_self(world.devices[0].node, &self);
    assert_int_equal(self.nat.udp, WEND_NAT_YES);
    assert_int_equal(self.nat.mapping, WEND_NAT_UNKNOWN);
    assert_true(wend_address_same_ip(&self.nat.public, &self.public_address));
    assert_true(self.nat.barred);
    assert_true(wend_plan_is_sound(&self.nat));
    assert_non_null(self.nat_reason);
    sim_world_end(&world);
}

// --- what traffic shows ---

static struct wend_nat_estimate lifetime_behind(wend_duration timeout, uint64_t seed)
{
    const struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT,
                                     .mapping = WEND_SIM_ENDPOINT_INDEPENDENT,
                                     .allocation = WEND_SIM_PORT_SEQUENTIAL,
                                     .port_step = 1,
                                     .others_per_second = 10,
                                     .udp_timeout = timeout};

    plan(seed, &box);
    for (uint32_t i = 0; i < scenario.flow_count; i++)
        scenario.flows[i].stop = WEND_S(30);
    scenario.length = WEND_S(2000);
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + WEND_S(1900));
    assert_false(sim_world_failed(&world));
    const struct wend_nat_estimate e = found().lifetime_s;
    sim_world_end(&world);
    return e;
}

static void keepalives_show_how_long_a_mapping_lives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const wend_duration timeout = WEND_S(10 + 5 * (int64_t)seed);
        const struct wend_nat_estimate e = lifetime_behind(timeout, seed);
        assert_int_not_equal(e.most, 0);
        assert_true(WEND_S(e.least) <= timeout && timeout <= WEND_S(e.most));
        assert_true(timeout <= WEND_S(25) ? e.most <= 26 : e.least >= 24);
    }
}

// The NAT gets another address: that is noticed, and found out anew; however often it does.
static void another_address_is_found_out_anew(void **state)
{
    const struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT,
                                     .mapping = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                                     .allocation = WEND_SIM_PORT_RANDOM};
    const struct sim_device *d = &world.devices[0];

    (void)state;
    plan(1, &box);
    scenario.length = WEND_S(2000);
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + WEND_S(100));
    assert_int_equal(questions(), 1);
    struct wend_address a = found().public;
    a.ip[3] ^= 0x40;
    wend_sim_net_reboot(world.net, d->top, &a);
    sim_world_run(&world, SIM_BEGIN + WEND_S(135));
    assert_int_equal(questions(), 2);
    const struct wend_nat_model m = found();
    assert_true(wend_address_same_ip(&m.public, &a));
    for (int64_t i = 1; i <= 20; i++) {
        a.ip[3] ^= 0x20;
        wend_sim_net_reboot(world.net, d->top, &a);
        sim_world_run(&world, SIM_BEGIN + WEND_S(135 + 5 * i));
    }
    assert_in_range(questions(), 3, 6);
    sim_world_run(&world, SIM_BEGIN + WEND_S(300));
    assert_true(wend_address_same_ip(&world.devices[0].node->nat.discovery.model.public, &a));
    sim_world_end(&world);
}

// A firewall that stopped UDP lets it pass again: the way to the server shows it.
static void udp_that_comes_back_is_noticed(void **state)
{
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .only_tcp443 = true};

    (void)state;
    plan(1, &box);
    scenario.length = WEND_S(4000);
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + WEND_S(60));
    assert_int_equal(found().udp, WEND_NAT_NO);
    box.only_tcp443 = false;
    wend_sim_net_set_box(world.net, world.devices[0].top, &box);
    sim_world_run(&world, SIM_BEGIN + WEND_S(2500));
    assert_int_equal(found().udp, WEND_NAT_YES);
    assert_int_equal(found().mapping, WEND_NAT_ENDPOINT_INDEPENDENT);
    assert_in_range(questions(), 2, 6);
    sim_world_end(&world);
}

// --- a port mapped by a gateway ---

static void begin_symmetric(uint64_t seed)
{
    const struct wend_sim_box box = {
        .kind = WEND_SIM_BOX_NAT,
        .mapping = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
        .filtering = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
        .allocation = WEND_SIM_PORT_RANDOM,
    };

    plan(seed, &box);
    sim_world_begin(&world, &scenario, &options);
}

static void map(const struct wend_address *at)
{
    wend_node_mapped(world.devices[0].node, at, world.now);
}

static struct wend_address outside(uint16_t port)
{
    struct wend_address a = sim_place_public(&scenario.places[0], 0, 0);

    a.port = port;
    return a;
}

static void assert_mapped(const struct wend_address *at)
{
    const struct wend_nat_model m = found();

    assert_true(wend_address_equal(&m.mapped, at));
    assert_true(wend_plan_is_sound(&m));
    assert_int_equal(wend_plan_is_open(&m), wend_address_same_ip(at, &m.public));
}

static void a_mapping_opens_the_model(void **state)
{
    const struct wend_address first = outside(41641), second = outside(5000), none = {0};
    const struct wend_address ipv6 = {.family = WEND_FAMILY_IPV6, .ip = {0x20, 1}, .port = 1};

    (void)state;
    begin_symmetric(1);
    map(&first);
    assert_int_equal(found().serial, 0); // nothing is known but that
    sim_world_run(&world, SIM_BEGIN + WEND_S(5));
    assert_mapped(&first); // it came before discovery's end
    const uint32_t serial = found().serial;
    map(&first);
    assert_int_equal(found().serial, serial);
    map(&second);
    assert_mapped(&second);
    assert_int_equal(found().serial, serial + 1);
    map(&ipv6); // another family's way in
    assert_mapped(&none);
    map(NULL);
    assert_int_equal(found().serial, serial + 2);
    map(&second);
    assert_mapped(&second);
    assert_int_equal(found().serial, serial + 3);
    sim_world_end(&world);
}

// The address is kept by who maps; the model is another network's, under a serial of its own.
static void a_mapping_outlives_the_model(void **state)
{
    const struct wend_address mapped = outside(41641);
    const struct wend_address elsewhere = wend_address_ipv4(0xc0a80163, 41641);

    (void)state;
    begin_symmetric(2);
    sim_world_run(&world, SIM_BEGIN + WEND_S(5));
    map(&mapped);
    const uint32_t serial = found().serial;
    wend_node_set_interfaces(world.devices[0].node, &elsewhere, 1, world.now);
    assert_int_equal(found().serial, 0);
    map(NULL);
    map(&mapped); // nobody can be told of these
    assert_int_equal(found().serial, 0);
    sim_device_tell_interfaces(&world, &world.devices[0]);
    sim_device_drain(&world, &world.devices[0]);
    sim_world_run(&world, SIM_BEGIN + WEND_S(15));
    assert_mapped(&mapped);
    assert_true(found().serial > serial);
    assert_false(sim_world_failed(&world));
    sim_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mapping_and_filtering_is_named_rightly),
        cmocka_unit_test(none_is_named_so),
        cmocka_unit_test(a_blocked_device_asks_in_vain_and_says_so),
        cmocka_unit_test(it_is_asked_again_when_it_matters),
        cmocka_unit_test(nats_within_nats_are_named_together),
        cmocka_unit_test(what_is_counted_for_first_mappings_alone_is_no_sequence),
        cmocka_unit_test(barred_ports_leave_what_the_session_shows),
        cmocka_unit_test(keepalives_show_how_long_a_mapping_lives),
        cmocka_unit_test(another_address_is_found_out_anew),
        cmocka_unit_test(udp_that_comes_back_is_noticed),
        cmocka_unit_test(a_mapping_opens_the_model),
        cmocka_unit_test(a_mapping_outlives_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
