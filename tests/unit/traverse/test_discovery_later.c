// SPDX-License-Identifier: MIT
// What discovery learns besides its own questions: the session's address, later mappings, and what
// contradicts its model.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery_runs.h"

// What the session with a server shows stands whatever becomes of the questions.
static void test_seen_elsewhere(void **state)
{
    static const enum world_lie lies[] = {LIE_SILENT, LIE_PRIVATE, LIE_SOURCE, LIE_ADDRESS};
    const struct wend_address seen = wend_address_ipv4(EMULATOR_PUBLIC + 1, 41641);

    (void)state;
    for (uint32_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        world_init(&world, &symmetric, 3);
        world.lies[0] = lies[i];
        world.lies[1] = lies[i] == LIE_ADDRESS ? LIE_NONE : lies[i];
        wend_discovery_set_seen(&world.discovery, &seen);
        world_run(&world);
        const struct wend_nat_model *m = wend_discovery_model(&world.discovery);
        assert_int_equal(m->udp, WEND_NAT_YES);
        assert_int_equal(m->mapping, WEND_NAT_UNKNOWN);
        assert_true(wend_address_equal(&m->public, &seen));
        assert_non_null(wend_discovery_reason(&world.discovery));
    }
    wend_discovery_forget(&world.discovery);
    assert_null(wend_discovery_reason(&world.discovery));
    assert_int_equal(world.discovery.seen.family, WEND_FAMILY_NONE);
    assert_null((run(&cone, 1, LIE_NONE, LIE_NONE), wend_discovery_reason(&world.discovery)));
}

// Each later mapping makes the block's bounds closer, and no bound ever excludes a port seen.
static void test_bounds_sharpen(void **state)
{
    const struct wend_nat_model *m = run(&block, 3, LIE_NONE, LIE_NONE);
    const uint32_t before = m->high.most - m->low.least;
    struct sim_draw draw = {5};

    (void)state;
    assert_int_equal(m->allocation, WEND_NAT_BLOCK);
    for (uint32_t i = 0; i < 38; i++) {
        const struct wend_nat_sample sample = {
            .socket = 65536 + i,
            .tries = 1,
            .inside = wend_address_ipv4(EMULATOR_LOCAL, (uint16_t)(30000 + i)),
            .to = wend_address_ipv4(0xc0000242, 9),
            .outside = wend_address_ipv4(EMULATOR_PUBLIC + 1,
                                         (uint16_t)(40000 + sim_draw_below(&draw, 4096))),
            .sent = world.now + WEND_MS(i)};
        const uint32_t serial = m->serial;
        wend_discovery_add(&world.discovery, &sample, world.now + WEND_MS(i));
        assert_true(m->serial > serial);
        assert_int_equal(m->newest_port, sample.outside.port);
        assert_true(m->low.most <= sample.outside.port && sample.outside.port <= m->high.least);
    }
    assert_true(m->high.most - m->low.least < before / 2);
    assert_true(m->low.least <= 40000 && 40000 <= m->low.most);
    assert_true(m->high.least <= 44095 && 44095 <= m->high.most);
    assert_int_equal(m->paired, WEND_NAT_YES);
    wend_nat_samples_age(&world.discovery.samples, world.now + WEND_S(4000));
    assert_int_equal(world.discovery.samples.count, 0);
}

// Other users' rate, from 12 to 40 samples a quarter of a second apart.
static void test_rate_sharpens(void **state)
{
    struct emulator_kind kind = symmetric;
    uint32_t right = 0;
    uint64_t before = 0;
    uint64_t after = 0;

    (void)state;
    kind.others_second = 100;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const struct wend_nat_model *m = run(&kind, seed, LIE_NONE, LIE_NONE);
        before += m->rate.most - m->rate.least;
        for (uint32_t i = 0; i < 28; i++) {
            struct wend_nat_sample sample = {
                .socket = 65536 + i,
                .tries = 1,
                .inside = wend_address_ipv4(EMULATOR_LOCAL, (uint16_t)(20000 + i)),
                .to = wend_address_ipv4(0xc0000242, 9)};
            world.now += WEND_MS(250);
            sample.sent = world.now;
            sample.outside = emulator_out(&world.nat, &sample.inside, &sample.to, world.now);
            wend_discovery_add(&world.discovery, &sample, world.now);
        }
        after += m->rate.most - m->rate.least;
        right += m->rate.least <= 10000 && 10000 <= m->rate.most;
    }
    assert_true(right >= 294);
    assert_true(after * 4 < before);
}

static struct wend_nat_sample seen_at(uint32_t socket, uint16_t port)
{
    return (struct wend_nat_sample){.socket = 65536 + socket,
                                    .tries = 1,
                                    .inside = wend_address_ipv4(EMULATOR_LOCAL, 30000),
                                    .to = wend_address_ipv4(0xc0000242, 9),
                                    .outside = wend_address_ipv4(EMULATOR_PUBLIC + 1, port),
                                    .sent = world.now};
}

// Another public address, another mapping for another destination, a port outside the block: the
// model is wrong. A mapping that nobody answered is not, and no lifetime makes it another one.
static void test_contradictions(void **state)
{
    const struct wend_nat_estimate lifetime = {30, 60, 120};
    struct wend_discovery *d = &world.discovery;
    struct wend_nat_sample s;

    (void)state;
    const struct wend_nat_model *m = run(&cone, 3, LIE_NONE, LIE_NONE);
    const uint32_t classes = d->class_serial;
    s = seen_at(0, 2000);
    assert_true(wend_discovery_add(d, &s, world.now));
    s.to.port++;
    assert_true(wend_discovery_add(d, &s, world.now));
    const uint32_t serial = m->serial;
    const uint32_t count = d->samples.count;
    s.outside.port++;
    assert_false(wend_discovery_add(d, &s, world.now));
    s = seen_at(1, 2000);
    s.outside.ip[3]++;
    assert_false(wend_discovery_add(d, &s, world.now));
    s.outside = (struct wend_address){0};
    assert_true(wend_discovery_add(d, &s, world.now));
    wend_discovery_set_lifetime(d, &lifetime);
    assert_int_equal(m->lifetime_s.likely, 60);
    assert_int_equal(m->serial, serial);
    assert_int_equal(d->samples.count, count + 1);
    assert_int_equal(d->class_serial, classes);
    run(&block, 3, LIE_NONE, LIE_NONE);
    s = seen_at(0, 41000);
    assert_true(wend_discovery_add(d, &s, world.now));
    s = seen_at(8, 60000);
    assert_false(wend_discovery_add(d, &s, world.now));
    world_init(&world, &cone, 3);
    assert_true(wend_discovery_add(d, &s, world.now)); // there is no model
    assert_int_equal(d->samples.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen_elsewhere),
        cmocka_unit_test(test_bounds_sharpen),
        cmocka_unit_test(test_rate_sharpens),
        cmocka_unit_test(test_contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
